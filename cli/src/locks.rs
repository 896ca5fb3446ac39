//! `bellwether locks`: who holds which lock, and the breaking of one.

use bellwether::clock::millis;
use bellwether::lock::{HeldLock, Locks, SeenHolder};
use bellwether::names::Holder;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::stages::Stages;
use crate::{output, time};

mod breaking;

/// Lists the locks that are held, or breaks one.
///
/// For each holder of a lock under the prefix: the lock's name and kind; who it is, as `bellwether lock --holder` or the program says,
/// and in brackets what tells this holder from others; whether it has all of the lock, reads, writes, or has a permit; its fence; how
/// long its lease still runs; how many places in the lock's queue are taken. Other programs that lock the same keys are found if one
/// of ours has used the lock within a day.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Action>,

    /// Prints an object with `locks`, a list of objects, each with a list of `holders`; `lease_ms` is null for one without a lease,
    /// `holder` for another program.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    Break(breaking::Options),
}

const EXAMPLES: &str = "\
Examples:
  bellwether locks
  bellwether locks --prefix tenant-a:
  bellwether locks --json | jq -r '.locks[] | select(.waiters > 0).name'
  bellwether locks break nightly";

/// Performs [`Options`].
pub(crate) async fn locks(settings: &Settings, options: &Options) -> Result<u8, Failure> {
    match &options.command {
        Some(Action::Break(command)) => breaking::break_lock(settings, command, options.json).await,
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
        let titles = ["LOCK", "KIND", "HELD BY", "HOLDS", "FENCE", "LEASE LEFT", "WAITERS"].map(str::to_owned);
        output::table(&std::iter::once(titles).chain(held.iter().flat_map(rows)).collect::<Vec<_>>())?;
    }
    Ok(0)
}

async fn open(settings: &Settings) -> Result<Locks, Failure> {
    Ok(settings.shared_store(&Stages::default()).await?.locks())
}

fn who(holder: &SeenHolder) -> String {
    format!("{} [{}]", label(holder).unwrap_or("another program"), holder.fingerprint)
}

fn label(holder: &SeenHolder) -> Option<&str> {
    holder.label.as_ref().map(Holder::as_str)
}

/// A row for each holder.
fn rows(seen: &HeldLock) -> Vec<[String; 7]> {
    let row = |who: String, holds: &str, fence: String, left: String| {
        let (name, kind) = (seen.name().to_owned(), seen.form().as_str().to_owned());
        [name, kind, who, holds.to_owned(), fence, left, seen.waiters().to_string()]
    };
    let nothing = || "-".to_owned();
    let of = |holder: &SeenHolder| {
        let fence = holder.fence.map_or_else(nothing, |fence| fence.to_string());
        row(who(holder), holder.part.as_str(), fence, holder.lease_left.map_or_else(|| "none".to_owned(), time::show))
    };
    let mut rows: Vec<_> = seen.holders().iter().map(of).collect();
    let untold = seen.count().saturating_sub(rows.len() as u64);
    if untold > 0 {
        rows.push(row(format!("{untold} more"), "-", nothing(), nothing()));
    }
    rows
}

fn object(seen: &HeldLock) -> Value {
    let holder = |holder: &SeenHolder| {
        json!({
            "holder": label(holder),
            "fingerprint": holder.fingerprint.short(),
            "holds": holder.part.as_str(),
            "fence": holder.fence,
            "lease_ms": holder.lease_left.map(millis),
        })
    };
    json!({
        "name": seen.name(),
        "kind": seen.form().as_str(),
        "holders": seen.holders().iter().map(holder).collect::<Vec<_>>(),
        "count": seen.count(),
        "fence": seen.fence(),
        "waiters": seen.waiters(),
    })
}
