//! What stores promise of tags.

use bellwether::envelope::{Claim, Envelope, Generation, Tag, TagState};
use bellwether::names::{is_tag, tag_key};
use bellwether::store::{Bid, Filling, REMEMBERED, Replaces, Standing, Tagged, Tagging};

use super::*;

fn generation() -> Generation {
    Generation::random().unwrap()
}

fn tagging(key: &str, kept: Option<u64>) -> Tagging {
    Tagging { key: key.to_owned(), fresh: generation(), kept: kept.map(ms) }
}

async fn tag(store: &Shared, tagging: &Tagging) -> Tagged {
    store.tag(std::slice::from_ref(tagging)).await.unwrap().remove(0)
}

/// An entry with a tag.
fn tagged(key: &str, payload: &str, expires: Option<u64>) -> Entry {
    let tags = [Tag { name: "tag".into(), generation: generation() }];
    let envelope = Envelope { created: 1, expires, ..Envelope::default() };
    entry(key, envelope.seal_with(&tags, payload.as_bytes()).unwrap())
}

pub(crate) async fn a_generation_is_begun_once_and_ends(store: Shared, name: &str) {
    assert!(!store.invalidate(name).await.unwrap(), "there is none");
    let first = tagging(name, Some(LONG));
    let begun = tag(&store, &first).await;
    assert_eq!(begun.generation, first.fresh);
    assert_eq!(tag(&store, &first).await.generation, first.fresh, "a repetition has the same answer");
    assert_eq!(tag(&store, &tagging(name, Some(LONG))).await.generation, first.fresh);
    let state = async || TagState::read(&store.get(name).await.unwrap().unwrap());
    assert_eq!(state().await.generation, Some(first.fresh));
    assert!(store.invalidate(name).await.unwrap());
    assert_eq!(state().await.generation, None);
    assert!(!store.invalidate(name).await.unwrap());
    let second = tagging(name, Some(LONG));
    assert_eq!(tag(&store, &second).await.generation, second.fresh);
    let begun: HashSet<_> = join_all((0..20).map(|_| {
        let (store, tagging) = (&store, tagging(&format!("{name}-many"), None));
        async move { tag(store, &tagging).await.generation }
    }))
    .await
    .into_iter()
    .collect();
    assert_eq!(begun.len(), 1);
}

pub(crate) async fn an_invalidation_is_remembered(store: Shared, name: &str) {
    assert_eq!(tag(&store, &tagging(name, None)).await.invalidated, None);
    let before = Instant::now();
    store.invalidate(name).await.unwrap();
    let after = Instant::now();
    sleep(Duration::from_millis(20)).await;
    let asked = Instant::now();
    let ago = tag(&store, &tagging(name, None)).await.invalidated.unwrap();
    // Servers count in microseconds, and each end of the time is cut off.
    let rounding = Duration::from_micros(2);
    assert!(ago + rounding >= asked - after && ago <= before.elapsed() + rounding, "{ago:?}");
    assert!(tag(&store, &tagging(name, None)).await.invalidated.unwrap() >= ago, "the next generation does not forget it");
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent, "nor its end");
    store.invalidate(name).await.unwrap();
    let remembered = |ttl| matches!(ttl, Ttl::Remaining(left) if left <= REMEMBERED && left > REMEMBERED / 2);
    assert!(remembered(store.ttl(name).await.unwrap()));
    tag(&store, &tagging(name, Some(1))).await;
    assert!(remembered(store.ttl(name).await.unwrap()), "an entry that is gone soon does not shorten it");
}

pub(crate) async fn a_generation_lasts_as_long_as_its_entries(store: Shared, name: &str) {
    let left = async || match store.ttl(name).await.unwrap() {
        Ttl::Remaining(left) => left,
        other => panic!("{other:?}"),
    };
    tag(&store, &tagging(name, Some(LONG))).await;
    let first = left().await;
    assert!(first > ms(LONG).duration() && first <= ms(2 * LONG).duration());
    tag(&store, &tagging(name, Some(LONG / 2))).await;
    assert!(left().await <= first, "it lasts long enough");
    tag(&store, &tagging(name, Some(4 * LONG))).await;
    assert!(left().await > ms(4 * LONG).duration());
    tag(&store, &tagging(name, None)).await;
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
    tag(&store, &tagging(name, Some(LONG))).await;
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
}

