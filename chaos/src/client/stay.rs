//! What a holder does while it holds: looks whether it still does, and writes.

use std::time::Duration;

use anyhow::Result;
use bellwether::error::LossReason;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::journal::Page;
use super::taken::Taken;
use crate::clock::now;
use crate::history::{Share, What};

/// How often a holder asks its guard whether it is lost.
const LOOK: Duration = Duration::from_millis(3);

/// How often it writes down that it is not, in nanoseconds.
const NOTE: u64 = 30_000_000;

/// The way to the register.
#[derive(Debug)]
pub(super) struct Pen(BufReader<TcpStream>);

impl Pen {
    pub(super) async fn new(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Holds a lock for a time, and writes to the register at its beginning, in its middle and at its end.
    pub(super) async fn stay(&mut self, page: &Page, taken: &Taken, share: Share, time: Duration, stubborn: bool) -> Result<()> {
        let end = now() + u64::try_from(time.as_nanos())?;
        let mut writes = [now(), now().midpoint(end), end].into_iter().peekable();
        // Who has a part of a lock writes nothing that another part must not.
        let may_write = share == Share::Whole;
        let mut noted = 0;
        let mut held = 0;
        let mut lost = false;
        loop {
            // The clock first: what is not lost later was not lost then, however long this process is stopped in between.
            let looked = now();
            match taken.loss() {
                _ if lost => {}
                None => held = looked,
                Some(why) => {
                    if held > noted {
                        page.note_at(held, &What::Held);
                    }
                    page.note(&What::Lost { gone: why == LossReason::Gone });
                    lost = true;
                    if !stubborn {
                        return Ok(());
                    }
                }
            }
            let write = may_write && writes.next_if(|due| *due <= looked).is_some();
            if !lost && (held > noted + NOTE || write || looked >= end) {
                page.note_at(held, &What::Held);
                noted = held;
            }
            if write {
                self.write(page, taken.fence()).await?;
            }
            if looked >= end && !(may_write && writes.peek().is_some()) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    async fn write(&mut self, page: &Page, fence: u64) -> Result<()> {
        for line in page.lines(fence) {
            self.0.get_mut().write_all(line.as_bytes()).await?;
            // The register itself writes down what it answers.
            self.0.read_line(&mut String::new()).await?;
        }
        Ok(())
    }
}
