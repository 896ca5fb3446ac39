//! Watches for grants. All watches of one channel share one subscription, and all subscriptions one connection a server.
//!
//! Each watched channel has a keeper: a task that subscribes, subscribes again when the connection is lost or the channel moves to
//! another node, and ends when nobody watches any more. It runs in the runtime of one who watches, and goes on in that of another.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::fault::{Fault, odd};
use super::link::{Closed, Link, Live};
use super::topology::{Advice, Topology};
use crate::errand::{self, Errand};
use crate::store::{Token, Watch, Word};

/// How long a subscription stays when nobody watches: who waits for a lock in turns with others is back before that, and then
/// need not subscribe again.
const LINGER: Duration = Duration::from_secs(1);

/// How long to wait before another attempt to subscribe; doubled each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));

/// How many nodes in a row may say that another one has the channel.
const REDIRECTIONS: usize = 4;

/// The subscriptions of a store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hub(Arc<Inner>);

struct Inner {
    topology: Topology,
    timeout: Duration,
    topics: Mutex<HashMap<String, Arc<Topic>>>,
    /// The subscribed connections, by whom they lead to.
    feeds: Mutex<HashMap<String, Arc<Link>>>,
}

/// A watched channel.
struct Topic {
    channel: String,
    /// How many watch it. Changed only under the lock on all topics.
    watches: watch::Sender<usize>,
    state: watch::Sender<State>,
    listeners: Mutex<Vec<Listener>>,
    /// It was subscribed once, so a grant may have gone unheard since.
    before: AtomicBool,
    /// Tells the keeper not to wait before its next attempt.
    hurry: Notify,
}

/// Whom to tell, and the runtime where that one began to watch.
struct Listener {
    words: mpsc::UnboundedSender<Word>,
    runtime: Handle,
}

#[derive(Clone)]
enum State {
    Subscribing,
    Subscribed,
    Failed(Fault),
}

impl Hub {
    /// A hub without subscriptions. Subscribing may take `timeout`.
    pub(super) fn new(topology: Topology, timeout: Duration) -> Self {
        Self(Arc::new(Inner { topology, timeout, topics: Mutex::default(), feeds: Mutex::default() }))
    }

    /// Watches a channel. Once the answer is there, the server has confirmed the subscription.
    pub(super) async fn watch(&self, channel: &str) -> Result<Watch, Fault> {
        // The words from before the confirmation on, so that nothing is missed in between.
        let (topic, words) = self.topic(channel);
        let watching = Watching { hub: self.clone(), topic: topic.clone() };
        let mut state = topic.state.subscribe();
        if matches!(*state.borrow_and_update(), State::Failed(_)) {
            // That was before; now may be different.
            topic.hurry.notify_one();
        } else {
            state.mark_changed();
        }
        let confirmed = async {
            while state.changed().await.is_ok() {
                match &*state.borrow_and_update() {
                    State::Subscribing => {}
                    State::Subscribed => return Ok(()),
                    State::Failed(fault) => return Err(fault.clone()),
                }
            }
            Err(Fault::Unreachable("the subscription ended".into()))
        };
        timeout(self.0.timeout, confirmed).await.unwrap_or(Err(Fault::TimedOut(self.0.timeout)))?;
        Ok(Watch::new(words, Box::new(watching)))
    }

    fn topic(&self, channel: &str) -> (Arc<Topic>, mpsc::UnboundedReceiver<Word>) {
        let runtime = Handle::current();
        let mut starts = false;
        let (topic, words) = {
            let mut topics = self.0.topics();
            let topic = topics.entry(channel.to_owned()).or_insert_with(|| {
                starts = true;
                Arc::new(Topic::new(channel))
            });
            topic.watches.send_modify(|watches| *watches += 1);
            (topic.clone(), topic.listen(runtime.clone()))
        };
        if starts {
            errand::start(&Keeping { hub: self.clone(), topic: topic.clone() }, runtime);
        }
        (topic, words)
    }

