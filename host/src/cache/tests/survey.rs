//! Looking at what there is.

use super::*;

#[tokio::test]
async fn entries_are_listed_with_who_wrote_them() {
    let caches = caches();
    let json = caches.open("pages", options("default", "json", "zlib")).unwrap();
    json.set("a:{1}", &page(1), Some(Duration::from_mins(1))).await.unwrap();
    json.set(Key::with_content("b", &1).unwrap(), &1, None).await.unwrap();
    let bare = CacheOptions { envelope: EnvelopeChoice::None, ..options("default", "json", "none").unwrap() };
    caches.open("pages", Some(bare)).unwrap().set("c", "plain", None).await.unwrap();
    caches.open("other", None).unwrap().set("d", &1, None).await.unwrap();

    let listing = json.list("*", 10).await.unwrap();
    assert!(!listing.more);
    let [a, b, c] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert_eq!((a.key.as_str(), &a.content, a.stored.as_str()), ("a:{1}", &None, "cache:pages:a%3A%7B1%7D"));
    assert_eq!((b.key.as_str(), b.content.as_ref().unwrap().len()), ("b", 43));
    let about = |entry: &FoundEntry| entry.about.clone().unwrap();
    assert!(about(a).expires.is_some_and(|left| left <= Duration::from_mins(1)) && about(b).expires.is_none());
    let EntryForm::Enveloped { serializer, compressor, compressed, created, tags } = about(a).form else { panic!("{a:?}") };
    assert_eq!((serializer.as_deref(), compressor.as_deref(), compressed), (Some("json"), Some("zlib"), true));
    assert!(created > 0 && tags.is_empty());
    assert_eq!((about(c).form, about(c).bytes), (EntryForm::Bare, "\"plain\"".len() as u64));

    assert_eq!(json.list("?", 10).await.unwrap().entries.len(), 2);
    let first = json.list("*", 1).await.unwrap();
    assert_eq!((first.entries.len(), first.more), (1, true));
    assert!(matches!(json.list("[", 1).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn stats_say_how_much_of_what_there_is() {
    let caches = caches();
    let cache = cache_of(&caches, "cbor", "none");
    cache.set_many((0..900).map(|n| (format!("{n}"), n)), Some(Duration::from_mins(1))).await.unwrap();
    cache_of(&caches, "json", "zlib").set("large", &vec![0; 9_999], None).await.unwrap();
    let stats = cache.stats(u64::MAX).await.unwrap();
    assert_eq!((stats.entries, stats.looked_at, stats.expiring, stats.compressed), (901, 901, 900, 1));
    assert_eq!(stats.serializers, [("cbor".to_owned(), 900), ("json".to_owned(), 1)].into());
    assert_eq!(stats.compressors, [("none".to_owned(), 900), ("zlib".to_owned(), 1)].into());
    assert_eq!(stats.largest.map(|(_, key)| key).as_deref(), Some("cache:pages:large"));
    let sampled = cache.stats(1).await.unwrap();
    assert!(sampled.entries == 901 && (1..901).contains(&sampled.looked_at), "{sampled:?}");
    assert_eq!(cache.clear().await.unwrap(), 901);
    assert_eq!(cache.stats(1).await.unwrap(), Stats::default());
}

#[tokio::test]
async fn what_has_no_value_is_counted_apart_where_it_is_looked_at() {
    let cache = cache();
    cache.set("a", &1, None).await.unwrap();
    let vacancy = async |key| match cache.lookup::<u8>(key, Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        found => panic!("{found:?}"),
    };
    let computing = vacancy("b").await;
    assert!(vacancy("c").await.fail("no", Duration::from_mins(1)).await.unwrap());
    let found = cache.list("*", 10).await.unwrap().entries;
    let forms: Vec<_> = found.iter().map(|entry| entry.about.as_ref().unwrap().form.clone()).collect();
    assert!(matches!(forms[..], [EntryForm::Enveloped { .. }, EntryForm::Vacant, EntryForm::Failed]), "{forms:?}");
    assert_eq!(found.iter().map(FoundEntry::has_value).collect::<Vec<_>>(), [true, false, false]);

    let stats = cache.stats(u64::MAX).await.unwrap();
    assert_eq!((stats.entries, stats.looked_at, stats.vacant, stats.failed, stats.expiring), (1, 1, 1, 1, 0));
    assert_eq!(stats.serializers, [("cbor".to_owned(), 1)].into());
    let unseen = cache.stats(0).await.unwrap();
    assert_eq!(unseen, Stats { entries: 3, ..Stats::default() });
    drop(computing);
}

fn cache_of(caches: &Caches, serializer: &str, compressor: &str) -> Cache {
    caches.open("pages", options("default", serializer, compressor)).unwrap()
}
