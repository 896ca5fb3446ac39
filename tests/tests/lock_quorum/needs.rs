//! What a quorum needs, and how it is told that it is not there.

use super::*;

#[tokio::test]
async fn a_store_without_replicas_is_refused_with_what_to_do() {
    let memory = locks("memory:").await;
    let options = LockOptions { kind: Kind::Quorum, ..LockOptions::default() };
    let refused = memory.open("lock", options).unwrap_err();
    assert!(matches!(&refused, Error::Invalid(Invalid::NoReplicas { store }) if store == "memory:"), "{refused}");

    let server = Server::start().unwrap();
    let locks = locks(&server.url()).await;
    let begun = Instant::now();
    let refused = lock(&locks, Kind::Quorum).acquire(LONG).await.unwrap_err();
    assert!(matches!(&refused, Error::Invalid(Invalid::NoReplicas { store }) if *store == server.url()), "{refused}");
    assert!(begun.elapsed() < 5 * SECOND, "it did not wait for what will not come");
    assert!(refused.to_string().contains("use kind simple"), "{refused}");
    assert_eq!(holder(&server), None, "nothing is left of it");
}

#[tokio::test]
async fn a_lock_without_a_lease_is_refused() {
    let options = LockOptions { kind: Kind::Quorum, lease: None, renew: false, ..LockOptions::default() };
    let refused = locks("memory:").await.open("lock", options).unwrap_err();
    assert!(matches!(refused, Error::Invalid(Invalid::QuorumWithoutLease)), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_replicas_than_there_are_is_refused_and_fewer_for_a_while_is_not() {
    let (primary, mut replicas) = primary_with(2);
    let locks = locks(&primary.url()).await;
    let three = lock(&locks.with_quorum(at_least(3)), Kind::Quorum);
    let refused = three.acquire(LONG).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(Invalid::TooFewReplicas { wanted: 3, replicas: 2, .. })), "{refused}");

    let two = lock(&locks.with_quorum(at_least(2)), Kind::Quorum);
    two.acquire(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    replicas[0].kill();
    assert!(two.acquire(Wait::UpTo(300 * MS)).await.unwrap().is_none());
    let any = lock(&locks, Kind::Quorum);
    assert!(any.acquire(Wait::UpTo(300 * MS)).await.unwrap().is_none(), "the one that left may be somebody's primary by now");
    let one = lock(&locks.with_quorum(at_least(1)), Kind::Quorum);
    one.acquire(LONG).await.unwrap().expect("the one that is left").release().await.unwrap();
    replicas[1].kill();
    assert!(any.acquire(Wait::UpTo(300 * MS)).await.unwrap().is_none(), "there were some before");
    for replica in &mut replicas {
        replica.restart().unwrap();
    }
    two.acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
}
