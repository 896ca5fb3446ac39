//! What becomes of a walk over all keys when another server takes the place of one.

use std::collections::HashSet;
use std::sync::{Mutex, Once};

use super::*;

/// A primary, its replica, and a name for whichever of them is the primary, with as many entries as make many pages.
struct Pair {
    old: Server,
    new: Server,
    name: Proxy,
    store: Arc<dyn Store>,
}

const PAGES: u64 = 5_000;

impl Pair {
    async fn start() -> Self {
        let old = Server::start().unwrap();
        let new = Server::start_with(ServerOptions { replica_of: Some(old.port()), ..ServerOptions::default() }).unwrap();
        let name = Proxy::start(old.port()).unwrap();
        let address = format!("redis://127.0.0.1:{}", name.port());
        let store = store::open(&address, &StoreOptions::default()).await.unwrap();
        let cache = Caches::new(store.clone()).open("pages", None).unwrap();
        cache.set_many((0..PAGES).map(|n| (n.to_string(), n)), None).await.unwrap();
        until("the replica to have all", || Ok((new.command::<u64>(&["DBSIZE"])? == PAGES).then_some(()))).unwrap();
        Self { old, new, name, store }
    }

    /// Has them change places. The old one keeps its connections.
    fn fail_over(&self) {
        self.new.command::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
        // It would have what the new one has at once.
        self.old.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
        self.old.command::<()>(&["REPLICAOF", "127.0.0.1", &self.new.port().to_string()]).unwrap();
        self.name.lead_to(self.new.port());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_meets_another_server_deletes_what_is_there_too() {
    for last_page in [false, true] {
        let pair = Pair::start().await;
        let (once, seen) = (Once::new(), AtomicU64::new(0));
        // The old one refuses to delete from then on, so requests go to the new one.
        let chosen = |_: &str| {
            if !last_page || seen.fetch_add(1, Ordering::Relaxed) + 1 == PAGES {
                once.call_once(|| pair.fail_over());
            }
            !last_page || once.is_completed()
        };
        let deleted = pair.store.delete_matching("cache:pages:", &Glob::any(), &chosen).await.unwrap();
        assert!(once.is_completed());
        assert_eq!(pair.new.command::<u64>(&["DBSIZE"]).unwrap(), 0, "were missed, of which {deleted} were deleted");
        assert_eq!(deleted, PAGES);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lists_entries_begins_again_when_it_meets_another_server() {
    let pair = Pair::start().await;
    let (runtime, mut met) = (tokio::runtime::Handle::current(), HashSet::new());
    let which = Browse { prefix: "cache:pages:", hint: &Glob::any(), chosen: &|_| true, closely: 0 };
    let mut tell = |batch: Vec<Seen>| {
        if met.is_empty() {
            pair.fail_over();
            pair.old.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
            // Once this has an answer, there is a new connection.
            let get = pair.store.get("cache:pages:0");
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(get)).join()).unwrap().unwrap();
        }
        met.extend(batch.into_iter().map(|seen| seen.key));
        ControlFlow::Continue(())
    };
    pair.store.browse(which, &mut tell).await.unwrap();
    assert_eq!(met.len() as u64, PAGES);
}

const KEYS: u64 = 3_000;

/// All of them in one slot.
fn keys() -> impl Iterator<Item = String> {
    (0..KEYS).map(|n| format!("sweep:{{a}}{n}"))
}

/// A sweep and a listing, each of which meets a failover after the first page, and what is left then.
async fn survive(store: &dyn Store, fail_over: impl Fn() + Send + Sync, left: impl Fn() -> u64) {
    plant(store, keys()).await;
    let (once, fail_over) = (Mutex::new(Once::new()), &fail_over);
    let meanwhile = |_: &str| once.lock().unwrap().call_once(fail_over);
    let met = met(store, meanwhile).await.unwrap();
    assert_eq!(met.len() as u64, KEYS);
    assert!(left() > 0);

    *once.lock().unwrap() = Once::new();
    let chosen = |_: &str| {
        once.lock().unwrap().call_once(fail_over);
        true
    };
    let deleted = store.delete_matching("sweep:", &Glob::any(), &chosen).await.unwrap();
    assert_eq!(left(), 0, "were missed, of which {deleted} were deleted");
}

/// How many of the keys the primaries have.
fn left_in(cluster: &Cluster) -> u64 {
    let count = |primary: &&Server| primary.command::<u64>(&["DBSIZE"]).unwrap();
    cluster.primaries().unwrap().iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_goes_on_where_a_node_of_a_cluster_has_died() {
    let cluster = Mutex::new(Cluster::start().unwrap());
    let url = cluster.lock().unwrap().url();
    let store = patient(&url).await;
    let fail_over = || {
        let mut cluster = cluster.lock().unwrap();
        cluster.revive().unwrap();
        cluster.kill_primary_of("{a}").unwrap();
    };
    survive(&*store, fail_over, || left_in(&cluster.lock().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_does_not_go_on_in_what_was_a_primary_and_has_nothing() {
    // What was a primary cannot get what the new one has.
    let options = vec![ServerOptions::default().with(&["masterauth", "wrong"]); 3].into_iter();
    let cluster = Mutex::new(Cluster::start_each(options.chain(vec![ServerOptions::default(); 6]).collect()).unwrap());
    let url = cluster.lock().unwrap().url();
    let store = patient(&url).await;
    plant(&*store, keys()).await;
    let once = Once::new();
    let fail_over = || {
        let mut cluster = cluster.lock().unwrap();
        let place = cluster.shard_of("{a}").unwrap()[0];
        cluster.kill_primary_of("{a}").unwrap();
        let old = &mut cluster.nodes_mut()[place];
        old.restart().unwrap();
        until("it to follow", || Ok(old.command::<String>(&["INFO", "replication"])?.contains("role:slave").then_some(())))
            .unwrap();
        assert_eq!(old.command::<u64>(&["DBSIZE"]).unwrap(), 0);
    };
    let chosen = |_: &str| {
        once.call_once(fail_over);
        true
    };
    let deleted = store.delete_matching("sweep:", &Glob::any(), &chosen).await.unwrap();
    assert!(once.is_completed());
    assert_eq!(left_in(&cluster.lock().unwrap()), 0, "were missed, of which {deleted} were deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_goes_on_where_sentinels_have_found_another_primary() {
    let set = Mutex::new(Sentinel::start().unwrap());
    let url = set.lock().unwrap().url();
    let store = patient(&url).await;
    let fail_over = || {
        let mut set = set.lock().unwrap();
        set.revive().unwrap();
        let port = set.primary().unwrap().announced();
        // The walk has to wait for another.
        set.servers().iter_mut().filter(|server| server.announced() == port).for_each(Server::kill);
    };
    let left = || {
        let set = set.lock().unwrap();
        // The walk has heard of it from one of them.
        set.agree().unwrap();
        set.primary().unwrap().command(&["DBSIZE"]).unwrap()
    };
    survive(&*store, fail_over, left).await;
}
