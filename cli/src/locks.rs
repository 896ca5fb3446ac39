//! `bellwether locks`: who holds which lock, and the breaking of one.

use std::io::{self, IsTerminal};

use bellwether::clock::millis;
use bellwether::lock::{Broken, HeldLock, Locks};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::{Failure, status};
use crate::settings::Settings;
use crate::stages::Stages;
use crate::{cache, output, time};

/// Lists the locks that are held, or breaks one.
///
/// For each lock under the prefix: its name; who holds it, as `bellwether lock --holder` or the program says, and in brackets what
/// tells this holder from others; the last fence that was given; how long the lease still runs; how many places in its queue are
/// taken. Other programs that lock the same keys are found if one of ours has used the lock within a day.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Action>,

    /// Prints an object with `locks`, a list of objects; `lease_ms` is null for a lock without a lease, `holder` for another program.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    Break(Break),
}

/// Takes a lock away from its holder.
///
/// Shows the lock and asks first; if the holder has changed by the time of the answer, nothing is done. The lock goes to who waits
/// for it. The holder learns of it when it renews its lease, and may go on until then: it is kept out only by what the lock protects,
/// if that refuses stale fences. Up to which they are stale is printed.
///
/// The exit status is 1 if nobody holds the lock or the answer was no, and 75 if somebody else held it by then.
#[derive(Debug, Args)]
#[command(after_help = BREAK_EXAMPLES)]
struct Break {
    /// The lock's name, without the prefix.
    name: String,

    /// Does not ask.
    #[arg(short, long)]
    yes: bool,

    /// Only if this is what the list has in brackets behind the holder.
    #[arg(long, value_name = "DIGITS")]
    fingerprint: Option<String>,

    /// Prints an object with `broken`, `fence` (up to it all are stale), `handed_on`, and `was`, the lock as the list had it.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bellwether locks
  bellwether locks --prefix tenant-a:
  bellwether locks --json | jq -r '.locks[] | select(.waiters > 0).name'
  bellwether locks break nightly";

const BREAK_EXAMPLES: &str = "\
Examples:
  bellwether locks break nightly
  bellwether locks break nightly --yes --fingerprint 1f0c9a3e";

/// Performs [`Options`].
pub(crate) async fn locks(settings: &Settings, options: &Options) -> Result<u8, Failure> {
    match &options.command {
        Some(Action::Break(command)) => take_away(settings, command, options.json || command.json).await,
        None => list(settings, options.json).await,
    }
}

async fn list(settings: &Settings, as_json: bool) -> Result<u8, Failure> {
    let held = open(settings).await?.held_locks().await?;
    if as_json {
        output::json(&json!({ "locks": held.iter().map(object).collect::<Vec<_>>() }))?;
    } else if held.is_empty() {
        if output::watched() {
            output::note("no lock is held");
        }
    } else {
        let titles = ["LOCK", "HELD BY", "FENCE", "LEASE LEFT", "WAITERS"].map(str::to_owned);
        output::table(&std::iter::once(titles).chain(held.iter().map(row)).collect::<Vec<_>>())?;
    }
    Ok(0)
}

async fn take_away(settings: &Settings, command: &Break, as_json: bool) -> Result<u8, Failure> {
    let name = &command.name;
    if !command.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage("this asks before it breaks a lock, and there is no terminal to ask on: give --yes"));
    }
    let locks = open(settings).await?;
    let Some(seen) = locks.look(name).await? else { return free(name) };
    if let Some(wanted) = &command.fingerprint
        && !is_that(&seen, wanted)
    {
        return changed_hands(name);
    }
    if !command.yes && !ask(&seen).await? {
        return Err(Failure::new(status::ABSENT, "left as it is"));
    }
    match locks.break_lock(&seen).await? {
        Broken::Free => free(name),
        Broken::ChangedHands => changed_hands(name),
        Broken::Yes { fence, handed_on } => {
            if as_json {
                output::json(&json!({ "broken": true, "fence": fence, "handed_on": handed_on, "was": object(&seen) }))?;
            } else {
                let now = if handed_on { "; the next in the queue has it now" } else { "" };
                output::line(&format!("broken: {name:?} was held by {}; fences up to {fence} are stale{now}", who(&seen)))?;
            }
            Ok(0)
        }
    }
}

async fn open(settings: &Settings) -> Result<Locks, Failure> {
    Ok(settings.shared_store(&Stages::default()).await?.locks())
}

fn free(name: &str) -> Result<u8, Failure> {
    Err(Failure::new(status::ABSENT, format!("nobody holds the lock {name:?}")))
}

fn changed_hands(name: &str) -> Result<u8, Failure> {
    Err(Failure::new(status::BUSY, format!("somebody else holds the lock {name:?} by now, and nothing was done: look again")))
}

/// Whether these are digits that this holder was shown with.
fn is_that(seen: &HeldLock, digits: &str) -> bool {
    let shown = seen.fingerprint();
    digits.len() >= shown.short().len() && shown.as_str().starts_with(&digits.to_ascii_lowercase())
}

/// Shows a lock and asks whether to break it.
async fn ask(seen: &HeldLock) -> Result<bool, Failure> {
    let lease = seen.lease_left().map_or_else(|| "has no lease".to_owned(), |left| format!("has {} left", time::show(left)));
    let waiting = match seen.waiters() {
        0 => "nobody waits".to_owned(),
        waiters => format!("{waiters} in the queue"),
    };
    output::ask(&format!("{:?} is held by {}, {lease}; {waiting}. Break it? [y/N] ", seen.name(), who(seen)));
    cache::yes().await
}

fn who(seen: &HeldLock) -> String {
    format!("{} [{}]", seen.holder().unwrap_or("another program"), seen.fingerprint())
}

fn row(seen: &HeldLock) -> [String; 5] {
    [
        seen.name().to_owned(),
        who(seen),
        seen.fence().map_or_else(|| "-".to_owned(), |fence| fence.to_string()),
        seen.lease_left().map_or_else(|| "none".to_owned(), time::show),
        seen.waiters().to_string(),
    ]
}

fn object(seen: &HeldLock) -> Value {
    json!({
        "name": seen.name(),
        "holder": seen.holder(),
        "fingerprint": seen.fingerprint().short(),
        "fence": seen.fence(),
        "lease_ms": seen.lease_left().map(millis),
        "waiters": seen.waiters(),
    })
}
