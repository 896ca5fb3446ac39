//! What the locks protect: a value for each lock that takes a write only with the newest fence it has seen, or a newer one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::history::Write;

/// A register that listens on a port of 127.0.0.1. A line `process attempt lock fence` is a write, answered by `1` if it was
/// taken and by `0` if not.
#[derive(Debug, Default, Clone)]
pub(crate) struct Register(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    newest: HashMap<String, u64>,
    writes: Vec<Write>,
}

impl Register {
    /// Serves on a free port, which it gives.
    pub(crate) async fn serve(&self) -> Result<u16> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let register = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let register = register.clone();
                // A client that goes away ends only its own conversation.
                tokio::spawn(async move { _ = register.converse(stream).await });
            }
        });
        Ok(port)
    }

    /// All writes so far, in their order.
    pub(crate) fn take(&self) -> Vec<Write> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).writes)
    }

    async fn converse(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await? {
            let answer = if self.write(&line)? { "1\n" } else { "0\n" };
            write.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    fn write(&self, line: &str) -> Result<bool> {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (process, attempt, lock, fence) = (word().parse()?, word().parse()?, word().to_owned(), word().parse::<u64>()?);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = state.newest.entry(lock.clone()).or_default();
        let accepted = fence >= *newest;
        *newest = fence.max(*newest);
        state.writes.push(Write { process, attempt, lock, fence, accepted });
        Ok(accepted)
    }
}
