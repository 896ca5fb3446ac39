//! Serves one line: performs what its rules decide.

use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::line::{Step, Turn};
use super::lines::{Lines, Served};
use super::metrics;
use super::waiter::{Number, PLACES};
use crate::error::Error;
use crate::names::LockKeys;
use crate::pause::random;
use crate::store::{Attempt, Watch};

/// How long a line is served when nobody waits.
const LINGER: Duration = Duration::from_secs(1);

/// How long to wait before another attempt to listen for grants.
const REST: Duration = Duration::from_secs(1);

/// Serves the line of a lock until nobody has waited for a while.
pub(super) async fn serve(mut ending: Ending) {
    let (lines, lock) = (ending.lines.clone(), ending.lock.clone());
    let Some(changed) = lines.with(&lock, |served| served.server.clone()) else { return };
    let (mut watch, mut listens_from) = (None, Instant::now());
    let (mut listening, mut asking) = (None, FuturesUnordered::new());
    // One after the other, where the order is made here.
    let most = if lock.share().is_alone() { 1 } else { PLACES };
    let mut lingers_until = None;
    loop {
        let now = Instant::now();
        if watch.is_none() && listening.is_none() && listens_from <= now {
            lines.with(&lock, |served| served.line.listen(now));
            listening = Some(listen(&lines, &lock));
        }
        let until = loop {
            let step = lines.with(&lock, |served| match asking.len() {
                0 => served.line.step(now, random()),
                some if some < most => served.line.step_besides(now, random()),
                _ => Step::Rest,
            });
            match step {
                Step::Ask { number, lock, ticket, queueing } => {
                    let lines = lines.clone();
                    let question = async move { (number, now, lines.store().attempt(&lock, &ticket, queueing).await) };
                    asking.push(question.boxed());
                }
                Step::Sleep { until } => break Some(until),
                Step::Rest => break None,
            }
        };
        let waits = !asking.is_empty() || lines.with(&lock, |served| !served.line.is_empty());
        lingers_until = if waits { None } else { lingers_until.or(Some(now + LINGER)) };
        if lingers_until.is_some_and(|end| end <= now) && ending.ends() {
            return;
        }
        let until = [until, lingers_until, watch.is_none().then_some(listens_from).filter(|from| *from > now)];
        let until = until.into_iter().flatten().min();
        tokio::select! {
            biased;
            word = heard(watch.as_mut()) => {
                let told = lines.with(&lock, |served| served.line.heard(word, Instant::now()));
                if matches!(told, Some((_, Turn::Granted { .. }))) {
                    metrics::granted();
                }
                Served::tell(told);
            }
            Some((number, sent, answer)) = asking.next() => {
                take(&lines, &lock, number, sent, answer);
            }
            Some(listened) = OptionFuture::from(listening.as_mut()) => {
                listening = None;
                listens_from = Instant::now() + REST;
                watch = listened;
                lines.with(&lock, |served| served.line.listening(watch.is_some(), Instant::now()));
            }
            () = changed.notified() => {}
            Some(()) = OptionFuture::from(until.map(sleep_until)) => {}
        }
    }
}

fn listen<'a>(lines: &'a Lines, lock: &'a LockKeys) -> BoxFuture<'a, Option<Watch>> {
    let watch = lines.store().watch(lock);
    let logged = |watch: Result<Watch, Error>| {
        watch.inspect_err(|error| tracing::debug!(lock = lock.name(), %error, "grants cannot be heard for now")).ok()
    };
    watch.map(logged).boxed()
}

async fn heard(watch: Option<&mut Watch>) -> crate::store::Word {
    match watch {
        Some(watch) => watch.heard().await,
        None => std::future::pending().await,
    }
}

fn take(lines: &Lines, lock: &LockKeys, number: Number, sent: Instant, answer: Result<Attempt, Error>) {
    let now = Instant::now();
    Served::tell(lines.with(lock, |served| match answer {
        Ok(answer) => served.line.answered(number, answer, sent, now),
        Err(error) => {
            let passing = error.is_passing();
            if passing && served.line.trouble().is_none() {
                tracing::warn!(lock = lock.name(), %error, "cannot be acquired yet");
            }
            served.line.failed(number, error, passing, now, random())
        }
    }));
}

/// Says that nobody serves the line any more, also if the runtime drops the task before its end, or before it began.
pub(super) struct Ending {
    lines: Lines,
    lock: LockKeys,
    ended: bool,
}

impl Ending {
    /// For the task that is about to serve this line.
    pub(super) fn new(lines: Lines, lock: LockKeys) -> Self {
        Self { lines, lock, ended: false }
    }

    /// Ends the service, unless somebody waits.
    fn ends(&mut self) -> bool {
        self.ended = self.lines.with(&self.lock, |served| {
            let ends = served.line.is_empty();
            if ends {
                served.line.listening(false, Instant::now());
                served.server = None;
            }
            ends
        });
        self.ended
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Waiters are left behind. They ask by themselves, and whoever of them has to wait again has the line served anew.
        let left = self.lines.with(&self.lock, |served| {
            served.server = None;
            served.line.listening(false, Instant::now());
            served.line.dissolve()
        });
        drop(left);
    }
}
