//! What stores tell of locks to those who do not hold them, and how they break them.

use super::*;
use bellwether::names::Holder;
use bellwether::store::{Broken, Sighting};

async fn seen(store: &Shared, lock: &LockKeys) -> Sighting {
    store.sight(lock).await.unwrap().expect("somebody holds it")
}

fn labelled(label: &str) -> Token {
    Token::of(&Holder::new(label).unwrap()).unwrap()
}

pub(crate) async fn a_holder_is_seen_without_its_secret(store: Shared, name: &str) {
    let (lock, mine, next) = (lock(name), labelled("web-1:17"), token());
    assert_eq!(store.sight(&lock).await.unwrap(), None);
    let first = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let before = seen(&store, &lock).await;
    assert_eq!((before.holder.as_ref().map(Holder::as_str), before.fence, &before.lock), (Some("web-1:17"), Some(first), &lock));
    assert!(before.lease_left.unwrap() <= ms(LONG).duration() && before.lease_left.unwrap() > ms(LONG / 2).duration());
    assert_eq!(seen(&store, &lock).await.fingerprint, before.fingerprint);
    assert!(!format!("{before:?}").contains(&mine.as_str()[..32]));
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::Now);
    assert_eq!(store.sight(&lock).await.unwrap(), None);
    let second = fence(store.acquire(&lock, &next, None).await.unwrap());
    let after = seen(&store, &lock).await;
    assert_eq!((after.holder, after.fence, after.lease_left), (None, Some(second), None));
    assert_ne!(after.fingerprint, before.fingerprint);
}

pub(crate) async fn held_locks_are_found_under_their_prefix(store: Shared, name: &str) {
    let prefix = Prefix::new(&format!("{name}:")).unwrap();
    let within = |name: &str| LockKeys::new(&prefix, name).unwrap();
    assert_eq!(store.sightings(&prefix).await.unwrap(), []);
    // More than one batch, in all slots, among others.
    let mut expected = HashMap::new();
    for number in 0..600 {
        let held = within(&format!("{number}"));
        let mine = labelled(&format!("h{number}"));
        fence(store.acquire(&held, &mine, (number % 2 == 0).then(|| ms(LONG))).await.unwrap());
        if number % 3 == 0 {
            assert_eq!(store.release(&held, Release::of(&mine)).await.unwrap(), Released::Now);
        } else {
            expected.insert(held.name().to_owned(), format!("h{number}"));
        }
    }
    for odd in ["{tag}", "a{tag}b", "*", "a b:bellwether", "é"] {
        fence(store.acquire(&within(odd), &labelled("odd"), None).await.unwrap());
        expected.insert(odd.to_owned(), "odd".to_owned());
    }
    for other in [lock(name), lock(&format!("x{name}:1")), lock(&format!("{name}*1"))] {
        fence(store.acquire(&other, &token(), None).await.unwrap());
    }
    store.set(&entry(within("entry").fence(), "1"), None).await.unwrap();
    let found = store.sightings(&prefix).await.unwrap();
    assert_eq!(found.len(), expected.len());
    let found: HashMap<_, _> =
        found.into_iter().map(|seen| (seen.lock.name().to_owned(), seen.holder.unwrap().as_str().to_owned())).collect();
    assert_eq!(found, expected);
}

pub(crate) async fn a_prefix_of_locks_is_literal(store: Shared, name: &str) {
    let wild = Prefix::new(&format!("{name}*[a]?")).unwrap();
    fence(store.acquire(&lock(&format!("{name}*a1x")), &token(), None).await.unwrap());
    let meant = LockKeys::new(&wild, "x").unwrap();
    fence(store.acquire(&meant, &token(), None).await.unwrap());
    let found: Vec<_> = store.sightings(&wild).await.unwrap().into_iter().map(|seen| seen.lock).collect();
    assert_eq!(found, [meant]);
}

pub(crate) async fn a_lock_is_broken_and_its_holder_fenced_out(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), labelled("slow"));
    let before = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let holder = seen(&store, &lock).await.fingerprint;
    let broken = store.break_lock(&lock, &holder).await.unwrap();
    let Broken::Yes { fence: raised, handed_on: false } = broken else { panic!("{broken:?}") };
    assert!(raised > before);
    assert!(!store.is_locked(&lock).await.unwrap());
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::No);
    assert_eq!(store.extend(&lock, &mine, ms(LONG)).await.unwrap(), Holding::No);
    // An attempt of the holder that comes late, and its release.
    assert!(matches!(store.acquire(&lock, &mine, None).await, Err(Error::Unavailable(_))));
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::NotHeld);
    // Repeated, as its reply was lost; also when somebody else holds the lock by then.
    assert!(
        matches!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Yes { fence, handed_on: false } if fence >= raised)
    );
    let next = token();
    let risen = fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap());
    assert!(risen > raised);
    assert!(matches!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Yes { handed_on: true, .. }));
    assert!(left(store.holding(&lock, &next).await.unwrap()) > ms(LONG / 2).duration());
}

pub(crate) async fn a_broken_lock_goes_to_the_first_who_waits(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, None).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let waiters = [store.queue(&lock).await, store.queue(&lock).await];
    let holder = seen(&store, &lock).await;
    assert_eq!(holder.waiters, 2);
    let broken = store.break_lock(&lock, &holder.fingerprint).await.unwrap();
    let Broken::Yes { fence: raised, handed_on: true } = broken else { panic!("{broken:?}") };
    match timeout(Duration::from_secs(10), watch.heard()).await.unwrap() {
        Word::Granted { token, fence } => assert!(token == waiters[0] && fence > raised),
        Word::Doubt => panic!("nothing was missed"),
    }
    let next = seen(&store, &lock).await;
    assert!(next.fence > Some(raised) && next.waiters == 1 && next.fingerprint != holder.fingerprint, "{next:?}");
}

