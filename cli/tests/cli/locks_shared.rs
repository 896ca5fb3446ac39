//! `locks` and read-write locks and semaphores, on real servers.

use bellwether::clock::Wait;
use bellwether::lock::{Guard, LockOptions, Locks, RwLock, Semaphore};
use bellwether::names::Holder;
use bellwether::store::{self, StoreOptions};
use bellwether_tests::{Cluster, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::locks::{answered, listed};
use crate::support::{on, redis, until};

/// A program that holds locks, in this process.
struct Program {
    runtime: Runtime,
    locks: Locks,
}

impl Program {
    fn start(store: &str, holder: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let store = runtime.block_on(store::open(store, &StoreOptions::default())).unwrap();
        Self { runtime, locks: Locks::new(store).with_holder(Holder::new(holder).unwrap()) }
    }

    fn rw(&self, name: &str) -> RwLock {
        self.locks.open_rw(name, LockOptions::default()).unwrap()
    }

    fn semaphore(&self, name: &str) -> Semaphore {
        self.locks.open_semaphore(name, 3, LockOptions::default()).unwrap()
    }

    fn reads(&self, name: &str) -> Guard {
        self.runtime.block_on(self.rw(name).read(Wait::None)).unwrap().unwrap()
    }

    fn permit(&self, name: &str) -> Guard {
        self.runtime.block_on(self.semaphore(name).acquire(Wait::None)).unwrap().unwrap()
    }

    fn waits_to_write(&self, store: &str, name: &str) -> tokio::task::JoinHandle<Guard> {
        let rw = self.rw(name);
        let writer = self.runtime.spawn(async move { rw.write(Wait::Forever).await.unwrap().unwrap() });
        until("the writer stands in the queue", || listed(store, &[]).iter().any(|lock| lock["waiters"] == 1));
        writer
    }

    fn held(&self, guard: &Guard) -> bool {
        self.runtime.block_on(guard.held()).unwrap()
    }
}

fn digits(holder: &Value) -> &str {
    holder["fingerprint"].as_str().unwrap()
}

#[test]
fn each_holder_of_a_shared_lock_is_listed_with_its_fence() {
    let redis = redis();
    let store = &redis.url();
    let (web, batch) = (Program::start(store, "web-1"), Program::start(store, "batch"));
    let (first, second, permit) = (web.reads("orders"), batch.reads("orders"), web.permit("licences"));
    let writer = batch.waits_to_write(store, "orders");

    let table = on(store, &["locks"]).ok();
    let rows: Vec<Vec<_>> =
        table.lines().skip(1).map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0][..2] == ["licences", "semaphore"] && rows[0][3..5] == ["permit", &permit.fence().to_string()], "{table}");
    for (row, (holder, guard)) in rows[1..].iter().zip([("web-1 [", &first), ("batch [", &second)]) {
        assert!(row[..2] == ["orders", "read-write"] && row[2].starts_with(holder), "{table}");
        assert!(row[3..5] == ["reads", &guard.fence().to_string()] && row[6] == "1", "{table}");
    }

    let listed = listed(store, &[]);
    assert_eq!(listed.len(), 2);
    let orders = &listed[1];
    assert!(orders["kind"] == "read-write" && orders["count"] == 2 && orders["waiters"] == 1, "{orders}");
    assert!(orders["holders"][1]["holds"] == "reads" && orders["fence"] == second.fence(), "{orders}");

    drop((first, second));
    let writer = web.runtime.block_on(writer).unwrap();
    let orders = &crate::locks::listed(store, &[])[1];
    assert!(orders["holders"][0]["holds"] == "writes" && orders["holders"][0]["fence"] == writer.fence(), "{orders}");
}