    /// Subscribes, wherever the channel may be.
    async fn subscribe(&self, channel: &str) -> Result<Subscription, Fault> {
        let deadline = Instant::now() + self.0.timeout;
        let mut commands = match self.0.topology {
            Topology::One(_) => ("SUBSCRIBE", "UNSUBSCRIBE"),
            Topology::Many(_) => ("SSUBSCRIBE", "SUNSUBSCRIBE"),
        };
        let mut last = None;
        for _ in 0..REDIRECTIONS {
            let feed = self.feed(channel);
            let attempt = async {
                let live = feed.live(deadline).await?;
                match live.send(redis::cmd(commands.0).arg(channel), deadline).await? {
                    Value::Push { .. } => Ok(live),
                    Value::ServerError(error) => Err(Fault::Answer(error)),
                    other => Err(odd("a confirmation", &other)),
                }
            };
            match attempt.await {
                Ok(live) => return Ok(Subscription { feed, live, end: commands.1 }),
                // Servers before 7.0 have no sharded channels; there, a cluster tells every node.
                Err(Fault::Answer(error)) if error.details().is_some_and(|why| why.starts_with("unknown command")) => {
                    commands = ("SUBSCRIBE", "UNSUBSCRIBE");
                }
                Err(fault) => match self.0.topology.advice(&fault, feed.connector()) {
                    Advice::Ask(_) => last = Some(fault),
                    _ => return Err(fault),
                },
            }
        }
        Err(last.unwrap_or_else(|| Fault::Odd("the server cannot subscribe".into())))
    }

    /// Returns once another server has the channel.
    async fn leads_elsewhere(&self, channel: &str, feed: &Arc<Link>, changes: &mut Option<watch::Receiver<()>>) {
        while Arc::ptr_eq(&self.feed(channel), feed) {
            Topology::changed(changes).await;
        }
    }

    /// The connection for subscriptions to whoever has the channel.
    fn feed(&self, channel: &str) -> Arc<Link> {
        let connector = self.0.topology.connector(channel);
        let mut feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let hub = Arc::downgrade(&self.0);
            let link = Link::new(connector.clone(), self.0.timeout, Some(Arc::new(move |push, closed| take(&hub, push, closed))));
            Arc::new(link.watched(self.0.topology.vigil()))
        };
        feeds.entry(connector.target.to_string()).or_insert_with(new).clone()
    }
}

/// A confirmed subscription: over which connection, and the command that ends it.
struct Subscription {
    feed: Arc<Link>,
    live: Arc<Live>,
    end: &'static str,
}

impl Subscription {
    /// Has the server end it. That may fail: then it has, or the connection is lost.
    async fn end(self, channel: String, timeout: Duration) {
        let _ = self.live.send(redis::cmd(self.end).arg(channel), Instant::now() + timeout).await;
    }
}

impl Inner {
    fn topics(&self) -> MutexGuard<'_, HashMap<String, Arc<Topic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    fn new(channel: &str) -> Self {
        let (watches, state) = (watch::Sender::new(0), watch::Sender::new(State::Subscribing));
        let (listeners, before, hurry) = (Mutex::default(), AtomicBool::new(false), Notify::new());
        Self { channel: channel.to_owned(), watches, state, listeners, before, hurry }
    }

    fn listen(&self, runtime: Handle) -> mpsc::UnboundedReceiver<Word> {
        let (words, heard) = mpsc::unbounded_channel();
        self.listeners().push(Listener { words, runtime });
        heard
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who watch, and forgets those who do no more.
    fn tell(&self, word: &Word) {
        self.listeners().retain(|listener| listener.words.send(word.clone()).is_ok());
    }

    /// Returns once nobody has watched for a while.
    async fn unwatched(&self) {
        let mut watches = self.watches.subscribe();
        loop {
            // The sender is `self`, so neither can fail.
            let _ = watches.wait_for(|watches| *watches == 0).await;
            if timeout(LINGER, watches.wait_for(|watches| *watches > 0)).await.is_err() {
                return;
            }
        }
    }
}

/// One watch of a channel; when dropped, it is one less.
struct Watching {
    hub: Hub,
    topic: Arc<Topic>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _all = self.hub.0.topics();
        self.topic.watches.send_modify(|watches| *watches = watches.saturating_sub(1));
    }
}

