//! Many who write to a store at once, in a process of their own.

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::processes::input;

/// Who writes where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many write at once, each over a connection of its own.
    #[arg(long)]
    tasks: usize,
    /// The addresses of servers and a key that each has.
    #[arg(required = true, value_parser = parse)]
    targets: Vec<(String, String)>,
}

/// Writes one value after the other until the input ends.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    for (url, key) in options.targets.iter().cycle().take(options.tasks) {
        let mut connection = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
        let key = key.clone();
        writers.spawn(async move {
            loop {
                let set = redis::cmd("SET").arg(&key).arg([b'v'; 100].as_slice()).query_async::<()>(&mut connection).await;
                if let Err(why) = set {
                    return why;
                }
            }
        });
    }
    println!("ready");
    let mut input = input()?;
    tokio::select! {
        _ended = input.read_u8() => Ok(()),
        Some(failed) = writers.join_next() => Err(failed?.into()),
    }
}

/// `URL=KEY`.
fn parse(target: &str) -> anyhow::Result<(String, String)> {
    let (url, key) = target.rsplit_once('=').context("it is not URL=KEY")?;
    Ok((url.to_owned(), key.to_owned()))
}
