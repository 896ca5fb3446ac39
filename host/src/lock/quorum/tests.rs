use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn counted(replicas: usize, holding: usize) -> Event {
    Event::Told(Copies::Counted { replicas, holding, most: replicas, fresh: true })
}

fn at_least(count: u32) -> Quorum {
    NonZeroU32::new(count).map_or(Quorum::All, Quorum::AtLeast)
}

#[test]
fn a_quorum_is_what_its_name_says() {
    let needed = |quorum: Quorum| [1, 2, 3, 4, 5].map(|replicas| quorum.needed(replicas));
    assert_eq!(needed(Quorum::Majority), [1, 2, 2, 3, 3]);
    assert_eq!(needed(Quorum::All), [1, 2, 3, 4, 5]);
    assert_eq!(needed(at_least(2)), [2, 2, 2, 2, 2]);
}

#[test]
fn the_first_questions_follow_each_other_at_once_and_later_ones_after_pauses() {
    let begun = Instant::now();
    let (mut confirming, first) = Confirming::new(Quorum::Majority, begun + SECOND, begun);
    assert_eq!(first, Action::Ask { doubtful: false, until: begun + MS });
    assert!(matches!(confirming.step(counted(2, 1), begun), Action::Ask { .. }));
    let mut now = begun + 2 * MS;
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let Action::Ask { until, .. } = confirming.step(Event::Timer, now) else { break };
        assert_eq!(confirming.step(counted(2, 1), now), Action::Listen { until });
        pauses.push((until - now).as_millis());
        now = until;
    }
    assert_eq!(pauses, [2, 4, 8, 16, 20, 20, 20]);
    assert_eq!(confirming.step(counted(2, 2), now), Action::Reached);
}

#[test]
fn it_ends_with_the_time_and_with_the_primary() {
    let begun = Instant::now();
    let new = || Confirming::new(Quorum::All, begun + MS, begun).0;
    assert_eq!(new().step(counted(2, 2), begun + MS), Action::NotReached, "too late");
    assert_eq!(new().step(Event::Timer, begun + MS), Action::NotReached);
    assert_eq!(new().step(Event::Told(Copies::Moved), begun), Action::NotReached);
}

#[test]
fn too_few_replicas_are_an_error_only_if_there_never_were_more() {
    let begun = Instant::now();
    let told = |quorum, replicas, most, fresh| {
        let mut confirming = Confirming::new(quorum, begun + SECOND, begun).0;
        confirming.step(Event::Told(Copies::Counted { replicas, holding: replicas, most, fresh }), begun + 10 * MS)
    };
    assert_eq!(told(Quorum::Majority, 0, 0, true), Action::Impossible { replicas: 0 });
    assert_eq!(told(at_least(3), 2, 2, true), Action::Impossible { replicas: 2 });
    for (quorum, replicas, most, fresh) in [(Quorum::All, 0, 0, false), (Quorum::Majority, 0, 2, true), (at_least(2), 1, 2, true)]
    {
        assert!(matches!(told(quorum, replicas, most, fresh), Action::Ask { doubtful: true, .. }), "{quorum:?} of {replicas}");
    }
    assert_eq!(told(at_least(2), 2, 2, true), Action::Reached);
}

#[test]
fn who_does_not_wait_has_time_for_the_replicas_all_the_same() {
    let now = Instant::now();
    let left = |wait: Wait, lease| limit(wait, wait.deadline(now), Some(now + lease), now) - now;
    assert_eq!(left(Wait::None, 30 * SECOND), SECOND);
    assert_eq!(left(Wait::None, SECOND), SECOND / 2);
    assert_eq!(left(Wait::UpTo(MS), 30 * SECOND), 100 * MS);
    assert_eq!(left(Wait::UpTo(3 * SECOND), 30 * SECOND), 3 * SECOND);
    assert_eq!(left(Wait::UpTo(60 * SECOND), 30 * SECOND), 30 * SECOND);
    assert_eq!(left(Wait::Forever, 30 * SECOND), 30 * SECOND);
}

fn quorums() -> impl Strategy<Value = Quorum> {
    prop_oneof![Just(Quorum::Majority), Just(Quorum::All), (1..6_u32).prop_map(at_least)]
}

fn copies() -> impl Strategy<Value = Copies> {
    let counted = (0..6_usize, 0..6_usize, 0..6_usize, any::<bool>()).prop_map(|(replicas, holding, more, fresh)| {
        Copies::Counted { replicas, holding: holding.min(replicas), most: replicas + more, fresh }
    });
    prop_oneof![8 => counted, 1 => Just(Copies::Unknown), 1 => Just(Copies::Moved)]
}

