//! One task that takes locks again and again, in all the ways there are.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use bellwether::Error;
use bellwether::clock::Wait;
use bellwether::error::Limit;
use bellwether::lock::Locks;
use tokio::sync::watch;
use tokio::time::sleep;

use super::journal::{Journal, Page};
use super::stay::Pen;
use super::taken::{Opened, Taken};
use super::way::Way;
use crate::history::{Share, What};
use crate::kind::{FIXED_LEASE, Kind, LEASE, lease};

/// How long one who stays holds a lock, in milliseconds: from before a failover until after it.
const STAY: std::ops::Range<u64> = 3_000..6_000;

/// One task.
#[derive(Debug)]
pub(super) struct Worker {
    kind: Kind,
    locks: Locks,
    journal: Journal,
    pen: Pen,
    random: fastrand::Rng,
}

impl Worker {
    pub(super) async fn new(kind: Kind, locks: &Locks, journal: Journal, register: u16, random: fastrand::Rng) -> Result<Self> {
        Ok(Self { kind, locks: locks.clone(), journal, pen: Pen::new(register).await?, random })
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) -> Result<()> {
        while !*stop.borrow() {
            let way = Way::choose(&mut self.random);
            let pause = self.turn(way).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    /// Takes one lock once, and gives how long to rest.
    async fn turn(&mut self, way: Way) -> Result<Duration> {
        let names = self.kind.choose(&mut self.random);
        let opened = Opened::open(self.kind, &self.locks, &names, way.renews())?;
        let page = self.journal.turn(names);
        let wait = match self.random.u8(..10) {
            0 => Wait::None,
            1 => Wait::Forever,
            _ => Wait::UpTo(Duration::from_millis(self.random.u64(200..9_000))),
        };
        let share = opened.share(&mut self.random);
        let patience = (way == Way::Cancels).then(|| Duration::from_millis(self.random.u64(..150)));
        // The lease of one who asks for more time by itself may be longer than it knows, if the answer was lost.
        let lease = if way == Way::Extends { millis(LEASE) } else { said_lease(&page, way.renews()) };
        let asked = What::Asked { wait: said(wait), lease, renews: way.renews(), share, adopts: false };
        match acquire(&page, &opened, &asked, share, wait, patience).await {
            Ok(Some(taken)) => self.hold(&page, &opened, taken, share, way).await?,
            Ok(None) => {}
            // A store that refuses at once is not to be asked a thousand times a second.
            Err(_) => return Ok(Duration::from_millis(self.random.u64(20..60))),
        }
        Ok(Duration::from_millis(self.random.u64(..20)))
    }

    async fn hold(&mut self, page: &Page, opened: &Opened, taken: Taken, share: Share, way: Way) -> Result<()> {
        let (lease, [short, fixed]) = (said_lease(page, true), [LEASE, FIXED_LEASE].map(millis));
        let time = match way {
            // The watchdog has to renew it.
            Way::Long => self.random.u64(lease / 2..2 * lease),
            Way::Stays if lease > short => self.random.u64(STAY),
            Way::TooLong => self.random.u64(fixed / 2..2 * fixed),
            Way::Extends => self.random.u64(fixed..6 * fixed),
            // A twentieth of the lease or so, and much of it where the lease is long.
            _ => self.random.u64(..lease * lease / 25_000),
        };
        let extending = self.random.fork();
        let stays = self.pen.stay(page, &taken, share, Duration::from_millis(time), way == Way::TooLong);
        if way == Way::Extends {
            tokio::select! {
                stayed = stays => stayed?,
                never = extend(page, &taken, extending) => match never {},
            }
        } else {
            stays.await?;
        }
        match way {
            Way::Drops => page.note(&What::LetGo),
            Way::HandsOver => {
                page.note(&What::HandedOver);
                if let Ok(Some(token)) = taken.hand_over(opened).await
                    && self.random.u8(..8) > 0
                {
                    drop(taken);
                    self.take_over(opened, page, &token, share).await?;
                }
            }
            _ => release(page, &taken).await,
        }
        Ok(())
    }

    /// Takes over what was handed over a moment ago.
    async fn take_over(&mut self, opened: &Opened, before: &Page, token: &str, share: Share) -> Result<()> {
        let page = self.journal.turn(before.locks().to_vec());
        page.note(&What::Asked { wait: Some(0), lease: said_lease(&page, true), renews: true, share, adopts: true });
        match opened.adopt(token).await {
            Ok(Some(adopted)) => {
                page.note(&What::Acquired { fence: adopted.fence() });
                let time = Duration::from_millis(self.random.u64(..20));
                self.pen.stay(&page, &adopted, share, time, false).await?;
                release(&page, &adopted).await;
            }
            // Nobody has what it was handed over for any more.
            Ok(None) | Err(Error::NotHeld(_)) => page.note(&What::Refused),
            Err(error) => page.note(&failed(&error)),
        }
        Ok(())
    }
}

async fn acquire(
    page: &Page,
    opened: &Opened,
    asked: &What,
    share: Share,
    wait: Wait,
    patience: Option<Duration>,
) -> Result<Option<Taken>, Error> {
    page.note(asked);
    let acquiring = opened.acquire(share, wait);
    let acquired = match patience {
        None => acquiring.await,
        Some(patience) => {
            let Ok(acquired) = tokio::time::timeout(patience, acquiring).await else {
                page.note(&What::Cancelled);
                return Ok(None);
            };
            acquired
        }
    };
    page.note(&match &acquired {
        Ok(Some(taken)) => What::Acquired { fence: taken.fence() },
        Ok(None) => What::Refused,
        Err(error) => failed(error),
    });
    acquired
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long it waits, in milliseconds.
fn said(wait: Wait) -> Option<u64> {
    match wait {
        Wait::None => Some(0),
        Wait::UpTo(time) => Some(millis(time)),
        Wait::Forever => None,
    }
}

/// How long the store keeps a lock, or any of several, for one who says nothing more, in milliseconds.
fn said_lease(page: &Page, renews: bool) -> u64 {
    let leases = page.locks().iter().map(|lock| if renews { lease(lock) } else { FIXED_LEASE });
    millis(leases.max().unwrap_or(LEASE))
}

fn failed(error: &Error) -> What {
    What::Failed { passing: is_passing(error), why: error.to_string() }
}

/// Whether a fault can bring it about.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::Limit(Limit::StoreFull { .. }))
}

/// Asks for more time again and again, each time for about as much as has gone by.
async fn extend(page: &Page, taken: &Taken, mut random: fastrand::Rng) -> Infallible {
    loop {
        let time = Duration::from_millis(random.u64(40..150));
        sleep(time).await;
        let outcome = if random.bool() { taken.extend(time).await } else { taken.renew().await };
        let (ok, wrong) = match outcome {
            Ok(()) => (Some(true), None),
            Err(Error::NotHeld(_)) => (Some(false), None),
            Err(error) => (None, Some(error.to_string()).filter(|_| !is_passing(&error))),
        };
        page.note(&What::Extended { ok, wrong });
    }
}

async fn release(page: &Page, taken: &Taken) {
    page.note(&What::Releasing);
    let ok = match taken.release().await {
        Ok(()) => Some(true),
        Err(Error::NotHeld(_)) => Some(false),
        Err(_) => None,
    };
    page.note(&What::Released { ok });
}
