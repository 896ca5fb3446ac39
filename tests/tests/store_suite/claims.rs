//! What stores promise of who computes an entry.

use bellwether::envelope::{Claim, Envelope, Head, Holds};
use bellwether::store::{Abandoning, Bid, Filling, Prolonging, Replaces, Standing};

use super::*;

fn claim() -> Claim {
    Claim::random().unwrap()
}

/// One who would compute an entry that is there.
fn bid(lease: u64) -> Bid {
    Bid { claim: claim(), lease: ms(lease), cold: false, early: 0, seen: None }
}

/// One who would compute it also if it is not there.
fn cold(lease: u64) -> Bid {
    Bid { cold: true, ..bid(lease) }
}

/// A value that is due after `due` ms and stays for `kept`.
fn filling(key: &str, payload: &str, claim: Option<Claim>, due: u64, kept: u64) -> Filling {
    let envelope = Envelope { created: 1, expires: Some(1), took: 5, ..Envelope::default() };
    let entry = entry(key, envelope.seal(payload.as_bytes()).unwrap());
    let replaces = claim.map_or(Replaces::Anything, Replaces::Claimed);
    Filling { entry, replaces, due: Some(ms(due)), kept: Some(ms(kept)) }
}

async fn fill(store: &Shared, filling: Filling) -> bool {
    store.fill(&[filling]).await.remove(0).unwrap()
}

/// An entry that is due at once.
async fn due(store: &Shared, name: &str) {
    assert!(fill(store, filling(name, "old", None, 1, LONG)).await);
    until_due(store, name).await;
}

async fn until_due(store: &Shared, name: &str) {
    let expires = Head::read(&store.get(name).await.unwrap().unwrap()).unwrap().expires.unwrap();
    // What this process takes the server's clock for can be a little ahead of it.
    while store.now() <= expires + 5 {
        sleep(Duration::from_millis(1)).await;
    }
}

fn payload(bytes: &Bytes) -> String {
    String::from_utf8(Envelope::open("entry", bytes.clone()).unwrap().1.to_vec()).unwrap()
}

fn hit(standing: Standing) -> String {
    match standing {
        Standing::Hit(bytes) => payload(&bytes),
        other => panic!("{other:?} where there should be a value"),
    }
}

/// The value that is to be computed anew.
fn yours(standing: Standing) -> Option<String> {
    match standing {
        Standing::Yours { stale } => stale.map(|stale| payload(&stale.bytes)),
        other => panic!("{other:?} where there should be a claim"),
    }
}

fn busy(standing: Standing) -> Duration {
    match standing {
        Standing::Busy { lease_left } => lease_left,
        other => panic!("{other:?} where somebody should compute"),
    }
}

pub(crate) async fn what_is_not_there_is_claimed_by_one(store: Shared, name: &str) {
    assert_eq!(store.claim(name, &bid(LONG)).await.unwrap(), Standing::Absent);
    let bids: Vec<_> = (0..20).map(|_| cold(LONG)).collect();
    let standings = join_all(bids.iter().map(|bid| store.claim(name, bid))).await;
    let (claimed, others): (Vec<_>, Vec<_>) =
        bids.iter().zip(standings).partition(|(_, standing)| matches!(standing, Ok(Standing::Yours { stale: None })));
    let [(winner, _)] = &claimed[..] else { panic!("{claimed:?}") };
    for (_, standing) in others {
        assert!(busy(standing.unwrap()) > ms(LONG / 2).duration());
    }
    assert_eq!(yours(store.claim(name, winner).await.unwrap()), None, "a repetition has the same answer");
    assert!(fill(&store, filling(name, "new", Some(winner.claim), LONG, LONG)).await);
    assert_eq!(hit(store.claim(name, &cold(LONG)).await.unwrap()), "new");
    assert_eq!(hit(store.claim(name, &bid(LONG)).await.unwrap()), "new");
}

