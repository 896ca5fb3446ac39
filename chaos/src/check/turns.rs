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
    /// How long it was ready to wait.
    pub(super) wait: u64,
    pub(super) share: Share,
    /// Whether it took over what was handed over.
    pub(super) adopts: bool,
    /// When it ended, and how. None if its process was killed first.
    pub(super) answer: Option<(u64, Answer)>,
    /// The last moment at which it held the lock by its own account.
    pub(super) held: Option<u64>,
    /// Whether it was lost, and if so, whether by another cause than time.
    pub(super) lost: Option<bool>,
    /// When it began to let go, in any way.
    pub(super) let_go: Option<u64>,
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

/// Puts the events together, in the order in which the attempts began.
pub(super) fn turns(history: &History) -> Vec<Turn<'_>> {
    let mut turns: HashMap<(u32, u64, &str), Turn<'_>> = HashMap::new();
    for event in &history.events {
        let key = (event.process, event.attempt, event.lock.as_str());
        if let What::Asked { wait, share, adopts } = event.what {
            let (lock, process, attempt, asked) = (event.lock.as_str(), event.process, event.attempt, event.at);
            let (answer, held, lost, let_go, released, wrong) = (None, None, None, None, None, None);
            let wait = wait.saturating_mul(1_000_000);
            let turn = Turn { lock, process, attempt, asked, wait, share, adopts, answer, held, lost, let_go, released, wrong };
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
            What::Held => turn.held = turn.held.max(Some(event.at)),
            What::Lost { gone } => turn.lost = Some(*gone),
            What::Releasing | What::LetGo => turn.let_go = Some(event.at),
            What::Released { ok } => turn.released = Some((event.at, *ok)),
        }
    }
    let mut turns: Vec<_> = turns.into_values().collect();
    turns.sort_unstable_by_key(|turn| (turn.asked, turn.process, turn.attempt));
    turns
}
