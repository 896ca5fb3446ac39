//! Single flight: who of this process waits for an entry that somebody computes.
//!
//! All who wait for one entry share a flight. One of them at a time asks the store and listens for news of it; what it finds is for
//! all, or it has the claim and the next takes its turn. One that gives up leaves its turn to the next, and one that keeps it and is not
//! polled any more is soon done without, so nobody depends on one other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::standing::is_void;
use super::vacancy::{Abandoned, Tenure};
use crate::clock::after;
use crate::envelope::{Claim, tags};
use crate::error::Error;
use crate::pause::{back_off, jittered, random};
use crate::store::{Bid, Prolonging, Standing, Store, Watch};

/// The flights of all caches of one store, and what is settled in the background. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    open: Arc<Mutex<Open>>,
    background: Background,
}

/// Flights by the keys of their entries, each with how many wait.
type Open = HashMap<String, (Arc<Flight>, usize)>;

/// Claims that are given up in the background.
#[derive(Debug, Clone)]
pub(super) struct Background(TaskTracker);

/// Those who wait for one entry.
#[derive(Debug, Default)]
struct Flight {
    /// Whoever has it asks the store, and hears this watch.
    turn: tokio::sync::Mutex<Option<Watch>>,
    /// The same for who stands in while that one asks nothing.
    stand_in: tokio::sync::Mutex<Option<Watch>>,
    /// How often the store was asked.
    asked: AtomicU64,
    /// The last value that was found, and which question found it.
    found: watch::Sender<(u64, Bytes)>,
    /// Why the last question had no answer.
    trouble: Mutex<Option<Error>>,
}

/// A place in a flight. The last one that is dropped ends the flight.
struct Seat<'a> {
    flights: &'a Flights,
    key: &'a str,
    flight: Arc<Flight>,
}

/// What came of waiting for an entry.
#[derive(Debug)]
pub(super) enum Landed {
    /// It has a value.
    Hit(Bytes),
    /// It is to be computed by who asked.
    Yours(Tenure),
    /// Somebody else still computes it.
    Busy,
}

/// The longest pause between two questions, should nobody tell that the entry was set, as a plain set does not.
const PULSE: Duration = Duration::from_secs(1);

/// How long nothing is asked by whoever has the turn before another stands in: longer than a pause and a reply of the store.
const STALLED: Duration = Duration::from_secs(5);

/// How long after the end of a lease to ask, so that its end has come on the store's clock too.
const LEASE_MARGIN: Duration = Duration::from_millis(2);

/// Where the entries of a cache are.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    /// What their keys begin with.
    pub(super) entries: &'a str,
}

impl Flights {
    /// Asks once, and for no longer than the store takes to answer; again only if what it finds was invalidated by a tag.
    pub(super) async fn ask(&self, place: &Place<'_>, key: &str, bid: &Bid) -> Result<(Landed, Option<Duration>), Error> {
        let store = place.store;
        // Should nobody wait for the answer any more, it is taken back.
        let mut unsettled = Abandoned::unless_settled(store, &self.background, key, bid)?;
        let standing = loop {
            let standing = store.claim(key, bid).await;
            if let Ok(Standing::Yours { stale: Some(stale) }) = &standing {
                unsettled.found(stale);
            }
            match standing {
                Ok(Standing::Hit(bytes)) => match place.discards(key, &bytes).await {
                    Ok(false) => break Ok(Standing::Hit(bytes)),
                    Ok(true) => {}
                    Err(error) => {
                        unsettled.settled();
                        return Err(error);
                    }
                },
                Ok(Standing::Yours { stale: Some(stale) }) if place.is_void(&stale.bytes).await? => {
                    // Nobody is to be given that, so nobody is to find it with the claim in it.
                    let prolonging = Prolonging { key, claim: bid.claim, lease: bid.lease, serves: false };
                    if store.prolong(prolonging).await? {
                        break Ok(Standing::Yours { stale: None });
                    }
                }
                standing => break standing,
            }
        };
        Ok(match standing {
            Ok(Standing::Hit(bytes)) => {
                unsettled.settled();
                (Landed::Hit(bytes), None)
            }
            Ok(Standing::Yours { stale }) => (Landed::Yours(unsettled.held(stale)), None),
            Ok(Standing::Busy { lease_left }) => {
                unsettled.settled();
                (Landed::Busy, Some(lease_left))
            }
            Ok(Standing::Absent) => {
                unsettled.settled();
                (Landed::Busy, Some(Duration::ZERO))
            }
            Err(error) if error.may_have_happened() => return Err(error),
            Err(error) => {
                unsettled.settled();
                return Err(error);
            }
        })
    }