pub(crate) async fn a_claim_ends_with_its_lease(store: Shared, name: &str) {
    let (first, second) = (cold(30), cold(LONG));
    yours(store.claim(name, &first).await.unwrap());
    let end = Instant::now() + Duration::from_secs(10);
    while let Standing::Busy { lease_left } = store.claim(name, &second).await.unwrap() {
        assert!(lease_left <= ms(30).duration() && Instant::now() < end, "30 ms do not end");
        sleep(Duration::from_millis(2)).await;
    }
    assert!(!fill(&store, filling(name, "late", Some(first.claim), LONG, LONG)).await);
    assert!(!store.abandon(Abandoning::of(name, first.claim)).await.unwrap());
    assert!(fill(&store, filling(name, "new", Some(second.claim), LONG, LONG)).await);

    // The same where there is a value.
    let name = &format!("{name}-due");
    due(&store, name).await;
    let (first, second) = (bid(20), bid(LONG));
    yours(store.claim(name, &first).await.unwrap());
    until_due(&store, name).await;
    assert_eq!(yours(store.claim(name, &second).await.unwrap()).unwrap(), "old");
    assert!(!fill(&store, filling(name, "late", Some(first.claim), LONG, LONG)).await);
    assert!(fill(&store, filling(name, "new", Some(second.claim), LONG, LONG)).await);
    assert_eq!(payload(&store.get(name).await.unwrap().unwrap()), "new");
}

pub(crate) async fn a_claim_is_prolonged(store: Shared, name: &str) {
    let holder = cold(2_000);
    yours(store.claim(name, &holder).await.unwrap());
    let prolonging = |key, lease, serves| Prolonging { key, claim: holder.claim, lease: ms(lease), serves };
    assert!(store.prolong(prolonging(name, LONG, true)).await.unwrap());
    assert!(busy(store.claim(name, &cold(LONG)).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 0);
    assert!(!store.prolong(prolonging(name, LONG, true)).await.unwrap());

    let other = &format!("{name}-due");
    due(&store, other).await;
    assert_eq!(yours(store.claim(other, &holder).await.unwrap()).unwrap(), "old");
    assert!(store.prolong(prolonging(other, LONG, true)).await.unwrap());
    let expires = Head::read(&store.get(other).await.unwrap().unwrap()).unwrap().expires.unwrap();
    assert!(expires > store.now() + LONG / 2);
    assert_eq!(hit(store.claim(other, &cold(LONG)).await.unwrap()), "old");
    assert!(store.prolong(prolonging(other, LONG, false)).await.unwrap());
    busy(store.claim(other, &cold(LONG)).await.unwrap());
    assert!(!store.exists(other).await.unwrap(), "the old value has had its time");
    assert!(fill(&store, filling(other, "new", Some(holder.claim), LONG, LONG)).await);
}

pub(crate) async fn what_is_not_due_is_a_hit(store: Shared, name: &str) {
    assert!(fill(&store, filling(name, "value", None, LONG, 2 * LONG)).await);
    let seen = store.get(name).await.unwrap();
    for bid in [bid(LONG), cold(LONG), Bid { seen: seen.clone(), ..bid(LONG) }, Bid { early: LONG / 2, ..bid(LONG) }] {
        assert_eq!(hit(store.claim(name, &bid).await.unwrap()), "value");
    }
    // Another value than the one that was seen.
    assert!(fill(&store, filling(name, "other", None, LONG, 2 * LONG)).await);
    assert_eq!(hit(store.claim(name, &Bid { seen, ..bid(LONG) }).await.unwrap()), "other");
    // What is soon due can be claimed early, but only while nobody else computes it.
    let early = Bid { early: 2 * LONG, ..bid(LONG) };
    assert_eq!(yours(store.claim(name, &early).await.unwrap()).unwrap(), "other");
    assert_eq!(hit(store.claim(name, &Bid { claim: claim(), ..early }).await.unwrap()), "other");
}

pub(crate) async fn a_due_entry_is_claimed_by_one_and_given_to_the_others(store: Shared, name: &str) {
    for round in 0..3 {
        let name = &format!("{name}-{round}");
        due(&store, name).await;
        let seen = store.get(name).await.unwrap();
        let bids: Vec<_> = (0..20).map(|n| Bid { seen: seen.clone().filter(|_| n % 2 == 0), ..bid(LONG) }).collect();
        let standings = join_all(bids.iter().map(|bid| store.claim(name, bid))).await;
        let mut claims = 0;
        for standing in standings {
            match standing.unwrap() {
                Standing::Yours { stale: Some(stale) } => {
                    claims += 1;
                    assert_eq!(payload(&stale.bytes), "old");
                    assert!(stale.kept.unwrap() > ms(LONG / 2).duration());
                }
                other => assert_eq!(hit(other), "old"),
            }
        }
        assert_eq!(claims, 1);
    }
}

pub(crate) async fn a_late_fill_replaces_nothing(store: Shared, name: &str) {
    // Deleted, or set, while it was computed.
    let (first, second) = (cold(LONG), cold(LONG));
    yours(store.claim(name, &first).await.unwrap());
    assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 0, "nobody has computed it yet");
    assert!(!fill(&store, filling(name, "late", Some(first.claim), LONG, LONG)).await);
    assert_eq!(store.get(name).await.unwrap(), None);
    yours(store.claim(name, &second).await.unwrap());
    store.set(&entry(name, "set"), None).await.unwrap();
    assert!(!fill(&store, filling(name, "late", Some(second.claim), LONG, LONG)).await);
    assert!(!store.prolong(Prolonging { key: name, claim: second.claim, lease: ms(1), serves: false }).await.unwrap());
    assert!(!store.abandon(Abandoning::of(name, second.claim)).await.unwrap());
    assert_eq!(store.get(name).await.unwrap().unwrap(), "set");
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
}

