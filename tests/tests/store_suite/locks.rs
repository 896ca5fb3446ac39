//! What stores promise of locks.

use super::*;

pub(crate) async fn a_lock_excludes(store: Shared, name: &str) {
    let (lock, mine, theirs) = (lock(name), token(), token());
    assert!(!store.is_locked(&lock).await.unwrap());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert!(store.is_locked(&lock).await.unwrap());
    match store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap() {
        Attempt::Busy { lease_left: Some(left), .. } => assert!(left <= ms(LONG).duration() && left > ms(LONG / 2).duration()),
        other => panic!("{other:?}"),
    }
    assert!(left(store.holding(&lock, &mine).await.unwrap()) <= ms(LONG).duration());
    assert_eq!(store.holding(&lock, &theirs).await.unwrap(), Holding::No);
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::Now);
    fence(store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap());
}

pub(crate) async fn a_lock_without_lease_lasts(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, None).await.unwrap());
    let busy = store.acquire(&lock, &token(), None).await.unwrap();
    assert!(matches!(busy, Attempt::Busy { lease_left: None, .. }), "{busy:?}");
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::Unlimited);
    assert_eq!(store.extend(&lock, &mine, ms(1)).await.unwrap(), Holding::Unlimited);
    let next = token();
    assert_eq!(store.adopt(&lock, &mine, &next).await.unwrap().unwrap().lease_left, None);
    assert_eq!(store.release(&lock, Release::of(&next)).await.unwrap(), Released::Now);
}

pub(crate) async fn only_one_of_many_acquires(store: Shared, name: &str) {
    let (lock, tokens) = (lock(name), (0..50).map(|_| token()).collect::<Vec<_>>());
    let attempts = join_all(tokens.iter().map(|token| store.acquire(&lock, token, Some(ms(LONG))))).await;
    let won = attempts.into_iter().filter(|attempt| matches!(attempt.as_ref().unwrap(), Attempt::Acquired { .. }));
    assert_eq!(won.count(), 1);
}

pub(crate) async fn fences_rise(store: Shared, name: &str) {
    let (lock, mut last) = (lock(name), 0);
    for _ in 0..20 {
        let (token, next) = (token(), token());
        let acquired = fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap());
        let adopted = store.adopt(&lock, &token, &next).await.unwrap().unwrap().fence;
        assert!(last < acquired && acquired < adopted, "{last} {acquired} {adopted}");
        assert_eq!(store.release(&lock, Release::of(&next)).await.unwrap(), Released::Now);
        last = adopted;
    }
}

pub(crate) async fn the_same_token_acquires_again(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(1000))).await.unwrap());
    // The fence may be the same, as it can only be that the reply with the first was lost.
    let second = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert!(second >= first);
    assert!(left(store.holding(&lock, &mine).await.unwrap()) > Duration::from_secs(2), "the lease has not begun anew");
    assert!(fence(store.acquire(&lock, &mine, None).await.unwrap()) >= second);
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::Unlimited);
}

pub(crate) async fn a_release_is_told_apart(store: Shared, name: &str) {
    let (lock, first, second) = (lock(name), token(), token());
    let stranger = token();
    assert_eq!(store.release(&lock, Release::of(&stranger)).await.unwrap(), Released::NotHeld);
    assert_eq!(
        store.release(&lock, Release::of(&stranger)).await.unwrap(),
        Released::NotHeld,
        "repeated, a refusal passes for a release"
    );
    fence(store.acquire(&lock, &first, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Now);
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Before);
    // That somebody else has it now changes nothing about that.
    fence(store.acquire(&lock, &second, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Before);
    assert!(left(store.holding(&lock, &second).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(store.release(&lock, Release::of(&second)).await.unwrap(), Released::Now);
    assert_eq!(store.release(&lock, Release::of(&second)).await.unwrap(), Released::Before);
}

pub(crate) async fn a_lease_ends(store: Shared, name: &str) {
    let (lock, mine, theirs) = (lock(name), token(), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(30))).await.unwrap());
    let end = Instant::now() + Duration::from_secs(10);
    while store.is_locked(&lock).await.unwrap() {
        assert!(Instant::now() < end, "a lease of 30 ms still runs");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::No);
    assert_eq!(store.extend(&lock, &mine, ms(LONG)).await.unwrap(), Holding::No);
    assert_eq!(store.adopt(&lock, &mine, &token()).await.unwrap(), None);
    let second = fence(store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap());
    assert!(second > first);
    assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::NotHeld);
    assert!(store.is_locked(&lock).await.unwrap());
}

pub(crate) async fn a_lease_is_extended(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let longer = left(store.extend(&lock, &mine, ms(LONG)).await.unwrap());
    assert!(longer > ms(LONG).duration() && longer <= ms(2 * LONG).duration(), "{longer:?}");
    assert!(left(store.holding(&lock, &mine).await.unwrap()) > ms(LONG).duration());
    assert_eq!(store.extend(&lock, &token(), ms(LONG)).await.unwrap(), Holding::No);
    // A hundred years on top of what is left is no number that a script writes with an exponent.
    let ages = Span::new("time", bellwether::clock::MAX_TIME).unwrap();
    assert!(left(store.extend(&lock, &mine, ages).await.unwrap()) > ages.duration());
}

