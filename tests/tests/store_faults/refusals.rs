//! Servers that answer, but not with what was asked for.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_there_is_named() {
    // A port that was free a moment ago, and one where somebody listens and never speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let quiet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [gone, silent, quiet.local_addr().unwrap()] {
        for url in [
            format!("redis://user:secret@{address}"),
            format!("redis+sentinel://user:secret@{address}/main"),
            format!("redis+cluster://user:secret@{address}"),
        ] {
            let error = refused(&url).await;
            assert!(matches!(error.why, Outage::Unreachable(_)), "{error}");
            let text = error.to_string();
            assert!(text.contains(&address.to_string()) && !text.contains("secret"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_refused() {
    let server = Server::start_with(ServerOptions { password: Some("right".into()), ..ServerOptions::default() }).unwrap();
    let port = server.port();
    for login in ["", ":wrong@", "somebody:right@"] {
        for kind in ["redis", "redis+cluster"] {
            let error = refused(&format!("{kind}://{login}127.0.0.1:{port}")).await;
            assert!(matches!(error.why, Outage::Refused(_)), "{login}: {error}");
            assert!(!error.to_string().contains("wrong@"), "{error}");
        }
    }
    open(&server.url()).await.check().await.unwrap();
    // One who may read some keys and nothing else.
    server.command::<()>(&["ACL", "SETUSER", "reader", "on", ">r%2F:", "~open*", "+get", "+hello"]).unwrap();
    let store = open(&format!("redis://reader:r%252F%3A@127.0.0.1:{port}")).await;
    assert_eq!(store.get("open").await.unwrap(), None);
    assert!(matches!(outage(store.get("closed").await), Outage::Forbidden(_)));
    assert!(matches!(outage(store.set(&entry("open", 1), None).await), Outage::Forbidden(_)));
    assert!(matches!(outage(store.acquire(&lock("open"), &token(), None).await), Outage::Forbidden(_)));
    assert!(matches!(outage(store.watch(&lock("open")).await), Outage::Forbidden(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_publish_can_release() {
    let server = Server::start().unwrap();
    server.command::<()>(&["ACL", "SETUSER", "mute", "on", ">m", "~*", "resetchannels", "+@all"]).unwrap();
    let store = open(&format!("redis://mute:m@127.0.0.1:{}", server.port())).await;
    let (lock, token) = (lock("mute"), token());
    assert!(acquired(&store.acquire(&lock, &token, None).await.unwrap()));
    // Nobody can be told, so the lock is free for whoever asks, though somebody waits.
    store.queue(&lock).await;
    assert_eq!(store.release(&lock, Release::of(&token)).await.unwrap(), Released::Now);
    assert!(!store.is_locked(&lock).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_encrypted() {
    let server = Server::start_with(ServerOptions { tls: true, ..ServerOptions::default() }).unwrap();
    let store = open(&server.url()).await;
    let lock = lock("encrypted");
    let mut watch = store.watch(&lock).await.unwrap();
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await);
    // Neither side trusts the other for nothing.
    let host = format!("rediss://127.0.0.1:{}", server.port());
    let error = refused(&host).await;
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    refused(&format!("{host}?ca={}", server.file("ca.pem"))).await;
    refused(&format!("redis://127.0.0.1:{}", server.port())).await;
    let missing = store::open(&format!("{host}?ca=/nowhere/ca.pem"), &options()).await.unwrap_err();
    assert!(matches!(&missing, Error::Invalid(Invalid::StoreUrl { why, .. }) if why.contains("/nowhere/ca.pem")), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_read_only() {
    let primary = Server::start().unwrap();
    let replica = Server::start_with(ServerOptions { replica_of: Some(primary.port()), ..ServerOptions::default() }).unwrap();
    let store = open(&replica.url()).await;
    assert_eq!(outage(store.check().await), Outage::ReadOnly);
    assert_eq!(outage(store.set(&entry("key", 1), None).await), Outage::ReadOnly);
    assert_eq!(outage(store.acquire(&lock("lock"), &token(), None).await), Outage::ReadOnly);
    assert_eq!(outage(store.release(&lock("lock"), Release::of(&token())).await), Outage::ReadOnly);
    assert_eq!(store.get("key").await.unwrap(), None);
    // Nobody is kept waiting for what does not come.
    let locks = Locks::new(store);
    let acquire = async || locks.open("lock", LockOptions::default()).unwrap().acquire(Wait::Forever).await;
    assert_eq!(outage(timeout(RECOVERY, acquire()).await.unwrap()), Outage::ReadOnly);
    // As when a name leads to another server by now.
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert!(acquire().await.unwrap().is_some());
    locks.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_so_and_lets_go_of_locks() {
    let server = Server::start_with(ServerOptions { maxmemory: Some("4mb".into()), ..ServerOptions::default() }).unwrap();
    let store = open(&server.url()).await;
    let (held, holder) = (lock("held"), token());
    assert!(acquired(&store.acquire(&held, &holder, Some(ms(60_000))).await.unwrap()));
    let mut number = 0;
    let full = loop {
        number += 1;
        assert!(number < 100, "4 MB hold over 6 MB");
        if let Err(error) = store.set(&entry(&format!("key-{number}"), 65_536), None).await {
            break error;
        }
    };
    let is_full = |error: &Error| matches!(error, Error::Limit(Limit::StoreFull { .. }));
    assert!(is_full(&full), "{full}");
    // Now not even the smallest write fits.
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    assert!(is_full(&store.acquire(&lock("free"), &token(), None).await.unwrap_err()));
    assert!(!store.is_locked(&lock("free")).await.unwrap());
    assert!(is_full(&store.check().await.unwrap_err()));
    assert_eq!(
        store.release(&lock("free"), Release::of(&token())).await.unwrap(),
        Released::NotHeld,
        "though it cannot be noted"
    );
    let renewal = Renewal { lock: held.clone(), token: holder.clone(), lease: Some(ms(60_000)) };
    assert!(matches!(store.renew(&[renewal]).await[..], [Ok(Holding::Left(_))]));
    assert_eq!(store.release(&held, Release::of(&holder)).await.unwrap(), Released::Now);
    assert_eq!(store.release(&held, Release::of(&holder)).await.unwrap(), Released::Before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_goes_on_to_renew_and_pass_on_what_many_can_hold() {
    let server = Server::start_with(ServerOptions { maxmemory: Some("4mb".into()), ..ServerOptions::default() }).unwrap();
    let store = open(&server.url()).await;
    let of = |name, share| LockKeys::shared(&Prefix::default(), name, share).unwrap();
    let two = std::num::NonZeroU32::new(2).unwrap();
    for lock in [of("rw", Share::Writer), of("rw", Share::Reader), of("permits", Share::Permit { of: two })] {
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]).unwrap();
        let (holder, lasting) = (token(), token());
        assert!(acquired(&store.acquire(&lock, &holder, Some(ms(60_000))).await.unwrap()));
        let writer = if lock.name() == "rw" { of("rw", Share::Writer) } else { lock.clone() };
        if lock.name() == "permits" {
            assert!(acquired(&store.acquire(&lock, &lasting, None).await.unwrap()));
        }
        let mut watch = store.watch(&writer).await.unwrap();
        let waiter = store.queue(&writer).await;
        // Now not even the smallest write fits.
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
        let refused = store.acquire(&of("free", lock.share()), &token(), None).await.unwrap_err();
        assert!(matches!(refused, Error::Limit(Limit::StoreFull { .. })), "{refused}");
        let renew = async |lock: &LockKeys, token: &Token, lease| {
            let renewal = Renewal { lock: lock.clone(), token: token.clone(), lease };
            store.renew(&[renewal]).await.remove(0).unwrap()
        };
        assert!(matches!(renew(&lock, &holder, Some(ms(90_000))).await, Holding::Left(left) if left > ms(60_000).duration()));
        assert!(
            matches!(store.extend(&lock, &holder, ms(60_000)).await.unwrap(), Holding::Left(left) if left > ms(90_000).duration())
        );
        assert_eq!(renew(&lock, &token(), Some(ms(90_000))).await, Holding::No);
        assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
        // Who was granted it confirms that.
        let granted = timeout(RECOVERY, watch.heard()).await.unwrap();
        assert!(matches!(&granted, Word::Granted { token, .. } if *token == waiter), "{granted:?}");
        assert_eq!(renew(&writer, &waiter, None).await, Holding::Unlimited);
        assert_eq!(server.command::<i64>(&["PTTL", writer.key()]).unwrap(), -1, "it lasts as long as its last lease");
        assert_eq!(store.release(&writer, Release::of(&waiter)).await.unwrap(), Released::Now);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_is_no_cluster() {
    let server = Server::start().unwrap();
    let error = refused(&format!("redis+cluster://127.0.0.1:{}", server.port())).await;
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}