    /// Waits for an entry that somebody computes, or takes it over, until the deadline.
    pub(super) async fn wait(&self, place: &Place<'_>, key: &str, bid: Bid, deadline: Instant) -> Result<Landed, Error> {
        let seat = self.join(key);
        let flight = &*seat.flight;
        let mut found = flight.found.subscribe();
        // What was asked before may have been answered before what this caller knows of.
        let before = flight.asked.load(Ordering::Acquire);
        let spare = bid.clone();
        tokio::select! {
            biased;
            found = found.wait_for(|(question, _)| *question > before) => match found {
                Ok(found) => Ok(Landed::Hit(found.1.clone())),
                // The sender is in the flight.
                Err(_) => Ok(Landed::Busy),
            },
            landed = async { flight.fly(self, place, key, bid, deadline, &mut *flight.turn.lock().await).await } => landed,
            landed = async {
                flight.stalled().await;
                // Of what both of them ask, one may be given up while the other has an answer.
                let bid = Bid { claim: Claim::random()?, ..spare };
                flight.fly(self, place, key, bid, deadline, &mut *flight.stand_in.lock().await).await
            } => landed,
            () = sleep_until(deadline) => flight.open().clone().map_or(Ok(Landed::Busy), Err),
        }
    }

    /// Waits until nothing is under way in the background.
    pub(super) async fn settled(&self) {
        self.background.0.wait().await;
    }

    /// Where claims are given up.
    pub(super) fn background(&self) -> &Background {
        &self.background
    }

    fn join<'a>(&'a self, key: &'a str) -> Seat<'a> {
        let mut open = self.open();
        let (flight, seats) = open.entry(key.to_owned()).or_default();
        *seats += 1;
        Seat { flights: self, key, flight: flight.clone() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }
}

impl Place<'_> {
    /// Deletes an entry that does not count any more; false if it does.
    async fn discards(&self, key: &str, stored: &Bytes) -> Result<bool, Error> {
        let void = self.is_void(stored).await?;
        if void {
            self.store.discard(key, stored).await?;
        }
        Ok(void)
    }

    async fn is_void(&self, stored: &[u8]) -> Result<bool, Error> {
        is_void(&**self.store, self.entries, &tags(stored)).await
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut open = self.flights.open();
        if let Some((_, seats)) = open.get_mut(self.key) {
            *seats -= 1;
            if *seats == 0 {
                open.remove(self.key);
            }
        }
    }
}

impl Flight {
    /// Returns once nothing was asked for a while.
    async fn stalled(&self) {
        let mut asked = None;
        loop {
            let now = self.asked.load(Ordering::Acquire);
            if asked.replace(now) == Some(now) {
                return;
            }
            sleep(STALLED).await;
        }
    }

    /// Asks the store again and again, having heard of a change, at the end of a lease, or after a pause.
    async fn fly(
        &self,
        flights: &Flights,
        place: &Place<'_>,
        key: &str,
        mut bid: Bid,
        deadline: Instant,
        news: &mut Option<Watch>,
    ) -> Result<Landed, Error> {
        let mut failures = 0;
        loop {
            let question = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
            let again = match flights.ask(place, key, &bid).await {
                Ok((Landed::Busy, lease_left)) => {
                    failures = 0;
                    *self.open() = None;
                    if news.is_none() {
                        *news = listen(place.store, key).await;
                        // What came before it listens was not heard. It cannot be helped where it cannot listen.
                        if news.is_some() {
                            continue;
                        }
                    }
                    let lease = lease_left.unwrap_or_default().saturating_add(LEASE_MARGIN);
                    after(Instant::now(), lease.min(jittered(PULSE, random())))
                }
                Ok((Landed::Hit(bytes), _)) => {
                    self.found.send_replace((question, bytes.clone()));
                    return Ok(Landed::Hit(bytes));
                }
                Ok((landed, _)) => return Ok(landed),
                Err(error) if error.is_passing() => {
                    failures += 1;
                    let again = after(Instant::now(), back_off(failures, random()));
                    if again >= deadline {
                        return Err(error);
                    }
                    *self.open() = Some(error);
                    // The claim may have been made, and is being given up.
                    bid.claim = Claim::random()?;
                    again
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = heard(news) => {}
                () = sleep_until(again) => {}
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Error>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Background {
    fn default() -> Self {
        let tasks = TaskTracker::new();
        // Closed only means that waiting for them ends when there are none; more can still be added.
        tasks.close();
        Self(tasks)
    }
}

impl Background {
    /// Does something that outlives whoever wanted it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static, runtime: &Handle) {
        self.0.spawn_on(task, runtime);
    }
}

async fn listen(store: &Arc<dyn Store>, key: &str) -> Option<Watch> {
    let watch = store.watch_entry(key).await;
    watch.inspect_err(|error| tracing::debug!(key, %error, "news of the entry cannot be heard for now")).ok()
}

async fn heard(news: &mut Option<Watch>) {
    let Some(watch) = news else { return std::future::pending().await };
    watch.heard().await;
    if watch.is_over() {
        // Its runtime has ended, but this one goes on.
        *news = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const ROUNDS: usize = 2_000;

    #[test]
    fn nothing_is_left_of_a_flight_when_the_last_leave_together() {
        let flights = Flights::default();
        let (begin, together, end) = (Barrier::new(3), Barrier::new(2), Barrier::new(3));
        let left = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        // Until the one before was looked at.
                        begin.wait();
                        let seat = flights.join("a");
                        together.wait();
                        drop(seat);
                        end.wait();
                    }
                });
            }
            let left = (0..ROUNDS).filter(|_| {
                begin.wait();
                end.wait();
                flights.open().remove("a").is_some()
            });
            // A panic would keep those who wait for the next round waiting.
            left.count()
        });
        assert_eq!(left, 0, "of {ROUNDS}");
    }
}
