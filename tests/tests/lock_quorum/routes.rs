//! Which server's replicas tell something about a request.

use bellwether::names::{LockKeys, Prefix};
use bellwether::store::{Attempt, Copies, Queueing, Route, Store, Ticket, Token};

use super::*;

/// What replicas say of a token whose request went by a route, once they say something.
async fn survey(store: &dyn Store, lock: &LockKeys, token: &Token, route: Route) -> Copies {
    let mut survey = store.replicas().unwrap().survey(lock, token, None, route);
    let begun = Instant::now();
    while begun.elapsed() < 20 * SECOND {
        survey.ask(false);
        let news = tokio::time::timeout(20 * MS, survey.news()).await;
        if let Ok(copies @ Ok(Copies::Moved | Copies::Counted { holding: 2, .. })) = news {
            return copies.unwrap();
        }
    }
    panic!("the replicas neither hold the lock nor are another's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_went_by_another_connection_is_not_confirmed() {
    let (primary, _replicas) = primary_with(2);
    let store = store::open(&primary.url(), &StoreOptions::default()).await.unwrap();
    let (lock, token) = (LockKeys::new(&Prefix::default(), "lock").unwrap(), Token::random().unwrap());
    let ticket = Ticket { token: token.clone(), lease: None, kept: bellwether::clock::Span::new("kept", SECOND).unwrap() };
    let route = || store.replicas().unwrap().route(&lock);
    let before = route();
    let attempt = store.attempt(&lock, &ticket, Queueing::NONE).await.unwrap();
    assert!(matches!(attempt, Attempt::Acquired { .. }));
    assert!(matches!(survey(&*store, &lock, &token, before).await, Copies::Counted { holding: 2, .. }));
    primary.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until("the connection to end", || Ok((route() != before).then_some(()))).unwrap();
    // There is none, and what is asked for next opens one.
    let next = route();
    assert!(store.is_locked(&lock).await.unwrap());
    assert_eq!(route(), next);
    assert_eq!(survey(&*store, &lock, &token, before).await, Copies::Moved, "nobody knows what it led to");
    assert!(matches!(survey(&*store, &lock, &token, next).await, Copies::Counted { holding: 2, .. }));
}