pub(crate) async fn many_tags_are_asked_for_at_once(store: Shared, name: &str) {
    assert!(store.tag(&[]).await.unwrap().is_empty());
    let taggings: Vec<_> = (0..50).map(|n| tagging(&format!("{name}-{n}"), Some(LONG))).collect();
    let known = tag(&store, &tagging(&taggings[7].key, None)).await;
    let found = store.tag(&taggings).await.unwrap();
    for (n, (tagging, tagged)) in taggings.iter().zip(found).enumerate() {
        assert_eq!(tagged.generation, if n == 7 { known.generation } else { tagging.fresh });
    }
}

pub(crate) async fn what_is_left_is_told_with_its_tags(store: Shared, name: &str) {
    assert_eq!(store.left(name).await.unwrap(), (Ttl::Absent, Vec::new()));
    store.set(&entry(name, "plain"), None).await.unwrap();
    assert_eq!(store.left(name).await.unwrap(), (Ttl::Persistent, Vec::new()));
    let name_of = |n: u8| char::from(b'a' + n).to_string().repeat(128);
    let tags: Vec<_> = (0..16).map(|n| Tag { name: name_of(n), generation: generation() }).collect();
    for (count, expire) in [(1, None), (16, Some(ms(LONG)))] {
        let bytes = Envelope::default().seal_with(&tags[..count], &[7; 100]).unwrap();
        store.set(&entry(name, bytes), expire).await.unwrap();
        let (left, found) = store.left(name).await.unwrap();
        assert_eq!(found, tags[..count]);
        assert_eq!(left == Ttl::Persistent, expire.is_none());
        assert!(store.exists(name).await.unwrap());
    }
    // What only begins like one.
    store.set(&entry(name, &b"\x8bbwe\x03 and then it goes on, for as long as a header is"[..]), None).await.unwrap();
    assert_eq!(store.left(name).await.unwrap(), (Ttl::Persistent, Vec::new()));
}

pub(crate) async fn an_entry_is_discarded_only_if_it_is_the_same(store: Shared, name: &str) {
    let (one, other) = (tagged(name, "one", None), tagged(name, "other", None));
    store.set(&other, None).await.unwrap();
    store.discard(name, &one.bytes).await.unwrap();
    assert_eq!(store.get(name).await.unwrap().unwrap(), other.bytes);
    let mut watch = store.watch_entry(name).await.unwrap();
    store.discard(name, &other.bytes).await.unwrap();
    assert_eq!(store.get(name).await.unwrap(), None);
    assert!(quiet(&mut watch).await, "nobody computed it");
    store.discard(name, &other.bytes).await.unwrap();
    // Also with a claim in it, of which those who wait hear.
    let due = tagged(name, "due", Some(1));
    store.set(&due, None).await.unwrap();
    let bid = Bid { claim: Claim::random().unwrap(), lease: ms(LONG), cold: false, early: 0, seen: None };
    assert!(matches!(store.claim(name, &bid).await.unwrap(), Standing::Yours { stale: Some(_) }));
    store.discard(name, &due.bytes).await.unwrap();
    assert!(timeout(Duration::from_secs(20), watch.heard()).await.is_ok());
    assert_eq!(store.get(name).await.unwrap(), None);
    for bytes in ["", "plain", "a stranger's text, which is as long as a header would be, or longer"] {
        store.set(&entry(name, bytes), None).await.unwrap();
        store.discard(name, &Bytes::from(bytes)).await.unwrap();
        assert!(store.exists(name).await.unwrap(), "it could be anybody's");
    }
}

