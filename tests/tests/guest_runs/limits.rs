//! What guests may use, and what becomes of those that want more.

use bellwether::guest::Quotas;

use super::*;

fn within(limits: GuestLimits) -> GuestRun {
    GuestRun::default().limits(limits)
}

fn quotas(quotas: Quotas) -> GuestRun {
    within(GuestLimits { quotas, ..GuestLimits::default() })
}

#[tokio::test]
async fn a_guest_ends_at_its_deadline_whatever_it_does() {
    let (runtime, guest) = probe().await;
    let deadline = Duration::from_millis(300);
    for doing in ["lock hold-and hang a", "lock hold-and loop a", "misbehave print"] {
        let ran = run_with(&guest, doing, within(GuestLimits { deadline: Some(deadline), ..GuestLimits::default() })).await;
        assert!(
            matches!(ran.end, Err(GuestError::Deadline { deadline: said, .. }) if said == deadline),
            "{doing}: {:?}",
            ran.end
        );
        runtime.shutdown().await;
        assert!(!is_held(&runtime.locks(), "a").await, "{doing}");
    }
}

#[tokio::test]
async fn a_guest_that_computes_lets_others_run() {
    // One thread for all of them.
    let (_runtime, guest) = probe().await;
    let endless = run(&guest, "misbehave loop");
    let other = run(&guest, "cache concurrent a 100");
    tokio::select! {
        ran = endless => panic!("{ran:?}"),
        ran = other => assert_eq!(ran.lines(), ["set 100", "get 100"]),
    }
}

#[tokio::test]
async fn a_guest_that_wants_too_much_memory_is_told_from_one_that_traps() {
    let (_runtime, guest) = probe().await;
    let memory = 32 << 20;
    let ran = run_with(&guest, "misbehave allocate", within(GuestLimits { memory, ..GuestLimits::default() })).await;
    let Err(GuestError::Memory { max, message, .. }) = &ran.end else { panic!("{ran:?}") };
    assert_eq!(*max, memory);
    assert!(message.contains("unreachable"), "what ended it is told too: {message}");
    // Not even enough to begin with.
    let ran = run_with(&guest, "say hello", within(GuestLimits { memory: 65_536, ..GuestLimits::default() })).await;
    assert!(matches!(ran.end, Err(GuestError::Memory { max: 65_536, .. })), "{ran:?}");
    let ran = run_with(&guest, "misbehave overflow", GuestRun::default()).await;
    assert!(matches!(ran.end, Err(GuestError::Trapped { .. })), "{ran:?}");
}

#[tokio::test]
async fn a_guest_that_opens_a_hundred_thousand_locks_is_limited() {
    let (_runtime, guest) = probe().await;
    let ran = run(&guest, "misbehave open 100000").await;
    assert_eq!(
        ran.lines(),
        ["10000 opened, then Error::Limit(\"open locks, guards, caches and vacancies: at most 10000 are allowed at once\")"]
    );
    let ran = run_with(&guest, "misbehave open 4", quotas(Quotas { resources: 3, ..Quotas::default() })).await;
    assert!(ran.lines()[0].starts_with("3 opened, then Error::Limit("), "{ran:?}");
}

#[tokio::test]
async fn calls_in_flight_and_their_arguments_are_limited() {
    let (_runtime, guest) = probe().await;
    let ran = run_with(&guest, "misbehave call 20", quotas(Quotas { calls: 15, ..Quotas::default() })).await;
    assert_eq!(ran.lines(), ["15 waited, 5 refused: Some(Error::Limit(\"calls in flight: at most 15 are allowed at once\"))"]);
    let ran = run_with(&guest, "misbehave hand-in 1 1000", quotas(Quotas { bytes: 1000, ..Quotas::default() })).await;
    assert!(ran.lines()[0].starts_with("1 refused: Some(Error::Limit(\"bytes of arguments in flight"), "{ran:?}");
    let ran =
        run_with(&guest, "misbehave hand-in 1 100000", within(GuestLimits { call_bytes: 50_000, ..GuestLimits::default() }));
    assert!(matches!(ran.await.end, Err(GuestError::Trapped { .. })));
}

#[tokio::test]
async fn output_beyond_what_is_kept_is_counted() {
    let (_runtime, guest) = probe().await;
    let stdout = Capture::new(4);
    guest.run(GuestRun::default().args(["say", "a long text"]).stdout(Output::Capture(stdout.clone()))).await.unwrap();
    assert_eq!((stdout.text().as_str(), stdout.lost()), ("a lo", 8));
}
