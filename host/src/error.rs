//! What can go wrong, all of it, as types.
//!
//! [`Error`] has the variants of the WIT contract's `error`, so nothing is lost between a guest and a native caller; each
//! variant carries a type of its own that says what, which, and what to do. Texts are lowercase fragments.

use std::time::Duration;

use thiserror::Error as ThisError;

/// Why a call on a lock or a cache failed.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The call can never work as it was made.
    #[error("invalid: {0}")]
    Invalid(#[from] Invalid),
    /// The call is outside what the platform granted.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// A quota or a size was exceeded.
    #[error("limit: {0}")]
    Limit(#[from] Limit),
    /// The store was not reached in time, or could not do what was asked.
    #[error("unavailable: {0}")]
    Unavailable(#[from] Unavailable),
    /// The guard does not hold its lock any more.
    #[error("not held: {0}")]
    NotHeld(#[from] NotHeld),
    /// A stage of a cache failed.
    #[error("stage: {0}")]
    Stage(#[from] StageError),
    /// Stored bytes cannot be read.
    #[error("corrupt: {0}")]
    Corrupt(#[from] Corrupt),
}

impl Error {
    /// Whether asking again in a while may go better.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(Unavailable { why, .. }) if why.is_passing())
    }

    /// Whether a request that failed so may have been done.
    pub(crate) fn may_have_happened(&self) -> bool {
        let Self::Unavailable(Unavailable { why, .. }) = self else { return false };
        // Behind an error that passes there may be an earlier request whose reply was lost.
        matches!(why, Outage::TimedOut(_) | Outage::Disconnected(_) | Outage::Passing(_))
    }
}

/// A call that can never work as it was made.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Invalid {
    /// A name, key or prefix with no bytes.
    #[error("the {what} is empty: give it at least one character")]
    Empty {
        /// What is empty: `lock name`, `cache name`, `key` …
        what: &'static str,
    },
    /// A name with a control character (NUL and newline among them).
    #[error("the {what} {name:?} has a control character at byte {at}: use printable characters")]
    ControlCharacter {
        /// What the name names.
        what: &'static str,
        /// The name.
        name: String,
        /// Where the character is.
        at: usize,
    },
    /// A lock name whose fence and channel cannot be put in the same Redis Cluster slot.
    #[error(
        "the lock name {name:?} has a `}}` outside a hash tag, so its fence has no place in the same cluster slot: remove it"
    )]
    Slot {
        /// The name.
        name: String,
    },
    /// A name that is kept for bellwether's own keys.
    #[error("the {what} {name:?} contains {reserved:?}, which is kept for bellwether's own keys: choose another")]
    Reserved {
        /// What the name names.
        what: &'static str,
        /// The name.
        name: String,
        /// The reserved part.
        reserved: &'static str,
    },
    /// A holder's label that is not one printable word.
    #[error("the holder label {label:?} has {character:?} in it: use printable ASCII without spaces and `@`")]
    Holder {
        /// The label.
        label: String,
        /// The first character that cannot be in one.
        character: char,
    },
    /// A time that is zero (or under a millisecond) where there must be some.
    #[error("the {what} is under 1 ms: give at least 1 ms")]
    TooShort {
        /// Which time: `lease`, `retry`, `expire` …
        what: &'static str,
    },
    /// A time that is longer than [`crate::clock::MAX_TIME`].
    #[error("the {what} of {given:?} is over 100 years: give less, or none at all")]
    TooLong {
        /// Which time.
        what: &'static str,
        /// What was given.
        given: Duration,
    },
    /// A pause between attempts that is not less than the lease.
    #[error("the retry of {retry:?} is not less than the lease of {lease:?}: shorten it or lengthen the lease")]
    Retry {
        /// The longest pause between attempts.
        retry: Duration,
        /// The lease.
        lease: Duration,
    },
    /// `renew` without a lease: there is nothing to renew.
    #[error("renew needs a lease: give one, or leave renew out for a lock that lasts until it is released")]
    RenewWithoutLease,
    /// A lock of kind quorum without a lease: one that replicas do not get would stay for ever.
    #[error("a lock of kind quorum needs a lease: give one, or use kind simple")]
    QuorumWithoutLease,
    /// A lock of kind quorum on a store that has no replicas to hold it too.
    #[error(
        "a lock of kind quorum needs replicas that hold it too, and the store {store} has none for it: give its server replicas, or \
         use kind simple"
    )]
    NoReplicas {
        /// The store, without its password.
        store: String,
    },
    /// A quorum of more replicas than there are.
    #[error(
        "the quorum is at least {wanted} replicas, and the store {store} has {replicas} for this lock: add replicas, or lower the \
         quorum"
    )]
    TooFewReplicas {
        /// The store, without its password.
        store: String,
        /// How many replicas the quorum has at least.
        wanted: u32,
        /// The most that ever were in service.
        replicas: usize,
    },
    /// A semaphore without permits.
    #[error("a semaphore of 0 permits would let nobody in: give at least 1")]
    NoPermits,
    /// A lock over several names that has none.
    #[error("there are no names to lock: give at least one")]
    NoNames,
    /// Names that cannot be locked in one step.
    #[error(
        "the lock names {one:?} and {other:?} are in different slots of the cluster, so they cannot be locked in one step: give all \
         of them the same {{hash tag}}"
    )]
    Apart {
        /// One name.
        one: String,
        /// Another one.
        other: String,
    },
    /// A lock class that nobody registered.
    #[error("no lock class is registered as {name:?}: {known}")]
    UnknownClass {
        /// The name asked for.
        name: String,
        /// Which names there are, in words.
        known: String,
    },
    /// A name that a lock class is registered under already.
    #[error("the lock class name {name:?} is taken: choose another")]
    ClassTaken {
        /// The name.
        name: String,
    },
    /// A lock class that acquired another lock than the one it was asked for.
    #[error(
        "the lock class {class:?} gave a guard of {given:?} for the lock {lock:?}: it has to acquire the one it is asked for"
    )]
    ForeignGuard {
        /// The class.
        class: String,
        /// The lock whose guard it gave.
        given: String,
        /// The lock that it was asked for.
        lock: String,
    },
    /// An option of a cache that has no use without herd protection.
    #[error("{what} needs herd protection: open the cache with it, or leave this out")]
    NeedsHerd {
        /// Which option.
        what: &'static str,
    },
    /// More jitter than there can be.
    #[error("a jitter of {given} % is over {max} %: give less")]
    Jitter {
        /// What was given.
        given: u8,
        /// The most that can be.
        max: u8,
    },
    /// Part of the contract that this version does not have yet.
    #[error("{what} is not available in this version: {instead}")]
    NotYet {
        /// What was asked for.
        what: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// Bytes that are not exactly one CBOR data item.
    #[error("the {what} is not one CBOR data item: {why}")]
    Cbor {
        /// What the bytes are: `value`, `content` …
        what: &'static str,
        /// What is wrong with them.
        why: CborFault,
    },
    /// A value that serde could not turn into CBOR, or CBOR that is not the type asked for.
    #[error("the value does not fit its type: {why}")]
    Type {
        /// What serde said.
        why: String,
    },
    /// Part of a cache's options that cannot be had where entries have no envelope.
    #[error("{what} needs the envelope around entries, and this cache has none: leave one of the two out")]
    NeedsEnvelope {
        /// What was asked for: `herd`, `lookup` …
        what: &'static str,
    },
    /// With serializer `none`, a value that is not a CBOR byte string.
    #[error("with serializer `none` a value is a CBOR byte string, and this is another item: wrap it, or name a serializer")]
    NotByteString,
    /// With identity `none`, a call that gives content.
    #[error("with identity `none` an entry has no content: leave it out, or name an identity")]
    ContentWithoutIdentity,
    /// A stage that nobody registered.
    #[error("no {kind} is registered as {name:?}: known are {known}")]
    UnknownStage {
        /// Which stage.
        kind: StageKind,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A name that a stage cannot be registered under.
    #[error("the {kind} name {name:?} {why}: choose another")]
    StageName {
        /// Which stage.
        kind: StageKind,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A hand-over token that cannot be one.
    #[error("the token is not one that hand-over gave: pass it on unchanged")]
    Token,
    /// A pattern with an unfinished set or escape.
    #[error("the pattern {pattern:?} ends within a {part}: close it")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// `set` or `escape`.
        part: &'static str,
    },
    /// A store's address that cannot be understood.
    #[error("the store {url:?} {why}")]
    StoreUrl {
        /// The address, without its password.
        url: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A key of the store that holds something that is neither a lock nor a cache entry.
    #[error("the key {key:?} of the store holds a value of another kind ({why}): choose another name")]
    ForeignKey {
        /// The key.
        key: String,
        /// What the store said.
        why: String,
    },
    /// A configuration that cannot be understood.
    #[error("{what}: {why}")]
    Config {
        /// The file or setting.
        what: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A component that cannot be used.
    #[error("the component {name:?} {why}")]
    Component {
        /// The file or registered name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// What is wrong with bytes that should be one CBOR data item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum CborFault {
    /// No bytes at all.
    #[error("there are no bytes")]
    Empty,
    /// The bytes end within the item.
    #[error("the bytes end within the item")]
    Truncated,
    /// There are more bytes after the item.
    #[error("there are more bytes after the item, from byte {at}")]
    Trailing {
        /// Where they begin.
        at: usize,
    },
    /// Bytes that RFC 8949 does not allow.
    #[error("byte {at} is not allowed there")]
    Malformed {
        /// Where it is.
        at: usize,
    },
    /// A text string that is not UTF-8.
    #[error("the text string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where the string begins.
        at: usize,
    },
    /// Items nested deeper than [`crate::cbor::MAX_DEPTH`].
    #[error("items are nested over {max} deep", max = crate::cbor::MAX_DEPTH)]
    TooDeep,
    /// A map with one key twice (found only where a canonical form is needed).
    #[error("a map has one key twice")]
    DuplicateKey,
}

/// A call outside what the platform granted.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Denied {
    /// A part of the cache options that the platform pinned to something else.
    #[error("the platform pins {part} to {pinned}, so {wish} cannot be chosen: leave it at the default")]
    Pinned {
        /// Which part.
        part: &'static str,
        /// What it is pinned to.
        pinned: String,
        /// What was asked for.
        wish: String,
    },
    /// A lock that its class does not give.
    #[error("the class of the lock refuses it: {why}")]
    ByClass {
        /// What the class says.
        why: String,
    },
    /// Something that was not granted.
    #[error("{what} is not granted to this guest: ask the platform for it")]
    NotGranted {
        /// What was asked for.
        what: String,
    },
}

/// A quota or a size that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Limit {
    /// Something is larger than it may be.
    #[error("the {what} has {size} bytes, and at most {max} are allowed")]
    Size {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// There are more of something than there may be.
    #[error("{what}: at most {max} are allowed at once")]
    Count {
        /// What there is too much of.
        what: &'static str,
        /// What is allowed.
        max: u64,
    },
    /// The store has no memory left for a write.
    #[error("the store {store} is out of memory ({why}): raise its maxmemory or let entries expire")]
    StoreFull {
        /// The store, without its password.
        store: String,
        /// What it said.
        why: String,
    },
}

/// A store that was not reached in time, or could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("the store {store} {why}")]
pub struct Unavailable {
    /// The store, without its password.
    pub store: String,
    /// What happened.
    pub why: Outage,
}

/// What happened to a store.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Outage {
    /// No connection could be made.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came in time; what was asked for may or may not have happened.
    #[error("did not answer within {0:?}: what was asked for may or may not have happened")]
    TimedOut(Duration),
    /// The connection broke; what was asked for may or may not have happened.
    #[error("lost the connection ({0}): what was asked for may or may not have happened")]
    Disconnected(String),
    /// Too few of the replicas heard of the lock, or of the time that was added to it, in time.
    #[error("has no quorum: too few of its replicas heard of it in time")]
    NoQuorum,
    /// The user name or password was refused.
    #[error("refused the credentials: {0}")]
    Refused(String),
    /// The user may not run this command, or not with these keys.
    #[error("does not allow this to the user: {0}")]
    Forbidden(String),
    /// The server is a replica and takes no writes.
    #[error("is a read-only replica: give the primary's address, or a redis+sentinel:// one that finds it")]
    ReadOnly,
    /// A value of a cache could not be computed, and it is too soon to try again.
    #[error("has no value of this entry, as its computation failed lately: {0}")]
    NoValue(String),
    /// The server answered with an error that passes: it is loading, or a failover goes on.
    #[error("answered with an error: {0}")]
    Passing(String),
    /// The server answered with an error of another kind, which asking again does not change.
    #[error("answered with an error: {0}")]
    Failed(String),
}

impl Outage {
    /// Whether asking again in a while may go better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Disconnected(_) | Self::NoQuorum | Self::Passing(_) => true,
            Self::Refused(_) | Self::Forbidden(_) | Self::ReadOnly | Self::NoValue(_) | Self::Failed(_) => false,
        }
    }
}

