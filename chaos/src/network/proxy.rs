//! What stands in front of one server.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Effect, Party, Weather, party};

/// A stand in front of one port of one server.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) server: u8,
    pub(super) behind: u16,
    pub(super) weather: watch::Receiver<Weather>,
}

/// One direction of one connection.
#[derive(Debug, Clone)]
struct Lane {
    from: Party,
    to: u8,
    /// Which connection of this stand it is.
    number: u32,
    replies: bool,
    weather: watch::Receiver<Weather>,
}

/// How many lots there are to draw.
const LOTS: u32 = 1 << 16;

/// The connection has ended, or is to.
struct Over;

impl Stand {
    pub(super) async fn serve(self, listener: TcpListener) {
        let mut number = 0_u32;
        loop {
            match listener.accept().await {
                Ok((stream, source)) => {
                    number = number.wrapping_add(1);
                    let from = party(source.ip());
                    let lane = Lane { from, to: self.server, number, replies: false, weather: self.weather.clone() };
                    tokio::spawn(lane.connect(stream, self.behind));
                }
                // No more files for a moment.
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Lane {
    async fn connect(mut self, near: TcpStream, behind: u16) {
        while matches!(self.effect(), Effect::Hold | Effect::Halve) {
            if self.weather.changed().await.is_err() {
                return;
            }
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
        for stream in [&near, &far] {
            // A reset, as of a machine that is gone, rather than a polite end.
            if stream.set_nodelay(true).and_then(|()| stream.set_zero_linger()).is_err() {
                return;
            }
        }
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        let back = Self { replies: true, ..self.clone() };
        tokio::select! {
            _ = self.pass(near_read, far_write) => {}
            _ = back.pass(far_read, near_write) => {}
        }
    }

    /// What this connection has drawn. Clients that all make so many connections to connect once do not all draw the same.
    fn lot(&self) -> u32 {
        self.number.wrapping_mul(0x9E37_79B9) >> 16
    }

    fn effect(&self) -> Effect {
        self.weather.borrow().effect(self.from, self.to)
    }

    async fn pass(mut self, mut read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<(), Over> {
        let mut buffer = vec![0; 16 * 1024];
        let mut left = None;
        loop {
            let size = tokio::select! {
                biased;
                changed = self.weather.changed() => {
                    changed.map_err(|_| Over)?;
                    left = None;
                    self.endure().await?;
                    continue;
                }
                size = read.read(&mut buffer) => size.map_err(|_| Over)?,
            };
            if size == 0 {
                return Err(Over);
            }
            let (bytes, cut) = self.weigh(buffer.get(..size).unwrap_or_default(), &mut left).await?;
            write.write_all(bytes).await.map_err(|_| Over)?;
            if cut {
                // What was written is to arrive, as half a reply.
                sleep(Duration::from_millis(1)).await;
                return Err(Over);
            }
        }
    }

    /// What passes of these bytes, once they may, and whether that is the end.
    async fn weigh<'a>(&mut self, bytes: &'a [u8], left: &mut Option<u32>) -> Result<(&'a [u8], bool), Over> {
        self.endure().await?;
        match self.effect() {
            Effect::Delay(time) => {
                // Some clients are far away, some are near: what one hears late another knows already.
                let far = if self.from == Party::Client { self.lot() * 3 / LOTS } else { 2 };
                sleep(time * far / 2).await;
                self.endure().await?;
                Ok((bytes, false))
            }
            Effect::Reset(after) if self.replies => {
                let left = left.get_or_insert(after);
                let passes = usize::try_from(*left).unwrap_or(usize::MAX);
                *left = left.saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                Ok(bytes.get(..passes).map_or((bytes, false), |some| (some, true)))
            }
            _ => Ok((bytes, false)),
        }
    }

    /// Waits while nothing passes.
    async fn endure(&mut self) -> Result<(), Over> {
        loop {
            match self.effect() {
                Effect::Hold => self.weather.changed().await.map_err(|_| Over)?,
                Effect::Halve if self.lot() >= LOTS / 2 => return Err(Over),
                _ => return Ok(()),
            }
        }
    }
}