pub(crate) async fn a_late_fill_fills_what_is_gone(store: Shared, name: &str) {
    let late =
        |key: &str, claim| Filling { replaces: Replaces::ClaimedOrNothing(claim), ..filling(key, "late", None, LONG, LONG) };
    let holder = cold(LONG);
    let filled = late(name, holder.claim);
    assert!(fill(&store, filled.clone()).await);
    assert!(fill(&store, filled.clone()).await, "a repetition has the same answer");
    assert_eq!(payload(&store.get(name).await.unwrap().unwrap()), "late");
    assert!(matches!(store.ttl(name).await.unwrap(), Ttl::Remaining(left) if left <= ms(LONG).duration()));
    // Also where the claim is still there.
    let claimed = &format!("{name}-claimed");
    yours(store.claim(claimed, &holder).await.unwrap());
    assert!(fill(&store, late(claimed, holder.claim)).await);
    // Whatever is there of others stays: what they compute or have computed, a failure, and what nobody can claim.
    let other = cold(LONG);
    let computed = &format!("{name}-computed");
    yours(store.claim(computed, &other).await.unwrap());
    assert!(!fill(&store, late(computed, holder.claim)).await);
    assert!(fill(&store, filling(computed, "fresh", Some(other.claim), LONG, LONG)).await);
    assert!(!fill(&store, late(computed, holder.claim)).await);
    assert_eq!(payload(&store.get(computed).await.unwrap().unwrap()), "fresh");
    let failure = Envelope { holds: Holds::Failure, created: 1, ..Envelope::default() }.seal(b"no luck").unwrap();
    for there in [failure, Bytes::new(), Bytes::from_static(b"a stranger's")] {
        store.set(&entry(computed, there.clone()), None).await.unwrap();
        assert!(!fill(&store, late(computed, holder.claim)).await);
        assert_eq!(store.get(computed).await.unwrap().unwrap(), there);
    }
}

pub(crate) async fn a_fill_can_be_repeated(store: Shared, name: &str) {
    let holder = cold(LONG);
    yours(store.claim(name, &holder).await.unwrap());
    let new = filling(name, "new", Some(holder.claim), LONG, LONG);
    assert!(fill(&store, new.clone()).await);
    assert!(fill(&store, new.clone()).await, "a repetition has the same answer");
    // Also where the value has no claim that could be moved.
    let plain = &format!("{name}-plain");
    yours(store.claim(plain, &holder).await.unwrap());
    let value = entry(plain, Envelope { created: 1, ..Envelope::default() }.seal(b"plain").unwrap());
    let new = Filling { entry: value, replaces: Replaces::Claimed(holder.claim), due: None, kept: None };
    assert!(fill(&store, new.clone()).await);
    assert!(fill(&store, new).await);
    assert_eq!(payload(&store.get(plain).await.unwrap().unwrap()), "plain");
    assert_eq!(store.ttl(plain).await.unwrap(), Ttl::Persistent);
}

