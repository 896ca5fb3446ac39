//! Looking at many entries.

use std::ops::ControlFlow;

use bellwether::envelope::{Claim, Envelope, Holds, has_no_value};
use bellwether::store::browse::{About, Browse, HEAD, Seen};
use bellwether::store::{Bid, Filling, Replaces, Standing};

use super::*;

async fn seen(store: &Shared, prefix: &str, pattern: &str, closely: u64) -> HashMap<String, Option<About>> {
    let pattern = Glob::new(pattern).unwrap();
    let mut all = HashMap::new();
    let chosen = |rest: &str| pattern.matches(rest);
    let which = Browse { prefix, hint: &pattern, chosen: &chosen, closely };
    let mut tell = |batch: Vec<Seen>| {
        all.extend(batch.into_iter().map(|seen| (seen.key, seen.about)));
        ControlFlow::Continue(())
    };
    store.browse(which, &mut tell).await.unwrap();
    all
}

pub(crate) async fn entries_are_met_and_looked_at(store: Shared, name: &str) {
    let prefix = format!("{name}*:");
    let entries: Vec<_> = (0..2_000).map(|number| entry(&format!("{prefix}{number}"), format!("{number}"))).collect();
    store.set_many(&entries, None).await.unwrap();
    store.set(&entry(&format!("{name}x:1"), "outside"), None).await.unwrap();
    store.set(&entry(&format!("{prefix}1"), vec![7; 100_000]), Some(ms(LONG))).await.unwrap();
    store.set(&entry(&format!("{prefix}19"), ""), None).await.unwrap();

    let met = seen(&store, &prefix, "*", 0).await;
    assert_eq!(met.len(), 2_000);
    assert!(met.values().all(Option::is_none), "nothing is looked at");
    let some = seen(&store, &prefix, "*", 10).await;
    let looked_at = some.values().flatten().count();
    assert!((10..2_000).contains(&looked_at) && some.len() == 2_000, "{looked_at} were looked at");

    let about = seen(&store, &prefix, "1*", 10_000).await;
    assert_eq!(about.len(), 1 + 10 + 100 + 1000);
    let of = |rest: &str| about[&format!("{prefix}{rest}")].clone().unwrap();
    let large = of("1");
    assert_eq!((large.bytes, large.head.as_ref()), (100_000, &[7; HEAD][..]));
    assert!(matches!(large.ttl, Ttl::Remaining(left) if left <= Duration::from_millis(LONG) && !left.is_zero()), "{large:?}");
    assert_eq!(of("1234"), About { bytes: 4, head: "1234".into(), ttl: Ttl::Persistent, tags: Vec::new() });
    assert_eq!(of("19"), About { bytes: 0, head: Bytes::new(), ttl: Ttl::Persistent, tags: Vec::new() });
    assert!(seen(&store, &format!("{name}-nothing:"), "*", 10).await.is_empty());
}

pub(crate) async fn placeholders_and_failures_are_seen_as_such(store: Shared, name: &str) {
    let prefix = format!("{name}:");
    let [value, vacant, failed] = ["value", "vacant", "failed"].map(|rest| format!("{prefix}{rest}"));
    let bytes = Envelope::default().seal(b"value").unwrap();
    store.set(&entry(&value, bytes.clone()), None).await.unwrap();
    for key in [&vacant, &failed] {
        let bid = Bid { claim: Claim::random().unwrap(), lease: ms(LONG), cold: true, early: 0, seen: None };
        assert_eq!(store.claim(key, &bid).await.unwrap(), Standing::Yours { stale: None });
    }
    let failure = Envelope { holds: Holds::Failure, ..Envelope::default() }.seal(b"no").unwrap();
    let filling =
        Filling { entry: entry(&failed, failure.clone()), replaces: Replaces::Anything, due: None, kept: Some(ms(LONG)) };
    assert_eq!(store.fill(&[filling]).await, [Ok(true)]);

    assert_eq!(seen(&store, &prefix, "*", 0).await.len(), 3);
    let about = seen(&store, &prefix, "*", 10).await;
    let about = |key| about[key].clone().unwrap();
    assert_eq!(about(&value), About { bytes: 43, head: bytes, ttl: Ttl::Persistent, tags: Vec::new() });
    assert_eq!((about(&vacant).bytes, has_no_value(&about(&vacant).head)), (50, true));
    assert_eq!((about(&failed).bytes, about(&failed).head), (52, failure));
    for key in [&vacant, &failed] {
        assert!(matches!(about(key).ttl, Ttl::Remaining(left) if left <= Duration::from_millis(LONG)), "{:?}", about(key));
        assert_eq!(store.left(key).await.unwrap(), (Ttl::Absent, Vec::new()), "{key} is no entry to who reads");
    }
}

pub(crate) async fn a_walk_can_be_ended(store: Shared, name: &str) {
    let prefix = format!("{name}:");
    let entries: Vec<_> = (0..5_000).map(|number| entry(&format!("{prefix}{number}"), "x")).collect();
    store.set_many(&entries, None).await.unwrap();
    let mut met = 0;
    let which = Browse { prefix: &prefix, hint: &Glob::any(), chosen: &|_| true, closely: 0 };
    let mut tell = |batch: Vec<Seen>| {
        met += batch.len();
        ControlFlow::Break(())
    };
    store.browse(which, &mut tell).await.unwrap();
    assert!((1..4_000).contains(&met), "{met} were met");
}
