//! What stores promise of watches.

use super::*;

pub(crate) async fn names_may_have_braces(store: Shared, name: &str) {
    for name in [format!("{name}{{tag}}"), format!("{{{name}}}"), format!("{name}{{"), format!("{name} é*?[x]\\")] {
        let (lock, mine) = (lock(&name), token());
        let mut watch = store.watch(&lock).await.unwrap();
        fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
        assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
        assert!(woken(&mut watch).await, "{name}");
    }
}

pub(crate) async fn a_release_wakes_all_watches(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watches: Vec<_> = join_all((0..5).map(|_| store.watch(&lock))).await.into_iter().map(Result::unwrap).collect();
    for watch in &mut watches {
        assert!(quiet(watch).await);
    }
    assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
    for watch in &mut watches {
        assert!(woken(watch).await);
        assert!(quiet(watch).await, "one release woke twice");
    }
    // Neither a second release nor one of nothing wakes anybody.
    store.release(&lock, &mine).await.unwrap();
    store.release(&lock, &token()).await.unwrap();
    assert!(quiet(&mut watches[0]).await);
    // Nor does that others stop watching.
    watches.truncate(1);
    let next = token();
    fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap());
    store.release(&lock, &next).await.unwrap();
    assert!(woken(&mut watches[0]).await);
}

pub(crate) async fn a_watch_hears_only_its_lock(store: Shared, name: &str) {
    let (mine, other, token) = (lock(name), lock(&format!("{name}-other")), token());
    let mut watch = store.watch(&mine).await.unwrap();
    fence(store.acquire(&other, &token, Some(ms(LONG))).await.unwrap());
    store.release(&other, &token).await.unwrap();
    assert!(quiet(&mut watch).await);
}

pub(crate) async fn a_watch_hears_what_comes_before_it_listens(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    store.release(&lock, &mine).await.unwrap();
    assert!(woken(&mut watch).await);
    // Dropped and watched again at once, as who takes turns does.
    drop(watch);
    for _ in 0..3 {
        let (mut watch, next) = (store.watch(&lock).await.unwrap(), token());
        fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap());
        store.release(&lock, &next).await.unwrap();
        assert!(woken(&mut watch).await);
    }
}