pub(crate) async fn a_claim_that_is_given_up_can_be_taken(store: Shared, name: &str) {
    let (first, second) = (cold(LONG), cold(LONG));
    yours(store.claim(name, &first).await.unwrap());
    assert!(store.abandon(Abandoning::of(name, first.claim)).await.unwrap());
    assert!(!store.abandon(Abandoning::of(name, first.claim)).await.unwrap());
    yours(store.claim(name, &second).await.unwrap());

    let name = &format!("{name}-due");
    due(&store, name).await;
    yours(store.claim(name, &first).await.unwrap());
    assert!(store.abandon(Abandoning::of(name, first.claim)).await.unwrap());
    assert_eq!(yours(store.claim(name, &second).await.unwrap()).unwrap(), "old", "it is due again at once");
    assert!(store.abandon(Abandoning { rest: Some(ms(LONG)), ..Abandoning::of(name, second.claim) }).await.unwrap());
    assert_eq!(hit(store.claim(name, &first).await.unwrap()), "old", "it rests first");
}

pub(crate) async fn a_value_has_no_more_time_by_claims_that_are_given_up(store: Shared, name: &str) {
    assert!(fill(&store, filling(name, "old", None, 1, 30_000)).await);
    until_due(&store, name).await;
    let (first, second) = (cold(LONG), cold(LONG));
    let Standing::Yours { stale: Some(stale) } = store.claim(name, &first).await.unwrap() else { panic!("it is not due") };
    assert!(
        matches!(store.ttl(name).await.unwrap(), Ttl::Remaining(left) if left > ms(30_000).duration()),
        "the claim lasts so long"
    );
    let giving_up = |claim, left| Abandoning { left, ..Abandoning::of(name, claim) };
    assert!(store.abandon(giving_up(first.claim, stale.kept)).await.unwrap());
    assert!(matches!(store.ttl(name).await.unwrap(), Ttl::Remaining(left) if left <= ms(30_000).duration()));
    let Standing::Yours { stale: Some(stale) } = store.claim(name, &second).await.unwrap() else { panic!("it is not due") };
    assert!(stale.kept.unwrap() <= ms(30_000).duration(), "{:?} are left", stale.kept);
    assert!(store.abandon(giving_up(second.claim, Some(Duration::ZERO))).await.unwrap());
    assert_eq!(store.get(name).await.unwrap(), None, "its time is over");

    let name = &format!("{name}-endless");
    assert!(fill(&store, Filling { kept: None, ..filling(name, "old", None, 1, 1) }).await);
    until_due(&store, name).await;
    yours(store.claim(name, &first).await.unwrap());
    assert!(store.abandon(Abandoning::of(name, first.claim)).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
}

pub(crate) async fn what_is_claimed_keeps_its_time_to_live(store: Shared, name: &str) {
    assert!(fill(&store, filling(name, "old", None, 1, 5_000)).await);
    until_due(&store, name).await;
    yours(store.claim(name, &bid(LONG)).await.unwrap());
    assert!(matches!(store.ttl(name).await.unwrap(), Ttl::Remaining(left) if left <= ms(5_000).duration()));
    // Who would have claimed it were it not there needs it as long as the claim lasts.
    let name = &format!("{name}-cold");
    assert!(fill(&store, filling(name, "old", None, 1, 5_000)).await);
    until_due(&store, name).await;
    yours(store.claim(name, &cold(LONG)).await.unwrap());
    assert!(matches!(store.ttl(name).await.unwrap(), Ttl::Remaining(left) if left > ms(LONG / 2).duration()));
}

pub(crate) async fn a_placeholder_is_no_entry(store: Shared, name: &str) {
    yours(store.claim(name, &cold(LONG)).await.unwrap());
    assert!(!store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    assert_eq!(store.claim(name, &bid(LONG)).await.unwrap(), Standing::Absent);
    let placeholder = store.get(name).await.unwrap().unwrap();
    assert_eq!(Envelope::open(name, placeholder.clone()).unwrap().0.holds, Holds::Nothing);
    assert_eq!(store.delete_matching(name, &Glob::any(), &|_| true).await.unwrap(), 0);
    assert_eq!(store.get(name).await.unwrap(), None);
}

pub(crate) async fn a_failure_is_no_entry(store: Shared, name: &str) {
    let holder = cold(LONG);
    yours(store.claim(name, &holder).await.unwrap());
    let failure = Envelope { holds: Holds::Failure, created: 1, ..Envelope::default() }.seal(b"no luck").unwrap();
    let replaces = Replaces::Claimed(holder.claim);
    let failed = Filling { entry: entry(name, failure), replaces, due: None, kept: Some(ms(LONG)) };
    assert!(fill(&store, failed).await);
    assert!(!store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    assert_eq!(hit(store.claim(name, &cold(LONG)).await.unwrap()), "no luck", "nobody is to compute it");
    assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 0);
    assert_eq!(store.get(name).await.unwrap(), None);
}

pub(crate) async fn who_waits_is_told(store: Shared, name: &str) {
    let mut watches = [store.watch_entry(name).await.unwrap(), store.watch_entry(name).await.unwrap()];
    let mut told = async |why: &str| {
        for watch in &mut watches {
            assert!(timeout(Duration::from_secs(20), watch.heard()).await.is_ok(), "{why}");
        }
    };
    let holder = cold(LONG);
    let claimed = async || yours(store.claim(name, &holder).await.unwrap());
    claimed().await;
    assert!(store.abandon(Abandoning::of(name, holder.claim)).await.unwrap());
    told("given up").await;
    claimed().await;
    store.delete(&[name.to_owned()]).await.unwrap();
    told("deleted").await;
    claimed().await;
    assert!(fill(&store, filling(name, "set", None, 1, LONG)).await);
    told("set").await;
    until_due(&store, name).await;
    claimed().await;
    assert!(fill(&store, filling(name, "new", Some(holder.claim), LONG, LONG)).await);
    told("filled").await;
}

pub(crate) async fn many_are_filled(store: Shared, name: &str) {
    let key = |n: usize| format!("{name}-{n}");
    let holder = cold(LONG);
    yours(store.claim(&key(3), &holder).await.unwrap());
    let fillings = |claim: Option<Claim>| (0..50).map(|n| filling(&key(n), "many", claim, LONG, LONG)).collect::<Vec<_>>();
    let filled = store.fill(&fillings(Some(holder.claim))).await;
    assert_eq!(filled.iter().enumerate().filter(|(_, filled)| **filled == Ok(true)).map(|(n, _)| n).collect::<Vec<_>>(), [3]);
    assert!(store.fill(&fillings(None)).await.into_iter().all(|filled| filled == Ok(true)));
    assert!(store.fill(&[]).await.is_empty());
    assert!(store.exists(&key(49)).await.unwrap());
}

pub(crate) async fn what_cannot_be_claimed_is_a_hit(store: Shared, name: &str) {
    let plain = Envelope::default().seal(b"plain").unwrap();
    for bytes in [Bytes::from_static(b""), Bytes::from_static(b"a stranger's"), plain] {
        store.set(&entry(name, bytes.clone()), None).await.unwrap();
        for bid in [bid(LONG), cold(LONG), Bid { seen: Some(bytes.clone()), ..bid(LONG) }] {
            assert_eq!(store.claim(name, &bid).await.unwrap(), Standing::Hit(bytes.clone()));
        }
        assert!(!store.prolong(Prolonging { key: name, claim: claim(), lease: ms(1), serves: true }).await.unwrap());
        assert!(!fill(&store, filling(name, "new", Some(claim()), LONG, LONG)).await);
        assert_eq!(store.get(name).await.unwrap().unwrap(), bytes);
        assert!(store.exists(name).await.unwrap());
        assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 1);
    }
}
