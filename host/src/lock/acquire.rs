//! Performs what the rules of an acquire decide.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::background::Surrender;
use super::guard::Guard;
use super::held::Held;
use super::lease::Lease;
use super::pause::random;
use super::queue::Place;
use super::wait::{Action, Event, Waiting};
use super::{Lock, runtime};
use crate::clock::{Span, Wait};
use crate::error::{Error, LossReason, NotHeld, Outage, Unavailable};
use crate::store::{Attempt, Token, Watch};

/// Takes the lock, as [`Lock::acquire`] says.
pub(super) async fn acquire(lock: &Lock, wait: Wait) -> Result<Option<Guard>, Error> {
    let mut claim = Claim { lock, token: Some(Token::random()?), runtime: runtime()?, sent: Instant::now(), open: false };
    let mut waiting = Waiting::new(wait, lock.terms.retry.duration(), claim.sent);
    let mut place: Option<Place> = None;
    let mut last_error = None;
    let mut action = Action::Attempt;
    loop {
        let event = match action {
            Action::Attempt => {
                if let Some(place) = &mut place {
                    place.catch_up();
                    waiting.share(place.sharers());
                }
                match claim.attempt().await {
                    Ok(attempt) => Event::Answered(attempt),
                    Err(error) if is_passing(&error) => {
                        if last_error.is_none() && wait != Wait::None {
                            tracing::warn!(lock = lock.name(), %error, "cannot be acquired yet");
                        }
                        last_error = Some(error);
                        Event::Failed
                    }
                    Err(error) => return Err(error),
                }
            }
            Action::Watch { until } => match watch(lock, until).await {
                Some(watch) => {
                    place = Some(lock.shared.queues.join(&lock.keys, watch));
                    Event::Watching
                }
                None => Event::Unwatched,
            },
            Action::Sleep { until } => sleep(place.as_mut(), until).await,
            Action::Return { fence } => {
                let lease = claim.lease(Instant::now());
                return Ok(claim.granted(fence, lease));
            }
            Action::GiveUp => return Ok(None),
            // It ends this way only after a failure.
            Action::Fail => return last_error.map_or(Ok(None), Err),
        };
        action = waiting.step(event, Instant::now(), random());
    }
}

/// Takes over the lock that `old` holds, as [`Lock::adopt`] says.
pub(super) async fn adopt(lock: &Lock, old: &Token) -> Result<Guard, Error> {
    let new = Token::random()?;
    let mut claim = Claim { lock, token: Some(new.clone()), runtime: runtime()?, sent: Instant::now(), open: true };
    let answer = lock.shared.store.adopt(&lock.keys, old, &new).await;
    claim.open = answer.as_ref().map_or_else(may_have_happened, Option::is_some);
    let Some(adopted) = answer? else { return Err(gone(lock)) };
    let lease = Lease::new(lock.terms.lease, adopted.lease_left, claim.sent, Instant::now());
    claim.granted(adopted.fence, lease).ok_or_else(|| gone(lock))
}

fn gone(lock: &Lock) -> Error {
    NotHeld { lock: lock.name().to_owned(), why: LossReason::Gone }.into()
}

/// A token on its way to the store. Dropping it releases the token if it may have got there.
struct Claim<'a> {
    lock: &'a Lock,
    token: Option<Token>,
    runtime: Handle,
    /// When the last attempt was sent.
    sent: Instant,
    /// Whether an attempt was sent of which the outcome is not known.
    open: bool,
}

impl Claim<'_> {
    async fn attempt(&mut self) -> Result<Attempt, Error> {
        let Some(token) = &self.token else { return Ok(Attempt::Busy { lease_left: None }) };
        let lock = self.lock;
        self.sent = Instant::now();
        // Once the outcome of one attempt is unknown, the answer to a later one does not tell where the earlier went.
        let was_open = std::mem::replace(&mut self.open, true);
        let answer = lock.shared.store.acquire(&lock.keys, token, lock.terms.lease).await;
        let now = Instant::now();
        match &answer {
            // A lease that ended on the way here is no lock. The attempt can be repeated with the same token.
            Ok(Attempt::Acquired { .. }) if self.lease(now).is_over(now) => {
                return Ok(Attempt::Busy { lease_left: Some(Duration::ZERO) });
            }
            Ok(Attempt::Busy { .. }) => self.open = was_open,
            Err(error) if !may_have_happened(error) => self.open = was_open,
            Ok(Attempt::Acquired { .. }) | Err(_) => {}
        }
        answer
    }

    fn lease(&self, now: Instant) -> Lease {
        let length = self.lock.terms.lease;
        Lease::new(length, length.map(Span::duration), self.sent, now)
    }

    fn granted(mut self, fence: u64, lease: Lease) -> Option<Guard> {
        tracing::debug!(lock = self.lock.name(), fence, "acquired");
        let token = self.token.take()?;
        Some(Guard::new(Held::new(self.lock, token, fence, lease, self.runtime.clone())))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Some(token) = self.token.take_if(|_| self.open) else { return };
        let until = Surrender::until(self.lock.terms.lease, None, Instant::now());
        let surrender = Surrender { lock: Arc::clone(&self.lock.keys), token, until, straggler: true };
        self.lock.shared.background.release(surrender, &self.runtime);
    }
}

/// Whether the store may do better when asked again.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Unavailable(Unavailable { why, .. }) if why.is_passing())
}

/// Whether an attempt that failed so may have taken the lock.
fn may_have_happened(error: &Error) -> bool {
    let Error::Unavailable(Unavailable { why, .. }) = error else { return false };
    // Behind an error that passes there may be an earlier request whose reply was lost.
    matches!(why, Outage::TimedOut(_) | Outage::Disconnected(_) | Outage::Passing(_))
}

async fn watch(lock: &Lock, until: Option<Instant>) -> Option<Watch> {
    let watch = lock.shared.store.watch(&lock.keys);
    let watched = match until {
        None => watch.await,
        Some(until) => timeout_at(until, watch).await.ok()?,
    };
    watched.inspect_err(|error| tracing::debug!(%error, "releases cannot be watched for now")).ok()
}

async fn sleep(place: Option<&mut Place>, until: Instant) -> Event {
    match place {
        None => {
            sleep_until(until).await;
            Event::Timer
        }
        Some(place) => match timeout_at(until, place.woken()).await {
            Ok(()) => Event::Woken,
            Err(_) => Event::Timer,
        },
    }
}