pub(crate) async fn leases_are_renewed_together(store: Shared, name: &str) {
    assert!(store.renew(&[]).await.is_empty());
    let mut renewals = Vec::new();
    for number in 0..30 {
        let (lock, token) = (lock(&format!("{name}-{number}")), token());
        // Every third is not ours.
        if number % 3 > 0 {
            fence(store.acquire(&lock, &token, Some(ms(5000))).await.unwrap());
        }
        renewals.push(Renewal { lock, token, lease: Some(ms(LONG + number)) });
    }
    for (number, outcome) in store.renew(&renewals).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Holding::No => assert_eq!(number % 3, 0),
            holding => {
                assert!(number % 3 > 0);
                let given = renewals[number].lease.unwrap().duration();
                assert!(left(holding) <= given && left(holding) > given / 2, "{number}: {holding:?}");
            }
        }
    }
    let last = renewals.last().unwrap();
    assert!(left(store.holding(&last.lock, &last.token).await.unwrap()) > ms(LONG / 2).duration());
}

pub(crate) async fn a_lock_is_adopted(store: Shared, name: &str) {
    let (lock, mine, next) = (lock(name), token(), token());
    assert_eq!(store.adopt(&lock, &mine, &next).await.unwrap(), None);
    let before = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.adopt(&lock, &token(), &token()).await.unwrap(), None);
    let adopted = store.adopt(&lock, &mine, &next).await.unwrap().unwrap();
    assert!(adopted.fence > before);
    assert!(adopted.lease_left.unwrap() <= ms(LONG).duration());
    assert!(left(store.holding(&lock, &next).await.unwrap()) > ms(LONG / 2).duration());
    // The fence of whoever handed it over does not come back.
    assert!(fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap()) >= adopted.fence);
}

pub(crate) async fn a_token_is_adopted_once(store: Shared, name: &str) {
    let (lock, old, new) = (lock(name), token(), token());
    fence(store.acquire(&lock, &old, Some(ms(LONG))).await.unwrap());
    let adopted = store.adopt(&lock, &old, &new).await.unwrap().unwrap();
    // Repeated, as its reply was lost; and asked for by somebody else.
    assert_eq!(store.adopt(&lock, &old, &new).await.unwrap().unwrap().fence, adopted.fence);
    assert_eq!(store.adopt(&lock, &old, &token()).await.unwrap(), None);
    assert_eq!(store.holding(&lock, &old).await.unwrap(), Holding::No);
    assert_eq!(store.release(&lock, Release::of(&old)).await.unwrap(), Released::NotHeld);
    assert_eq!(store.release(&lock, Release::of(&new)).await.unwrap(), Released::Now);
    assert!(store.acquire(&lock, &old, None).await.is_err(), "an attempt of a token that was adopted comes too late");
}

pub(crate) async fn an_adoption_that_comes_after_its_release_is_refused(store: Shared, name: &str) {
    let (lock, old, late) = (lock(name), token(), token());
    fence(store.acquire(&lock, &old, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&late)).await.unwrap(), Released::NotHeld);
    assert_eq!(store.adopt(&lock, &old, &late).await.unwrap(), None);
    assert!(left(store.holding(&lock, &old).await.unwrap()) > ms(LONG / 2).duration());
    assert!(store.adopt(&lock, &old, &token()).await.unwrap().is_some());
}

pub(crate) async fn an_attempt_that_comes_after_its_release_is_refused(store: Shared, name: &str) {
    let (lock, never, once) = (lock(name), token(), token());
    // Settled before it arrives: first as never held, then as held and released; and others release in between.
    assert_eq!(store.release(&lock, Release::of(&never)).await.unwrap(), Released::NotHeld);
    fence(store.acquire(&lock, &once, None).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&once)).await.unwrap(), Released::Now);
    for _ in 0..3 {
        let other = token();
        assert_eq!(store.release(&lock, Release::of(&token())).await.unwrap(), Released::NotHeld);
        fence(store.acquire(&lock, &other, None).await.unwrap());
        assert_eq!(store.release(&lock, Release::of(&other)).await.unwrap(), Released::Now);
        for late in [&never, &once] {
            assert!(matches!(store.acquire(&lock, late, None).await, Err(Error::Unavailable(_))));
        }
    }
    assert!(!store.is_locked(&lock).await.unwrap());
}

pub(crate) async fn a_release_is_told_again_after_others(store: Shared, name: &str) {
    let (lock, first, stranger) = (lock(name), token(), token());
    fence(store.acquire(&lock, &first, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Now);
    assert_eq!(store.release(&lock, Release::of(&stranger)).await.unwrap(), Released::NotHeld);
    for _ in 0..3 {
        let other = token();
        fence(store.acquire(&lock, &other, Some(ms(LONG))).await.unwrap());
        assert_eq!(store.release(&lock, Release::of(&other)).await.unwrap(), Released::Now);
    }
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Before);
    assert_eq!(store.release(&lock, Release::of(&stranger)).await.unwrap(), Released::NotHeld);
    // What is remembered does not grow for ever.
    for _ in 0..20 {
        assert_eq!(store.release(&lock, Release::of(&token())).await.unwrap(), Released::NotHeld);
    }
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::NotHeld);
}
