//! A process with a clock of its own, which does as it is told: an order a line, and an answer a line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bellwether::cache::{Cache, CacheOptions, Caches, Found, Herd, Ttl, Vacancy};
use bellwether::clock::Wait;
use bellwether::lock::{Guard, Lock, LockOptions, Locks};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::clock::preload;
use bellwether_tests::process::Process;

/// Has the address of the store in a process that is a client.
const STORE: &str = "BELLWETHER_TEST_CLOCKS";

/// After how many milliseconds an entry is due. It is served for a minute more.
pub(crate) const EXPIRES: u64 = 1_000;

const MINUTE: Duration = Duration::from_mins(1);

/// Of a lock that is renewed: longer than this machine leaves a process without a turn.
const LEASE: Duration = Duration::from_secs(2);

const UNRENEWED: Duration = Duration::from_millis(500);

/// What an answer begins with, among what the test harness of the process says.
const ANSWER: &str = "answer: ";

pub(crate) struct Client {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Process,
}

impl Client {
    /// Starts this program anew, with a clock that is so many seconds off.
    pub(crate) fn start(store: &str, library: &Path, seconds: i64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "client::obeys", "--nocapture"]).env(STORE, store);
        preload(&mut command, library);
        command.env("FAKETIME", format!("{seconds:+}s")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let (input, output) = (process.child().stdin.take().unwrap(), process.child().stdout.take().unwrap());
        Self { input, output: BufReader::new(output), _process: process }
    }

    pub(crate) fn ask(&mut self, order: &str) -> String {
        writeln!(self.input, "{order}").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended at {order}");
            // The harness puts the name of the test before what it says first.
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.trim_end().to_owned();
            }
        }
    }
}

/// The client, if this process was started as one.
#[test]
fn obeys() {
    let Ok(url) = std::env::var(STORE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut obedient = runtime.block_on(Obedient::new(&url));
    for order in std::io::stdin().lines() {
        let answer = runtime.block_on(obedient.obey(&order.unwrap()));
        println!("{ANSWER}{answer}");
    }
}

struct Obedient {
    cache: Cache,
    lock: Lock,
    unrenewed: Lock,
    guard: Option<Guard>,
    vacancies: HashMap<String, Vacancy>,
}

impl Obedient {
    async fn new(url: &str) -> Self {
        let options = StoreOptions { connect_timeout: MINUTE, response_timeout: MINUTE };
        let store = store::open(url, &options).await.unwrap();
        let herd = Some(Herd { herd_timeout: MINUTE, extend_timeout: MINUTE });
        let options = CacheOptions { herd, expire: Some(Duration::from_millis(EXPIRES)), ..CacheOptions::default() };
        let cache = Caches::new(store.clone()).open("clocks", Some(options)).unwrap();
        let locks = Locks::new(store);
        let [lock, unrenewed] = [(LEASE, true), (UNRENEWED, false)].map(|(lease, renew)| {
            let options = LockOptions { lease: Some(lease), renew, retry: lease / 5, ..LockOptions::default() };
            locks.open("clocks", options).unwrap()
        });
        Self { cache, lock, unrenewed, guard: None, vacancies: HashMap::new() }
    }

    async fn obey(&mut self, order: &str) -> String {
        let words: Vec<_> = order.split(' ').collect();
        match words[..] {
            ["clock"] => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string(),
            ["set", key, value] => {
                self.cache.set(key, value, None).await.unwrap();
                "done".into()
            }
            ["set-long", key, value] => {
                self.cache.set(key, value, Some(MINUTE)).await.unwrap();
                "done".into()
            }
            ["get", key] => self.cache.get(key).await.unwrap().unwrap_or("none".into()),
            ["ttl", key] => match self.cache.ttl(key).await.unwrap() {
                Ttl::Remaining(left) => left.as_millis().to_string(),
                other => format!("{other:?}"),
            },
            ["lookup", key] => match self.cache.lookup(key, Duration::ZERO).await.unwrap() {
                Found::Hit(value) => value,
                Found::Vacant(vacancy) => {
                    self.vacancies.insert(key.to_owned(), vacancy);
                    "vacant".into()
                }
                Found::Busy => "busy".into(),
                Found::Failed(why) => why,
            },
            // Until long after the test.
            ["fill", key, value] => self.vacancies.remove(key).unwrap().fill(value, Some(MINUTE)).await.unwrap().to_string(),
            ["acquire"] => self.acquire(false, Wait::None).await,
            ["acquire-unrenewed"] => self.acquire(true, Wait::None).await,
            ["wait", millis] => self.acquire(false, Wait::UpTo(Duration::from_millis(millis.parse().unwrap()))).await,
            ["held"] => match self.guard.as_ref().unwrap().held().await {
                Ok(held) => held.to_string(),
                Err(error) => error.to_string(),
            },
            ["release"] => {
                self.guard.take().unwrap().release().await.unwrap();
                "done".into()
            }
            _ => panic!("{order} is no order"),
        }
    }

    async fn acquire(&mut self, unrenewed: bool, wait: Wait) -> String {
        let lock = if unrenewed { &self.unrenewed } else { &self.lock };
        let guard = lock.acquire(wait).await.unwrap();
        let fence = guard.as_ref().map_or("busy".to_owned(), |guard| guard.fence().to_string());
        if guard.is_some() {
            self.guard = guard;
        }
        fence
    }
}
