//! What becomes of tags when all entries of a cache are deleted.

use bellwether::names::{Prefix, entry_prefix, tag_key};
use bellwether::store::{Entry, Store};

use super::*;

async fn vacancy(cache: &Cache, tags: &[&str]) -> bellwether::cache::Vacancy {
    match cache.with_tags(tags).unwrap().lookup::<u8>("a", Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?} where there should be nothing"),
    }
}

/// A value that is computed from what was there before its tag was invalidated does not come back by a `clear` meanwhile.
async fn nothing_comes_back_by_a_clear(store: Arc<dyn Store>) {
    let caches = Caches::new(store.clone());
    let (here, there) = (caches.open("pages", None).unwrap(), caches.open("pages", None).unwrap());
    let key = here.entry_key("a").await.unwrap();
    for (named, found) in [(&["x"][..], &[][..]), (&[], &["x"])] {
        there.with_tags(["x"]).unwrap().set("b", &1, Some(LONG)).await.unwrap();
        let kept = vacancy(&here, named).await;
        // The clock of a store in memory stands still.
        sleep(Duration::from_millis(1)).await;
        assert!(there.invalidate_tag("x").await.unwrap());
        let placeholder = store.get(&key).await.unwrap().unwrap();
        assert_eq!(there.clear().await.unwrap(), 1, "what was invalidated counts as long as it is stored");
        assert!(store.get(&key).await.unwrap().is_none(), "and who computes does not");
        // As if the sweep had come by before the computation began, and by the tag only now.
        store.set(&Entry { key: key.clone(), bytes: placeholder }, None).await.unwrap();
        assert!(!kept.fill_tagged(&2, None, found).await.unwrap(), "named before: {}", !named.is_empty());
        assert_eq!(there.get::<u8>("a").await.unwrap(), None);

        // Without that, the claim is gone with the placeholder.
        let kept = vacancy(&here, named).await;
        there.clear().await.unwrap();
        assert!(!kept.fill_tagged(&3, None, found).await.unwrap());
        // And whoever begins after it stores what it computes.
        let end = Instant::now() + SOON;
        while !vacancy(&here, named).await.fill_tagged(&4, Some(LONG), found).await.unwrap() {
            // A reply that took longer than there was between both leaves it in doubt.
            assert!(Instant::now() < end, "it was computed after all that");
        }
        assert_eq!(there.get::<u8>("a").await.unwrap(), Some(4));
        assert_eq!(there.clear().await.unwrap(), 1);
        assert!(!there.invalidate_tag("x").await.unwrap(), "no entry can have it");
    }
    // A pattern is about entries, whatever it matches: their tags stay, and what is computed is void as after any `delete`.
    let tagged = here.with_tags(["x"]).unwrap();
    tagged.set("b", &1, Some(LONG)).await.unwrap();
    let kept = vacancy(&here, &["x"]).await;
    assert_eq!(there.delete_pattern("*").await.unwrap(), 1);
    assert!(!kept.fill(&2, None).await.unwrap());
    assert!(there.invalidate_tag("x").await.unwrap(), "it is still known");
    assert!(store.get(&tag_key(&entry_prefix(&Prefix::default(), "pages").unwrap(), "x")).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_back_by_a_clear_in_memory() {
    nothing_comes_back_by_a_clear(store::open("memory:", &StoreOptions::default()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_back_by_a_clear_of_a_server() {
    let server = Server::start().unwrap();
    nothing_comes_back_by_a_clear(store::open(&server.url(), &StoreOptions::default()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_keeps_where_a_tag_would_be_is_cleared_too() {
    let server = Server::start().unwrap();
    let cache = plain(&server.url()).await;
    cache.set("a", &1, None).await.unwrap();
    let tag = tag_key(&entry_prefix(&Prefix::default(), "pages").unwrap(), "x");
    server.command::<i64>(&["LPUSH", &tag, "a list"]).unwrap();
    assert_eq!(cache.clear().await.unwrap(), 1);
    assert_eq!(server.command::<u64>(&["DBSIZE"]).unwrap(), 0);
}