/// A guard that does not hold its lock any more.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("the lock {lock:?} is not held by this guard: {why}")]
pub struct NotHeld {
    /// The lock's name.
    pub lock: String,
    /// How that came about.
    pub why: LossReason,
}

/// How a guard came to hold its lock no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum LossReason {
    /// It was released by this guard.
    #[error("it was released")]
    Released,
    /// It was handed over by this guard.
    #[error("it was handed over")]
    HandedOver,
    /// The lease ended before it was extended.
    #[error("its lease ended")]
    Expired,
    /// The store no longer has this guard's token: broken, evicted or lost in a failover.
    #[error("the store has it no more")]
    Gone,
}

/// Which stage of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// Names the entry.
    Identity,
    /// Turns values into bytes.
    Serializer,
    /// Makes bytes fewer.
    Compressor,
}

impl std::fmt::Display for StageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Serializer => "serializer",
            Self::Compressor => "compressor",
        })
    }
}

/// A stage that failed: which, on what, and why.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{kind} {name:?} failed to {doing}: {why}")]
pub struct StageError {
    /// Which stage.
    pub kind: StageKind,
    /// Its name.
    pub name: String,
    /// What it was asked to do, `serialize a value` for example.
    pub doing: &'static str,
    /// Why it failed.
    pub why: StageFault,
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum StageFault {
    /// The stage itself said so.
    #[error("{0}")]
    Refused(String),
    /// The component trapped. The text has its message and backtrace.
    #[error("it trapped: {0}")]
    Trapped(String),
    /// The component did not answer before its deadline.
    #[error("it did not answer within {0:?}")]
    Deadline(Duration),
    /// The component wanted more memory than it may have.
    #[error("it wanted more than its {max} bytes of memory")]
    Memory {
        /// What it may have.
        max: u64,
    },
    /// The output is larger than it may be.
    #[error("its output of {size} bytes is over the limit of {max}")]
    Output {
        /// The size of the output (a lower bound where it was cut off).
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// The value it gave is not CBOR.
    #[error("its output is not one CBOR data item: {0}")]
    NotCbor(CborFault),
    /// A compressor left a value as it is where it has to compress.
    #[error(
        "it left the value as it is, and without an envelope nothing tells that from a compressed one: keep the envelope, choose \
         compressor `none`, or one that always compresses"
    )]
    Declined,
    /// No instance became free in time.
    #[error("all of its {max} instances stayed busy")]
    Busy {
        /// How many there are.
        max: usize,
    },
    /// An instance could not be made.
    #[error("it could not be started: {0}")]
    Start(String),
}

