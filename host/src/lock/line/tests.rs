#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::names::{LockKeys, Prefix};
use crate::store::memory::MemoryStore;
use crate::store::{Holding, Store, Watch};

const MS: Duration = Duration::from_millis(1);

fn span(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

fn arrival(fair: bool, reply: u64) -> Arrival<u64> {
    let ticket = Ticket { token: Token::random().unwrap(), lease: Some(span(2_000)), kept: span(800) };
    Arrival { ticket, fair, pulse: span(100), queued: false, reply }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Join { fair: bool },
    Leave { at: usize },
    Step,
    Answer,
    Hear,
    Release { known: bool },
    Die,
    Pass { millis: u64 },
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        3 => any::<bool>().prop_map(|fair| Event::Join { fair }),
        1 => (0..4_usize).prop_map(|at| Event::Leave { at }),
        6 => Just(Event::Step),
        6 => Just(Event::Answer),
        4 => Just(Event::Hear),
        4 => prop::bool::weighted(0.9).prop_map(|known| Event::Release { known }),
        1 => Just(Event::Die),
        2 => (0..1_500_u64).prop_map(|millis| Event::Pass { millis }),
    ];
    prop::collection::vec((0..2_usize, event), 0..120)
}

/// One process: its line, what it has asked and not heard yet, and by which token it believes to hold the lock until when.
struct Process {
    line: Line<u64>,
    watch: Watch,
    tickets: Vec<(Number, Ticket)>,
    asked: Option<(Number, Instant, Attempt)>,
    holds: Option<(Token, Instant)>,
}

struct World {
    store: MemoryStore,
    lock: LockKeys,
    processes: Vec<Process>,
    served: usize,
}

impl World {
    fn new() -> Self {
        let (store, lock) = (MemoryStore::new(), LockKeys::new(&Prefix::default(), "lock").unwrap());
        let process = || {
            let mut line = Line::new(Instant::now());
            let watch = store.watch(&lock).now_or_never().unwrap().unwrap();
            line.listening(true, Instant::now());
            Process { line, watch, tickets: Vec::new(), asked: None, holds: None }
        };
        let processes = vec![process(), process()];
        Self { store, lock, processes, served: 0 }
    }

    fn told(&mut self, at: usize, told: Option<(u64, Turn)>) {
        let Some((reply, turn)) = told else { return };
        let process = &mut self.processes[at];
        let waiter = process.tickets.iter().position(|(number, _)| number.0 == reply).unwrap();
        let (_, ticket) = process.tickets.remove(waiter);
        let (now, token) = (Instant::now(), ticket.token.clone());
        match turn {
            Turn::Granted { sent, left, .. } if sent + left > now => {
                process.holds = Some((token, sent + left));
                self.served += 1;
            }
            // As an acquire does: the store knows.
            Turn::Granted { .. } | Turn::Unsure => {
                process.line.unhold(&token, now);
                let release = Release { withdraws: Some(&ticket), ..Release::of(&token) };
                self.store.release(&self.lock, release).now_or_never().unwrap().unwrap();
                self.served += 1;
            }
            Turn::Failed(error) => panic!("{error}"),
        }
    }

    fn happen(&mut self, at: usize, event: Event) {
        let now = Instant::now();
        let (store, lock) = (&self.store, &self.lock);
        let process = &mut self.processes[at];
        match event {
            Event::Join { fair } => {
                let next = process.line.next;
                let arrival = arrival(fair, next);
                let ticket = arrival.ticket.clone();
                let (number, _) = process.line.join(arrival, now);
                process.tickets.push((number, ticket));
            }
            Event::Leave { at: waiter } => {
                if waiter < process.tickets.len() {
                    let (number, ticket) = process.tickets.remove(waiter);
                    if process.line.leave(number, now).unwrap() {
                        let release = Release { withdraws: Some(&ticket), ..Release::of(&ticket.token) };
                        store.release(lock, release).now_or_never().unwrap().unwrap();
                    }
                }
            }
            Event::Step => {
                if process.asked.is_none()
                    && let Step::Ask { number, ticket, queueing } = process.line.step(now, 0)
                {
                    // A token that was given up while the question was under way is refused, which the one who gave it up ignores.
                    let Ok(answer) = store.attempt(lock, &ticket, queueing).now_or_never().unwrap() else { return };
                    process.asked = Some((number, now, answer));
                }
            }
            Event::Answer => {
                if let Some((number, sent, answer)) = process.asked.take() {
                    let told = process.line.answered(number, answer, sent, now);
                    self.told(at, told);
                }
            }
            Event::Hear => {
                if let Some(word) = process.watch.heard().now_or_never() {
                    let told = process.line.heard(word, now);
                    self.told(at, told);
                }
            }
            Event::Release { known } => {
                if let Some((token, _)) = process.holds.take() {
                    let offer = process.line.offer();
                    let released = store.release(lock, Offer::release(offer.as_ref(), &token, None)).now_or_never().unwrap();
                    let outcome = released.ok().filter(|_| known);
                    let told = offer.and_then(|offer| process.line.offered(&offer, outcome, now, now));
                    process.line.unhold(&token, now);
                    self.told(at, told);
                }
            }
            Event::Die => {
                if let Some((token, _)) = process.holds.take() {
                    process.line.unhold(&token, now);
                }
            }
            Event::Pass { .. } => {}
        }
    }

