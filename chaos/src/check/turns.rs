//! The events of one attempt, put together.

use std::collections::HashMap;
use std::fmt;

use crate::history::{History, Share, Span, What};

/// One attempt to get a lock, and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) lock: &'a str,
    pub(super) process: u32,
    pub(super) attempt: u64,
    pub(super) asked: u64,
    /// How long it was ready to wait, if not for ever.
    pub(super) wait: Option<u64>,
    /// How long the store keeps the lock for it without a word from it.
    pub(super) lease: u64,
    /// Whether it has that renewed.
    pub(super) renews: bool,
    pub(super) share: Share,
    /// Whether it took over what was handed over.
    pub(super) adopts: bool,
    /// When it ended, and how. None if its process was killed first.
    pub(super) answer: Option<(u64, Answer)>,
    /// How often it got more time when it asked for it.
    pub(super) extended: u64,
    /// How often it asked for more time and never heard what came of that.
    pub(super) unsure: u64,
    /// The last moment at which it held the lock by its own account.
    pub(super) held: Option<u64>,
    /// When it was known to be lost, and whether by another cause than time.
    pub(super) lost: Option<(u64, bool)>,
    /// When it began to let go, in any way.
    pub(super) let_go: Option<u64>,
    /// Whether it let go so that another may take it over.
    pub(super) handed_over: bool,
    /// When its process came to an end before its time.
    pub(super) died: Option<u64>,
    /// When a release was answered, and what.
    pub(super) released: Option<(u64, Option<bool>)>,
    /// The text of an error that no fault can bring about.
    pub(super) wrong: Option<&'a str>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// With the lock and this fence.
    Acquired(u64),
    /// Its time was up.
    Refused,
    /// It was given up.
    Cancelled,
    /// With an error.
    Failed,
}

impl Turn<'_> {
    /// When it surely held the lock.
    pub(super) fn hold(&self) -> Option<Span> {
        let (from, _) = self.acquired()?;
        let to = self.held?;
        Some(Span { from, to: self.let_go.map_or(to, |end| to.min(end)) }).filter(|span| span.from <= span.to)
    }

    /// When it got the lock, and with which fence.
    pub(super) fn acquired(&self) -> Option<(u64, u64)> {
        match self.answer {
            Some((at, Answer::Acquired(fence))) => Some((at, fence)),
            _ => None,
        }
    }

    /// Whether the store had forgotten it before its lease was over.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.lost, Some((_, true)))
    }

    /// The last moment at which anything was heard of its hold.
    pub(super) fn last_seen(&self) -> Option<u64> {
        let (acquired, _) = self.acquired()?;
        let released = self.released.map(|(at, _)| at);
        [Some(acquired), self.held, self.let_go, released].into_iter().flatten().max()
    }
}

impl fmt::Display for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, process {}, attempt {}", self.lock, self.process, self.attempt)?;
        self.acquired().map_or(Ok(()), |(at, fence)| write!(f, " (acquired at {at}, fence {fence})"))
    }
}

/// When those came to an end who did so before their time: at the last that was heard of them.
fn deaths(history: &History) -> HashMap<u32, u64> {
    let mut deaths: HashMap<_, _> = history.killed.iter().chain(&history.crashed).map(|process| (*process, 0)).collect();
    for event in &history.events {
        if let Some(death) = deaths.get_mut(&event.process) {
            *death = event.at.max(*death);
        }
    }
    deaths
}

/// Puts the events together, in the order in which the attempts began.
pub(super) fn turns(history: &History) -> Vec<Turn<'_>> {
    let mut turns: HashMap<(u32, u64, &str), Turn<'_>> = HashMap::new();
    let deaths = deaths(history);
    for event in &history.events {
        let key = (event.process, event.attempt, event.lock.as_str());
        if let What::Asked { wait, lease, renews, share, adopts } = event.what {
            let turn = Turn {
                lock: event.lock.as_str(),
                process: event.process,
                attempt: event.attempt,
                asked: event.at,
                wait: wait.map(|wait| wait.saturating_mul(1_000_000)),
                lease: lease.saturating_mul(1_000_000),
                renews,
                share,
                adopts,
                answer: None,
                extended: 0,
                unsure: 0,
                held: None,
                lost: None,
                let_go: None,
                handed_over: false,
                died: deaths.get(&event.process).copied(),
                released: None,
                wrong: None,
            };
            turns.insert(key, turn);
            continue;
        }
        // A process writes down the question before all else.
        let Some(turn) = turns.get_mut(&key) else { continue };
        match &event.what {
            What::Asked { .. } => {}
            What::Acquired { fence } => turn.answer = Some((event.at, Answer::Acquired(*fence))),
            What::Refused => turn.answer = Some((event.at, Answer::Refused)),
            What::Cancelled => turn.answer = Some((event.at, Answer::Cancelled)),
            What::Failed { passing, why } => {
                turn.answer = Some((event.at, Answer::Failed));
                turn.wrong = Some(why.as_str()).filter(|_| !passing);
            }
            What::Extended { ok, wrong } => {
                turn.extended += u64::from(*ok == Some(true));
                turn.unsure += u64::from(ok.is_none());
                turn.wrong = turn.wrong.or(wrong.as_deref());
            }
            What::Held => turn.held = turn.held.max(Some(event.at)),
            What::Lost { gone } => turn.lost = Some((event.at, *gone)),
            What::Releasing | What::LetGo => turn.let_go = Some(event.at),
            What::HandedOver => (turn.let_go, turn.handed_over) = (Some(event.at), true),
            What::Released { ok } => turn.released = Some((event.at, *ok)),
        }
    }
    let mut turns: Vec<_> = turns.into_values().collect();
    turns.sort_unstable_by_key(|turn| (turn.asked, turn.process, turn.attempt));
    turns
}
