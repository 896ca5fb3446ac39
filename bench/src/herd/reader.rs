//! A process that reads an entry again and again, and tells what it computed and how long each read took.

use std::fmt::Write as _;
use std::time::Duration;

use rustix::time::ClockId;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::side::{Contender, Side};
use super::{PACE, READERS};
use crate::processes::{input, monotonic};

/// Which cache, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    contender: Contender,
    url: String,
}

/// Reads from the order `read` to the order `stop`:
///
/// | line | says |
/// | --- | --- |
/// | `ready` | it is connected |
/// | `computed ASKED BEGAN ENDED STORED` | a value was computed: when its reader began to read, began and ended to compute, and had stored it |
/// | `reads BEGAN TOOK …` | when each read began and how long it took, after `stop` |
///
/// Times are nanoseconds of the monotonic clock, which all processes of a machine share.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let side = Side::open(options.contender, &options.url).await?;
    let mut orders = BufReader::new(input()?).lines();
    println!("ready");
    if orders.next_line().await?.is_none() {
        return Ok(());
    }
    let (stop, stopped) = watch::channel(false);
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        // Not all at once.
        readers.spawn(read(side.clone(), PACE / READERS * number, stopped.clone()));
    }
    let reads = tokio::select! {
        order = orders.next_line() => {
            stop.send_replace(true);
            if order?.is_none() {
                return Ok(());
            }
            readers.join_all().await
        }
        Some(ended) = readers.join_next() => vec![ended?],
    };
    let mut line = String::from("reads");
    for (began, took) in reads.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
        write!(line, " {} {}", began.as_nanos(), took.as_nanos())?;
    }
    println!("{line}");
    // What is told is read before it ends.
    orders.next_line().await?;
    Ok(())
}

/// One reader.
async fn read(side: Side, offset: Duration, mut stopped: watch::Receiver<bool>) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let mut ticks = interval_at(Instant::now() + offset, PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut reads = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(reads),
            _ = ticks.tick() => {}
        }
        let asked = monotonic(ClockId::Monotonic);
        let computed = side.read().await?;
        let stored = monotonic(ClockId::Monotonic);
        reads.push((asked, stored.saturating_sub(asked)));
        if let Some((began, ended)) = computed {
            let [asked, began, ended, stored] = [asked, began, ended, stored].map(|at| at.as_nanos());
            println!("computed {asked} {began} {ended} {stored}");
        }
    }
}