/// What a keeper does.
#[derive(Clone)]
struct Keeping {
    hub: Hub,
    topic: Arc<Topic>,
}

impl Errand for Keeping {
    fn run(self) -> impl Future<Output = ()> + Send + 'static {
        keep(self.hub, self.topic)
    }

    fn another(&self, ended: &[Id]) -> Option<Handle> {
        // Throughout, so that nobody finds the topic and then nobody who keeps it.
        let mut topics = self.hub.0.topics();
        let mut listeners = self.topic.listeners();
        let goes_on = |listener: &&Listener| !listener.words.is_closed() && !ended.contains(&listener.runtime.id());
        let another = listeners.iter().find(goes_on).map(|listener| listener.runtime.clone());
        if another.is_none() {
            topics.remove(&self.topic.channel);
            self.topic.state.send_replace(State::Failed(Fault::Unreachable("the runtime that listened has ended".into())));
            // A watch can be used in another runtime than where it began: that is its end.
            listeners.clear();
        }
        another
    }
}

/// Keeps a channel subscribed as long as it is watched.
async fn keep(hub: Hub, topic: Arc<Topic>) {
    let mut pause = PAUSES.0;
    loop {
        {
            let mut topics = hub.0.topics();
            if *topic.watches.borrow() == 0 {
                topics.remove(&topic.channel);
                return;
            }
        }
        topic.state.send_replace(State::Subscribing);
        let mut changes = hub.0.topology.changes();
        match hub.subscribe(&topic.channel).await {
            Ok(subscription) => {
                pause = PAUSES.0;
                topic.state.send_replace(State::Subscribed);
                if topic.before.swap(true, Ordering::AcqRel) {
                    // A grant in the meantime went unheard.
                    topic.tell(&Word::Doubt);
                }
                tokio::select! {
                    () = subscription.live.closed() => {}
                    // Not only when the server ends it: in a failover the one that steps down goes on to serve who is subscribed,
                    // but is not always told.
                    () = hub.leads_elsewhere(&topic.channel, &subscription.feed, &mut changes) => {
                        tokio::spawn(subscription.end(topic.channel.clone(), hub.0.timeout));
                    }
                    () = topic.unwatched() => {
                        // Before the server is told, so that its confirmation is not taken for bad news. Who comes to watch in
                        // between finds the topic here and is subscribed anew by the next round.
                        topic.state.send_replace(State::Subscribing);
                        subscription.end(topic.channel.clone(), hub.0.timeout).await;
                    }
                }
            }
            Err(fault) => {
                tracing::debug!(channel = topic.channel, ?fault, "not subscribed");
                topic.state.send_replace(State::Failed(fault));
                tokio::select! {
                    () = sleep(pause) => {}
                    () = topic.hurry.notified() => {}
                }
                pause = PAUSES.1.min(pause * 2);
            }
        }
    }
}

/// Takes what a subscribed connection brings.
fn take(hub: &Weak<Inner>, push: &PushInfo, closed: &Closed) {
    let Some(hub) = hub.upgrade() else { return };
    let Some(Value::BulkString(channel)) = push.data.first() else { return };
    let Ok(channel) = std::str::from_utf8(channel) else { return };
    let topic = hub.topics().get(channel).cloned();
    let Some(topic) = topic else { return };
    match push.kind {
        // What cannot be understood is no reason to trust that nothing was meant.
        PushKind::Message | PushKind::SMessage => topic.tell(&granted(push.data.get(1)).unwrap_or(Word::Doubt)),
        // Nobody asked for it: the channel's slot has moved away. As the driver may have taken the news for the reply to another
        // request, the connection is of no use any more.
        PushKind::Unsubscribe | PushKind::SUnsubscribe if matches!(*topic.state.borrow(), State::Subscribed) => closed.close(),
        _ => {}
    }
}

/// Understands what a script says of a grant: `<token> <fence>`.
fn granted(payload: Option<&Value>) -> Option<Word> {
    let Some(Value::BulkString(payload)) = payload else { return None };
    let (token, fence) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some(Word::Granted { token: Token::parse(token).ok()?, fence: fence.parse().ok()? })
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("topology", &self.0.topology).finish_non_exhaustive()
    }
}
