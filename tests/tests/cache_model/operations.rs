//! What clients do with a cache, and what that gives.

use proptest::prelude::*;

/// Who does it: a number below [`CLIENTS`].
pub(crate) type Who = usize;

/// A cache without herd protection, three with it, of which one has copies in its process, and one that has a claim for a moment only.
pub(crate) const CLIENTS: usize = 5;

/// The one without herd protection.
pub(crate) const PLAIN: Who = 0;

/// The one with copies.
pub(crate) const NEAR: Who = 3;

/// The one whose claims end at once. It never looks up, as a vacancy lasts as long as it is kept.
pub(crate) const BRIEF: Who = 4;

/// An entry: one of the names, with content or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) content: Option<u8>,
}

const NAMES: [&str; 3] = ["a", "b", "ab"];

pub(crate) type Tag = &'static str;

const TAGS: [Tag; 2] = ["x", "y"];

/// For how long a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is deleted.
    Endless,
    /// Longer than the test takes.
    Long,
    /// It has expired when the next operation begins.
    Moment,
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Set(Who, Key, Life, Vec<Tag>),
    SetMany(Who, Vec<Key>, Life, Vec<Tag>),
    Get(Who, Key),
    GetMany(Who, Vec<Key>),
    Exists(Who, Key),
    Ttl(Who, Key),
    Delete(Who, Key),
    /// Names, and the content of all.
    DeleteMany(Who, Vec<&'static str>, Option<u8>),
    DeletePattern(Who, &'static str),
    Clear(Who),
    /// Takes the vacancy if there is one. The tags are those that the value will have.
    Lookup(Who, Key, Vec<Tag>),
    /// Fills the oldest vacancy of this client, with tags that the value turned out to have besides.
    Fill(Who, Key, Life, Vec<Tag>),
    Fail(Who, Key),
    /// Drops it.
    GiveUp(Who, Key),
    Invalidate(Who, Tag),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gives {
    Nothing,
    Values(Vec<Option<u64>>),
    Is(bool),
    Count(u64),
    Absent,
    Persistent,
    Remaining,
    Hit(u64),
    Vacancy,
    Busy,
    Failed(u64),
}

type Matches = fn(&str) -> bool;

/// Patterns, and whether they match a name.
pub(crate) const PATTERNS: [(&str, Matches); 4] =
    [("a*", |name| name.starts_with('a')), ("?", |name| name.len() == 1), ("[b-z]", |name| name == "b"), ("c", |_| false)];

fn key() -> impl Strategy<Value = Key> {
    // Two entries of one name are enough, and most of what happens should happen to one entry.
    let name = prop_oneof![4 => Just(NAMES[0]), 1 => Just(NAMES[1]), 1 => Just(NAMES[2])];
    (name, prop::bool::weighted(0.2)).prop_map(|(name, content)| Key { name, content: content.then_some(7) })
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![1 => Just(Life::Endless), 2 => Just(Life::Long), 4 => Just(Life::Moment)]
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    prop_oneof![3 => Just(Vec::new()), 2 => prop::sample::subsequence(TAGS.to_vec(), 1), 1 => Just(TAGS.to_vec())]
}

fn operation() -> impl Strategy<Value = Operation> {
    // Those who can look up, and all.
    let (some, all) = (0..BRIEF, 0..CLIENTS);
    let keys = || prop::collection::vec(key(), 0..4);
    let names = prop::collection::vec(prop::sample::select(&NAMES[..]), 0..4);
    let pattern = prop::sample::select(&PATTERNS[..]).prop_map(|(pattern, _)| pattern);
    prop_oneof![
        6 => (all.clone(), key(), life(), tags()).prop_map(|(who, key, life, tags)| Operation::Set(who, key, life, tags)),
        2 => (all.clone(), keys(), life(), tags()).prop_map(|(who, keys, life, tags)| Operation::SetMany(who, keys, life, tags)),
        8 => (all.clone(), key()).prop_map(|(who, key)| Operation::Get(who, key)),
        3 => (all.clone(), keys()).prop_map(|(who, keys)| Operation::GetMany(who, keys)),
        1 => (all.clone(), key()).prop_map(|(who, key)| Operation::Exists(who, key)),
        2 => (all.clone(), key()).prop_map(|(who, key)| Operation::Ttl(who, key)),
        2 => (all.clone(), key()).prop_map(|(who, key)| Operation::Delete(who, key)),
        1 => (all.clone(), names, prop::bool::ANY).prop_map(|(who, names, content)| {
            Operation::DeleteMany(who, names, content.then_some(7))
        }),
        1 => (all.clone(), pattern).prop_map(|(who, pattern)| Operation::DeletePattern(who, pattern)),
        1 => all.clone().prop_map(Operation::Clear),
        3 => (all, prop::sample::select(&TAGS[..])).prop_map(|(who, tag)| Operation::Invalidate(who, tag)),
        8 => (some.clone(), key(), tags()).prop_map(|(who, key, tags)| Operation::Lookup(who, key, tags)),
        5 => (some.clone(), key(), life(), tags()).prop_map(|(who, key, life, tags)| Operation::Fill(who, key, life, tags)),
        2 => (some.clone(), key()).prop_map(|(who, key)| Operation::Fail(who, key)),
        2 => (some, key()).prop_map(|(who, key)| Operation::GiveUp(who, key)),
    ]
}

/// What seldom happens in one order: a value is set, somebody reads it or is told to compute it anew, something else happens, a tag is
/// invalidated or something else happens, and the same one goes on from there.
fn story() -> impl Strategy<Value = Vec<Operation>> {
    let set = (0..CLIENTS, key(), prop_oneof![Just(Life::Moment), Just(Life::Long)], tags());
    let between = || prop::option::weighted(0.3, operation());
    let invalidate = prop::option::weighted(0.7, prop::sample::select(&TAGS[..]));
    // Plain clients are told nothing by a read.
    let goes_on = (PLAIN + 1..CLIENTS, 0..7_u8, life(), tags(), tags());
    (set, between(), invalidate, between(), goes_on).prop_map(|((by, key, long, had), between, invalidate, after, going_on)| {
        let (who, how, life, named, tags) = going_on;
        let (reads, goes_on) = match how {
            0 => (Operation::Get(who, key), Operation::Get(who, key)),
            1 => (Operation::Get(who, key), Operation::Set(who, key, life, tags)),
            2 => (Operation::Get(who, key), Operation::SetMany(who, vec![key], life, tags)),
            _ if who == BRIEF => (Operation::GetMany(who, vec![key]), Operation::SetMany(who, vec![key], life, tags)),
            3 => (Operation::Lookup(who, key, named), Operation::Lookup(who, key, tags)),
            4 => (Operation::Lookup(who, key, named), Operation::Fail(who, key)),
            _ => (Operation::Lookup(who, key, named), Operation::Fill(who, key, life, tags)),
        };
        let set = Operation::Set(by, key, long, had);
        let invalidate = invalidate.map(|tag| Operation::Invalidate(by, tag));
        let looks = Operation::Get(PLAIN, key);
        [Some(set), Some(reads), between, invalidate, after, Some(goes_on), Some(looks)].into_iter().flatten().collect()
    })
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let some = prop_oneof![9 => operation().prop_map(|operation| vec![operation]), 1 => story()];
    prop::collection::vec(some, 1..65).prop_map(|some| some.concat())
}