/// Stored bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Corrupt {
    /// The entry does not begin with an envelope: another program wrote it.
    #[error("the entry {key:?} was not written by bellwether: delete it or choose another cache name")]
    Foreign {
        /// The store's key.
        key: String,
    },
    /// The entry cannot be read as a bare payload, and it is one with an envelope.
    #[error(
        "the entry {key:?} has an envelope, and this cache reads bare payloads: open it with an envelope, or delete the entry"
    )]
    Enveloped {
        /// The store's key.
        key: String,
    },
    /// The entry is shorter or longer than its envelope says.
    #[error("the entry {key:?} has {size} bytes where its envelope says {expected}: delete it")]
    Length {
        /// The store's key.
        key: String,
        /// What is there.
        size: usize,
        /// What should be there.
        expected: usize,
    },
    /// A later version of bellwether wrote the entry.
    #[error("the entry {key:?} has envelope version {version}, and this program reads up to {newest}: upgrade it")]
    Version {
        /// The store's key.
        key: String,
        /// The version found.
        version: u8,
        /// The newest version this program reads.
        newest: u8,
    },
    /// The envelope has flags that this version does not know.
    #[error("the entry {key:?} has unknown envelope flags {flags:#04x}: upgrade this program, or delete the entry")]
    Flags {
        /// The store's key.
        key: String,
        /// The flags found.
        flags: u8,
    },
    /// The payload's checksum is wrong.
    #[error("the entry {key:?} is damaged: its checksum does not match; delete it")]
    Checksum {
        /// The store's key.
        key: String,
    },
    /// The envelope has tags that cannot be.
    #[error("the entry {key:?} has tags that cannot be read: upgrade this program, or delete the entry")]
    Tags {
        /// The store's key.
        key: String,
    },
    /// The entry was written through another stage.
    #[error(
        "the entry {key:?} was written with {kind} {wrote}, and this cache reads with {reads}: open it with that, or delete the entry"
    )]
    OtherStage {
        /// The store's key.
        key: String,
        /// Which stage.
        kind: StageKind,
        /// What wrote it.
        wrote: String,
        /// What this cache has.
        reads: String,
    },
}
