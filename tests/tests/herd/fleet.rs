//! The processes that read, and what they have told.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::Result;
use bellwether_tests::process::Process;

use crate::expiries::{Computation, Expiry, expiries, in_micros, micros};
use crate::reader::{LEASE, STORE};

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a fault that is to come in the middle of a computation may come too late.
const TRIES: usize = 10;

/// The processes. Those that still run are killed when this is dropped.
pub(crate) struct Fleet {
    store: String,
    processes: Vec<Reader>,
    tell: Sender<(usize, String)>,
    told: Receiver<(usize, String)>,
    computations: Vec<Computation>,
    /// From when to when there was something that can cost a computation.
    faults: Vec<(u64, u64)>,
    failures: Vec<String>,
    reads: u64,
}

struct Reader {
    process: Option<Process>,
    /// Its end is the end of the process.
    input: Option<ChildStdin>,
    /// It tells nothing more.
    gone: bool,
}

impl Fleet {
    pub(crate) fn start(store: &str, count: usize) -> Self {
        let (tell, told) = channel();
        let (processes, computations, faults, failures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut fleet = Self { store: store.to_owned(), processes, tell, told, computations, faults, failures, reads: 0 };
        (0..count).for_each(|_| fleet.launch());
        fleet
    }

    /// Waits until each of the entries has expired so often, and was computed.
    pub(crate) fn reach(&mut self, entries: &[&str], expiries: usize) {
        for entry in entries {
            while self.done(entry) < expiries {
                self.hear(entry);
            }
        }
    }

    /// Kills a process in the middle of its computation, and starts another in its place.
    pub(crate) fn kill_one_that_computes(&mut self, entry: &str) {
        for _ in 0..TRIES {
            let at = self.under_way(entry);
            let process = self.computations[at].process;
            let killed = micros();
            // By SIGKILL.
            self.processes[process].process = None;
            // What it had told before is in the pipe.
            while !self.processes[process].gone {
                self.hear("the end of a process");
            }
            self.launch();
            for computation in self.computations.iter_mut().filter(|it| it.process == process) {
                computation.died = computation.ended.is_none();
                // What was computed just before may have died with it.
                if computation.lasts() > killed {
                    self.faults.push((computation.began, killed));
                }
            }
            if self.computations[at].died {
                return;
            }
        }
        panic!("whoever was to be killed had computed {entry} by then");
    }

    /// Has something happen to the servers in the middle of a computation, which may cost one for this long after. Where it came too late, it
    /// is mended and tried again.
    pub(crate) fn amid_a_computation<S>(
        &mut self,
        entry: &str,
        servers: &mut S,
        fault: impl Fn(&mut S) -> Result<()>,
        after: Duration,
        mend: impl Fn(&mut S) -> Result<()>,
    ) {
        for _ in 0..TRIES {
            let at = self.under_way(entry);
            let from = micros();
            fault(servers).unwrap();
            self.faults.push((from, micros() + in_micros(after)));
            while self.computations[at].ended.is_none() {
                self.hear(entry);
            }
            if self.computations[at].ended > Some(from) {
                return;
            }
            mend(servers).unwrap();
        }
        panic!("{entry} had been computed whenever the fault came");
    }

    /// Ends them all. Gives what failed, and how much was read by those that lived to tell.
    pub(crate) fn end(&mut self) -> (Vec<String>, u64) {
        let ends = micros();
        self.processes.iter_mut().for_each(|reader| reader.input = None);
        while !self.processes.iter().all(|reader| reader.gone) {
            self.hear("the end");
        }
        // Who is ended in the middle of a computation leaves it to others.
        self.computations.retain(|it| it.began < ends);
        (std::mem::take(&mut self.failures), self.reads)
    }

    /// What each expiry of an entry cost.
    pub(crate) fn expiries(&self, entry: &str) -> Vec<Expiry> {
        expiries(&self.computations(entry))
    }

    /// Fails unless each expiry cost one computation, and one more at most for each fault that came before the next one.
    pub(crate) fn assert_economy(&self, entry: &str) {
        let expiries = self.expiries(entry);
        let ends = expiries.iter().skip(1).map(|next| next.from).chain([u64::MAX]);
        for (expiry, end) in expiries.iter().zip(ends) {
            let faults = self.faults.iter().filter(|(from, to)| *from < end && *to >= expiry.from).count();
            let most = 1 + faults;
            assert!(
                expiry.computations <= most,
                "{entry}: {expiry:?} cost more than {most}; faults: {:?}; {:#?}",
                self.faults,
                self.computations(entry)
            );
        }
    }

    fn computations(&self, entry: &str) -> Vec<Computation> {
        let mut computations: Vec<_> = self.computations.iter().filter(|it| it.entry == entry).cloned().collect();
        computations.sort_by_key(|it| it.began);
        computations
    }

    /// How often an entry has expired and was computed.
    fn done(&self, entry: &str) -> usize {
        let under_way = self.computations.iter().any(|it| it.entry == entry && it.ended.is_none() && !it.died);
        self.expiries(entry).len() - usize::from(under_way)
    }

    /// Waits for a computation that is under way, by all that can be known here.
    fn under_way(&mut self, entry: &str) -> usize {
        loop {
            while let Ok((process, line)) = self.told.try_recv() {
                self.note(process, &line);
            }
            let begun = |it: &Computation| it.entry == entry && it.ended.is_none() && !it.died;
            if let Some(at) = self.computations.iter().position(begun) {
                return at;
            }
            self.hear(entry);
        }
    }

    fn hear(&mut self, what_for: &str) {
        let (process, line) = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain for {what_for}"));
        self.note(process, &line);
    }

    fn note(&mut self, process: usize, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["began", entry, began] => {
                let (entry, began) = ((*entry).to_owned(), began.parse().unwrap());
                self.computations.push(Computation { entry, process, began, ended: None, died: false });
            }
            ["ended", _, began, ended] => {
                let began: u64 = began.parse().unwrap();
                let computation = self.computations.iter_mut().find(|it| it.process == process && it.began == began).unwrap();
                let ended = ended.parse().unwrap();
                computation.ended = Some(ended);
                // Others take it for dead by then, on a machine that gives it no turn for so long.
                if ended - began > in_micros(LEASE) {
                    self.faults.push((began, ended));
                }
            }
            ["failed", ..] => self.failures.push(line.to_owned()),
            ["read", reads] => self.reads += reads.parse::<u64>().unwrap(),
            [GONE] => self.processes[process].gone = true,
            // What the test harness of the process says.
            _ => {}
        }
    }

    /// Starts this program anew, as a reader.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "reader::reads", "--nocapture"]).env(STORE, &self.store);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let (input, output) = (process.child().stdin.take(), process.child().stdout.take().unwrap());
        let (number, tell) = (self.processes.len(), self.tell.clone());
        self.processes.push(Reader { process: Some(process), input, gone: false });
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The harness puts the name of a test before what it says first.
                let line = line.rsplit_once("... ").map_or(line.as_str(), |(_, line)| line).to_owned();
                if tell.send((number, line)).is_err() {
                    return;
                }
            }
            // Nobody may listen any more.
            _ = tell.send((number, GONE.to_owned()));
        });
    }
}

/// What is heard of a process last.
const GONE: &str = "gone";
