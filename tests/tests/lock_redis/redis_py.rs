//! The lock of redis-py, installed from the package index: one lock to both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bellwether::clock::Wait;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::*;

/// The version tested with. Another one is installed beside it.
const VERSION: &str = "8.1.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_py_holds_is_not_ours() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let lock = locks.open("lock", LockOptions::default()).unwrap();
    let mut python = Python::start(&server).await;
    assert_eq!(python.ask("acquire").await, "True");
    assert!(lock.is_locked().await.unwrap());
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { (lock.acquire(Wait::UpTo(10 * SECOND)).await.unwrap(), Instant::now()) }
    });
    somebody_waits(&server);
    assert_eq!(python.ask("release").await, "None");
    let released = Instant::now();
    let (guard, acquired) = waiter.await.unwrap();
    assert!(guard.unwrap().held().await.unwrap());
    assert!(acquired - released < SECOND, "it tries at least every 200 ms: {:?}", acquired - released);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ours_redis_py_cannot_take_or_release() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let guard = lock(&locks, 2 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    let mut python = Python::start(&server).await;
    assert_eq!(python.ask("locked").await, "True");
    assert_eq!(python.ask("acquire").await, "False");
    assert_eq!(python.ask("steal").await, "LockNotOwnedError");
    assert!(guard.held().await.unwrap());
    assert_eq!(python.ask("send-wait").await, "waiting");
    guard.release().await.unwrap();
    assert_eq!(python.read().await, "True");
    assert!(lock(&locks, 2 * SECOND, true).is_locked().await.unwrap());
    assert_eq!(python.ask("release").await, "None");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_of_redis_py_ends_for_us_too() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let mut python = Python::start(&server).await;
    assert_eq!(python.ask("acquire-brief").await, "True");
    let began = Instant::now();
    let guard = lock(&locks, 60 * SECOND, true).acquire(Wait::UpTo(10 * SECOND)).await.unwrap().unwrap();
    assert!(began.elapsed() < 2 * SECOND, "its lease of 1 s was waited for, not our pause: {:?}", began.elapsed());
    assert_eq!(python.ask("release").await, "LockNotOwnedError");
    assert!(guard.held().await.unwrap());
}

/// Obeys one command a line, on the lock `lock` of the server at the port given.
const SCRIPT: &str = r#"
import sys, redis
server = redis.Redis(port=int(sys.argv[1]))
lock = server.lock("lock", timeout=60, sleep=0.05)
def stolen():
    lock.local.token = b"not-the-token-of-the-lock"
    lock.release()
commands = {
    "acquire": lambda: lock.acquire(blocking=False),
    "acquire-brief": lambda: (setattr(lock, "timeout", 1), lock.acquire(blocking=False))[1],
    "send-wait": lambda: (print("waiting", flush=True), lock.acquire(blocking_timeout=10))[1],
    "locked": lock.locked,
    "release": lock.release,
    "steal": stolen,
}
for line in sys.stdin:
    try:
        print(commands[line.strip()](), flush=True)
    except redis.exceptions.LockError as error:
        print(type(error).__name__, flush=True)
"#;

struct Python {
    _process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Python {
    async fn start(server: &Server) -> Self {
        let interpreter = tokio::task::spawn_blocking(|| interpreter().to_owned()).await.unwrap();
        let mut process = tokio::process::Command::new(interpreter)
            .args(["-c", SCRIPT, &server.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()).lines());
        Self { _process: process, to, from }
    }

    async fn ask(&mut self, command: &str) -> String {
        self.to.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.read().await
    }

    async fn read(&mut self) -> String {
        tokio::time::timeout(20 * SECOND, self.from.next_line()).await.unwrap().unwrap().unwrap()
    }
}

/// A Python that has redis-py, made once.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let ready = target.join(format!("redis-py-{VERSION}"));
        let python = |environment: &Path| environment.join("bin/python");
        if !python(&ready).exists() {
            // Made elsewhere and moved: another test run may be at the same.
            let making = target.join(format!("redis-py-{VERSION}.{}", std::process::id()));
            run(Command::new("python3").args(["-m", "venv"]).arg(&making));
            run(Command::new(python(&making)).args(["-m", "pip", "install", "--quiet", &format!("redis=={VERSION}")]));
            if std::fs::rename(&making, &ready).is_err() {
                std::fs::remove_dir_all(&making).unwrap();
            }
        }
        python(&ready)
    })
}

fn run(command: &mut Command) {
    let hint = "install Python 3 with venv, as by `apt-get install python3-venv`";
    let status = command.status().unwrap_or_else(|why| panic!("{command:?}: {why}: {hint}"));
    assert!(status.success(), "{command:?}: {status}: {hint}");
}
