//! `lock-commands-*`: what the server is asked to do for a lock, as it counts itself.

use std::time::Duration;

use anyhow::Context as _;
use bellwether::clock::Wait;
use bellwether::lock::{Guard, Lock};
use bellwether_tests::Server;
use bellwether_tests::commands::{Commands, Counting};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::measure::Figure;
use crate::report::Report;

const ACQUIRE: &str = "lock-commands-acquire";
const WAIT: &str = "lock-commands-wait";
const RELEASE: &str = "lock-commands-release";
const WAITERS: &str = "lock-commands-waiters-100";

/// How many wait at once, and for how long.
const TASKS: usize = 100;
const WAITING: Duration = Duration::from_secs(2);

/// How long everything may take that is done in the background.
const SETTLE: Duration = Duration::from_millis(100);

/// Counts the wanted cases.
pub(super) async fn run(server: &Server, report: &mut Report) -> anyhow::Result<()> {
    if ![ACQUIRE, WAIT, RELEASE, WAITERS].into_iter().any(|case| report.wants(case)) {
        return Ok(());
    }
    // Two processes, as the server sees it, that both have sent every script before.
    let (here, there) = (super::locks(&server.url()).await?, super::locks(&server.url()).await?);
    let open = |name: &str| anyhow::Ok((here.open(name, super::options())?, there.open(name, super::options())?));
    let before = open("bench-commands-before")?;
    contend(&before.0, &before.1, async || Ok(())).await?.release().await?;
    // Whoever waited lately listens still, so what is counted is of another lock.
    let (here, there) = open("bench-commands")?;
    let mut counting = Counting::on(server)?;

    counting.restart()?;
    let guard = now(&here).await?;
    print(report, ACQUIRE, &counting.so_far()?, (1.0, "SET NX PX"), "≤ 1")?;
    sleep(SETTLE).await;
    counting.restart()?;
    guard.release().await?;
    sleep(SETTLE).await;
    let release = counting.so_far()?;
    print(report, RELEASE, &release, (1.0, "compare-and-delete"), "≤ 1")?;

    let guard = contend(&here, &there, async || counting.restart()).await?;
    sleep(SETTLE).await;
    // The release that ends the wait is counted by itself.
    print(report, WAIT, &counting.so_far()?.without(&release), (1.0, "BLPOP"), "≤ 4")?;

    counting.restart()?;
    let mut waiting = JoinSet::new();
    for _ in 0..TASKS {
        let lock = here.clone();
        waiting.spawn(async move { lock.acquire(Wait::UpTo(WAITING)).await });
    }
    while let Some(waited) = waiting.join_next().await {
        anyhow::ensure!(waited??.is_none(), "the lock was held by another");
    }
    let waited = counting.so_far()?;
    guard.release().await?;
    let seconds = WAITING.as_secs_f64();
    print(report, WAITERS, &waited, (seconds, "a command a second"), "≤ 10 ×")
}

/// Prints how many commands clients sent, and all that they led to.
fn print(
    report: &mut Report,
    case: &str,
    commands: &Commands,
    (reference, against): (f64, &'static str),
    goal: &'static str,
) -> anyhow::Result<()> {
    let sent = commands.sent();
    #[allow(clippy::cast_precision_loss, reason = "a count of commands")]
    let figure = Figure::new(case, "commands", (sent as f64, reference), 1);
    report.print(&figure.against(against).goal(goal).of(commands.to_string()))
}

async fn now(lock: &Lock) -> anyhow::Result<Guard> {
    lock.acquire(Wait::None).await?.context("the lock is held by somebody else")
}

/// Has one side wait for the lock while the other holds it, and then get it. `meanwhile` is called before it begins to wait.
async fn contend(here: &Lock, there: &Lock, meanwhile: impl AsyncFnOnce() -> anyhow::Result<()>) -> anyhow::Result<Guard> {
    let holder = now(here).await?;
    sleep(SETTLE).await;
    meanwhile().await?;
    let lock = there.clone();
    let waiter = tokio::spawn(async move { lock.acquire(Wait::Forever).await });
    sleep(SETTLE).await;
    holder.release().await?;
    waiter.await??.context("it waits for ever, and gave up")
}
