//! The processes that read, and what they have told.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bellwether_tests::process::Process;

use crate::reader::{EXPIRES, STORE};

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much sooner than its expiry the server may have an entry expire, as it counts whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// One computation, in microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Computation {
    entry: String,
    process: usize,
    began: u64,
    pub(crate) ended: Option<u64>,
}

/// The processes. Those that still run are killed when this is dropped.
pub(crate) struct Fleet {
    processes: Vec<Option<Process>>,
    /// Their end is the end of the processes.
    inputs: Vec<ChildStdin>,
    told: Receiver<(usize, String)>,
    computations: Vec<Computation>,
    failures: Vec<String>,
    reads: u64,
    ended: usize,
}

impl Fleet {
    pub(crate) fn start(store: &str, count: usize) -> Self {
        let (tell, told) = channel();
        let (processes, inputs) = (0..count).map(|process| launch(store, process, tell.clone())).unzip();
        Self { processes, inputs, told, computations: Vec::new(), failures: Vec::new(), reads: 0, ended: 0 }
    }

    /// Waits until an entry has been computed so many times more.
    pub(crate) fn computes(&mut self, entry: &str, times: usize) {
        let done = |fleet: &Self| fleet.computations(entry).iter().filter(|it| it.ended.is_some()).count();
        let enough = done(self) + times;
        while done(self) < enough {
            self.hear(entry);
        }
    }

    /// Kills a process in the middle of its computation.
    pub(crate) fn kill_one_that_computes(&mut self, entry: &str) {
        let known = self.computations.len();
        let process = loop {
            let begun = self.computations.iter().skip(known).find(|it| it.entry == entry && it.ended.is_none());
            if let Some(begun) = begun {
                break begun.process;
            }
            self.hear(entry);
        };
        // By SIGKILL.
        self.processes[process] = None;
    }

    /// Ends them all. Gives what failed, and how much was read by those that lived to tell.
    pub(crate) fn end(&mut self) -> (Vec<String>, u64) {
        self.inputs.clear();
        let running = self.processes.iter().flatten().count();
        while self.ended < running {
            self.hear("the end");
        }
        (std::mem::take(&mut self.failures), self.reads)
    }

    pub(crate) fn computations(&self, entry: &str) -> Vec<Computation> {
        let mut computations: Vec<_> = self.computations.iter().filter(|it| it.entry == entry).cloned().collect();
        computations.sort_by_key(|it| it.began);
        computations
    }

    /// How many computations began before what was computed before had expired, or while somebody who lives computed.
    pub(crate) fn redundant(&self, entry: &str) -> usize {
        let computations = self.computations(entry);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        let expires = |it: &Computation| match it.ended {
            Some(ended) => ended + micros(EXPIRES - ROUNDING),
            None if self.processes[it.process].is_none() => 0,
            // Still at it.
            None => u64::MAX,
        };
        computations.windows(2).filter(|pair| pair[1].began < expires(&pair[0])).count()
    }

    fn hear(&mut self, what_for: &str) {
        let (process, line) = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain for {what_for}"));
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["began", entry, began] => {
                let (entry, began) = ((*entry).to_owned(), began.parse().unwrap());
                self.computations.push(Computation { entry, process, began, ended: None });
            }
            ["ended", _, began, ended] => {
                let began: u64 = began.parse().unwrap();
                let computation = self.computations.iter_mut().find(|it| it.process == process && it.began == began).unwrap();
                computation.ended = Some(ended.parse().unwrap());
            }
            ["failed", ..] => self.failures.push(line),
            ["read", reads] => {
                self.reads += reads.parse::<u64>().unwrap();
                self.ended += 1;
            }
            // What the test harness of the process says.
            _ => {}
        }
    }
}

/// Starts this program anew, as a reader.
fn launch(store: &str, process: usize, tell: Sender<(usize, String)>) -> (Option<Process>, ChildStdin) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "reader::reads", "--nocapture"]).env(STORE, store);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut started = Process::spawn(&mut command).unwrap();
    let (input, output) = (started.child().stdin.take().unwrap(), started.child().stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The harness puts the name of a test before what it says first.
            let line = line.rsplit_once("... ").map_or(line.as_str(), |(_, line)| line).to_owned();
            if tell.send((process, line)).is_err() {
                return;
            }
        }
    });
    (Some(started), input)
}
