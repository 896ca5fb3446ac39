//! Entries that go with their tags.

use super::*;
use crate::envelope::{TagState, is_tagged};
use crate::names::tag_key;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_mins(10);

/// Two processes with one store, and a cache of this name in each.
fn two(options: &CacheOptions) -> (Arc<MemoryStore>, [Cache; 2]) {
    let store = Arc::new(MemoryStore::new());
    let open = || Caches::new(store.clone()).open("pages", Some(options.clone())).unwrap();
    let caches = [open(), open()];
    (store, caches)
}

fn both() -> [Cache; 2] {
    two(&CacheOptions::default()).1
}

/// Entries that are due after 10 s, kept for 5 s more, and are to be computed within 2 s.
fn herds() -> [Cache; 2] {
    let herd = Some(Herd { herd_timeout: 5 * SECOND, extend_timeout: 2 * SECOND });
    two(&CacheOptions { herd, expire: Some(10 * SECOND), ..CacheOptions::default() }).1
}

async fn vacancy(cache: &Cache) -> Vacancy {
    match cache.lookup::<u8>("a", Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?} where there should be nothing"),
    }
}

async fn read(cache: &Cache) -> Option<u8> {
    cache.get("a").await.unwrap()
}

#[tokio::test]
async fn an_entry_is_there_until_one_of_its_tags_is_invalidated() {
    let [here, there] = both();
    let tagged = here.with_tags(["x", "y"]).unwrap();
    for tag in ["x", "y"] {
        tagged.set("a", &1, None).await.unwrap();
        tagged.set_many([("b", 2), ("c", 3)], Some(LONG)).await.unwrap();
        tagged.set_bytes("d", b"4", None).await.unwrap();
        here.with_tags(["z"]).unwrap().set("e", &5, None).await.unwrap();
        here.set("f", &6, None).await.unwrap();
        assert_eq!(there.get_many::<u8, _>(["a", "b", "c", "e", "f"]).await.unwrap(), [1, 2, 3, 5, 6].map(Some));
        assert!(!there.invalidate_tag("other").await.unwrap());
        assert!(there.invalidate_tag(tag).await.unwrap());
        assert!(!there.invalidate_tag(tag).await.unwrap(), "there is nothing left of it");
        assert!(!here.exists("a").await.unwrap());
        assert_eq!(here.ttl("b").await.unwrap(), Ttl::Absent);
        let found = here.get_many::<u8, _>(["a", "b", "c", "e", "f"]).await.unwrap();
        assert_eq!(found, [None, None, None, Some(5), Some(6)]);
        assert_eq!(here.get_bytes("d").await.unwrap(), None);
        // What is set anew with the tag is there.
        tagged.set("a", &7, None).await.unwrap();
        assert_eq!(read(&there).await, Some(7));
        assert!(there.exists("a").await.unwrap());
    }
    // And with other tags, or none, it is of those.
    here.with_tags(["z"]).unwrap().set("a", &8, None).await.unwrap();
    here.invalidate_tag("x").await.unwrap();
    assert_eq!(read(&there).await, Some(8));
    here.set("a", &9, None).await.unwrap();
    assert!(here.invalidate_tag("z").await.unwrap());
    assert_eq!(read(&there).await, Some(9));
}

