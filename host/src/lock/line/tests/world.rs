//! Two processes with a line each, a stranger without one, and a store that answers late, or not at all.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::{MS, span};
use crate::clock::Span;
use crate::error::{Outage, Unavailable};
use crate::lock::line::offer::Offer;
use crate::lock::line::*;
use crate::lock::waiter::Arrival;
use crate::names::{LockKeys, Prefix};
use crate::store::memory::MemoryStore;
use crate::store::{Holding, LockStore, Release, Watch};

const LEASE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Somebody comes to stand in the line.
    Join {
        fair: bool,
    },
    /// Somebody asks the store first, and stands in the line if that does not help.
    Visit {
        fair: bool,
        fate: Fate,
    },
    /// The answer to such a question comes in.
    Visited,
    Leave {
        at: usize,
    },
    Step {
        fate: Fate,
    },
    Answer,
    Hear,
    /// Words may have been missed.
    Doubt,
    Release {
        known: bool,
    },
    Die,
    /// What was late gets to the store.
    Deliver,
    /// Another process takes the lock without waiting, or releases it.
    Stranger,
    Pass {
        millis: u64,
    },
}

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is given up, and done later.
    Late,
    Lost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::Unheard), 1 => Just(Fate::Late), 1 => Just(Fate::Lost)]
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        2 => any::<bool>().prop_map(|fair| Event::Join { fair }),
        2 => (any::<bool>(), fate()).prop_map(|(fair, fate)| Event::Visit { fair, fate }),
        3 => Just(Event::Visited),
        1 => (0..4_usize).prop_map(|at| Event::Leave { at }),
        6 => fate().prop_map(|fate| Event::Step { fate }),
        6 => Just(Event::Answer),
        4 => Just(Event::Hear),
        1 => Just(Event::Doubt),
        4 => prop::bool::weighted(0.9).prop_map(|known| Event::Release { known }),
        1 => Just(Event::Die),
        1 => Just(Event::Deliver),
        1 => Just(Event::Stranger),
        2 => (0..1_500_u64).prop_map(|millis| Event::Pass { millis }),
    ];
    prop::collection::vec((0..2_usize, event), 0..150)
}

/// One process.
struct Process {
    line: Line<u64>,
    watch: Watch,
    /// Who stands in the line.
    waiters: Vec<Waiting>,
    /// Who has asked the store before.
    visitors: Vec<Visitor>,
    /// What the line has asked and not heard yet.
    asked: Option<(Number, Instant, Option<Attempt>)>,
    /// By which token it believes to hold the lock, and until when.
    holds: Option<(Token, Instant)>,
    /// How many have come to stand in the line.
    joined: u64,
}

struct Waiting {
    number: Number,
    /// By what it is told.
    reply: u64,
    ticket: Ticket,
    fair: bool,
    /// The store may know of it, whatever the line says.
    open: bool,
}

struct Visitor {
    ticket: Ticket,
    queueing: Queueing,
    open: bool,
    sent: Instant,
    answer: Option<Attempt>,
}

struct World {
    store: MemoryStore,
    lock: LockKeys,
    processes: Vec<Process>,
    late: Vec<(Ticket, Queueing)>,
    stranger: Option<Token>,
}

/// The embedded store answers at once.
fn done<T>(reply: crate::store::Reply<'_, T>) -> Result<T, Error> {
    reply.now_or_never().unwrap()
}

fn ticket() -> Ticket {
    Ticket { token: Token::random().unwrap(), lease: Some(Span::new("lease", LEASE).unwrap()), kept: span(800) }
}

fn trouble() -> Error {
    Unavailable { store: "memory:".to_owned(), why: Outage::TimedOut(MS) }.into()
}

impl World {
    fn new() -> Self {
        let (store, lock) = (MemoryStore::new(), LockKeys::new(&Prefix::default(), "lock").unwrap());
        let process = || {
            let mut line = Line::new(Instant::now());
            let watch = done(store.watch(&lock)).unwrap();
            line.listening(true, Instant::now());
            Process { line, watch, waiters: Vec::new(), visitors: Vec::new(), asked: None, holds: None, joined: 0 }
        };
        let processes = vec![process(), process()];
        Self { store, lock, processes, late: Vec::new(), stranger: None }
    }

