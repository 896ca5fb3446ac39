#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::super::{CacheOptions, Caches};
use super::*;
use crate::store::memory::MemoryStore;

fn news() -> News {
    News::new(Nears::new(NearLimits::default()).copies, 0)
}

fn value(version: u64) -> Bytes {
    version.to_le_bytes().to_vec().into()
}

/// What can happen between a server, the news of it and two readers.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Somebody else writes.
    Write,
    /// The oldest news arrives.
    Hear,
    /// The connection for news breaks; what was on its way is lost.
    Break,
    /// It is there again.
    Mend,
    /// Somebody deletes all, which is told at once, also by a connection over which not all is told yet, or not any more.
    Flush,
    /// A reader asks the server, and the server answers.
    Ask(usize),
    /// The answer arrives.
    Answer(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Write),
        Just(Event::Hear),
        Just(Event::Break),
        Just(Event::Mend),
        Just(Event::Flush),
        (0..2_usize).prop_map(Event::Ask),
        (0..2_usize).prop_map(Event::Answer),
    ]
}

proptest! {
    /// In any order of events, a copy that is served is of a value that was there after the last change that was heard.
    #[test]
    fn no_copy_is_older_than_what_was_heard(events in proptest::collection::vec(event(), 0..60)) {
        let news = news();
        let (now, until) = (Instant::now(), Instant::now() + Duration::from_mins(1));
        let (mut version, mut heard, mut under_way, mut connected) = (0, 0, Vec::new(), false);
        let mut asked: [Option<(Option<Before>, u64)>; 2] = [None, None];
        for event in events {
            match event {
                Event::Write => {
                    version += 1;
                    if connected { under_way.push(version) }
                }
                Event::Flush => {
                    version += 1;
                    heard = version;
                    news.all_changed();
                }
                Event::Hear if !under_way.is_empty() => {
                    heard = heard.max(under_way.remove(0));
                    news.changed("key");
                }
                Event::Break => {
                    connected = false;
                    under_way.clear();
                    news.doubt();
                }
                Event::Mend if !connected => {
                    connected = true;
                    // Whatever was written before will not be told.
                    heard = version;
                    news.trust();
                }
                Event::Hear | Event::Mend => {}
                Event::Ask(reader) => asked[reader] = Some((news.before("key", now), version)),
                Event::Answer(reader) => if let Some((Some(before), version)) = asked[reader].take() {
                    news.keep("key", &value(version), before, until);
                },
            }
            if let Some(copy) = news.get("key", now) {
                prop_assert!(connected);
                prop_assert!(copy >= value(heard), "{copy:?} is older than {heard}");
            }
        }
    }
}

#[test]
fn nothing_is_kept_without_trust_and_nothing_for_longer_than_it_lasts() {
    let news = news();
    let now = Instant::now();
    assert_eq!(news.before("a", now), None);
    news.trust();
    let before = news.before("a", now).unwrap();
    news.keep("a", &value(1), before, now + Duration::from_secs(5));
    assert_eq!(news.get("a", now + Duration::from_secs(4)), Some(value(1)));
    assert_eq!(news.get("a", now + Duration::from_secs(5)), None);
    assert_eq!(news.get("b", now), None);
    news.renew();
    assert_eq!(news.get("a", now), None);
    assert!(news.before("a", now).is_some(), "the store still tells of changes");
    news.trust();
    news.doubt();
    news.doubt();
    assert_eq!(news.before("a", now), None);
    news.trust();
    assert_eq!(news.get("a", now), None, "what was copied before the doubt is not served after it");
}

#[test]
fn copies_take_no_more_room_than_there_is() {
    const BYTES: u64 = 100_000;
    let nears = Nears::new(NearLimits { bytes: BYTES, ..NearLimits::default() });
    // Room is shared by all caches.
    let all = [0, 1].map(|number| News::new(nears.copies.clone(), number));
    let (now, until) = (Instant::now(), Instant::now() + Duration::from_mins(1));
    let page: Bytes = vec![7; 1_000].into();
    for news in &all {
        news.trust();
        for number in 0..1_000 {
            let key = format!("{}/{number}", news.number());
            news.keep(&key, &page, news.before(&key, now).unwrap(), until);
        }
        let large: Bytes = vec![7; 200_000].into();
        news.keep("large", &large, news.before("large", now).unwrap(), until);
    }
    nears.copies.run_pending_tasks();
    assert!(nears.copies.weighted_size() <= BYTES, "{} bytes", nears.copies.weighted_size());
    let kept = |news: &News| (0..1_000).filter(|n| news.get(&format!("{}/{n}", news.number()), now).is_some()).count();
    let kept: usize = all.iter().map(kept).sum();
    // About 1,105 bytes each.
    assert!((45..=90).contains(&kept), "{kept} copies in {BYTES} bytes");
    assert!(all.iter().all(|news| news.get("large", now).is_none()));
}

#[tokio::test]
async fn nothing_is_tracked_before_who_has_copies_reads() {
    let caches = Caches::new(Arc::new(MemoryStore::new()));
    for near in [true, false] {
        let cache = caches.open("pages", Some(CacheOptions { near: Some(near), ..CacheOptions::default() })).unwrap();
        cache.set("a", &1, None).await.unwrap();
        cache.delete("a").await.unwrap();
        cache.clear().await.unwrap();
        assert!(cache.0.near.near.get().is_none());
        assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
        assert_eq!(cache.0.near.near.get().is_some(), near);
    }
}

/// Something to track nothing with.
#[derive(Debug)]
struct Silent;

#[test]
fn what_is_copied_while_somebody_writes_is_forgotten() {
    let nears = Nears::new(NearLimits::default());
    let forms = [StageId::CBOR, StageId::JSON].map(|serializer| (false, [serializer, StageId::NONE]));
    let (now, until) = (Instant::now(), Instant::now() + Duration::from_mins(1));
    for (number, form) in forms.into_iter().enumerate() {
        // Before any of them has copies, and when one has some.
        let writing = nears.forgetting("cache:", ["cache:a"].into_iter());
        assert_eq!(writing.keys.is_some(), number > 0);
        let news = Arc::new(News::new(nears.copies.clone(), number as u64));
        let tracking = Mutex::new(Some(Tracking::new(Box::new(Silent))));
        let near = Near { entries: "cache:".to_owned(), form, news, age: Duration::from_mins(1), tracking };
        let near = nears.caches.caches[number].get_or_init(|| Arc::new(near));
        near.news.trust();
        let before = near.news.before("cache:a", now).unwrap();
        near.news.keep("cache:a", &value(1), before, until);
        assert_eq!(near.get("cache:a"), Some(value(1)));
        drop(writing);
        assert_eq!(near.get("cache:a"), None);
        near.news.keep("cache:a", &value(1), before, until);
        assert_eq!(near.get("cache:a"), None, "it was read before the write was done");
        // What is written to other caches ends no copy.
        let before = near.news.before("cache:a", now).unwrap();
        near.news.keep("cache:a", &value(2), before, until);
        drop(nears.forgetting("cache:a", ["cache:a"].into_iter()));
        assert_eq!(near.get("cache:a"), Some(value(2)));
        near.forget_all();
    }
}
