//! What becomes of a walk over all keys when some of them go from one node to another.

use super::*;

const KEYS: u64 = 3_000;
const OTHERS: u64 = 10;

/// A cluster in which one slot has many pages of keys, and another one, of another primary, has less than one.
struct Two {
    cluster: Cluster,
    store: Arc<dyn Store>,
}

impl Two {
    async fn start() -> Self {
        let cluster = Cluster::start().unwrap();
        let store = patient(&cluster.url()).await;
        let two = Self { cluster, store };
        two.fill().await;
        two
    }

    async fn fill(&self) {
        // `{a}` is of the last third of the slots and `{b}` of the first.
        let keys = (0..KEYS).map(|n| format!("sweep:{{a}}{n}")).chain((0..OTHERS).map(|n| format!("sweep:{{b}}{n}")));
        plant(&*self.store, keys).await;
    }

    /// How many keys all nodes have that copy nobody.
    fn left(&self) -> u64 {
        let is_primary = |node: &&Server| node.command::<String>(&["INFO", "replication"]).unwrap().contains("role:master");
        let nodes = self.cluster.nodes().iter().filter(is_primary);
        nodes.map(|node| node.command::<u64>(&["DBSIZE"]).unwrap()).sum()
    }
}

/// Does something once the few keys of `{b}`, and so all of their node, were met, and the first of `{a}`.
struct Midway<F> {
    met: [AtomicU64; 2],
    done: AtomicBool,
    what: F,
}

impl<F: Fn()> Midway<F> {
    fn new(what: F) -> Self {
        Self { met: Default::default(), done: AtomicBool::new(false), what }
    }

    fn meets(&self, rest: &str) {
        let [many, few] = &self.met;
        let met = if rest.starts_with("{a}") { many } else { few };
        met.fetch_add(1, Ordering::Relaxed);
        let now = few.load(Ordering::Relaxed) >= OTHERS && many.load(Ordering::Relaxed) > 0;
        if now && !self.done.swap(true, Ordering::Relaxed) {
            (self.what)();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_slot_that_moves_to_where_a_walk_has_been_are_met() {
    let two = Two::start().await;
    let to = |key: &str| two.cluster.primary_of(key).unwrap();
    // To where `{b}` is.
    let midway = Midway::new(|| two.cluster.begin_move_to("{a}", to("{b}")).unwrap().finish().unwrap());
    let met = met(&*two.store, |rest| midway.meets(rest)).await.unwrap();
    assert!(midway.done.into_inner());
    assert_eq!(met.len() as u64, KEYS + OTHERS);
    assert!(met.iter().all(|(key, times)| *times == 1 || !key.contains("{b}")), "of other slots there was nothing to be missed");

    // And on to one that has none, and was walked over at once.
    let free = two.cluster.primaries().unwrap().into_iter().find(|node| node.port() != to("{a}").port()).unwrap();
    let midway = Midway::new(|| two.cluster.begin_move_to("{a}", free).unwrap().finish().unwrap());
    let chosen = |rest: &str| {
        midway.meets(rest);
        true
    };
    let deleted = two.store.delete_matching("sweep:", &Glob::any(), &chosen).await.unwrap();
    assert!(midway.done.into_inner());
    assert_eq!((two.left(), deleted), (0, KEYS + OTHERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_slot_that_is_on_its_way_to_where_a_walk_has_been_are_met() {
    let two = Two::start().await;
    let moving = two.cluster.begin_move_to("{a}", two.cluster.primary_of("{b}").unwrap()).unwrap();
    let midway = Midway::new(|| moving.move_keys().unwrap());
    let met = met(&*two.store, |rest| midway.meets(rest)).await.unwrap();
    assert!(midway.done.into_inner());
    assert_eq!(met.len() as u64, KEYS + OTHERS);
    assert!(met.iter().all(|(key, times)| *times == 1 || !key.contains("{b}")), "of other slots there was nothing to be missed");
    let deleted = two.store.delete_matching("sweep:", &Glob::any(), &|_| true).await.unwrap();
    assert_eq!((two.left(), deleted), (0, KEYS + OTHERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_on_their_way_to_a_node_that_has_no_slot_yet_are_met() {
    let mut two = Two::start().await;
    two.cluster.join().unwrap();
    let nodes = two.cluster.nodes();
    let moving = two.cluster.begin_move_to("{a}", &nodes[nodes.len() - 1]).unwrap();
    let midway = Midway::new(|| moving.move_keys().unwrap());
    let chosen = |rest: &str| {
        midway.meets(rest);
        true
    };
    let deleted = two.store.delete_matching("sweep:", &Glob::any(), &chosen).await.unwrap();
    assert!(midway.done.into_inner());
    assert_eq!((two.left(), deleted), (0, KEYS + OTHERS));

    // Who was sent there for none of them finds them too.
    two.fill().await;
    let another = patient(&two.cluster.url()).await;
    assert_eq!(met(&*another, |_| {}).await.unwrap().len() as u64, KEYS + OTHERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_on_which_nodes_do_not_agree_are_told() {
    let cluster = Cluster::start().unwrap();
    let options = StoreOptions { response_timeout: Duration::from_millis(500), ..StoreOptions::default() };
    let store = store::open(&cluster.url(), &options).await.unwrap();
    assert_eq!(met(&*store, |_| {}).await.unwrap(), HashMap::new());
    // Half of what ends a move, as if whoever moves slots had been interrupted.
    let other: String = cluster.primary_of("{b}").unwrap().command(&["CLUSTER", "MYID"]).unwrap();
    cluster.primary_of("{a}").unwrap().command::<()>(&["CLUSTER", "SETSLOT", "15495", "NODE", &other]).unwrap();
    let told = met(&*store, |_| {}).await.unwrap_err().to_string();
    assert!(told.contains("1 slots (15495 is one)"), "{told}");
}
