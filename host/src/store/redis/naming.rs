//! Which server Sentinels call the primary now, where they do not say the same.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;
use crate::store::address::Endpoint;

/// How long those who know of a failover have to say so, once one has answered who does not.
const PATIENCE: Duration = Duration::from_millis(500);

/// What one Sentinel calls the primary.
#[derive(Debug)]
pub(super) struct Naming {
    pub(super) primary: Endpoint,
    /// Rises with every failover. 0 where it may not be asked for.
    pub(super) epoch: u64,
}

/// What the answer of a Sentinel comes to.
enum Found {
    Primary(Endpoint),
    /// A primary of before a failover that was heard of.
    Before(Naming),
}

/// The primary that the first Sentinel names who knows of the `latest` failover that was heard of, if that confirms it.
///
/// One that was cut off from the others goes on to name a primary that they have replaced, and that goes on to take itself for it. Its word
/// counts only where nobody answers who knows as much as was heard: then the Sentinels were set up anew, or the others are cut off from here.
pub(super) async fn primary<A, C>(
    answers: impl Iterator<Item = A>,
    confirm: impl Fn(Endpoint) -> C,
    latest: &AtomicU64,
) -> Result<Endpoint, Fault>
where
    A: Future<Output = Result<Naming, Fault>>,
    C: Future<Output = Result<Endpoint, Fault>>,
{
    let (confirm, known) = (&confirm, &AtomicBool::new(false));
    let mut asked: FuturesUnordered<_> = answers
        .map(|answer| async move {
            let naming = answer.await?;
            if naming.epoch < latest.fetch_max(naming.epoch, Ordering::SeqCst) {
                return Ok(Found::Before(naming));
            }
            known.store(true, Ordering::Relaxed);
            let primary = confirm(naming.primary).await?;
            // Another may have told of a failover meanwhile.
            let is_latest = naming.epoch >= latest.load(Ordering::SeqCst);
            Ok(if is_latest { Found::Primary(primary) } else { Found::Before(Naming { primary, ..naming }) })
        })
        .collect();
    let (mut before, mut failed, mut until) = (None::<Naming>, None, None);
    loop {
        let next = match until {
            Some(until) if !known.load(Ordering::Relaxed) => match timeout_at(until, asked.next()).await {
                // Whoever knows more has answered just now, and its primary has not yet.
                Err(_) if known.load(Ordering::Relaxed) => continue,
                next => next.unwrap_or(None),
            },
            _ => asked.next().await,
        };
        match next {
            Some(Ok(Found::Primary(primary))) => return Ok(primary),
            Some(Ok(Found::Before(naming))) => {
                until.get_or_insert_with(|| Instant::now() + PATIENCE);
                before = before.filter(|before| before.epoch >= naming.epoch).or(Some(naming));
            }
            Some(Err(fault)) => failed = Some(fault),
            None => break,
        }
    }
    match before {
        Some(naming) if !known.load(Ordering::Relaxed) => {
            latest.store(naming.epoch, Ordering::SeqCst);
            confirm(naming.primary).await
        }
        _ => Err(failed.unwrap_or_else(|| Fault::Unreachable("the Sentinels name a primary that was replaced".into()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use tokio::time::sleep;

    use super::*;

    const DOWN: u16 = 9;

    /// A Sentinel that answers after so many milliseconds.
    fn names(port: u16, epoch: u64, after: u64) -> BoxFuture<'static, Result<Naming, Fault>> {
        async move {
            sleep(Duration::from_millis(after)).await;
            Ok(Naming { primary: Endpoint { host: "a".into(), port }, epoch })
        }
        .boxed()
    }

    fn fails() -> BoxFuture<'static, Result<Naming, Fault>> {
        async { Err(Fault::Unreachable("down".into())) }.boxed()
    }

    /// The port of the primary that is found, and after how many milliseconds.
    async fn found(answers: Vec<BoxFuture<'static, Result<Naming, Fault>>>, latest: &AtomicU64) -> (Option<u16>, u128) {
        let begun = Instant::now();
        let confirm = async |primary: Endpoint| match primary.port {
            DOWN => {
                sleep(Duration::from_secs(5)).await;
                Err(Fault::Unreachable("down".into()))
            }
            _ => Ok(primary),
        };
        let found = primary(answers.into_iter(), confirm, latest).await.ok();
        (found.map(|primary| primary.port), begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_know_of_a_failover_is_not_believed() {
        let latest = AtomicU64::new(0);
        assert_eq!(found(vec![names(1, 4, 0), names(1, 4, 90)], &latest).await, (Some(1), 0), "nobody waits for the others");
        assert_eq!(found(vec![names(1, 4, 0), names(2, 5, 90)], &latest).await, (Some(1), 0), "nobody has heard of the failover");
        latest.store(5, Ordering::SeqCst);
        assert_eq!(found(vec![names(1, 4, 0), names(2, 5, 90), names(2, 5, 95)], &latest).await, (Some(2), 90));
        assert_eq!(found(vec![names(1, 4, 0), names(3, 6, 90)], &latest).await, (Some(3), 90));
        assert_eq!(latest.load(Ordering::SeqCst), 6);
        assert_eq!(found(vec![names(2, 5, 0), fails(), names(3, 6, 90)], &latest).await, (Some(3), 90));
        assert_eq!(found(vec![names(2, 5, 0), names(DOWN, 6, 90)], &latest).await.0, None, "the new one is down");
        assert_eq!(found(vec![names(DOWN, 6, 0), names(3, 7, 10)], &latest).await, (Some(3), 10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_know_of_a_failover_is_believed_where_nobody_else_answers() {
        let latest = AtomicU64::new(5);
        assert_eq!(found(vec![names(1, 4, 0), names(2, 5, 90_000)], &latest).await, (Some(1), 500), "the others hang");
        latest.store(5, Ordering::SeqCst);
        assert_eq!(found(vec![names(1, 0, 0), names(2, 1, 10), fails()], &latest).await, (Some(2), 10), "they were set up anew");
        assert_eq!(latest.load(Ordering::SeqCst), 1);
        assert_eq!(found(vec![names(2, 1, 10), names(2, 1, 20)], &latest).await, (Some(2), 10), "that costs no time twice");
        assert_eq!(found(vec![fails(), fails()], &latest).await.0, None);
    }
}