    /// Whoever believes to hold the lock does, so no two ever do.
    fn check(&mut self) {
        let now = Instant::now();
        for process in &mut self.processes {
            if process.holds.as_ref().is_some_and(|(_, ends)| *ends <= now) {
                let (token, _) = process.holds.take().unwrap();
                process.line.unhold(&token, now);
            }
            if let Some((token, _)) = &process.holds {
                let holding = self.store.holding(&self.lock, token).now_or_never().unwrap().unwrap();
                assert_ne!(holding, Holding::No, "a process believes to hold what it does not");
            }
        }
    }

    fn waiting(&self) -> usize {
        self.processes.iter().map(|process| process.tickets.len()).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn who_believes_to_hold_the_lock_does_and_everybody_is_served(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for (at, event) in events {
                if let Event::Pass { millis } = event {
                    tokio::time::advance(MS * u32::try_from(millis).unwrap()).await;
                }
                world.check();
                world.happen(at, event);
                world.check();
            }
            // From here on all goes well, and each process does what it has to.
            for round in 0.. {
                if world.waiting() == 0 {
                    break;
                }
                assert!(round < 4_000, "{} wait for ever", world.waiting());
                for at in 0..2 {
                    for event in [Event::Hear, Event::Step, Event::Answer, Event::Release { known: true }] {
                        world.check();
                        world.happen(at, event);
                    }
                }
                tokio::time::advance(10 * MS).await;
            }
        });
    }
}

/// A line with these waiters, by number, of which all are heard.
fn line(waiters: u64, fair: bool, now: Instant) -> Line<u64> {
    let mut line = Line::new(now);
    for number in 0..waiters {
        line.join(arrival(fair, number), now);
    }
    line.listen(now);
    line.listening(true, now);
    line
}

fn asked(step: &Step) -> Option<Number> {
    match step {
        Step::Ask { number, .. } => Some(*number),
        Step::Sleep { .. } | Step::Rest => None,
    }
}

#[test]
fn one_asks_for_all_and_each_who_is_fair_once_for_itself() {
    let now = Instant::now();
    let mut unfair = line(1_000, false, now);
    assert_eq!(asked(&unfair.step(now, 0)), Some(Number(0)));
    unfair.heard_busy(None, 1, now, now);
    assert_eq!(asked(&unfair.step(now, 0)), None, "one attempt for a thousand");
    assert_eq!(asked(&unfair.step(now + 100 * MS, 0)), Some(Number(0)), "and one a pause");
    let mut fair = line(10, true, now);
    for number in 0..10 {
        assert_eq!(asked(&fair.step(now, 0)), Some(Number(number)));
        fair.heard_busy(None, 1, now, now);
    }
    assert_eq!(asked(&fair.step(now, 0)), None);
    assert_eq!(fair.heard(Word::Doubt, now).map(|(to, _)| to), None);
    assert_eq!(asked(&fair.step(now, 0)), Some(Number(0)), "all places are in doubt");
    assert_eq!(asked(&fair.step(now, 0)), Some(Number(1)));
}

#[test]
fn while_this_process_holds_the_lock_nobody_asks_and_after_sixteen_turns_others_come_first() {
    let now = Instant::now();
    let mut line = line(40, false, now);
    line.step(now, 0);
    line.heard_busy(None, 1, now, now);
    line.hold(Token::random().unwrap());
    for turn in 0..16 {
        assert!(matches!(line.step(now, 0), Step::Sleep { .. }));
        let offer = line.offer().unwrap();
        assert!(!offer.yields && line.offer().is_none(), "one offer at a time");
        let passed = Some(Released::Passed { fence: 2 + turn });
        let (to, told) = line.offered(&offer, passed, now, now).unwrap();
        assert!(to == turn && matches!(told, Turn::Granted { .. }));
    }
    let offer = line.offer().unwrap();
    assert!(offer.yields);
    assert!(line.offered(&offer, Some(Released::Now), now, now).is_none());
    assert!(!line.offer().unwrap().yields, "it was others' turn");
}

#[test]
fn a_grant_that_comes_before_its_waiter_is_kept_for_it() {
    let now = Instant::now();
    let mut line = line(0, false, now);
    line.visit();
    let early = arrival(false, 7);
    line.heard_busy(None, 1, now, now);
    assert!(line.heard(Word::Granted { token: early.ticket.token.clone(), fence: 2 }, now).is_none());
    assert!(line.join(arrival(false, 6), now).1.is_none());
    let (_, told) = line.join(early, now);
    assert!(matches!(told, Some((7, Turn::Granted { fence: 2, .. }))), "{told:?}");
    line.visited();
    let nobody = arrival(false, 8);
    assert!(line.heard(Word::Granted { token: nobody.ticket.token.clone(), fence: 3 }, now).is_none());
    assert!(line.join(nobody, now).1.is_none(), "nobody was about to come");
}

#[test]
fn a_grant_counts_from_the_last_question_that_did_not_know_of_it() {
    let now = Instant::now();
    let turn = |before: Option<(u64, Instant)>, fence, at| {
        let mut line = line(1, false, now);
        let Step::Ask { ticket, .. } = line.step(now, 0) else { panic!("it asks") };
        if let Some((fence, sent)) = before {
            line.heard_busy(None, fence, sent, at);
        }
        line.heard(Word::Granted { token: ticket.token, fence }, at).unwrap().1
    };
    let later = now + 100 * MS;
    assert!(matches!(turn(Some((7, now)), 8, later), Turn::Granted { sent, .. } if sent == now));
    assert!(matches!(turn(Some((8, now)), 8, later), Turn::Unsure), "it knew of it already, so it may be long ago");
    assert!(matches!(turn(None, 8, later), Turn::Unsure));
    assert!(matches!(turn(Some((7, now)), 8, now + 900 * MS), Turn::Unsure), "nobody confirmed it in time");
}
