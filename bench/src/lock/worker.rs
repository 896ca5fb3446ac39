//! A process that takes and releases a lock as its input says, and tells the times.

use std::time::Duration;

use anyhow::bail;
use rustix::time::ClockId;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::contender::{Contender, Side};
use crate::processes::{input, monotonic};

/// Which lock, whose, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    contender: Contender,
    url: String,
    name: String,
}

/// Obeys one order a line, until there are no more:
///
/// | order | answer |
/// | --- | --- |
/// | `acquire` | `acquired` and when, as soon as it is |
/// | `release` | none: the answer would keep the machine busy while the next holder is being waited for |
/// | `report` | `released` and when the last release began |
///
/// Times are nanoseconds of the monotonic clock, which all processes of a machine share. The worker in Python obeys the same.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let mut side = Side::open(options.contender, &options.url, &options.name).await?;
    let mut orders = BufReader::new(input()?).lines();
    println!("ready");
    let mut released = Duration::ZERO;
    while let Some(order) = orders.next_line().await? {
        match order.as_str() {
            "acquire" => {
                side.acquire().await?;
                println!("acquired {}", monotonic(ClockId::Monotonic).as_nanos());
            }
            "release" => {
                released = monotonic(ClockId::Monotonic);
                side.release().await?;
            }
            "report" => println!("released {}", released.as_nanos()),
            _ => bail!("{order:?} is no order"),
        }
    }
    Ok(())
}
