//! `bellwether lock`: a command under a lock, as `flock` does it, across machines.

use std::ffi::OsString;
use std::time::Duration;

use bellwether::clock::Wait;
use bellwether::lock::{Guard, Kind, Lock, LockOptions, Quorum};
use bellwether::names::Holder;
use clap::Args;
use tokio::time::sleep;

use crate::failure::{Failure, status};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::signals::{self, Signals};
use crate::stages::Stages;
use crate::{output, time};

mod hold;

/// Runs a command while holding a lock.
///
/// Waits until nobody else holds the lock, runs the command, and releases the lock when it has ended. The lease is renewed for as
/// long as the command runs; should this program or its machine die, the lock is free when the lease ends. The command finds
/// `BELLWETHER_LOCK` (the lock's name) and `BELLWETHER_FENCE` (a number larger than that of every earlier holder, for what the lock
/// protects to refuse latecomers by) in its environment.
///
/// If the lock is lost while the command runs, because the store was away for longer than the lease for example, the command gets
/// SIGTERM, after --grace SIGKILL, and the exit status is 79. The same goes for what the command started, unless that made a process
/// group of its own or a terminal is in charge.
///
/// The exit status is otherwise that of the command. If that is 0 and the store did not confirm the release, it is 69: the lock may
/// stay held until its lease ends, and standard error says why.
///
/// SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH are passed on to the command. SIGKILL cannot be: a
/// command whose `bellwether lock` was killed by it runs on, and no longer holds the lock once the lease has ended.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The lock's name. It is also the key in the store, so lockers of other languages can share it.
    name: String,

    /// How long the lock outlives a holder that dies.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease, allow_hyphen_values = true)]
    lease: Duration,

    /// Asks the replicas too, so that the lock outlives a failover: it counts as acquired when this many of them are seen to hold
    /// it. As many as the configuration says if no number follows: majority, all, or one of 1, 2, 3 …
    #[allow(clippy::option_option, reason = "how clap says that a flag is absent, is there alone, or has a value")]
    #[arg(long, value_name = "REPLICAS", num_args = 0..=1, require_equals = true, value_parser = quorum)]
    quorum: Option<Option<Quorum>>,

    /// How long to wait for the lock; for ever if it is not given.
    #[arg(short, long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    wait: Option<Duration>,

    /// Does not wait: the same as --wait 0s.
    #[arg(short, long, conflicts_with = "wait")]
    no_wait: bool,

    /// The exit status if somebody else held the lock until the wait was over.
    #[arg(short = 'E', long, value_name = "STATUS", default_value_t = status::BUSY)]
    conflict_exit_code: u8,

    /// How long the command has between SIGTERM and SIGKILL if the lock is lost.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time::parse, allow_hyphen_values = true)]
    grace: Duration,

    /// Who holds the lock, as `bellwether locks` shows it: a word of at most 64 characters; HOST:PID of this program if not given.
    #[arg(long, value_name = "LABEL", value_parser = label)]
    holder: Option<Holder>,

    #[command(flatten)]
    metrics: Metrics,

    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Options {
    fn lock(&self) -> LockOptions {
        let defaults = LockOptions::default();
        // The pause between attempts has to be shorter than the lease, however short that is.
        let retry = (self.lease / 3).clamp(SHORTEST_LEASE / 2, defaults.retry);
        let kind = if self.quorum.is_some() { Kind::Quorum } else { Kind::Simple };
        LockOptions { kind, lease: Some(self.lease), retry, ..defaults }
    }
}

fn quorum(text: &str) -> Result<Quorum, String> {
    match text {
        "majority" => Ok(Quorum::Majority),
        "all" => Ok(Quorum::All),
        number => {
            number.parse().map(Quorum::AtLeast).map_err(|_| "write majority, all, or a number of replicas from 1".to_owned())
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  bellwether lock nightly -- ./backup.sh --full
  bellwether lock deploy --no-wait -E 0 -- ./deploy.sh     nothing to do if somebody is at it
  bellwether lock ledger --quorum=all -- ./close.sh        only once all replicas hold the lock too
  bellwether lock db --wait 10s -- sh -c 'psql -v fence=$BELLWETHER_FENCE -f migrate.sql'";

/// After this much waiting a person is told what for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A pause between attempts is a millisecond at least, and has to be shorter.
const SHORTEST_LEASE: Duration = Duration::from_millis(2);

/// Reads a lease.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = time::parse(text)?;
    if lease < SHORTEST_LEASE {
        return Err(format!("a lease of {} is too short: give at least {}", time::show(lease), time::show(SHORTEST_LEASE)));
    }
    Ok(lease)
}

/// Reads a holder's label.
fn label(text: &str) -> Result<Holder, String> {
    Holder::new(text).map_err(|why| why.to_string())
}

/// Runs the command.
pub(crate) async fn lock(settings: &Settings, options: &Options) -> Result<u8, Failure> {
    let mut signals = Signals::listen()?;
    options.metrics.serve()?;
    let stages = Stages::default();
    let mut locks = tokio::select! {
        runtime = settings.shared_store(&stages) => runtime?.locks(),
        signal = signals.next() => return Ok(signals::exit_status(signal.as_raw())),
    };
    if let Some(quorum) = options.quorum.flatten() {
        locks = locks.with_quorum(quorum);
    }
    if let Some(holder) = &options.holder {
        locks = locks.with_holder(holder.clone());
    }
    let lock = locks.open(&options.name, options.lock())?;
    let outcome = tokio::select! {
        guard = acquire(&lock, options) => Ok(guard?),
        // Dropping the attempt leaves the lock to others.
        signal = signals.next() => Err(signals::exit_status(signal.as_raw())),
    };
    let status = match outcome {
        Ok(Some(guard)) => return hold::hold(guard, &locks, options, &mut signals).await,
        Ok(None) => {
            let or = if options.quorum.is_some() { ", or too few replicas got it" } else { "" };
            Err(Failure::new(options.conflict_exit_code, format!("somebody else holds the lock {:?}{or}", options.name)))
        }
        Err(interrupted) => Ok(interrupted),
    };
    if signals.farewell(locks.settled()).await.is_none() {
        output::note(&hold::left_over(options, &hold::SILENCE));
    }
    status
}

async fn acquire(lock: &Lock, options: &Options) -> Result<Option<Guard>, Failure> {
    let wait = match options.wait {
        _ if options.no_wait => Wait::None,
        Some(time) => Wait::UpTo(time),
        None => Wait::Forever,
    };
    let acquire = lock.acquire(wait);
    tokio::pin!(acquire);
    tokio::select! {
        guard = &mut acquire => return Ok(guard?),
        () = sleep(PATIENCE), if output::watched() => output::note(&format!("waiting for the lock {:?}", lock.name())),
    }
    Ok(acquire.await?)
}
