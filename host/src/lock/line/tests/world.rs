//! Two processes with a line each, a stranger without one, and a store that answers late, or not at all.

use std::num::NonZeroU32;

use futures_util::FutureExt;
use proptest::prelude::*;

use self::events::{Event, Fate, Who, events};
use super::{MS, span};
use crate::clock::Span;
use crate::error::{Outage, Unavailable};
use crate::lock::line::offer::Offer;
use crate::lock::line::*;
use crate::lock::waiter::Arrival;
use crate::names::{LockKeys, Prefix, Share};
use crate::store::memory::MemoryStore;
use crate::store::{Holding, LockStore, Release, Watch};

mod events;

const LEASE: Duration = Duration::from_secs(2);

/// How many questions a line has under way at most, of a lock that many can hold.
const MOST: usize = 4;

/// What the processes want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    ReadWrite,
    /// Two of them.
    Permits,
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
    asked: Vec<(Number, Instant, Option<Attempt>)>,
    /// By which tokens it believes to hold which share of the lock, and until when. Of a plain lock there is one at most.
    holds: Vec<(LockKeys, Token, Instant)>,
    /// How many have come to stand in the line.
    joined: u64,
}

struct Waiting {
    number: Number,
    /// By what it is told.
    reply: u64,
    lock: LockKeys,
    ticket: Ticket,
    who: Who,
    /// The store may know of it, whatever the line says.
    open: bool,
}

struct Visitor {
    lock: LockKeys,
    ticket: Ticket,
    who: Who,
    queueing: Queueing,
    open: bool,
    sent: Instant,
    answer: Option<Attempt>,
}

struct World {
    store: MemoryStore,
    kind: Kind,
    processes: Vec<Process>,
    late: Vec<(LockKeys, Ticket, Queueing)>,
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

impl Kind {
    /// The share that somebody wants.
    fn lock(self, writes: bool) -> LockKeys {
        let share = match self {
            Self::Plain => return LockKeys::new(&Prefix::default(), "lock").unwrap(),
            Self::ReadWrite if writes => Share::Writer,
            Self::ReadWrite => Share::Reader,
            Self::Permits => Share::Permit { of: NonZeroU32::new(2).unwrap() },
        };
        LockKeys::shared(&Prefix::default(), "lock", share).unwrap()
    }
}

impl Who {
    fn is_fair(self, kind: Kind) -> bool {
        self.fair || kind != Kind::Plain
    }

    fn places(self) -> usize {
        if self.few { 2 } else { usize::MAX }
    }
}

impl World {
    fn new(kind: Kind) -> Self {
        let store = MemoryStore::new();
        let process = || {
            let mut line = Line::new(Instant::now());
            let watch = done(store.watch(&kind.lock(false))).unwrap();
            line.listening(true, Instant::now());
            Process { line, watch, waiters: Vec::new(), visitors: Vec::new(), asked: Vec::new(), holds: Vec::new(), joined: 0 }
        };
        let processes = vec![process(), process()];
        Self { store, kind, processes, late: Vec::new(), stranger: None }
    }

    /// Asks the store; nothing for a token that was given up, as whoever gave it up does not care.
    fn ask(&mut self, lock: &LockKeys, ticket: &Ticket, queueing: Queueing, fate: Fate) -> Option<Attempt> {
        match fate {
            Fate::Answered | Fate::Unheard => {
                let answer = done(self.store.attempt(lock, ticket, queueing)).ok();
                answer.filter(|_| fate == Fate::Answered)
            }
            Fate::Late => {
                self.late.push((lock.clone(), ticket.clone(), queueing));
                None
            }
            Fate::Lost => None,
        }
    }

    fn join(&mut self, at: usize, ticket: Ticket, who: Who, queued: bool, open: bool) {
        let (lock, fair, places) = (self.kind.lock(who.writes), who.is_fair(self.kind), who.places());
        let process = &mut self.processes[at];
        let reply = process.joined;
        process.joined += 1;
        let arrival = Arrival { lock: lock.clone(), ticket: ticket.clone(), fair, places, pulse: span(100), queued, reply };
        let (number, told) = process.line.join(arrival, Instant::now());
        process.waiters.push(Waiting { number, reply, lock, ticket, who, open });
        self.told(at, told);
    }

