//! The clients: each has connections of its own, where the store is not in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bellwether::cache::{self, Cache, CacheOptions, CachePolicy, Caches, Content, Found, Herd, NearLimits, Ttl, Vacancy};
use bellwether::store::{self, Store, StoreOptions};
use bellwether_tests::commands::Counting;
use tokio::time::{Instant, sleep};

use crate::SOON;
use crate::operations::{BRIEF, CLIENTS, Gives, Key, Life, NEAR, Operation, PLAIN, Tag, Who};

/// Longer than the test takes.
const LONG: Duration = Duration::from_hours(1);

const MOMENT: Duration = Duration::from_millis(1);

/// Whether a tag was invalidated before a computation began or after is doubtful if the question takes longer than what lay between.
const DOUBT: Duration = Duration::from_millis(5);

/// What has a moment to live is gone by then, on any clock that counts whole milliseconds.
const PASSED: Duration = Duration::from_millis(4);

pub(crate) async fn stores(url: &str) -> Vec<Arc<dyn Store>> {
    let options = StoreOptions { connect_timeout: Duration::from_secs(20), response_timeout: Duration::from_secs(20) };
    let mut stores = Vec::new();
    for _ in 0..CLIENTS {
        stores.push(store::open(url, &options).await.unwrap());
    }
    if url == "memory:" { vec![stores.remove(0); CLIENTS] } else { stores }
}

pub(crate) struct Clients {
    clients: Vec<Client>,
    doubt: bool,
}

struct Client {
    caches: Caches,
    cache: Cache,
    vacancies: HashMap<Key, VecDeque<Vacancy>>,
}

impl Clients {
    /// Clients of a cache that is empty.
    pub(crate) fn new(stores: &[Arc<dyn Store>], name: &str) -> Self {
        let client = |(who, store): (Who, &Arc<dyn Store>)| {
            let extend_timeout = if who == BRIEF { MOMENT } else { LONG };
            let herd = (who != PLAIN).then_some(Herd { herd_timeout: LONG, extend_timeout });
            // A copy that stays would else come right by its age.
            let near = NearLimits { age: LONG, ..NearLimits::default() };
            let caches = Caches::new(store.clone()).with_policy(CachePolicy { near, ..CachePolicy::default() });
            let options = CacheOptions { herd, near: Some(who == NEAR), ..CacheOptions::default() };
            let cache = caches.open(name, Some(options)).unwrap();
            Client { caches, cache, vacancies: HashMap::new() }
        };
        Self { clients: stores.iter().enumerate().map(client).collect(), doubt: false }
    }

    /// Waits until servers tell the one with copies of changes, and so a read of what it has read asks none of them.
    pub(crate) async fn are_told(&self, servers: &mut [Counting]) {
        const PROBE: &str = "probe";
        self.of(PLAIN).set(PROBE, &0, None).await.unwrap();
        let end = Instant::now() + SOON;
        let mut asked = u64::MAX;
        while asked > 0 {
            assert!(Instant::now() < end, "nothing is copied");
            let near = self.of(NEAR);
            near.get::<u64>(PROBE).await.unwrap();
            for server in servers.iter_mut() {
                server.restart().unwrap();
            }
            near.get::<u64>(PROBE).await.unwrap();
            asked = servers.iter_mut().map(|server| server.so_far().unwrap().of("get")).sum();
        }
        assert!(self.of(PLAIN).delete(PROBE).await.unwrap());
    }

    /// Whether it is not known any more what there should be: an answer took too long.
    pub(crate) fn are_in_doubt(&self) -> bool {
        self.doubt
    }