    /// Asks the store; nothing for a token that was given up, as whoever gave it up does not care.
    fn ask(&mut self, ticket: &Ticket, queueing: Queueing, fate: Fate) -> Option<Attempt> {
        match fate {
            Fate::Answered | Fate::Unheard => {
                let answer = done(self.store.attempt(&self.lock, ticket, queueing)).ok();
                answer.filter(|_| fate == Fate::Answered)
            }
            Fate::Late => {
                self.late.push((ticket.clone(), queueing));
                None
            }
            Fate::Lost => None,
        }
    }

    fn join(&mut self, at: usize, ticket: Ticket, fair: bool, queued: bool, open: bool) {
        let process = &mut self.processes[at];
        let reply = process.joined;
        process.joined += 1;
        // Also few places, as those have who share a lock.
        let (lock, places) = (self.lock.clone(), if reply.is_multiple_of(2) { usize::MAX } else { 2 });
        let arrival = Arrival { lock, ticket: ticket.clone(), fair, places, pulse: span(100), queued, reply };
        let (number, told) = process.line.join(arrival, Instant::now());
        process.waiters.push(Waiting { number, reply, ticket, fair, open });
        self.told(at, told);
    }

    /// As an acquire does that is not in the line.
    fn visit(&mut self, at: usize, ticket: Ticket, fair: bool, insists: bool, fate: Fate) {
        let line = &mut self.processes[at].line;
        if !insists && line.is_occupied() {
            return self.join(at, ticket, fair, false, false);
        }
        let joins = line.is_empty() && line.is_listening();
        line.visit(ticket.token.clone(), Instant::now());
        let queueing = Queueing { joins, fair, brief: false };
        let (sent, answer) = (Instant::now(), self.ask(&ticket, queueing, fate));
        let open = insists || joins || answer.is_none();
        self.processes[at].visitors.push(Visitor { ticket, queueing, open, sent, answer });
    }

    fn visited(&mut self, at: usize) {
        let (now, process) = (Instant::now(), &mut self.processes[at]);
        let Some(Visitor { ticket, queueing, mut open, sent, answer }) = process.visitors.pop() else { return };
        match answer {
            Some(Attempt::Acquired { .. }) if sent + LEASE > now => {
                process.line.hold(ticket.token.clone());
                process.line.visited(&ticket.token);
                process.hold(ticket.token, sent + LEASE);
                return;
            }
            // It ended on the way here.
            Some(Attempt::Acquired { .. }) => open = true,
            Some(Attempt::Busy { lease_left, fence }) => {
                process.line.visitor_heard_busy(&ticket.token, lease_left, fence, sent, now);
            }
            None => process.line.stumbled(trouble(), now, 0),
        }
        let token = ticket.token.clone();
        self.join(at, ticket, queueing.fair, queueing.joins, open);
        self.processes[at].line.visited(&token);
    }

    fn told(&mut self, at: usize, told: Option<(u64, Turn)>) {
        let Some((reply, turn)) = told else { return };
        let process = &mut self.processes[at];
        let waiter = process.waiters.iter().position(|waiter| waiter.reply == reply).unwrap();
        let Waiting { ticket, fair, .. } = process.waiters.remove(waiter);
        match turn {
            Turn::Granted { sent, left, .. } if sent + left > Instant::now() => process.hold(ticket.token, sent + left),
            Turn::Granted { .. } | Turn::Unsure => self.visit(at, ticket, fair, true, Fate::Answered),
            Turn::Failed(error) => panic!("{error}"),
        }
    }

    fn leave(&mut self, at: usize, waiter: usize) {
        let process = &mut self.processes[at];
        if waiter >= process.waiters.len() {
            return;
        }
        let Waiting { number, ticket, open, .. } = process.waiters.remove(waiter);
        if process.line.leave(number, Instant::now()).unwrap() || open {
            let release = Release { withdraws: Some(&ticket), ..Release::of(&ticket.token) };
            done(self.store.release(&self.lock, release)).unwrap();
            process.line.unhold(&ticket.token, Instant::now());
        }
    }

