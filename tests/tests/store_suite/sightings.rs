//! What stores tell of locks to those who do not hold them, and how they break them.

use super::shared::{granted, let_go, permit, rw, takes, waits};
use super::*;
use bellwether::names::{Form, Holder};
use bellwether::store::{Broken, Fingerprint, MOST_SEEN, Part, SeenHolder, Sighting};

async fn seen(store: &Shared, lock: &LockKeys) -> Sighting {
    store.sight(lock).await.unwrap().expect("somebody holds it")
}

/// The one holder of a lock.
async fn holder(store: &Shared, lock: &LockKeys) -> SeenHolder {
    let seen = seen(store, lock).await;
    assert_eq!((seen.holders.len(), seen.count), (1, 1), "{seen:?}");
    seen.holders.into_iter().next().unwrap()
}

pub(crate) async fn fingerprint(store: &Shared, lock: &LockKeys) -> Fingerprint {
    holder(store, lock).await.fingerprint
}

fn labelled(label: &str) -> Token {
    Token::of(&Holder::new(label).unwrap()).unwrap()
}

pub(crate) async fn a_holder_is_seen_without_its_secret(store: Shared, name: &str) {
    let (lock, mine, next) = (lock(name), labelled("web-1:17"), token());
    assert_eq!(store.sight(&lock).await.unwrap(), None);
    let first = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let sighting = seen(&store, &lock).await;
    assert_eq!((sighting.fence, sighting.waiters, &sighting.lock), (Some(first), 0, &lock));
    let before = holder(&store, &lock).await;
    assert_eq!(
        (before.label.as_ref().map(Holder::as_str), before.fence, before.part),
        (Some("web-1:17"), Some(first), Part::All)
    );
    assert!(before.lease_left.unwrap() <= ms(LONG).duration() && before.lease_left.unwrap() > ms(LONG / 2).duration());
    assert_eq!(fingerprint(&store, &lock).await, before.fingerprint);
    assert!(!format!("{sighting:?}").contains(&mine.as_str()[..32]));
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::Now);
    assert_eq!(store.sight(&lock).await.unwrap(), None);
    let second = fence(store.acquire(&lock, &next, None).await.unwrap());
    let after = holder(&store, &lock).await;
    assert_eq!((after.label, after.fence, after.lease_left), (None, Some(second), None));
    assert_ne!(after.fingerprint, before.fingerprint);
}

pub(crate) async fn held_locks_are_found_under_their_prefix(store: Shared, name: &str) {
    let prefix = Prefix::new(&format!("{name}:")).unwrap();
    let within = |name: &str| LockKeys::new(&prefix, name).unwrap();
    assert_eq!(store.sightings(&prefix).await.unwrap(), []);
    // More than one batch, in all slots, among others.
    let mut expected = HashSet::new();
    for number in 0..600 {
        let held = within(&format!("{number}"));
        let mine = labelled(&format!("h{number}"));
        fence(store.acquire(&held, &mine, (number % 2 == 0).then(|| ms(LONG))).await.unwrap());
        if number % 3 == 0 {
            assert_eq!(store.release(&held, Release::of(&mine)).await.unwrap(), Released::Now);
        } else {
            expected.insert((held.name().to_owned(), Form::Plain, format!("h{number}")));
        }
    }
    for odd in ["{tag}", "a{tag}b", "*", "a b:bellwether", "é"] {
        fence(store.acquire(&within(odd), &labelled("odd"), None).await.unwrap());
        expected.insert((odd.to_owned(), Form::Plain, "odd".to_owned()));
        for form in [Form::ReadWrite, Form::Semaphore] {
            let held = LockKeys::whole(&prefix, odd, form).unwrap();
            fence(store.acquire(&held, &labelled(form.as_str()), Some(ms(LONG))).await.unwrap());
            expected.insert((odd.to_owned(), form, form.as_str().to_owned()));
            let released = LockKeys::whole(&prefix, &format!("{odd}released"), form).unwrap();
            let token = token();
            fence(store.acquire(&released, &token, None).await.unwrap());
            assert_eq!(let_go(&store, &released, &token).await, Released::Now);
        }
    }
    for other in [lock(name), lock(&format!("x{name}:1")), lock(&format!("{name}*1"))] {
        fence(store.acquire(&other, &token(), None).await.unwrap());
        let other = LockKeys::whole(&Prefix::default(), other.name(), Form::Semaphore).unwrap();
        fence(store.acquire(&other, &token(), None).await.unwrap());
    }
    store.set(&entry(within("entry").fence(), "1"), None).await.unwrap();
    let found = store.sightings(&prefix).await.unwrap();
    assert_eq!(found.len(), expected.len());
    let found: HashSet<_> = found
        .into_iter()
        .map(|seen| {
            let label = seen.holders[0].label.as_ref().unwrap().as_str().to_owned();
            (seen.lock.name().to_owned(), seen.lock.form(), label)
        })
        .collect();
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
    let holder = fingerprint(&store, &lock).await;
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
    let Broken::Yes { fence: stale, handed_on: true } = store.break_lock(&lock, &holder).await.unwrap() else { panic!() };
    assert!(raised <= stale && stale < risen, "who holds it since is not said to be stale");
    assert!(left(store.holding(&lock, &next).await.unwrap()) > ms(LONG / 2).duration());
}