    pub(crate) async fn perform(&mut self, operation: &Operation, value: u64) -> Gives {
        match operation {
            Operation::Set(who, key, life, tags) => {
                let cache = self.with_tags(*who, tags);
                self.judged(tags, cache.set(key.full(), &value, life.expire())).await;
                life.pass().await;
                Gives::Nothing
            }
            Operation::SetMany(who, keys, life, tags) => {
                let cache = self.with_tags(*who, tags);
                self.judged(tags, cache.set_many(keys.iter().map(|key| (key.full(), value)), life.expire())).await;
                life.pass().await;
                Gives::Nothing
            }
            Operation::Get(who, key) => {
                let values = vec![self.of(*who).get(key.full()).await.unwrap()];
                claims_pass(*who).await;
                Gives::Values(values)
            }
            Operation::GetMany(who, keys) => {
                let values = self.of(*who).get_many(keys.iter().map(Key::full)).await.unwrap();
                claims_pass(*who).await;
                Gives::Values(values)
            }
            Operation::Exists(who, key) => Gives::Is(self.of(*who).exists(key.full()).await.unwrap()),
            Operation::Ttl(who, key) => match self.of(*who).ttl(key.full()).await.unwrap() {
                Ttl::Absent => Gives::Absent,
                Ttl::Persistent => Gives::Persistent,
                Ttl::Remaining(_) => Gives::Remaining,
            },
            Operation::Delete(who, key) => Gives::Is(self.of(*who).delete(key.full()).await.unwrap()),
            Operation::DeleteMany(who, names, content) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                let content = content.map(|content| Content::new(&content).unwrap());
                Gives::Count(self.of(*who).delete_many(&names, content.as_ref().map(Content::as_cbor)).await.unwrap())
            }
            Operation::DeletePattern(who, pattern) => Gives::Count(self.of(*who).delete_pattern(pattern).await.unwrap()),
            Operation::Clear(who) => {
                let cleared = self.of(*who).clear().await.unwrap();
                sleep(DOUBT).await;
                Gives::Count(cleared)
            }
            Operation::Invalidate(who, tag) => {
                // The clock of a store in memory stands still.
                sleep(MOMENT).await;
                let invalidated = self.of(*who).invalidate_tag(tag).await.unwrap();
                sleep(DOUBT).await;
                Gives::Is(invalidated)
            }
            Operation::Lookup(who, key, tags) => self.lookup(*who, *key, tags).await,
            Operation::Fill(who, key, life, tags) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(vacancy) => {
                    let filled = self.judged(tags, vacancy.fill_tagged(&value, life.expire(), tags)).await;
                    life.pass().await;
                    Gives::Is(filled)
                }
            },
            Operation::Fail(who, key) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(vacancy) => Gives::Is(vacancy.fail(&value.to_string(), LONG).await.unwrap()),
            },
            Operation::GiveUp(who, key) => {
                drop(self.vacancy(*who, *key));
                self.clients[*who].caches.settled().await;
                Gives::Nothing
            }
        }
    }

    async fn lookup(&mut self, who: Who, key: Key, tags: &[Tag]) -> Gives {
        match self.with_tags(who, tags).lookup(key.full(), Duration::ZERO).await.unwrap() {
            Found::Hit(value) => Gives::Hit(value),
            Found::Vacant(vacancy) => {
                self.clients[who].vacancies.entry(key).or_default().push_back(vacancy);
                Gives::Vacancy
            }
            Found::Busy => Gives::Busy,
            Found::Failed(why) => Gives::Failed(why.parse().unwrap()),
        }
    }

    fn of(&self, who: Who) -> &Cache {
        &self.clients[who].cache
    }

    fn with_tags(&self, who: Who, tags: &[Tag]) -> Cache {
        self.of(who).with_tags(tags).unwrap()
    }

    /// Takes note of whether an answer about these tags took so long that it could be any.
    async fn judged<T>(&mut self, tags: &[Tag], call: impl Future<Output = Result<T, bellwether::Error>>) -> T {
        let asked = Instant::now();
        let answer = call.await.unwrap();
        self.doubt |= !tags.is_empty() && asked.elapsed() >= DOUBT;
        answer
    }

    fn vacancy(&mut self, who: Who, key: Key) -> Option<Vacancy> {
        self.clients[who].vacancies.get_mut(&key)?.pop_front()
    }
}

impl Key {
    fn full(&self) -> cache::Key<'static> {
        cache::Key::new(self.name, self.content.map(|content| Content::new(&content).unwrap()))
    }
}

impl Life {
    fn expire(self) -> Option<Duration> {
        match self {
            Self::Endless => None,
            Self::Long => Some(LONG),
            Self::Moment => Some(MOMENT),
        }
    }

    async fn pass(self) {
        if self == Self::Moment {
            sleep(PASSED).await;
        }
    }
}

async fn claims_pass(who: Who) {
    if who == BRIEF {
        sleep(PASSED).await;
    }
}
