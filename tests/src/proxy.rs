//! A stand-in for the network between a client and a server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Result, ensure};

/// Passes connections on to a server, until it is told to let some fall silent. Its threads end with the connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
}

#[derive(Debug)]
struct Network(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The port that new connections are passed on to.
    behind: u16,
    lines: Vec<Line>,
}

/// A connection.
#[derive(Debug, Default)]
struct Line {
    /// What the client has sent; none sends much in a test.
    sent: Vec<u8>,
    silent: bool,
}

impl Proxy {
    /// A stand in front of a port of this machine.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(behind: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let network = Arc::new(Network(Mutex::new(State { behind, lines: Vec::new() })));
        let (port, accepting) = (listener.local_addr()?.port(), network.clone());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Whoever connects while the server is away is told so by the end of the connection.
                let _ = accepting.connect(near);
            }
        });
        Ok(Self { port, network })
    }

    /// Where clients are to connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes new connections on to another port. Those that are there stay as they are, as when a name leads elsewhere.
    pub fn lead_to(&self, behind: u16) {
        self.network.state().behind = behind;
    }

    /// Passes nothing on any more, in neither direction, of connections on which a client has sent these words, as if the other end
    /// were gone without a word. New ones are as good as before.
    ///
    /// # Errors
    /// If there is no such connection, or all of them are silent already.
    pub fn silence(&self, words: &str) -> Result<()> {
        let mut state = self.network.state();
        let has = |line: &Line| line.sent.windows(words.len()).any(|part| part == words.as_bytes());
        let mut silenced = 0;
        for line in state.lines.iter_mut().filter(|line| !line.silent && has(line)) {
            line.silent = true;
            silenced += 1;
        }
        ensure!(silenced > 0, "nobody has sent {words}");
        Ok(())
    }
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: &Arc<Self>, near: TcpStream) -> Result<()> {
        let behind = self.state().behind;
        let far = TcpStream::connect(("127.0.0.1", behind))?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let number = {
            let mut state = self.state();
            state.lines.push(Line::default());
            state.lines.len() - 1
        };
        for (from, to, sends) in [(near.try_clone()?, far.try_clone()?, true), (far, near, false)] {
            let network = self.clone();
            thread::spawn(move || network.pass(number, from, to, sends));
        }
        Ok(())
    }

    /// Passes on what comes, until an end closes the connection.
    fn pass(&self, number: usize, mut from: TcpStream, mut to: TcpStream, sends: bool) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..size];
            if self.takes(number, bytes, sends) && to.write_all(bytes).is_err() {
                break;
            }
        }
        if !self.state().lines[number].silent {
            // Either may be closed already.
            let _ = to.shutdown(Shutdown::Both);
        }
    }

    /// Whether this is to be passed on.
    fn takes(&self, number: usize, bytes: &[u8], sends: bool) -> bool {
        let line = &mut self.state().lines[number];
        if line.silent {
            return false;
        }
        if sends {
            line.sent.extend_from_slice(bytes);
        }
        true
    }
}
