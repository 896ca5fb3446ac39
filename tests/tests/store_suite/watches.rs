//! What stores promise of watches.

use super::*;

const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn names_may_have_braces(store: Shared, name: &str) {
    for name in [format!("{name}{{tag}}"), format!("{{{name}}}"), format!("{name}{{"), format!("{name} é*?[x]\\")] {
        let lock = lock(&name);
        let mut watch = store.watch(&lock).await.unwrap();
        assert!(store.is_granted(&lock, &mut watch, SOON).await, "{name}");
    }
}

pub(crate) async fn a_grant_reaches_all_watches(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watches: Vec<_> = join_all((0..5).map(|_| store.watch(&lock))).await.into_iter().map(Result::unwrap).collect();
    for watch in &mut watches {
        assert!(quiet(watch).await);
    }
    let waiter = store.queue(&lock).await;
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::Now);
    for watch in &mut watches {
        match timeout(SOON, watch.heard()).await.unwrap() {
            Word::Granted { token, fence } => assert!(token == waiter && fence > first),
            Word::Doubt => panic!("nothing was missed"),
        }
        assert!(quiet(watch).await, "one grant was told twice");
    }
    // Neither a second release nor one of nothing tells anybody anything.
    store.release(&lock, Release::of(&mine)).await.unwrap();
    store.release(&lock, Release::of(&token())).await.unwrap();
    assert!(quiet(&mut watches[0]).await);
    store.release(&lock, Release::of(&waiter)).await.unwrap();
    // Nor does it matter that others stop watching.
    watches.truncate(1);
    assert!(store.is_granted(&lock, &mut watches[0], SOON).await);
}

pub(crate) async fn a_watch_hears_only_its_lock(store: Shared, name: &str) {
    let (mine, other) = (lock(name), lock(&format!("{name}-other")));
    let (mut watch, mut another) = (store.watch(&mine).await.unwrap(), store.watch(&other).await.unwrap());
    assert!(store.is_granted(&other, &mut another, SOON).await);
    assert!(quiet(&mut watch).await);
}

pub(crate) async fn a_watch_hears_what_comes_before_it_listens(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let waiter = store.queue(&lock).await;
    store.release(&lock, Release::of(&mine)).await.unwrap();
    assert!(matches!(timeout(SOON, watch.heard()).await.unwrap(), Word::Granted { token, .. } if token == waiter));
    store.release(&lock, Release::of(&waiter)).await.unwrap();
    // Dropped and watched again at once, as who takes turns does.
    drop(watch);
    for _ in 0..3 {
        let mut watch = store.watch(&lock).await.unwrap();
        assert!(store.is_granted(&lock, &mut watch, SOON).await);
    }
}