proptest! {
    /// Whatever happens in whatever order, nothing is confirmed that is not there or comes too late, the time is never
    /// passed, and nobody is asked without end.
    #[test]
    fn it_confirms_what_was_seen_in_time_and_nothing_else(
        quorum in quorums(),
        time in 0..500_u64,
        events in proptest::collection::vec((proptest::option::of(copies()), 0..40_000_u64), 1..300),
    ) {
        let begun = Instant::now();
        let limit = begun + Duration::from_millis(time);
        let (mut confirming, mut action) = Confirming::new(quorum, limit, begun);
        let mut now = begun;
        let (mut asked, mut timers) = (1_u64, 0_u64);
        for (copies, micros) in events {
            let (Action::Ask { until, .. } | Action::Listen { until }) = action else { break };
            prop_assert!(until <= limit.max(begun));
            let news = now + Duration::from_micros(micros);
            let event = match copies {
                Some(copies) if news < until => {
                    now = news;
                    Event::Told(copies)
                }
                _ => {
                    now = now.max(until);
                    timers += 1;
                    Event::Timer
                }
            };
            action = confirming.step(event, now);
            match (action, event) {
                (Action::Ask { .. }, _) => asked += 1,
                (Action::Listen { .. }, _) => prop_assert!(now < limit),
                (Action::Reached, Event::Told(Copies::Counted { replicas, holding, .. })) => {
                    prop_assert!(now < limit && replicas > 0 && holding >= quorum.needed(replicas));
                }
                (Action::NotReached, Event::Told(Copies::Moved)) => {}
                (Action::NotReached, _) => prop_assert!(now >= limit),
                (Action::Impossible { replicas }, Event::Told(Copies::Counted { most, fresh, .. })) => {
                    prop_assert!(fresh && most == replicas && most < quorum.needed(0));
                }
                (outcome, event) => prop_assert!(false, "{outcome:?} after {event:?}"),
            }
        }
        // A doubt that comes and goes is worth a question each time; more than that is not asked between two timers.
        let eager = u64::from(EAGER.1);
        prop_assert!(asked <= 1 + timers + eager + 300);
    }

    /// Replicas that get the lock sooner or later, answer sooner or later or never: the quorum is noticed within the longest
    /// pause and the time of an answer, and without one the time is used up and not a moment more.
    #[test]
    fn a_quorum_is_noticed_soon(
        quorum in quorums(),
        replicas in proptest::collection::vec((0..300_000_u64, 1..20_000_u64, any::<bool>()), 1..6),
    ) {
        let begun = Instant::now();
        let limit = begun + 400 * MS;
        let (mut confirming, mut action) = Confirming::new(quorum, limit, begun);
        let at = |micros: u64| begun + Duration::from_micros(micros);
        let mut now = begun;
        // When the answer to the question of each comes, and whether it is that the lock is there.
        let mut answers: Vec<Option<(Instant, bool)>> = vec![None; replicas.len()];
        let mut holds = vec![false; replicas.len()];
        while let Action::Ask { until, .. } | Action::Listen { until } = action {
            if matches!(action, Action::Ask { .. }) {
                for ((answer, holds), (arrives, trip, _)) in answers.iter_mut().zip(&holds).zip(&replicas).filter(|(_, (.., lives))| *lives) {
                    if answer.is_none() && !holds {
                        let there = now + Duration::from_micros(*trip / 2);
                        *answer = Some((now + Duration::from_micros(*trip), there >= at(*arrives)));
                    }
                }
            }
            let first = answers.iter().enumerate().filter_map(|(which, answer)| answer.map(|(when, held)| (when, which, held))).min();
            action = match first {
                Some((when, which, held)) if when < until => {
                    now = when;
                    if let (Some(answer), Some(known)) = (answers.get_mut(which), holds.get_mut(which)) {
                        (*answer, *known) = (None, held);
                    }
                    let holding = holds.iter().filter(|held| **held).count();
                    confirming.step(counted(replicas.len(), holding), now)
                }
                _ => {
                    now = until;
                    confirming.step(Event::Timer, now)
                }
            };
        }
        let mut arrivals: Vec<_> = replicas.iter().filter(|(.., lives)| *lives).map(|(arrives, ..)| at(*arrives)).collect();
        arrivals.sort_unstable();
        let there = arrivals.get(quorum.needed(replicas.len()) - 1);
        match action {
            Action::Reached => {
                let there = *there.unwrap_or(&limit);
                // An answer that was on its way, a pause, and an answer.
                prop_assert!(there <= now && now <= there + 20 * MS + PAUSES.1 + 20 * MS);
            }
            Action::NotReached => {
                prop_assert_eq!(now, limit);
                prop_assert!(there.is_none_or(|there| *there + 60 * MS > limit));
            }
            Action::Impossible { .. } => prop_assert!(replicas.len() < quorum.needed(0)),
            _ => prop_assert!(false),
        }
    }
}
