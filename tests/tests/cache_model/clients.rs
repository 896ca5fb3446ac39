//! The clients: each has connections of its own, where the store is not in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bellwether::cache::{self, Cache, CacheOptions, Caches, Content, Found, Herd, Ttl, Vacancy};
use bellwether::store::{self, Store, StoreOptions};

use crate::operations::{BRIEF, CLIENTS, Gives, Key, Life, Operation, PLAIN, Who};

/// Longer than the test takes.
const LONG: Duration = Duration::from_hours(1);

const MOMENT: Duration = Duration::from_millis(1);

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

pub(crate) struct Clients(Vec<Client>);

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
            let caches = Caches::new(store.clone());
            let cache = caches.open(name, Some(CacheOptions { herd, ..CacheOptions::default() })).unwrap();
            Client { caches, cache, vacancies: HashMap::new() }
        };
        Self(stores.iter().enumerate().map(client).collect())
    }

    pub(crate) async fn perform(&mut self, operation: &Operation, value: u64) -> Gives {
        match operation {
            Operation::Set(who, key, life) => {
                self.of(*who).set(key.full(), &value, life.expire()).await.unwrap();
                life.pass().await;
                Gives::Nothing
            }
            Operation::SetMany(who, keys, life) => {
                self.of(*who).set_many(keys.iter().map(|key| (key.full(), value)), life.expire()).await.unwrap();
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
            Operation::Clear(who) => Gives::Count(self.of(*who).clear().await.unwrap()),
            Operation::Lookup(who, key) => self.lookup(*who, *key).await,
            Operation::Fill(who, key, life) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(vacancy) => {
                    let filled = vacancy.fill(&value, life.expire()).await.unwrap();
                    life.pass().await;
                    Gives::Is(filled)
                }
            },
            Operation::Fail(who, key) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(vacancy) => Gives::Is(vacancy.fail("no luck", LONG).await.unwrap()),
            },
            Operation::GiveUp(who, key) => {
                drop(self.vacancy(*who, *key));
                self.0[*who].caches.settled().await;
                Gives::Nothing
            }
        }
    }

    async fn lookup(&mut self, who: Who, key: Key) -> Gives {
        match self.of(who).lookup(key.full(), Duration::ZERO).await.unwrap() {
            Found::Hit(value) => Gives::Hit(value),
            Found::Vacant(vacancy) => {
                self.0[who].vacancies.entry(key).or_default().push_back(vacancy);
                Gives::Vacancy
            }
            Found::Busy => Gives::Busy,
            Found::Failed(why) => {
                assert_eq!(why, "no luck");
                Gives::Failed
            }
        }
    }

    fn of(&self, who: Who) -> &Cache {
        &self.0[who].cache
    }

    fn vacancy(&mut self, who: Who, key: Key) -> Option<Vacancy> {
        self.0[who].vacancies.get_mut(&key)?.pop_front()
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
            tokio::time::sleep(PASSED).await;
        }
    }
}

async fn claims_pass(who: Who) {
    if who == BRIEF {
        tokio::time::sleep(PASSED).await;
    }
}