pub(crate) async fn only_the_holder_that_was_seen_is_broken(store: Shared, name: &str) {
    let (lock, first, second) = (lock(name), token(), token());
    fence(store.acquire(&lock, &first, Some(ms(LONG))).await.unwrap());
    let holder = seen(&store, &lock).await.fingerprint;
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Now);
    assert_eq!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Free);
    let before = fence(store.acquire(&lock, &second, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.break_lock(&lock, &holder).await.unwrap(), Broken::ChangedHands);
    assert!(left(store.holding(&lock, &second).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(seen(&store, &lock).await.fence, Some(before));
    let third = token();
    store.adopt(&lock, &second, &third).await.unwrap().unwrap();
    let holder = seen(&store, &lock).await.fingerprint;
    assert!(matches!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Yes { .. }));
    assert_eq!(store.holding(&lock, &third).await.unwrap(), Holding::No);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_holders_are_seen_and_broken_whatever_their_token() {
    let store = opened(&SERVER.url()).await;
    let prefix = Prefix::new("outside-seen-").unwrap();
    let held = LockKeys::new(&prefix, "held").unwrap();
    let mine = token();
    fence(store.acquire(&held, &mine, None).await.unwrap());
    let before = store.sight(&held).await.unwrap().unwrap();
    for foreign in [&b"1"[..], b"two words", b"\xff\x00\n", b"0123456789abcdef0123456789abcdef@a b"] {
        let mut eye = SERVER.connection().unwrap();
        redis::cmd("SET").arg(held.key()).arg(foreign).exec(&mut eye).unwrap();
        assert_eq!(store.break_lock(&held, &before.fingerprint).await.unwrap(), store::Broken::ChangedHands);
        let seen = store.sightings(&prefix).await.unwrap().pop().unwrap();
        assert!(seen.holder.is_none() && seen.lock == held && seen.fence == before.fence.max(seen.fence), "{seen:?}");
        assert!(matches!(store.break_lock(&held, &seen.fingerprint).await.unwrap(), store::Broken::Yes { .. }));
        assert!(!store.is_locked(&held).await.unwrap());
    }
    // What is noted of ours is still known.
    assert_eq!(store.release(&held, Release::of(&mine)).await.unwrap(), Released::NotHeld);
    assert!(store.acquire(&held, &mine, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_no_lock_does_not_keep_others_from_being_seen() {
    let store = opened(&SERVER.url()).await;
    let prefix = Prefix::new("outside-sightings-").unwrap();
    let [held, list, bad] = ["held", "list", "bad"].map(|name| LockKeys::new(&prefix, name).unwrap());
    fence(store.acquire(&held, &token(), None).await.unwrap());
    SERVER.command::<()>(&["RPUSH", list.key(), "x"]).unwrap();
    SERVER.command::<()>(&["SET", list.fence(), "1"]).unwrap();
    SERVER.command::<()>(&["SET", bad.key(), "held"]).unwrap();
    SERVER.command::<()>(&["RPUSH", bad.fence(), "x"]).unwrap();
    let mut found: Vec<_> = store
        .sightings(&prefix)
        .await
        .unwrap()
        .into_iter()
        .map(|seen| (seen.lock.name().to_owned(), seen.fence.is_some()))
        .collect();
    found.sort();
    assert_eq!(found, [("bad".to_owned(), false), ("held".to_owned(), true)]);
    assert!(matches!(store.sight(&list).await, Err(Error::Invalid(Invalid::ForeignKey { key, .. })) if key == list.key()));
    let seen = store.sight(&bad).await.unwrap().unwrap();
    let refused = store.break_lock(&bad, &seen.fingerprint).await;
    assert!(matches!(refused, Err(Error::Invalid(Invalid::ForeignKey { key, .. })) if key == bad.fence()));
    assert!(store.is_locked(&bad).await.unwrap(), "an error leaves all as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_outlasts_the_lock_however_long_it_is_held() {
    const DAY: i64 = 86_400_000;
    let store = opened(&SERVER.url()).await;
    let [endless, long, renewed] = ["endless", "long", "renewed"].map(|name| lock(&format!("sightings-{name}")));
    let [mine, next] = [token(), token()];
    let left = |lock: &LockKeys| SERVER.command::<i64>(&["PTTL", lock.fence()]).unwrap();
    fence(store.acquire(&endless, &mine, None).await.unwrap());
    assert_eq!(left(&endless), -1, "a lock without lease is found for as long as it is held");
    store.adopt(&endless, &mine, &next).await.unwrap().unwrap();
    assert_eq!(left(&endless), -1);
    assert_eq!(store.release(&endless, Release::of(&next)).await.unwrap(), Released::Now);
    assert!((DAY / 2..=DAY).contains(&left(&endless)), "what is remembered of a free lock is forgotten");

    let week = Span::new("lease", Duration::from_hours(7 * 24)).unwrap();
    fence(store.acquire(&long, &mine, Some(week)).await.unwrap());
    assert!(left(&long) > 7 * DAY);
    store.extend(&long, &mine, week).await.unwrap();
    assert!(left(&long) > 14 * DAY);

    fence(store.acquire(&renewed, &mine, Some(ms(LONG))).await.unwrap());
    SERVER.command::<()>(&["PEXPIRE", renewed.fence(), "1000"]).unwrap();
    let renewal = |lease| [Renewal { lock: renewed.clone(), token: mine.clone(), lease }];
    store.renew(&renewal(Some(ms(LONG)))).await.pop().unwrap().unwrap();
    assert!(left(&renewed) > DAY / 2);
    store.renew(&renewal(None)).await.pop().unwrap().unwrap();
    assert_eq!(left(&renewed), -1);
}
