//! One request to one server: what is asked, about which key, and whether it may be asked twice.

use std::borrow::Cow;

use bytes::Bytes;
use redis::Cmd;

use super::claims::Question;
use super::fault::BAD_FENCE;
use super::script::{self, Deed, Script};
use crate::clock::Span;
use crate::names::{LockKeys, Share};
use crate::store::browse::HEAD;
use crate::store::{Entry, Fingerprint, MOST_SEEN, Queueing, Release, Ticket, Token};

/// A request. It is kept as its parts, so that it can be sent anew without having been copied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// The bytes of a key.
    Get(&'a str),
    /// The first bytes of a key.
    Head(&'a str),
    /// How many bytes a key has.
    Length(&'a str),
    /// Sets a key, for as long as given.
    Set(&'a Entry, Option<Span>),
    /// Whether there is a key.
    Exists(&'a str),
    /// Runs a script on an entry.
    Entry(Question<'a>),
    /// Writes something that nobody else has and that is gone at once.
    Probe,
    /// Runs a script on a lock.
    Run(&'static Script, &'a LockKeys, &'a Token, Argument<'a>),
    /// Takes many locks of one slot for a time, and past others who wait only if it need not be fair.
    AcquireAll { locks: &'a [LockKeys], token: &'a Token, lease: Option<Span>, fair: bool },
    /// Counts those who hold a lock that many can hold.
    Count(&'a LockKeys),
    /// Who holds a lock.
    Sight(&'a LockKeys),
    /// Takes a lock away from this holder, and tells a channel with this command.
    Break(&'a LockKeys, &'a Fingerprint, &'static str),
    /// In which of the keys of locks something else is kept.
    Foreign(&'a [LockKeys]),
}

/// What a script is given besides keys and token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument<'a> {
    /// Nothing.
    None,
    /// Another token.
    Token(&'a Token),
    /// A time in milliseconds, or none.
    Time(Option<Span>),
    /// How one who wants the lock stands to others who wait.
    Queueing(Waiter<'a>, Queueing, &'a Ticket),
    /// Who is next.
    Next(Waiter<'a>, Release<'a>),
}

/// What a script needs to know of this process to have it wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter<'a> {
    /// What this process is called among those who wait.
    pub(super) client: &'a str,
    /// The command that tells a channel something.
    pub(super) publish: &'static str,
}

impl Waiter<'_> {
    /// A place in the queue, as `queue.lua` says; nothing for no ticket.
    fn place(self, lock: &LockKeys, ticket: Option<&Ticket>) -> String {
        let Some(Ticket { token, lease, kept }) = ticket else { return String::new() };
        let (token, kept, share) = (token.as_str(), kept.millis(), share(lock));
        match lease {
            Some(lease) => format!("{token} {} {kept} {} {share}", lease.millis(), self.client),
            None => format!("{token} - {kept} {} {share}", self.client),
        }
    }
}

/// How much of a lock is wanted, as `queue.lua` and `shared.lua` say.
fn share(lock: &LockKeys) -> Cow<'static, str> {
    match lock.share() {
        Share::Alone => "-".into(),
        Share::Reader => "r".into(),
        Share::Writer => "w".into(),
        Share::Permit { of } => of.to_string().into(),
    }
}

/// No lock can have this name, as it begins like a companion of one, and no entry either, as it is in no cache.
const PROBE: &str = ":bellwether:probe";

/// How many of a lock's keys come before those of who waits for it.
const LOCK_AND_FENCE: usize = 2;

/// For how long a lock's fence is remembered beyond its lease, in ms, as `fence.lua` says.
const REMEMBERED: u64 = 86_400_000;

impl<'a> Request<'a> {
    /// The key that decides which server of a cluster is asked.
    pub(super) fn key(&self) -> &'a str {
        match self {
            Self::Get(key) | Self::Head(key) | Self::Length(key) | Self::Exists(key) => key,
            Self::Entry(question) => question.key(),
            Self::Set(entry, _) => &entry.key,
            Self::Run(_, lock, ..) | Self::Count(lock) | Self::Sight(lock) | Self::Break(lock, ..) => lock.key(),
            Self::AcquireAll { locks, .. } | Self::Foreign(locks) => locks.first().map_or(PROBE, LockKeys::key),
            Self::Probe => PROBE,
        }
    }

    /// The key that an error reply with this code is about, as far as the code tells.
    pub(super) fn blamed(&self, code: &str) -> &'a str {
        match self {
            Self::Run(_, lock, ..) | Self::Break(lock, ..) if code == BAD_FENCE => lock.fence(),
            _ => self.key(),
        }
    }

    /// The locks that it is about.
    pub(super) fn locks(&self) -> &'a [LockKeys] {
        match self {
            Self::Run(_, lock, ..) | Self::Count(lock) | Self::Sight(lock) | Self::Break(lock, ..) => std::slice::from_ref(*lock),
            Self::AcquireAll { locks, .. } | Self::Foreign(locks) => locks,
            _ => &[],
        }
    }

    /// Whether asking it again after a lost reply leaves the same state and gives the same reply.
    pub(super) fn repeatable(&self) -> bool {
        self.script().is_none_or(|script| script.repeatable)
    }

    /// The script that the server needs for it.
    pub(super) fn script(&self) -> Option<&'static Script> {
        match self {
            Self::Run(script, ..) => Some(script),
            Self::AcquireAll { .. } => Some(&script::ACQUIRE_ALL),
            Self::Count(_) => Some(&script::SHARED_HOLDERS),
            Self::Sight(lock) => Some(Deed::Sight.script(lock)),
            Self::Break(lock, ..) => Some(Deed::Break.script(lock)),
            Self::Foreign(_) => Some(&script::FOREIGN),
            Self::Entry(question) => Some(question.script()),
            Self::Get(_) | Self::Head(_) | Self::Length(_) | Self::Set(..) | Self::Exists(_) | Self::Probe => None,
        }
    }

    /// The request as it is sent.
    pub(super) fn command(&self) -> Cmd {
        match self {
            Self::Get(key) => simple("GET", key),
            Self::Head(key) => {
                let mut command = simple("GETRANGE", key);
                command.arg(0).arg(HEAD - 1);
                command
            }
            Self::Length(key) => simple("STRLEN", key),
            Self::Exists(key) => simple("EXISTS", key),
            Self::Entry(question) => question.command(),
            Self::Set(entry, expire) => set(&entry.key, &entry.bytes, expire.map(Span::millis)),
            Self::Probe => set(PROBE, &Bytes::new(), Some(1)),
            Self::Run(script, lock, token, argument) => run(script, lock, token, *argument),
            Self::AcquireAll { locks, token, lease, fair } => {
                let mut command = evaluate(&script::ACQUIRE_ALL, locks);
                command.arg(token.as_str());
                time_or_none(&mut command, *lease);
                command.arg(if *fair { "fair" } else { "" });
                command
            }
            Self::Count(lock) => evaluate(&script::SHARED_HOLDERS, std::slice::from_ref(lock)),
            Self::Sight(lock) => {
                let mut command = evaluate(Deed::Sight.script(lock), std::slice::from_ref(lock));
                command.arg(MOST_SEEN);
                command
            }
            Self::Break(lock, seen, publish) => {
                let mut command = evaluate(Deed::Break.script(lock), std::slice::from_ref(lock));
                command.arg(seen.as_str()).arg(publish);
                command
            }
            Self::Foreign(locks) => {
                let mut command = evaluate(&script::FOREIGN, locks);
                let alone = locks.first().is_none_or(|lock| lock.share().is_alone());
                command.arg(if alone { "GET" } else { "ZCARD" });
                command
            }
        }
    }
}

fn simple(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::with_capacity(2, name.len() + key.len());
    command.arg(name).arg(key);
    command
}

fn set(key: &str, bytes: &Bytes, millis: Option<u64>) -> Cmd {
    let mut command = Cmd::with_capacity(5, key.len() + bytes.len() + 32);
    command.arg("SET").arg(key).arg(&bytes[..]);
    if let Some(millis) = millis {
        command.arg("PX").arg(millis);
    }
    command
}

/// A script on as many keys of each lock as it takes, and no arguments yet.
fn evaluate(script: &Script, locks: &[LockKeys]) -> Cmd {
    evaluate_on(script, locks, script.keys)
}

/// A script on the first so many keys of each lock, and no arguments yet.
fn evaluate_on(script: &Script, locks: &[LockKeys], count: usize) -> Cmd {
    let room: usize = locks.iter().map(|lock| 7 * lock.channel().len()).sum();
    let mut command = Cmd::with_capacity(12 + count * locks.len(), 256 + room);
    command.arg("EVALSHA").arg(script.digest()).arg(count * locks.len());
    for lock in locks {
        for key in keys(lock).into_iter().take(count) {
            command.arg(key);
        }
    }
    command
}

/// The keys of a lock, in the order in which the scripts take them.
pub(super) fn keys(lock: &LockKeys) -> [&str; 6] {
    [lock.key(), lock.fence(), lock.queue(), lock.alive(), lock.channel(), lock.fences()]
}

fn run(script: &Script, lock: &LockKeys, token: &Token, argument: Argument<'_>) -> Cmd {
    let alone = lock.share().is_alone();
    // Each key and argument costs the server as much as a fifth of a bare command, so what it will not look at is not sent.
    let count = match argument {
        Argument::Queueing(_, Queueing { joins: false, fair: false, .. }, _) if alone => LOCK_AND_FENCE,
        _ => script.keys,
    };
    let mut command = evaluate_on(script, std::slice::from_ref(lock), count);
    command.arg(token.as_str());
    match argument {
        Argument::None => {}
        Argument::Token(token) => {
            command.arg(token.as_str());
        }
        Argument::Time(time) => time_or_none(&mut command, time),
        Argument::Queueing(waiter, queueing @ Queueing { joins, fair, .. }, ticket) => {
            let lease = ticket.taken(queueing);
            time_or_none(&mut command, lease);
            command.arg(lease.map_or(0, |lease| lease.millis().saturating_add(REMEMBERED)));
            if !alone || joins || fair {
                command.arg(waiter.place(lock, (joins || fair).then_some(ticket)));
                command.arg(if joins { "join" } else { "" }).arg(if fair { "fair" } else { "" }).arg(waiter.publish);
            }
        }
        Argument::Next(waiter, Release { withdraws, next, yields, .. }) => {
            command.arg(waiter.publish);
            if !alone || withdraws.is_some() || next.is_some() {
                command.arg(waiter.place(lock, withdraws)).arg(waiter.place(lock, next)).arg(if yields { "yield" } else { "" });
            }
        }
    }
    if !alone {
        command.arg(&*share(lock));
    }
    command
}

pub(super) fn time_or_none(command: &mut Cmd, time: Option<Span>) {
    match time {
        Some(time) => command.arg(time.millis()),
        None => command.arg(""),
    };
}
