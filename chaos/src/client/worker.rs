//! One task that takes locks again and again, in all the ways there are.

use std::time::Duration;

use anyhow::Result;
use bellwether::Error;
use bellwether::error::LossReason;
use bellwether::lock::Locks;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::journal::{Journal, Page};
use super::taken::{Opened, Taken};
use crate::clock::now;
use crate::history::{Share, What};
use crate::kind::{Kind, LEASE};

/// How often a holder asks its guard whether it is lost.
const LOOK: Duration = Duration::from_millis(3);

/// How often it writes down that it is not.
const NOTE: u64 = 30_000_000;

/// A lock, opened in both ways.
#[derive(Debug)]
struct Opening {
    name: String,
    renewed: Opened,
    fixed: Opened,
}

/// How a holder behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Holds it for a moment, and releases it.
    Brief,
    /// Holds it for longer than a lease, renewing it.
    Long,
    /// Never renews it, and goes on as if it held it when the lease is over.
    TooLong,
    /// Drops the guard.
    Drops,
    /// Hands it over to whoever has the token, and may or may not take it over.
    HandsOver,
    /// Goes away while it waits.
    Cancels,
}

impl Way {
    fn choose(random: &mut fastrand::Rng) -> Self {
        // Those who hold for long are few, or nobody else would come to hold.
        match random.u16(..1000) {
            0..10 => Self::Long,
            10..25 => Self::TooLong,
            25..125 => Self::Drops,
            125..175 => Self::HandsOver,
            175..300 => Self::Cancels,
            _ => Self::Brief,
        }
    }
}

/// One task.
#[derive(Debug)]
pub(super) struct Worker {
    openings: Vec<Opening>,
    journal: Journal,
    register: BufReader<TcpStream>,
    random: fastrand::Rng,
}

impl Worker {
    pub(super) async fn new(kind: Kind, locks: &Locks, journal: Journal, register: u16, random: fastrand::Rng) -> Result<Self> {
        let open = |name: String| {
            let (renewed, fixed) = (Opened::open(kind, locks, &name, true)?, Opened::open(kind, locks, &name, false)?);
            Ok(Opening { name, renewed, fixed })
        };
        let openings = kind.locks().into_iter().map(open).collect::<Result<_, Error>>()?;
        let register = TcpStream::connect(("127.0.0.1", register)).await?;
        register.set_nodelay(true)?;
        Ok(Self { openings, journal, register: BufReader::new(register), random })
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
        let at = self.random.usize(..self.openings.len());
        let Some(opening) = self.openings.get(at) else { return Ok(LEASE) };
        let opened = if way == Way::TooLong { opening.fixed.clone() } else { opening.renewed.clone() };
        let page = self.journal.turn(&opening.name);
        let wait = if self.random.u8(..10) == 0 { Duration::ZERO } else { Duration::from_millis(self.random.u64(200..6_000)) };
        let share = opened.share(&mut self.random);
        let patience = (way == Way::Cancels).then(|| Duration::from_millis(self.random.u64(..150)));
        match acquire(&page, &opened, share, wait, patience).await {
            Ok(Some(taken)) => self.hold(&page, &opened, taken, share, way).await?,
            Ok(None) => {}
            // A store that refuses at once is not to be asked a thousand times a second.
            Err(_) => return Ok(Duration::from_millis(self.random.u64(20..60))),
        }
        Ok(Duration::from_millis(self.random.u64(..20)))
    }

    async fn hold(&mut self, page: &Page, opened: &Opened, taken: Taken, share: Share, way: Way) -> Result<()> {
        let lease = u64::try_from(LEASE.as_millis())?;
        let time = match way {
            Way::Long => self.random.u64(lease..2 * lease),
            Way::TooLong => self.random.u64(lease / 2..2 * lease),
            _ => self.random.u64(..40),
        };
        self.stay(page, &taken, share, Duration::from_millis(time), way == Way::TooLong).await?;
        match way {
            Way::Drops => page.note(What::LetGo),
            Way::HandsOver => {
                page.note(What::LetGo);
                if let Ok(Some(token)) = taken.hand_over().await
                    && self.random.u8(..8) > 0
                {
                    drop(taken);
                    self.adopt(opened, page, &token, share).await?;
                }
            }
            _ => release(page, &taken).await,
        }
        Ok(())
    }

    async fn adopt(&mut self, opened: &Opened, before: &Page, token: &str, share: Share) -> Result<()> {
        let page = self.journal.turn(before.lock());
        page.note(What::Asked { wait: 0, share, adopts: true });
        match opened.adopt(token).await {
            Ok(Some(taken)) => {
                page.note(What::Acquired { fence: taken.fence() });
                let time = Duration::from_millis(self.random.u64(..20));
                self.stay(&page, &taken, share, time, false).await?;
                release(&page, &taken).await;
            }
            Ok(None) => page.note(What::Refused),
            Err(error) => page.note(What::Failed { why: error.to_string() }),
        }
        Ok(())
    }

    /// Holds a lock for a time, and writes to the register at its beginning, in its middle and at its end.
    async fn stay(&mut self, page: &Page, taken: &Taken, share: Share, time: Duration, stubborn: bool) -> Result<()> {
        let end = now() + u64::try_from(time.as_nanos())?;
        let mut writes = [now(), now().midpoint(end), end].into_iter().peekable();
        // Who has a part of a lock writes nothing that another part must not.
        let writer = share == Share::Whole;
        let mut noted = 0;
        let mut held = 0;
        let mut lost = false;
        loop {
            // The clock first: what is not lost later was not lost then, however long this process is stopped in between.
            let looked = now();
            match taken.loss() {
                _ if lost => {}
                None => held = looked,
                Some(why) => {
                    if held > noted {
                        page.note_at(held, What::Held);
                    }
                    page.note(What::Lost { gone: why == LossReason::Gone });
                    lost = true;
                    if !stubborn {
                        return Ok(());
                    }
                }
            }
            let write = writer && writes.next_if(|due| *due <= looked).is_some();
            if !lost && (held > noted + NOTE || write || looked >= end) {
                page.note_at(held, What::Held);
                noted = held;
            }
            if write {
                self.write(page, taken.fence()).await?;
            }
            if looked >= end && !(writer && writes.peek().is_some()) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    async fn write(&mut self, page: &Page, fence: u64) -> Result<()> {
        self.register.get_mut().write_all(page.line(fence).as_bytes()).await?;
        // The register itself writes down what it answers.
        self.register.read_line(&mut String::new()).await?;
        Ok(())
    }
}

async fn acquire(
    page: &Page,
    opened: &Opened,
    share: Share,
    wait: Duration,
    patience: Option<Duration>,
) -> Result<Option<Taken>, Error> {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    page.note(What::Asked { wait: millis, share, adopts: false });
    let acquiring = opened.acquire(share, wait);
    let acquired = match patience {
        None => acquiring.await,
        Some(patience) => match tokio::time::timeout(patience, acquiring).await {
            Ok(acquired) => acquired,
            Err(_) => {
                page.note(What::Cancelled);
                return Ok(None);
            }
        },
    };
    page.note(match &acquired {
        Ok(Some(taken)) => What::Acquired { fence: taken.fence() },
        Ok(None) => What::Refused,
        Err(error) => What::Failed { why: error.to_string() },
    });
    acquired
}

async fn release(page: &Page, taken: &Taken) {
    page.note(What::Releasing);
    let ok = match taken.release().await {
        Ok(()) => Some(true),
        Err(Error::NotHeld(_)) => Some(false),
        Err(_) => None,
    };
    page.note(What::Released { ok });
}