#[tokio::test]
async fn what_was_invalidated_is_deleted_by_who_finds_it() {
    let (store, [cache, _]) = two(&CacheOptions::default());
    let tagged = cache.with_tags(["x"]).unwrap();
    tagged.set_many([("a", 1), ("b", 2), ("c", 3)], None).await.unwrap();
    let stored = async |key: &str| store.get(&cache.entry_key(key).await.unwrap()).await.unwrap();
    assert!(is_tagged(&stored("a").await.unwrap()));
    cache.invalidate_tag("x").await.unwrap();
    assert_eq!(read(&cache).await, None);
    assert_eq!(cache.get_many::<u8, _>(["b"]).await.unwrap(), [None]);
    assert!(stored("a").await.is_none() && stored("b").await.is_none() && stored("c").await.is_some());
    drop(match cache.lookup::<u8>("c", Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?}"),
    });
    cache.0.flights.settled().await;
    assert!(stored("c").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_generation_lasts_as_long_as_its_entries_and_one_that_is_lost_brings_nothing_back() {
    let (store, [cache, _]) = two(&CacheOptions::default());
    let tagged = cache.with_tags(["x"]).unwrap();
    let key = tag_key(&cache.0.pipeline.entries, "x");
    tagged.set("a", &1, Some(10 * SECOND)).await.unwrap();
    assert_eq!(store.ttl(&key).await.unwrap(), Ttl::Remaining(20 * SECOND), "longer than needed");
    tokio::time::advance(5 * SECOND).await;
    tagged.set("b", &2, Some(10 * SECOND)).await.unwrap();
    assert_eq!(store.ttl(&key).await.unwrap(), Ttl::Remaining(15 * SECOND), "long enough");
    tagged.set("c", &3, Some(60 * SECOND)).await.unwrap();
    assert_eq!(store.ttl(&key).await.unwrap(), Ttl::Remaining(120 * SECOND));
    tagged.set("d", &4, None).await.unwrap();
    assert_eq!(store.ttl(&key).await.unwrap(), Ttl::Persistent);
    tagged.set("e", &5, Some(SECOND)).await.unwrap();
    assert_eq!(store.ttl(&key).await.unwrap(), Ttl::Persistent);
    let keys = ["a", "c", "d"];
    assert_eq!(cache.get_many::<u8, _>(keys).await.unwrap(), [1, 3, 4].map(Some));
    assert_eq!(store.delete(&[key]).await.unwrap(), 1, "evicted");
    tagged.set("e", &5, None).await.unwrap();
    assert_eq!(cache.get_many::<u8, _>(keys).await.unwrap(), [None; 3]);
    assert_eq!(cache.get::<u8>("e").await.unwrap(), Some(5));
}

#[tokio::test]
async fn tags_are_no_entries_and_of_one_cache_only() {
    let (store, [cache, _]) = two(&CacheOptions::default());
    let other = Caches::new(store.clone()).open("pages:x", None).unwrap();
    for cache in [&cache, &other] {
        cache.with_tags(["x", "*"]).unwrap().set("a", &1, None).await.unwrap();
        cache.set("x", &2, None).await.unwrap();
    }
    assert_eq!(cache.stats(u64::MAX).await.unwrap().entries, 2);
    let listing = cache.list("*", 10).await.unwrap();
    assert_eq!(listing.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a", "x"]);
    let tags = |at: usize| match listing.entries[at].about.as_ref().map(|about| &about.form) {
        Some(EntryForm::Enveloped { tags, .. }) => tags.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((tags(0), tags(1)), (vec!["*".to_owned(), "x".to_owned()], Vec::new()));
    assert_eq!(cache.delete_pattern("*").await.unwrap(), 2);
    assert!(cache.invalidate_tag("x").await.unwrap(), "a pattern leaves tags alone");
    assert_eq!(read(&other).await, Some(1));
    cache.with_tags(["x"]).unwrap().set("a", &1, None).await.unwrap();
    assert_eq!(cache.clear().await.unwrap(), 1);
    assert!(!cache.invalidate_tag("*").await.unwrap(), "with all entries, tags go");
    assert_eq!(read(&other).await, Some(1));
    assert!(other.invalidate_tag("x").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn exactly_one_computes_what_was_invalidated() {
    let [here, there] = both();
    here.with_tags(["x"]).unwrap().set("a", &1, None).await.unwrap();
    for waits in [Duration::ZERO, LONG] {
        there.invalidate_tag("x").await.unwrap();
        let Found::Vacant(vacancy) = here.lookup::<u8>("a", waits).await.unwrap() else { panic!("it is there") };
        assert!(matches!(there.lookup::<u8>("a", Duration::ZERO).await.unwrap(), Found::Busy));
        let waiting = async { there.lookup::<u8>("a", LONG).await.unwrap() };
        let filling = async {
            tokio::time::sleep(SECOND).await;
            assert!(vacancy.fill_tagged(&2, None, ["x"]).await.unwrap());
        };
        let (waited, ()) = tokio::join!(waiting, filling);
        assert!(matches!(waited, Found::Hit(2)));
    }
    // What a waiter finds is checked too, as it may be void when it is found.
    let kept = {
        here.invalidate_tag("x").await.unwrap();
        vacancy(&here).await
    };
    let waiting = async { there.lookup::<u8>("a", LONG).await.unwrap() };
    let filling = async {
        tokio::time::sleep(SECOND).await;
        assert!(kept.fill_tagged(&3, None, ["x"]).await.unwrap());
        here.invalidate_tag("x").await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, filling);
    assert!(matches!(waited, Found::Vacant(_)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_computed_while_its_tag_was_invalidated_is_not_stored() {
    let [here, there] = both();
    // The tags are known before.
    let tagged = here.with_tags(["x", "y"]).unwrap();
    let kept = vacancy(&tagged).await;
    assert!(there.invalidate_tag("x").await.unwrap());
    assert!(!kept.fill(&1, None).await.unwrap());
    assert!(!there.exists("a").await.unwrap());
    // It is given up at once, so that the next one can compute.
    let kept = vacancy(&tagged).await;
    assert!(!there.invalidate_tag("other").await.unwrap());
    assert!(kept.fill(&2, None).await.unwrap());
    assert_eq!(read(&there).await, Some(2));

    // They are not.
    there.invalidate_tag("x").await.unwrap();
    let kept = vacancy(&here).await;
    tokio::time::advance(SECOND).await;
    assert!(!there.invalidate_tag("x").await.unwrap());
    tokio::time::advance(SECOND).await;
    assert!(!kept.fill_tagged_cbor(Bytes::from_static(b"\x03"), None, ["x"]).await.unwrap());
    assert!(!kept.fill_tagged_cbor(Bytes::from_static(b"\x03"), None, ["y"]).await.unwrap(), "it had its answer");
    let kept = vacancy(&here).await;
    tokio::time::advance(SECOND).await;
    there.invalidate_tag("z").await.unwrap();
    assert!(kept.fill_tagged(&4, None, ["x"]).await.unwrap(), "that was before, and the other tag is another");
    assert_eq!(read(&there).await, Some(4));
    assert!(there.invalidate_tag("x").await.unwrap());
    assert_eq!(read(&there).await, None);
    // Nobody remembers for longer.
    let kept = vacancy(&here).await;
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert!(!kept.fill_tagged(&5, None, ["x"]).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_the_old_value_counts_for_the_new_one() {
    let [here, there] = herds();
    here.with_tags(["x"]).unwrap().set("a", &1, None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    let kept = vacancy(&here).await;
    assert_eq!(read(&there).await, Some(1), "the old value is served");
    assert!(there.invalidate_tag("x").await.unwrap());
    assert!(!kept.fill(&2, None).await.unwrap());
    assert_eq!(read(&here).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_judged_by_its_tags_as_any() {
    let [here, there] = herds();
    let tagged = here.with_tags(["x"]).unwrap();
    tagged.set_many([("a", 1), ("b", 1), ("c", 1)], None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(here.get_many::<u8, _>(["a", "b", "c"]).await.unwrap(), [None; 3]);
    tokio::time::sleep(10 * SECOND).await;
    tagged.set("a", &2, None).await.unwrap();
    assert_eq!(read(&there).await, Some(2), "nothing was there, and nothing was invalidated");
    assert!(there.invalidate_tag("x").await.unwrap());
    tagged.set_many([("b", 2)], None).await.unwrap();
    here.set("c", &2, None).await.unwrap();
    assert_eq!(there.get_many::<u8, _>(["b", "c"]).await.unwrap(), [None; 2]);
    tagged.set_many([("b", 3), ("c", 3)], None).await.unwrap();
    assert_eq!(there.get_many::<u8, _>(["b", "c"]).await.unwrap(), [Some(3); 2]);
    // Nobody knows any more whether it was invalidated.
    let tagged = here.with_tags(["y"]).unwrap();
    tagged.set("b", &3, None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(here.get_many::<u8, _>(["b"]).await.unwrap(), [None]);
    tokio::time::sleep(100 * SECOND).await;
    tagged.set("b", &4, None).await.unwrap();
    assert_eq!(there.get::<u8>("b").await.unwrap(), None);
    tagged.set("b", &5, None).await.unwrap();
    assert_eq!(there.get::<u8>("b").await.unwrap(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn no_old_value_is_served_that_was_invalidated() {
    let [here, there] = herds();
    let tagged = here.with_tags(["x"]).unwrap();
    tagged.set("a", &1, None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(read(&tagged).await, None, "it is to compute it");
    assert_eq!(read(&there).await, Some(1));
    tokio::time::advance(SECOND / 2).await;
    assert!(there.invalidate_tag("x").await.unwrap());
    tokio::time::advance(SECOND / 2).await;
    tagged.set("a", &2, None).await.unwrap();
    assert_eq!(read(&there).await, None, "it was computed from what was there before");
    assert_eq!(there.get_many::<u8, _>(["a"]).await.unwrap(), [None]);
    // An answer that failed can be given again, and is still one to the same question.
    tagged.set("a", &2, None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(read(&tagged).await, None, "it is to compute it");
    let large = vec![0_u8; 17 << 20];
    assert!(matches!(tagged.set_bytes("a", &large, None).await, Err(Error::Limit(_))));
    assert!(there.invalidate_tag("x").await.unwrap());
    tagged.set("a", &2, None).await.unwrap();
    assert_eq!(read(&there).await, None, "it was computed from what was there before");
    // One who was told by `get` that there is nothing at all sets what it likes.
    tagged.set("a", &3, None).await.unwrap();
    assert_eq!(read(&there).await, Some(3));
    // Nor is it by many at once, or to who fails.
    tokio::time::sleep(10 * SECOND).await;
    let kept = vacancy(&there).await;
    assert!(there.invalidate_tag("x").await.unwrap());
    assert!(kept.fail("no luck", SECOND).await.unwrap());
    assert!(matches!(here.lookup::<u8>("a", Duration::ZERO).await.unwrap(), Found::Failed(_)));
    assert_eq!(read(&here).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_computed_once_with_its_tags() {
    let [here, there] = both().map(|cache| cache.with_tags(["x"]).unwrap());
    let compute = |value: u8| move || async move { Ok::<u8, &str>(value) };
    assert_eq!(here.get_or_try_insert_with("a", compute(1)).await, Ok(1));
    assert_eq!(there.get_or_try_insert_with("a", compute(2)).await, Ok(1));
    there.invalidate_tag("x").await.unwrap();
    assert_eq!(here.get_or_try_insert_with("a", compute(3)).await, Ok(3));
    let invalidating = here.get_or_try_insert_with("b", || async {
        there.invalidate_tag("x").await.unwrap();
        Ok::<u8, &str>(4)
    });
    assert_eq!(invalidating.await, Ok(4), "the caller gets what it computed");
    assert!(!there.exists("b").await.unwrap(), "and nobody else");
}

#[tokio::test]
async fn tags_that_cannot_be_are_refused() {
    let cache = cache();
    assert_eq!(cache.with_tags([""]).unwrap_err(), Invalid::Empty { what: "tag" }.into());
    assert_eq!(cache.invalidate_tag("").await, Err(Invalid::Empty { what: "tag" }.into()));
    let long = "x".repeat(129);
    assert!(matches!(cache.with_tags([&long]), Err(Error::Limit(Limit::Size { what: "tag", max: 128, .. }))));
    assert!(matches!(cache.invalidate_tag(&long).await, Err(Error::Limit(_))));
    let many: Vec<_> = (0..17).map(|n| n.to_string()).collect();
    assert!(matches!(cache.with_tags(&many), Err(Error::Limit(Limit::Count { max: 16, .. }))));
    let twice = cache.with_tags(["b", "a", "b"]).unwrap();
    assert_eq!(twice.tags(), ["a", "b"]);
    twice.set("a", &1, None).await.unwrap();
    let kept = match twice.lookup::<u8>("b", Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?}"),
    };
    let refused = kept.fill_tagged_cbor(Bytes::from_static(b"\x01"), None, many[..15].iter()).await;
    assert!(matches!(refused, Err(Error::Limit(Limit::Count { max: 16, .. }))), "there are two already");
    assert!(kept.fill_tagged_cbor(Bytes::from_static(b"\x01"), None, many[..14].iter()).await.unwrap());

    let bare = CacheOptions { envelope: EnvelopeChoice::None, ..CacheOptions::default() };
    let bare = caches().open("bare", Some(bare)).unwrap();
    let needs: Error = Invalid::NeedsEnvelope { what: "tags" }.into();
    assert_eq!(bare.with_tags(["a"]).unwrap_err(), needs);
    assert_eq!(bare.invalidate_tag("a").await, Err(needs));
    assert!(bare.with_tags::<&str>([]).unwrap().tags().is_empty());
}

#[tokio::test]
async fn tags_that_cannot_be_read_are_told() {
    let (store, [cache, _]) = two(&CacheOptions::default());
    cache.with_tags(["x"]).unwrap().set("a", &1, None).await.unwrap();
    let key = cache.entry_key("a").await.unwrap();
    let mut stored = store.get(&key).await.unwrap().unwrap().to_vec();
    // The length of the tag.
    stored[52] = 200;
    store.set(&Entry { key, bytes: stored.into() }, None).await.unwrap();
    assert!(matches!(cache.get::<u8>("a").await, Err(Error::Corrupt(Corrupt::Checksum { .. }))));
    let tag = tag_key(&cache.0.pipeline.entries, "x");
    assert!(TagState::read(&store.get(&tag).await.unwrap().unwrap()).generation.is_some());
}