#[test]
fn all_readers_that_were_shown_are_broken_and_the_writer_is_next() {
    let redis = redis();
    let store = &redis.url();
    let web = Program::start(store, "web-1");
    let readers = [web.reads("orders"), web.reads("orders")];
    let writer = web.waits_to_write(store, "orders");
    let told = on(store, &["locks", "break", "orders", "--yes", "--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["broken"] == true && told["handed_on"] == true && told["was"]["count"] == 2, "{told}");
    assert_eq!(told["taken_from"].as_array().unwrap().len(), 2, "{told}");
    let writer = web.runtime.block_on(writer).unwrap();
    assert!(writer.fence() > told["fence"].as_u64().unwrap());
    assert!(!web.held(&readers[0]) && !web.held(&readers[1]) && web.held(&writer));

    let told = on(store, &["locks", "break", "orders", "--yes"]).ok();
    assert!(told.starts_with("broken: the read-write lock \"orders\" was held by web-1 ["), "{told}");
    assert!(told.contains("; fences up to ") && told.ends_with(" are stale\n"), "{told}");
    let complaint = on(store, &["locks", "break", "orders", "--yes", "--kind", "read-write"]).failed(1);
    assert_eq!(complaint, "bellwether: nobody holds the read-write lock \"orders\"\n");
}

#[test]
fn one_holder_is_chosen_by_its_fingerprint() {
    let redis = redis();
    let store = &redis.url();
    let (web, batch) = (Program::start(store, "web-1"), Program::start(store, "batch"));
    let (kept, taken) = (web.permit("licences"), batch.permit("licences"));
    let seen = &listed(store, &[])[0];
    let slow = seen["holders"].as_array().unwrap().iter().find(|holder| holder["holder"] == "batch").unwrap();
    let complaint = on(store, &["locks", "break", "licences", "--yes", "--fingerprint", "0123abcd"]).failed(75);
    assert!(complaint.contains("somebody else holds the semaphore \"licences\""), "{complaint}");
    let told = on(store, &["locks", "break", "licences", "--yes", "--fingerprint", digits(slow)]).ok();
    let own = format!("; its fence {} is stale, and new ones are larger than ", taken.fence());
    assert!(told.starts_with("broken: the semaphore \"licences\" was held by batch [") && told.contains(&own), "{told}");
    assert!(web.held(&kept) && !batch.held(&taken));
}

#[test]
fn a_name_of_more_than_one_lock_is_to_be_said_with_its_kind() {
    let redis = redis();
    let store = &redis.url();
    let web = Program::start(store, "web-1");
    let (reader, permit) = (web.reads("job"), web.permit("job"));
    redis.command::<()>(&["SET", "job", "another program's"]).unwrap();
    let complaint = on(store, &["locks", "break", "job", "--yes"]).failed(2);
    let said =
        "is the name of more than one lock that is held: say which with --kind lock or --kind read-write or --kind semaphore";
    assert_eq!(complaint, format!("bellwether: \"job\" {said}\n"));
    on(store, &["locks", "break", "job", "--yes", "--kind", "semaphore"]).ok();
    assert!(web.held(&reader) && !web.held(&permit));
    on(store, &["locks", "break", "job", "--yes", "--kind", "lock"]).ok();
    assert!(web.held(&reader));
    on(store, &["locks", "break", "job", "--yes"]).ok();
    assert!(!web.held(&reader));
    assert_eq!(on(store, &["locks", "break", "job", "--yes"]).failed(1), "bellwether: nobody holds the lock \"job\"\n");
}

#[test]
fn it_shows_all_holders_before_it_asks_and_breaks_no_later_ones() {
    let redis: Server = redis();
    let web = Program::start(&redis.url(), "web-1");
    let seen = [web.permit("job"), web.permit("job")];
    let (question, ended) = answered(&redis, "n\n", || {});
    assert!(question.contains("the semaphore \"job\" is held by 2; nobody waits:"), "{question}");
    assert!(question.matches("  web-1 [").count() == 2 && question.ends_with("Break all of them? [y/N] "), "{question}");
    assert!(ended == 1 && web.held(&seen[0]) && web.held(&seen[1]));
    let later = std::cell::RefCell::new(None);
    let (_, ended) = answered(&redis, "y\n", || {
        web.runtime.block_on(seen[0].release()).unwrap();
        later.replace(Some(web.permit("job")));
    });
    let later = later.take().unwrap();
    assert!(ended == 0 && !web.held(&seen[1]) && web.held(&later));
}

#[test]
fn shared_locks_of_all_nodes_of_a_cluster_are_listed_and_broken() {
    let cluster = Cluster::start().unwrap();
    let store = &cluster.url();
    let web = Program::start(store, "web-1");
    let names = ["a", "b", "c", "{a}x"];
    let guards: Vec<_> = names.iter().flat_map(|name| [web.reads(name), web.permit(name)]).collect();
    let seen: Vec<_> = listed(store, &[]).iter().map(|lock| (lock["name"].clone(), lock["kind"].clone())).collect();
    let expected = names.iter().flat_map(|name| ["read-write", "semaphore"].map(|kind| (Value::from(*name), Value::from(kind))));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    for name in names {
        for kind in ["read-write", "semaphore"] {
            on(store, &["locks", "break", name, "--yes", "--kind", kind]).ok();
        }
    }
    assert_eq!(listed(store, &[]).len(), 0);
    assert!(guards.iter().all(|guard| !web.held(guard)));
}
