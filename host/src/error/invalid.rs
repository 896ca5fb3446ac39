//! Calls that can never work as they were made.

use std::time::Duration;

use thiserror::Error as ThisError;

use super::StageKind;

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
