//! Runs the program and looks at what it did.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bellwether_tests::Server;

/// The program, with nothing inherited that could change what it does.
pub(crate) fn bellwether(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["BELLWETHER_STORE", "BELLWETHER_PREFIX", "BELLWETHER_CONFIG", "BELLWETHER_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// A server of the test's own.
pub(crate) fn redis() -> Server {
    Server::start().expect("redis-server is installed")
}

/// Whether the server has this key.
pub(crate) fn has(redis: &Server, key: &str) -> bool {
    redis.command::<u64>(&["EXISTS", key]).expect("the server answers") == 1
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("this output is text");
        Self {
            status: output.status.code().expect("no signal ended it"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The output of a run that succeeded and had nothing to complain about.
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{self:?}");
        self.stdout
    }

    /// The complaint of a run that failed in this way and printed nothing else.
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{self:?}");
        self.stderr
    }
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    Ended::of(bellwether(args).output().expect("the program starts"))
}

/// Runs the program on a store.
pub(crate) fn on(store: &str, args: &[&str]) -> Ended {
    Ended::of(bellwether(args).env("BELLWETHER_STORE", store).output().expect("the program starts"))
}

/// Runs the program on a store with this standard input, and returns its output as it is.
pub(crate) fn feed(store: &str, args: &[&str], input: &[u8]) -> Output {
    let mut child = bellwether(args).env("BELLWETHER_STORE", store).stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("the program reads");
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Starts the program on a store.
pub(crate) fn start(store: &str, args: &[&str]) -> Child {
    bellwether(args).env("BELLWETHER_STORE", store).spawn().expect("the program starts")
}

/// Waits for the program's end.
pub(crate) fn finish(child: Child) -> Ended {
    Ended::of(child.wait_with_output().expect("the program ends"))
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