    /// As an acquire does that is not in the line.
    fn visit(&mut self, at: usize, ticket: Ticket, who: Who, insists: bool, fate: Fate) {
        let (lock, fair) = (self.kind.lock(who.writes), who.is_fair(self.kind));
        let (line, alone) = (&mut self.processes[at].line, self.kind == Kind::Plain);
        if !insists && if alone { line.is_occupied() } else { line.is_crowded(who.places()) } {
            return self.join(at, ticket, who, false, false);
        }
        let joins = (!alone || line.is_empty()) && line.is_listening();
        line.visit(ticket.token.clone(), Instant::now());
        let queueing = Queueing { joins, fair, brief: false };
        let (sent, answer) = (Instant::now(), self.ask(&lock, &ticket, queueing, fate));
        let open = insists || joins || answer.is_none();
        self.processes[at].visitors.push(Visitor { lock, ticket, who, queueing, open, sent, answer });
    }

    fn visited(&mut self, at: usize) {
        let (now, process) = (Instant::now(), &mut self.processes[at]);
        let Some(Visitor { lock, ticket, who, queueing, mut open, sent, answer }) = process.visitors.pop() else { return };
        match answer {
            Some(Attempt::Acquired { .. }) if sent + LEASE > now => {
                process.line.hold(ticket.token.clone());
                process.line.visited(&ticket.token);
                process.hold(lock, ticket.token, sent + LEASE);
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
        self.join(at, ticket, who, queueing.joins, open);
        self.processes[at].line.visited(&token);
    }

    fn told(&mut self, at: usize, told: Option<(u64, Turn)>) {
        let Some((reply, turn)) = told else { return };
        let process = &mut self.processes[at];
        let waiter = process.waiters.iter().position(|waiter| waiter.reply == reply).unwrap();
        let Waiting { lock, ticket, who, .. } = process.waiters.remove(waiter);
        match turn {
            Turn::Granted { sent, left, .. } if sent + left > Instant::now() => process.hold(lock, ticket.token, sent + left),
            Turn::Granted { .. } | Turn::Unsure => self.visit(at, ticket, who, true, Fate::Answered),
            Turn::Failed(error) => panic!("{error}"),
        }
    }

    fn leave(&mut self, at: usize, waiter: usize) {
        let process = &mut self.processes[at];
        if waiter >= process.waiters.len() {
            return;
        }
        let Waiting { number, lock, ticket, open, .. } = process.waiters.remove(waiter);
        if process.line.leave(number, Instant::now()).unwrap() || open {
            let release = Release { withdraws: Some(&ticket), ..Release::of(&ticket.token) };
            done(self.store.release(&lock, release)).unwrap();
            process.line.unhold(&ticket.token, Instant::now());
        }
    }

    fn release(&mut self, at: usize, hold: usize, known: bool) {
        let now = Instant::now();
        let process = &mut self.processes[at];
        if process.holds.is_empty() {
            return;
        }
        let (lock, token, _) = process.holds.remove(hold % process.holds.len());
        let offer = process.line.offer();
        let released = done(self.store.release(&lock, Offer::release(offer.as_ref(), &token, None)));
        let outcome = released.ok().filter(|_| known);
        let told = offer.and_then(|offer| process.line.offered(&offer, outcome, now, now));
        process.line.unhold(&token, now);
        self.told(at, told);
    }

    fn answer(&mut self, at: usize, which: usize) {
        let (now, process) = (Instant::now(), &mut self.processes[at]);
        if process.asked.is_empty() {
            return;
        }
        let told = match process.asked.remove(which % process.asked.len()) {
            (number, sent, Some(answer)) => process.line.answered(number, answer, sent, now),
            (number, _, None) => process.line.failed(number, trouble(), true, now, 0),
        };
        self.told(at, told);
    }

    fn happen(&mut self, at: usize, event: Event) {
        let now = Instant::now();
        let process = &mut self.processes[at];
        match event {
            Event::Join { who } => self.join(at, ticket(), who, false, false),
            Event::Visit { who, fate } => self.visit(at, ticket(), who, false, fate),
            Event::Visited => self.visited(at),
            Event::Leave { at: waiter } => self.leave(at, waiter),
            Event::Step { fate } => {
                let most = if self.kind == Kind::Plain { 1 } else { MOST };
                let step = match process.asked.len() {
                    0 => process.line.step(now, 0),
                    some if some < most => process.line.step_besides(now, 0),
                    _ => Step::Rest,
                };
                if let Step::Ask { number, lock, ticket, queueing } = step {
                    let answer = self.ask(&lock, &ticket, queueing, fate);
                    self.processes[at].asked.push((number, now, answer));
                }
            }
            Event::Answer { at: which } => self.answer(at, which),
            Event::Hear => {
                if let Some(word) = process.watch.heard().now_or_never() {
                    let told = process.line.heard(word, now);
                    self.told(at, told);
                }
            }
            Event::Doubt => assert!(process.line.heard(Word::Doubt, now).is_none()),
            Event::Release { at: hold, known } => self.release(at, hold, known),
            Event::Die => {
                if let Some((_, token, _)) = process.holds.pop() {
                    process.line.unhold(&token, now);
                }
            }
            Event::Deliver => {
                if let Some((lock, ticket, queueing)) = self.late.pop() {
                    _ = self.ask(&lock, &ticket, queueing, Fate::Unheard);
                }
            }
            Event::Stranger => self.stranger(),
            Event::Pass { .. } => {}
        }
    }

    fn stranger(&mut self) {
        let lock = self.kind.lock(true);
        if let Some(token) = self.stranger.take() {
            done(self.store.release(&lock, Release::of(&token))).unwrap();
            return;
        }
        let ticket = ticket();
        if let Some(Attempt::Acquired { .. }) = self.ask(&lock, &ticket, Queueing::NONE, Fate::Answered) {
            self.stranger = Some(ticket.token);
        }
    }

    /// Whoever believes to hold a share of the lock does, so no more do than may.
    fn check(&mut self) {
        let now = Instant::now();
        let mut shares = Vec::new();
        for process in &mut self.processes {
            let line = &mut process.line;
            for (_, token, _) in process.holds.extract_if(.., |(_, _, ends)| *ends <= now) {
                line.unhold(&token, now);
            }
            for (lock, token, _) in &process.holds {
                let holding = done(self.store.holding(lock, token)).unwrap();
                assert_ne!(holding, Holding::No, "a process believes to hold what it does not");
                shares.push(lock.share());
            }
        }
        for (at, share) in shares.iter().enumerate() {
            let others = shares.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| *other);
            assert!(share.fits(others), "more hold it than may: {shares:?}");
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
                for event in [Event::Hear, well, Event::Answer { at: 0 }, Event::Visited, Event::Release { at: 0, known: true }] {
                    self.check();
                    self.happen(at, event);
                }
            }
            tokio::time::advance(10 * MS).await;
        }
    }
}

impl Process {
    fn hold(&mut self, lock: LockKeys, token: Token, ends: Instant) {
        assert!(!lock.share().is_alone() || self.holds.is_empty(), "it holds the lock already");
        self.holds.push((lock, token, ends));
    }
}

fn live(kind: Kind, events: Vec<(usize, Event)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(kind);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn who_believes_to_hold_the_lock_does_and_everybody_is_served(events in events()) {
        live(Kind::Plain, events);
    }

    #[test]
    fn who_believes_to_read_or_write_does_and_everybody_is_served(events in events()) {
        live(Kind::ReadWrite, events);
    }

    #[test]
    fn who_believes_to_have_a_permit_does_and_everybody_is_served(events in events()) {
        live(Kind::Permits, events);
    }
}
