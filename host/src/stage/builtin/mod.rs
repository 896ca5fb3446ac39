//! The stages that come with the host.

mod cbor;
mod identity;
mod json;
mod postcard;
mod zlib;

pub use cbor::CborStage;
pub use identity::DefaultIdentity;
pub use json::JsonStage;
pub use postcard::PostcardStage;
pub use zlib::ZlibStage;

use tokio::runtime::Handle;

use super::Work;
use crate::error::StageFault;

/// Does work at once, or off the caller's thread if it is `large` enough to hold up what else waits for that thread.
fn work<'a, T: Send + 'static>(large: bool, job: impl FnOnce() -> Result<T, StageFault> + Send + 'static) -> Work<'a, T> {
    match Handle::try_current() {
        Ok(runtime) if large => {
            let job = runtime.spawn_blocking(job);
            Work::later(async move { job.await.unwrap_or_else(|why| Err(StageFault::Refused(format!("it was cut off: {why}")))) })
        }
        _ => Work::done(job()),
    }
}

#[cfg(test)]
mod tests;