    fn release(&mut self, at: usize, known: bool) {
        let now = Instant::now();
        let process = &mut self.processes[at];
        let Some((token, _)) = process.holds.take() else { return };
        let offer = process.line.offer();
        let released = done(self.store.release(&self.lock, Offer::release(offer.as_ref(), &token, None)));
        let outcome = released.ok().filter(|_| known);
        let told = offer.and_then(|offer| process.line.offered(&offer, outcome, now, now));
        process.line.unhold(&token, now);
        self.told(at, told);
    }

    fn happen(&mut self, at: usize, event: Event) {
        let now = Instant::now();
        let process = &mut self.processes[at];
        match event {
            Event::Join { fair } => self.join(at, ticket(), fair, false, false),
            Event::Visit { fair, fate } => self.visit(at, ticket(), fair, false, fate),
            Event::Visited => self.visited(at),
            Event::Leave { at: waiter } => self.leave(at, waiter),
            Event::Step { fate } => {
                if process.asked.is_none()
                    && let Step::Ask { number, ticket, queueing, .. } = process.line.step(now, 0)
                {
                    self.processes[at].asked = Some((number, now, self.ask(&ticket, queueing, fate)));
                }
            }
            Event::Answer => {
                let told = match process.asked.take() {
                    Some((number, sent, Some(answer))) => process.line.answered(number, answer, sent, now),
                    Some((number, _, None)) => process.line.failed(number, trouble(), true, now, 0),
                    None => None,
                };
                self.told(at, told);
            }
            Event::Hear => {
                if let Some(word) = process.watch.heard().now_or_never() {
                    let told = process.line.heard(word, now);
                    self.told(at, told);
                }
            }
            Event::Doubt => assert!(process.line.heard(Word::Doubt, now).is_none()),
            Event::Release { known } => self.release(at, known),
            Event::Die => {
                if let Some((token, _)) = process.holds.take() {
                    process.line.unhold(&token, now);
                }
            }
            Event::Deliver => {
                if let Some((ticket, queueing)) = self.late.pop() {
                    _ = self.ask(&ticket, queueing, Fate::Unheard);
                }
            }
            Event::Stranger => self.stranger(),
            Event::Pass { .. } => {}
        }
    }

    fn stranger(&mut self) {
        if let Some(token) = self.stranger.take() {
            done(self.store.release(&self.lock, Release::of(&token))).unwrap();
            return;
        }
        let ticket = ticket();
        if let Some(Attempt::Acquired { .. }) = self.ask(&ticket, Queueing::NONE, Fate::Answered) {
            self.stranger = Some(ticket.token);
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
                let holding = done(self.store.holding(&self.lock, token)).unwrap();
                assert_ne!(holding, Holding::No, "a process believes to hold what it does not");
            }
        }
    }

    fn waiting(&self) -> usize {
        self.processes.iter().map(|process| process.waiters.len() + process.visitors.len()).sum()
    }

    /// From here on all goes well, and each process does what it has to.
    async fn come_to_an_end(&mut self) {
        if self.stranger.is_some() {
            self.stranger();
        }
        for round in 0.. {
            if self.waiting() == 0 {
                break;
            }
            assert!(round < 4_000, "{} wait for ever", self.waiting());
            for at in 0..2 {
                let well = Event::Step { fate: Fate::Answered };
                for event in [Event::Hear, well, Event::Answer, Event::Visited, Event::Release { known: true }] {
                    self.check();
                    self.happen(at, event);
                }
            }
            tokio::time::advance(10 * MS).await;
        }
    }
}

impl Process {
    fn hold(&mut self, token: Token, ends: Instant) {
        let before = self.holds.replace((token, ends));
        assert!(before.is_none(), "it holds the lock already");
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
            world.come_to_an_end().await;
        });
    }
}
