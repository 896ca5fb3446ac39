//! The client processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bellwether_tests::clock::{faketime, preload};
use bellwether_tests::process::{self, Process};

use crate::clock::now;
use crate::history::{Event, Span};
use crate::kind::Kind;

#[cfg(test)]
mod tests;

/// How long clients have to come to an end.
const FAREWELL: Duration = Duration::from_secs(25);

/// What all clients are started with.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// Where the locks are.
    pub(crate) store: String,
    /// The port of the register.
    pub(crate) register: u16,
    /// What their choices come from.
    pub(crate) seed: u64,
    /// The kinds of locks they use.
    pub(crate) kinds: Vec<Kind>,
}

/// Running clients, and what they have written down.
#[derive(Debug)]
pub(crate) struct Fleet {
    orders: Orders,
    events: Arc<Mutex<Vec<Event>>>,
    clients: Vec<Client>,
    started: u32,
    /// When which client was stopped.
    pub(crate) stops: Vec<(u32, Span)>,
    /// Who was killed.
    pub(crate) killed: Vec<u32>,
    /// Who came to an end without being told to.
    pub(crate) crashed: Vec<u32>,
}

#[derive(Debug)]
struct Client {
    number: u32,
    process: Process,
    /// Its end tells the client to end.
    input: Option<ChildStdin>,
    reader: JoinHandle<()>,
    clock: Option<PathBuf>,
}

impl Fleet {
    /// Starts so many clients. The first has a clock that can be set, if this machine can do that.
    pub(crate) fn start(orders: Orders, count: usize) -> Result<Self> {
        let events = Arc::default();
        let (clients, stops, killed, crashed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut fleet = Self { orders, events, clients, started: 0, stops, killed, crashed };
        let faketime = faketime();
        for place in 0..count {
            let client = fleet.launch(faketime.filter(|_| place == 0))?;
            fleet.clients.push(client);
        }
        Ok(fleet)
    }

    /// Stops a client in its tracks for a time.
    pub(crate) fn stop(&mut self, whose: usize, time: Duration) -> Result<()> {
        let Some(client) = self.nth(whose) else { return Ok(()) };
        let (number, from) = (client.number, now());
        client.process.signal("STOP")?;
        std::thread::sleep(time);
        client.process.signal("CONT")?;
        self.stops.push((number, Span { from, to: now() }));
        Ok(())
    }

    /// Kills a client, and starts another one in its place.
    pub(crate) fn replace(&mut self, whose: usize) -> Result<()> {
        let Some(with_clock) = self.remove(whose)? else { return Ok(()) };
        let client = self.launch(faketime().filter(|_| with_clock))?;
        self.clients.push(client);
        Ok(())
    }

    /// Kills a client, and gives whether it had a clock to be set.
    fn remove(&mut self, whose: usize) -> Result<Option<bool>> {
        let Some(place) = whose.checked_rem(self.clients.len()) else { return Ok(None) };
        let mut client = self.clients.swap_remove(place);
        // One that had died before was not killed by us, and what it owes is not excused.
        (if has_ended(&mut client.process)? { &mut self.crashed } else { &mut self.killed }).push(client.number);
        let with_clock = client.clock.is_some();
        drop(client.process);
        // What it had written before it died is in the pipe.
        _ = client.reader.join();
        Ok(Some(with_clock))
    }

    /// Sets the clock of the client that has one to be set, by so many seconds from the true time; false if there is none.
    pub(crate) fn step_clock(&self, seconds: i32) -> Result<bool> {
        let Some(clock) = self.clients.iter().find_map(|client| client.clock.as_ref()) else { return Ok(false) };
        set_clock(clock, seconds)?;
        Ok(true)
    }

    /// Tells all to end, waits until they have, and gives what they have written down and the numbers of those who did not end.
    pub(crate) fn finish(&mut self) -> Result<(Vec<Event>, Vec<u32>)> {
        for client in &mut self.clients {
            if has_ended(&mut client.process)? {
                self.crashed.push(client.number);
            }
            client.input = None;
        }
        let deadline = Instant::now() + FAREWELL;
        let mut stuck = Vec::new();
        for mut client in self.clients.drain(..) {
            let ended = loop {
                if let Some(status) = client.process.child().try_wait()? {
                    break status.success();
                }
                if Instant::now() > deadline {
                    break false;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            if !ended {
                stuck.push(client.number);
            }
            drop(client.process);
            _ = client.reader.join();
        }
        Ok((std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner)), stuck))
    }

    fn nth(&self, whose: usize) -> Option<&Client> {
        self.clients.get(whose.checked_rem(self.clients.len())?)
    }

    fn launch(&mut self, faketime: Option<&Path>) -> Result<Client> {
        let number = self.started;
        self.started += 1;
        let Orders { store, register, seed, kinds } = &self.orders;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("client").args(["--store", store, "--register", &register.to_string(), "--process", &number.to_string()]);
        command.args(["--seed", &seed.wrapping_add(number.into()).to_string()]);
        command.args(kinds.iter().flat_map(|kind| ["--kind", kind.name()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let clock = match faketime {
            None => None,
            Some(library) => {
                let clock = process::directory()?.join("clock");
                set_clock(&clock, 0)?;
                // A step, not another speed.
                preload(&mut command, library);
                command.env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_CACHE_DURATION", "1");
                Some(clock)
            }
        };
        let mut process = Process::spawn(&mut command)?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("a client has no output")?;
        let events = Arc::clone(&self.events);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The last line of one that was killed may be cut.
                if let Ok(event) = serde_json::from_str(&line) {
                    events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                }
            }
        });
        Ok(Client { number, process, input, reader, clock })
    }
}

/// Whether a process has come to an end by itself.
fn has_ended(process: &mut Process) -> Result<bool> {
    Ok(process.child().try_wait()?.is_some())
}

fn set_clock(clock: &Path, seconds: i32) -> Result<()> {
    // Not written in place, so that nobody reads a half of it.
    let next = clock.with_extension("next");
    std::fs::write(&next, format!("{seconds:+}\n"))?;
    Ok(std::fs::rename(next, clock)?)
}
