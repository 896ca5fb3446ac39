//! Sentinels that say nothing, or nothing new.

use bellwether_tests::sentinel::SERVICE;

use super::*;

/// What others and this test itself need of connections meanwhile.
const FEW: u64 = 12;

/// How many questions there are for a Sentinel in two seconds, two each time, with those of the other Sentinels.
const QUESTIONS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_hangs_keeps_no_lock_from_being_acquired_or_renewed() {
    let mut set = Sentinel::start().unwrap();
    // As long as an acquire without a wait has, so that it cannot wait for who does not answer.
    let options = StoreOptions { connect_timeout: SECOND, response_timeout: SECOND };
    let locks = Locks::new(store::open(&set.url(), &options).await.unwrap());
    set.sentinels()[0].pause().unwrap();
    let before = set.servers()[0].info("total_connections_received").unwrap();
    let options = LockOptions { kind: Kind::Quorum, lease: Some(3 * SECOND), ..LockOptions::default() };
    let guard = locks.open("lock", options).unwrap().acquire(Wait::None).await.unwrap().expect("two of three Sentinels are well");
    // Until after it was asked anew who the replicas are.
    assert!(tokio::time::timeout(7 * SECOND, guard.lost()).await.is_err());
    guard.release().await.unwrap();
    let connections = set.servers()[0].info("total_connections_received").unwrap() - before;
    assert!(connections <= FEW, "{connections} connections were made where the one there is will do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_restarted_unnoticed_is_not_left_and_has_its_quorum_once_sentinels_know_it() {
    let mut set = Sentinel::start().unwrap();
    let locks = locks(&set.url()).await;
    lock(&locks, Kind::Quorum).acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
    for sentinel in set.sentinels() {
        sentinel.command::<()>(&["SENTINEL", "SET", SERVICE, "down-after-milliseconds", "20000"]).unwrap();
    }
    set.servers()[0].restart().unwrap();
    lock(&locks, Kind::Simple).acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
    let before = set.servers()[0].info("total_connections_received").unwrap();
    let asked = set.sentinels()[0].info("total_commands_processed").unwrap();
    let early = lock(&locks, Kind::Quorum).acquire(Wait::UpTo(2 * SECOND)).await.unwrap();
    let connections = set.servers()[0].info("total_connections_received").unwrap() - before;
    assert!(connections <= FEW, "{connections} connections were made where the one there is will do");
    let asked = set.sentinels()[0].info("total_commands_processed").unwrap() - asked;
    assert!(asked <= QUESTIONS, "a Sentinel was asked {asked} things in two seconds");
    drop(early);
    locks.settled().await;
    // Sentinels ask who a server is every 10 s.
    let guard = lock(&locks, Kind::Quorum).acquire(LONG).await.unwrap().expect("by now they have asked");
    guard.release().await.unwrap();
}