pub(crate) async fn a_broken_lock_goes_to_the_first_who_waits(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, None).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let waiters = [store.queue(&lock).await, store.queue(&lock).await];
    let holder = seen(&store, &lock).await;
    assert_eq!(holder.waiters, 2);
    let fingerprint = &holder.holders[0].fingerprint;
    let broken = store.break_lock(&lock, fingerprint).await.unwrap();
    let Broken::Yes { fence: raised, handed_on: true } = broken else { panic!("{broken:?}") };
    match timeout(Duration::from_secs(10), watch.heard()).await.unwrap() {
        Word::Granted { token, fence } => assert!(token == waiters[0] && fence > raised),
        Word::Doubt => panic!("nothing was missed"),
    }
    let next = seen(&store, &lock).await;
    assert!(next.fence > Some(raised) && next.waiters == 1 && next.holders[0].fingerprint != *fingerprint, "{next:?}");
}

pub(crate) async fn only_the_holder_that_was_seen_is_broken(store: Shared, name: &str) {
    let (lock, first, second) = (lock(name), token(), token());
    fence(store.acquire(&lock, &first, Some(ms(LONG))).await.unwrap());
    let holder = fingerprint(&store, &lock).await;
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Now);
    assert_eq!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Free);
    let before = fence(store.acquire(&lock, &second, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.break_lock(&lock, &holder).await.unwrap(), Broken::ChangedHands);
    assert!(left(store.holding(&lock, &second).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(seen(&store, &lock).await.fence, Some(before));
    let third = token();
    store.adopt(&lock, &second, &third).await.unwrap().unwrap();
    let holder = fingerprint(&store, &lock).await;
    assert!(matches!(store.break_lock(&lock, &holder).await.unwrap(), Broken::Yes { .. }));
    assert_eq!(store.holding(&lock, &third).await.unwrap(), Holding::No);
}

pub(crate) async fn all_holders_of_a_shared_lock_are_seen(store: Shared, name: &str) {
    let ((reader, writer), three) = (rw(name), permit(name, 3));
    let [one, two] = [labelled("web-1"), labelled("web-2")];
    let first = takes(&store, &reader, &one, LONG).await.unwrap();
    let second = fence(store.acquire(&reader, &two, None).await.unwrap());
    waits(&store, &writer, LONG).await;
    let seen = seen(&store, &writer).await;
    assert_eq!((seen.count, seen.waiters, seen.fence, seen.lock.name()), (2, 1, Some(second), name));
    let told = |holder: &SeenHolder| (holder.label.as_ref().unwrap().as_str().to_owned(), holder.part, holder.fence.unwrap());
    let told: Vec<_> = seen.holders.iter().map(told).collect();
    assert_eq!(
        told,
        [("web-1".to_owned(), Part::Reads, first), ("web-2".to_owned(), Part::Reads, second)],
        "the first end first"
    );
    assert!(seen.holders[0].lease_left.unwrap() > ms(LONG / 2).duration() && seen.holders[1].lease_left.is_none());
    assert!(!format!("{seen:?}").contains(&one.as_str()[..32]));
    assert_eq!(store.sight(&three).await.unwrap(), None);

    // Renewed, extended, taken again: only the last has a new fence.
    let left = |of: &Sighting| of.holders.iter().find(|holder| holder.fence == Some(first)).unwrap().lease_left.unwrap();
    store.extend(&reader, &one, ms(LONG)).await.unwrap();
    assert!(left(&store.sight(&reader).await.unwrap().unwrap()) > ms(LONG).duration());
    let renewal = Renewal { lock: reader.clone(), token: one.clone(), lease: Some(ms(LONG)) };
    store.renew(&[renewal]).await.pop().unwrap().unwrap();
    assert!(left(&store.sight(&reader).await.unwrap().unwrap()) <= ms(LONG).duration());
    let again = takes(&store, &reader, &one, LONG).await.unwrap();
    let seen = store.sight(&reader).await.unwrap().unwrap();
    assert_eq!((seen.holders[0].fence, seen.holders[1].fence), (Some(again), Some(second)));

    // One of whom the lease ends, and one who lets go.
    takes(&store, &three, &token(), 50).await.unwrap();
    let last = takes(&store, &three, &two, LONG).await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while store.sight(&three).await.unwrap().unwrap().count > 1 {
        assert!(Instant::now() < end, "a lease of 50 ms still runs");
        sleep(Duration::from_millis(5)).await;
    }
    let holder = holder(&store, &three).await;
    assert_eq!((holder.part, holder.fence), (Part::Permit, Some(last)));
    assert_eq!(let_go(&store, &three, &two).await, Released::Now);
    assert_eq!(store.sight(&three).await.unwrap(), None);
}

pub(crate) async fn more_holders_are_counted_than_told(store: Shared, name: &str) {
    let many = permit(name, 5000);
    let tokens: Vec<_> = (0..=MOST_SEEN).map(|_| token()).collect();
    for taken in join_all(tokens.iter().map(|token| takes(&store, &many, token, LONG))).await {
        taken.unwrap();
    }
    let seen = seen(&store, &many).await;
    assert_eq!((seen.holders.len(), seen.count), (MOST_SEEN, MOST_SEEN as u64 + 1));
}

pub(crate) async fn one_of_many_holders_is_broken_and_the_others_go_on(store: Shared, name: &str) {
    let two = permit(name, 2);
    let (mine, other) = (labelled("slow"), labelled("other"));
    let before = takes(&store, &two, &mine, LONG).await.unwrap();
    let beside = takes(&store, &two, &other, LONG).await.unwrap();
    let mut watch = store.watch(&two).await.unwrap();
    let waiter = waits(&store, &two, LONG).await;
    let held = seen(&store, &two).await;
    let slow = held.holders.iter().find(|holder| holder.fence == Some(before)).unwrap();
    let broken = store.break_lock(&two, &slow.fingerprint).await.unwrap();
    let Broken::Yes { fence: raised, handed_on: true } = broken else { panic!("{broken:?}") };
    let (granted, fence) = granted(&mut watch).await;
    assert!(granted == waiter.token && fence > raised && raised > beside);
    assert_eq!(store.holding(&two, &mine).await.unwrap(), Holding::No);
    assert_eq!(store.extend(&two, &mine, ms(LONG)).await.unwrap(), Holding::No);
    assert!(left(store.holding(&two, &other).await.unwrap()) > ms(LONG / 2).duration());
    // An attempt of the holder that comes late, and its release.
    assert!(matches!(store.acquire(&two, &mine, None).await, Err(Error::Unavailable(_))));
    assert_eq!(let_go(&store, &two, &mine).await, Released::NotHeld);
    // Repeated, as its reply was lost.
    let again = store.break_lock(&two, &slow.fingerprint).await.unwrap();
    assert!(matches!(again, Broken::Yes { fence, .. } if fence >= raised), "{again:?}");
    assert_eq!(store.holders(&two).await.unwrap(), 2);
}

pub(crate) async fn readers_are_broken_for_a_writer_and_a_writer_for_readers(store: Shared, name: &str) {
    let (reader, writer) = rw(name);
    let readers = [token(), token()];
    for token in &readers {
        takes(&store, &reader, token, LONG).await.unwrap();
    }
    let mut watch = store.watch(&reader).await.unwrap();
    let (first, next) = (waits(&store, &writer, LONG).await, waits(&store, &reader, LONG).await);
    let holders = seen(&store, &writer).await.holders;
    for (holder, last) in holders.iter().zip([false, true]) {
        let broken = store.break_lock(&writer, &holder.fingerprint).await.unwrap();
        assert!(matches!(broken, Broken::Yes { handed_on, .. } if handed_on == last), "{broken:?}");
    }
    assert!(granted(&mut watch).await.0 == first.token);
    let now = holder(&store, &reader).await;
    assert_eq!(now.part, Part::Writes);
    let other = Fingerprint::of(&token());
    assert_eq!(store.break_lock(&reader, &other).await.unwrap(), Broken::ChangedHands);
    assert!(matches!(store.break_lock(&reader, &now.fingerprint).await.unwrap(), Broken::Yes { handed_on: true, .. }));
    assert!(granted(&mut watch).await.0 == next.token);
    assert_eq!(let_go(&store, &reader, &next.token).await, Released::Now);
    assert_eq!(store.break_lock(&reader, &other).await.unwrap(), Broken::Free);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_holders_are_seen_and_broken_whatever_their_token() {
    let store = opened(&SERVER.url()).await;
    let prefix = Prefix::new("outside-seen-").unwrap();
    let held = LockKeys::new(&prefix, "held").unwrap();
    let mine = token();
    fence(store.acquire(&held, &mine, None).await.unwrap());
    let before = holder(&store, &held).await;
    for foreign in [&b"1"[..], b"two words", b"\xff\x00\n", b"0123456789abcdef0123456789abcdef@a b"] {
        let mut eye = SERVER.connection().unwrap();
        redis::cmd("SET").arg(held.key()).arg(foreign).exec(&mut eye).unwrap();
        assert_eq!(store.break_lock(&held, &before.fingerprint).await.unwrap(), store::Broken::ChangedHands);
        let seen = store.sightings(&prefix).await.unwrap().pop().unwrap();
        let foreign = &seen.holders[0];
        assert!(foreign.label.is_none() && seen.lock == held && seen.fence == before.fence.max(seen.fence), "{seen:?}");
        assert!(matches!(store.break_lock(&held, &foreign.fingerprint).await.unwrap(), store::Broken::Yes { .. }));
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
    let refused = store.break_lock(&bad, &fingerprint(&store, &bad).await).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_in_a_shared_lock_are_left_out_and_nothing_is_left_of_its_holders() {
    let store = opened(&SERVER.url()).await;
    let three = permit("sightings-strange", 3);
    takes(&store, &three, &token(), 300).await.unwrap();
    for stranger in ["x", "", "p\u{1b}[31m"] {
        SERVER.command::<()>(&["ZADD", three.key(), "9999999999999", stranger]).unwrap();
    }
    let seen = seen(&store, &three).await;
    assert_eq!((seen.holders.len(), seen.count), (2, 4), "one looks like a permit: {seen:?}");
    SERVER.command::<()>(&["DEL", three.key()]).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while SERVER.command::<i64>(&["EXISTS", three.fences()]).unwrap() > 0 {
        assert!(Instant::now() < end, "the fences of holders outlive them");
        sleep(Duration::from_millis(5)).await;
    }
    let endless = permit("sightings-endless", 3);
    let token = token();
    fence(store.acquire(&endless, &token, None).await.unwrap());
    assert_eq!(SERVER.command::<i64>(&["PTTL", endless.fences()]).unwrap(), -1);
    assert_eq!(let_go(&store, &endless, &token).await, Released::Now);
    assert_eq!(SERVER.command::<i64>(&["EXISTS", endless.fences(), endless.key()]).unwrap(), 0);
}
