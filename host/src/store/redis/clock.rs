//! The server's clock, as far as this process knows it.
//!
//! What is due is decided by the server, in scripts. This clock only decides whether it is worth asking, so an error of it costs a round
//! trip, or serves a due value for as long as the error is. The process's own wall clock would do for that, were it right: here it is
//! only what is taken until the server was asked for the first time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Value;
use tokio::runtime::Handle;

use super::fault::{Fault, odd};
use super::topology::Topology;
use crate::clock::millis;

/// After how many milliseconds the server is asked again, as two clocks do not run at the same speed, and another server may have taken
/// over.
const PERIOD: u64 = 30_000;

/// By how many milliseconds the two clocks of this process may drift apart before that is taken for a wall clock that was set, or for
/// a monotonic one that stood still while the machine was suspended.
const STEP: u64 = 100;

/// A clock that goes with a server's. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ServerClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    topology: Topology,
    timeout: Duration,
    origin: Instant,
    /// What the server's clock shows when the monotonic one is at the origin, in milliseconds since 1970.
    server: AtomicI64,
    /// The same of this process's wall clock, when they were compared last.
    wall: AtomicI64,
    /// When they are to be compared again, in milliseconds after the origin.
    due: AtomicU64,
    asking: AtomicBool,
}

impl ServerClock {
    /// A clock that is right once the server was asked; until then it shows what the process's wall clock does.
    pub(super) fn new(topology: Topology, timeout: Duration) -> Self {
        let wall = AtomicI64::new(signed(wall()));
        let server = AtomicI64::new(wall.load(Ordering::Relaxed));
        let (origin, due, asking) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { topology, timeout, origin, server, wall, due, asking }))
    }

    /// What the server's clock shows, in milliseconds since 1970. Has the server asked in the background if that is not sure.
    pub(super) fn now(&self) -> u64 {
        let Inner { server, wall: compared, due, .. } = &*self.0;
        let monotonic = self.monotonic();
        let moved = is_moved(compared.load(Ordering::Relaxed), monotonic, wall());
        if moved || monotonic >= due.load(Ordering::Relaxed) {
            self.ask_soon();
        }
        server.load(Ordering::Relaxed).saturating_add_unsigned(monotonic).max(0).unsigned_abs()
    }

    /// Asks the server. One that does not answer leaves all as it was.
    pub(super) async fn ask(&self) {
        if let Err(fault) = self.compare().await {
            tracing::debug!(?fault, "the server does not say what its clock shows");
        }
        // Also where it failed, for a user without the right to ask would else ask at every read.
        self.0.wall.store(origin(wall(), self.monotonic()), Ordering::Relaxed);
        self.0.due.store(self.monotonic().saturating_add(PERIOD), Ordering::Relaxed);
    }

    fn ask_soon(&self) {
        if self.0.asking.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.0.asking.swap(true, Ordering::AcqRel) {
            let asking = Asking(self.clone());
            runtime.spawn(async move { asking.0.ask().await });
        }
    }

    async fn compare(&self) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + self.0.timeout;
        let primaries = self.0.topology.known_primaries();
        let Some(link) = primaries.iter().find(|link| link.open().is_some()).or(primaries.first()) else { return Ok(()) };
        let live = link.live(deadline).await?;
        let sent = self.monotonic();
        let shown = read(&live.send(&redis::cmd("TIME"), deadline).await?)?;
        // On average the server has looked at it halfway between.
        let looked = sent.midpoint(self.monotonic());
        self.0.server.store(origin(shown, looked), Ordering::Relaxed);
        Ok(())
    }

    fn monotonic(&self) -> u64 {
        millis(self.0.origin.elapsed())
    }
}

/// A question under way. It ends with its runtime; then others may ask.
struct Asking(ServerClock);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.asking.store(false, Ordering::Release);
    }
}

/// What a clock showed at the origin that shows `shown` now.
fn origin(shown: u64, monotonic: u64) -> i64 {
    signed(shown).saturating_sub_unsigned(monotonic)
}

/// Whether the wall clock was set since it showed `compared` at the origin, or the monotonic one stood still.
fn is_moved(compared: i64, monotonic: u64, wall: u64) -> bool {
    compared.abs_diff(origin(wall, monotonic)) > STEP
}

fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Understands the reply to `TIME`: seconds, and microseconds besides.
fn read(reply: &Value) -> Result<u64, Fault> {
    let number = |part: &Value| match part {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    match reply {
        Value::ServerError(error) => return Err(Fault::Answer(error.clone())),
        Value::Array(parts) => {
            if let [seconds, micros] = parts.as_slice()
                && let (Some(seconds), Some(micros)) = (number(seconds), number(micros))
            {
                return Ok(seconds.saturating_mul(1_000).saturating_add(micros / 1_000));
            }
        }
        _ => {}
    }
    Err(odd("a time", reply))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed_either_way_and_one_that_drifts_is_not() {
        let compared = origin(1_000_000, 5_000);
        assert!(!is_moved(compared, 5_000, 1_000_000));
        assert!(!is_moved(compared, 65_000, 1_060_000));
        assert!(!is_moved(compared, 65_000, 1_060_000 + STEP) && !is_moved(compared, 65_000, 1_060_000 - STEP));
        assert!(is_moved(compared, 65_000, 1_060_001 + STEP), "set forward, or suspended");
        assert!(is_moved(compared, 65_000, 1_059_999 - STEP), "set back");
        assert!(is_moved(compared, 65_000, 0));
    }

    #[test]
    fn the_time_of_a_server_is_understood() {
        let text = |text: &str| Value::BulkString(text.into());
        assert_eq!(read(&Value::Array(vec![text("1700000000"), text("123999")])).unwrap(), 1_700_000_000_123);
        for odd in [Value::Nil, Value::Array(vec![text("1")]), Value::Array(vec![text("a"), text("b")])] {
            assert!(read(&odd).is_err(), "{odd:?}");
        }
    }
}
