//! Where the output of guests goes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Where a guest's standard output or standard error goes.
#[derive(Debug, Clone, Default)]
pub enum Output {
    /// Nowhere.
    #[default]
    Null,
    /// To that of this process.
    Inherit,
    /// Into memory.
    Capture(Capture),
}

/// Output that is kept in memory. Clones share it, so keep one and give one away.
///
/// What comes after its limit is counted and thrown away.
#[derive(Debug, Clone)]
pub struct Capture {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    max: usize,
    lost: u64,
}

impl Default for Capture {
    /// Keeps up to 16 MiB.
    fn default() -> Self {
        Self::new(16 << 20)
    }
}

impl Capture {
    /// Keeps up to `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { kept: Arc::new(Mutex::new(Kept { bytes: Vec::new(), max, lost: 0 })) }
    }

    /// What was written so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.kept().bytes.clone()
    }

    /// The same as text, with `�` for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept().bytes).into_owned()
    }

    /// How many bytes came after the limit.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.kept().lost
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic in between leaves at worst some bytes uncounted.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let room = kept.max.saturating_sub(kept.bytes.len());
        let (fits, rest) = bytes.split_at(room.min(bytes.len()));
        kept.bytes.extend_from_slice(fits);
        kept.lost += rest.len() as u64;
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // By default this would be a task that may not have written everything by the end of the guest.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_all(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_all(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        /// What a guest may write at once; it asks again for more.
        const CHUNK: usize = 64 << 10;
        Ok(CHUNK)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_counts_the_rest() {
        let capture = Capture::new(5);
        capture.write_all(b"abc");
        capture.write_all(b"defg");
        assert_eq!((capture.text().as_str(), capture.lost()), ("abcde", 2));
    }
}
