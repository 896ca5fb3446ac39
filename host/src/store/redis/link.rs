//! A connection that is made anew when it is lost, shared by everybody who asks one server something.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::Connector;
use super::fault::Fault;
use crate::store::address::Endpoint;

/// A way to one server. At most one connection is open or being opened at a time.
pub(super) struct Link {
    connector: Connector,
    on_push: Option<PushHandler>,
    vigil: Option<Vigil>,
    timeout: Duration,
    state: RwLock<State>,
    /// That of the last attempt to connect.
    number: AtomicU64,
}

/// How many links there were. Each numbers its attempts in a range of its own.
static LINKS: AtomicU64 = AtomicU64::new(0);

/// Takes what a connection brings unasked. It must not block.
pub(super) type PushHandler = Arc<dyn Fn(&PushInfo, &Closed) + Send + Sync>;

/// Returns once a connection is to take no more requests. It runs where the connection does, and ends with it, so it must not keep it open.
pub(super) type Vigil = Arc<dyn Fn(Arc<Live>) -> BoxFuture<'static, ()> + Send + Sync>;

/// An attempt to connect that many can wait for.
type Attempt = Shared<BoxFuture<'static, Result<Arc<Live>, Fault>>>;

enum State {
    Idle,
    Opening(Attempt, Instant),
    Open(Arc<Live>),
}

/// An open connection, or one that was open a moment ago.
pub(super) struct Live {
    connection: MultiplexedConnection,
    endpoint: Endpoint,
    number: u64,
    closed: Arc<Closed>,
    timeout: Duration,
}

/// Whether a connection is of no use any more.
#[derive(Default)]
pub(super) struct Closed {
    flag: AtomicBool,
    told: Notify,
}

impl Link {
    /// A link that is not connected yet. `timeout` is how long a reply may take, which is only told in errors: callers bring
    /// deadlines.
    pub(super) fn new(connector: Connector, timeout: Duration, on_push: Option<PushHandler>) -> Self {
        let number = AtomicU64::new(LINKS.fetch_add(1, Ordering::Relaxed) << 32);
        Self { connector, on_push, vigil: None, timeout, state: RwLock::new(State::Idle), number }
    }

    /// The same, with what decides when a connection is to be made anew though it is open.
    pub(super) fn watched(self, vigil: Option<Vigil>) -> Self {
        Self { vigil, ..self }
    }

    /// What it connects by.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connection, if it is open.
    pub(super) fn open(&self) -> Option<Arc<Live>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(live) if !live.closed.is() => Some(live.clone()),
            _ => None,
        }
    }

    /// The number of the connection over which a request goes that is sent now: that of one to be opened, if need be, with the first
    /// attempt. No two connections have the same.
    pub(super) fn number(&self) -> u64 {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let number = self.number.load(Ordering::Relaxed);
        match &*state {
            State::Open(live) if !live.closed.is() => live.number,
            State::Opening(attempt, _) if is_under_way(attempt) => number,
            _ => number + 1,
        }
    }

    /// The connection, opened anew if need be. All who wait for it wait for the same attempt, which goes on if they give up.
    pub(super) async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Fault> {
        if let Some(live) = self.open() {
            return Ok(live);
        }
        let begun = Instant::now();
        loop {
            let (attempt, since) = self.attempt();
            let opened = match in_time(deadline, pin!(attempt)).await {
                Ok(opened) => opened,
                Err(_) => Err(Fault::Unreachable(format!("{}: no connection within {:?}", self.connector.target, self.timeout))),
            };
            self.conclude();
            // That an attempt from before has failed does not tell whether one from now would.
            if opened.is_ok() || since >= begun || Instant::now() >= deadline {
                return opened;
            }
        }
    }

    /// Keeps what the attempt has led to.
    fn conclude(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Opening(attempt, _) = &*state
            && let Some(done) = attempt.peek()
        {
            *state = done.clone().map_or(State::Idle, State::Open);
        }
    }

    /// The attempt that goes on, or a new one, and when it began.
    fn attempt(&self) -> (Attempt, Instant) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Open(live) if !live.closed.is() => {
                return (std::future::ready(Ok(live.clone())).boxed().shared(), Instant::now());
            }
            State::Opening(attempt, since) if is_under_way(attempt) => return (attempt.clone(), *since),
            _ => {}
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let (connector, on_push, timeout) = (self.connector.clone(), self.on_push.clone(), self.timeout);
        let vigil = self.vigil.clone();
        // A task of its own, as whoever asked first may be gone before the others have their answer.
        let task = tokio::spawn(async move {
            let live = Live::open(&connector, number, timeout, on_push).await?;
            if let Some(vigil) = vigil {
                tokio::spawn(watch_over(live.closed.clone(), vigil(live.clone())));
            }
            Ok(live)
        });
        let attempt = async move {
            task.await.unwrap_or_else(|why| Err(Fault::Unreachable(format!("the attempt to connect ended: {why}"))))
        };
        let attempt = attempt.boxed().shared();
        let since = Instant::now();
        *state = State::Opening(attempt.clone(), since);
        (attempt, since)
    }
}

