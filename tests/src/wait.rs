//! Waiting for what another process does.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything that a test waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
///
/// # Errors
/// If there is none within [`PATIENCE`], or the question itself fails.
pub fn until<T>(what: &str, mut question: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("waited {PATIENCE:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