pub(crate) async fn an_entry_with_tags_is_claimed_and_filled_as_any(store: Shared, name: &str) {
    let filled = async |filling: Filling| store.fill(&[filling]).await.remove(0).unwrap();
    let filling = |payload, replaces, due| Filling {
        entry: tagged(name, payload, Some(1)),
        replaces,
        due: Some(ms(due)),
        kept: Some(ms(LONG)),
    };
    assert!(filled(filling("old", Replaces::Anything, 1)).await);
    sleep(Duration::from_millis(5)).await;
    let seen = store.get(name).await.unwrap();
    let bid = |seen| Bid { claim: Claim::random().unwrap(), lease: ms(LONG), cold: false, early: 0, seen };
    let (mine, theirs) = (bid(seen.clone()), bid(seen.clone()));
    let Standing::Yours { stale: Some(stale) } = store.claim(name, &mine).await.unwrap() else { panic!("it is due") };
    let payload = |bytes: &Bytes| Envelope::open(name, bytes.clone()).unwrap().1;
    assert_eq!(payload(&stale.bytes), "old");
    let Standing::Hit(bytes) = store.claim(name, &theirs).await.unwrap() else { panic!("it is claimed") };
    assert_eq!(payload(&bytes), "old");
    assert_eq!(bellwether::envelope::tags(&bytes), bellwether::envelope::tags(&seen.unwrap()));
    assert!(!filled(filling("late", Replaces::Claimed(theirs.claim), LONG)).await);
    let new = filling("new", Replaces::Claimed(mine.claim), LONG);
    assert!(filled(new.clone()).await);
    assert!(filled(new.clone()).await, "a repetition has the same answer");
    assert_eq!(payload(&store.get(name).await.unwrap().unwrap()), "new");
    assert!(matches!(store.claim(name, &theirs).await.unwrap(), Standing::Hit(_)));
}

pub(crate) async fn tags_are_invalidated_with_what_begins_alike_and_do_not_count(store: Shared, name: &str) {
    let entries = format!("{name}:");
    let tags: Vec<_> = (0..20).map(|n| tagging(&tag_key(&entries, &format!("tag {n}")), None)).collect();
    store.tag(&tags).await.unwrap();
    let plain: Vec<_> = (0..20).map(|n| entry(&format!("{entries}{n}"), "x")).collect();
    store.set_many(&plain, None).await.unwrap();
    assert_eq!(store.delete_matching(&entries, &Glob::any(), &|rest| !is_tag(rest)).await.unwrap(), 20);
    assert!(store.invalidate(&tags[7].key).await.unwrap());
    store.set_many(&plain, None).await.unwrap();
    assert_eq!(store.delete_matching(&entries, &Glob::any(), &|_| true).await.unwrap(), 20);
    // A value that is computed meanwhile may be about to get one of them.
    assert!(store.tag(&tags).await.unwrap().iter().all(|tag| tag.invalidated.is_some()));
    for tag in &tags {
        assert!(store.invalidate(&tag.key).await.unwrap());
    }
    store.delete_matching(&entries, &Glob::any(), &|_| true).await.unwrap();
    for tag in &tags {
        assert!(!store.invalidate(&tag.key).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_of_another_kind_is_named() {
    let store = opened(&SERVER.url()).await;
    SERVER.command::<i64>(&["LPUSH", "foreign-tag", "a list"]).unwrap();
    let foreign = |error: Error| matches!(&error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == "foreign-tag");
    assert!(foreign(store.tag(&[tagging("foreign-tag", None)]).await.unwrap_err()));
    assert!(foreign(store.invalidate("foreign-tag").await.unwrap_err()));
    // Bytes of another length are of no generation, and make way.
    SERVER.command::<()>(&["SET", "foreign-text", "text"]).unwrap();
    assert!(!store.invalidate("foreign-text").await.unwrap());
    SERVER.command::<()>(&["SET", "foreign-text", "text"]).unwrap();
    let begun = tagging("foreign-text", None);
    assert_eq!(tag(&store, &begun).await, Tagged { generation: begun.fresh, invalidated: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_out_of_memory_can_still_invalidate() {
    let server = Server::start().unwrap();
    let store = opened(&server.url()).await;
    tag(&store, &tagging("tag", None)).await;
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert!(matches!(store.tag(&[tagging("other", None)]).await, Err(Error::Limit(_))));
    assert!(store.invalidate("tag").await.unwrap());
    assert_eq!(store.get("tag").await.unwrap(), None);
}