impl Live {
    async fn open(
        connector: &Connector,
        number: u64,
        timeout: Duration,
        on_push: Option<PushHandler>,
    ) -> Result<Arc<Self>, Fault> {
        let closed = Arc::new(Closed::default());
        let told = Closing(closed.clone());
        let handler = on_push.clone();
        let (connection, endpoint) = connector
            .connect(Box::new(move |push| {
                if push.kind == PushKind::Disconnection {
                    told.closed().close();
                } else if let Some(handler) = &handler {
                    handler(&push, told.closed());
                }
            }))
            .await?;
        let live = Arc::new(Self { connection, endpoint, number, closed, timeout });
        if on_push.is_some() {
            tokio::spawn(keep_alive(Arc::downgrade(&live), live.closed.clone()));
        }
        Ok(live)
    }

    /// What tells it from all other connections of this process.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The server that it leads to.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends one command and waits for its reply, which may be an error of the server's.
    pub(super) async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Fault> {
        let mut connection = self.connection.clone();
        let reply = in_time(deadline, pin!(connection.send_packed_command(command))).await;
        self.settle(reply)
    }

    /// Sends many commands at once and waits for as many replies.
    pub(super) async fn send_all(&self, commands: &Pipeline, deadline: Instant) -> Result<Vec<Value>, Fault> {
        let mut connection = self.connection.clone();
        let replies = in_time(deadline, pin!(connection.send_packed_commands(commands, 0, commands.len()))).await;
        self.settle(replies)
    }

    /// A connection that is late may be one whose other end is gone without a word, so the next caller takes a new one. Those who
    /// still wait on it keep it.
    fn settle<T>(&self, reply: Result<redis::RedisResult<T>, Elapsed>) -> Result<T, Fault> {
        let fault = match reply {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => Fault::Lost(error.to_string()),
            Err(_) => Fault::TimedOut(self.timeout),
        };
        self.closed.close();
        Err(fault)
    }

    /// Takes no more requests.
    pub(super) fn close(&self) {
        self.closed.close();
    }

    /// Returns once the connection is of no use any more.
    pub(super) async fn closed(&self) {
        self.closed.wait().await;
    }
}

/// Whether an attempt goes on, or has led to a connection that is open. One that has failed, or that nobody waited for, is no news.
fn is_under_way(attempt: &Attempt) -> bool {
    !attempt.peek().is_some_and(|done| done.as_ref().map_or(true, |live| live.closed.is()))
}

/// Waits until the deadline, and for a moment longer where this process was late itself: when it was stopped, or starved of processors,
/// timers and connections are found to be due at the same time, and the task that reads the reply may not have had its turn.
async fn in_time<F: Future>(deadline: Instant, mut work: Pin<&mut F>) -> Result<F::Output, Elapsed> {
    const LATE: Duration = Duration::from_millis(10);
    const TURN: Duration = Duration::from_millis(100);
    match timeout_at(deadline, work.as_mut()).await {
        Err(_) if deadline.elapsed() > LATE => timeout(TURN, work).await,
        done => done,
    }
}

/// A subscribed connection only listens, so nobody would notice that its other end is gone.
async fn keep_alive(live: std::sync::Weak<Live>, closed: Arc<Closed>) {
    const PAUSE: Duration = Duration::from_secs(3);
    let ping = redis::cmd("PING");
    loop {
        tokio::select! {
            () = closed.wait() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        let Some(live) = live.upgrade() else { return };
        if live.send(&ping, Instant::now() + live.timeout).await.is_err() {
            return;
        }
    }
}

/// Closes a connection once something says so.
async fn watch_over(closed: Arc<Closed>, vigil: BoxFuture<'static, ()>) {
    tokio::select! {
        () = closed.wait() => {}
        () = vigil => closed.close(),
    }
}

/// Closes a connection when it is dropped with what reads from it, which ends with the runtime where it was opened.
struct Closing(Arc<Closed>);

impl Closing {
    fn closed(&self) -> &Closed {
        &self.0
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Closed {
    fn is(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Marks the connection as of no use.
    pub(super) fn close(&self) {
        self.flag.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    async fn wait(&self) {
        let mut told = pin!(self.told.notified());
        // Before the look at the flag, so that no close is missed.
        told.as_mut().enable();
        if !self.is() {
            told.await;
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connector", &self.connector).finish_non_exhaustive()
    }
}
