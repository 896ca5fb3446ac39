//! The scripts: whole operations on a lock or an entry, each done by the server in one go.

use std::sync::LazyLock;

use crate::names::LockKeys;

/// One script and the digest that stands for it once the server has it.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    digested: LazyLock<redis::Script>,
    /// How many of a lock's keys it takes: the lock, its fence, its queue, its clients alive, what its channels begin with,
    /// the fences of its holders. Of an entry's or a tag's it takes the only one.
    pub(super) keys: usize,
    /// Whether doing it twice in a row is the same as doing it once.
    pub(super) repeatable: bool,
}

impl Script {
    /// The text that the server is to load.
    pub(super) fn source(&self) -> &'static str {
        self.source
    }

    /// The digest.
    pub(super) fn digest(&self) -> &str {
        self.digested.get_hash()
    }
}

macro_rules! script {
    ($name:ident, $file:literal $(after $($prelude:literal)*)?, $keys:literal, $repeatable:literal) => {
        #[doc = concat!("See `", $file, "`.")]
        pub(super) static $name: Script = Script {
            source: concat!($($(include_str!($prelude),)*)? include_str!($file)),
            digested: LazyLock::new(|| redis::Script::new($name.source)),
            keys: $keys,
            repeatable: $repeatable,
        };
    };
}

script!(ACQUIRE, "acquire.lua" after "acquire_usual.lua" "clock.lua" "fence.lua" "queue.lua", 5, true);
script!(ADOPT, "adopt.lua" after "clock.lua" "fence.lua", 2, true);
script!(RELEASE, "release.lua" after "release_usual.lua" "clock.lua" "fence.lua" "queue.lua", 5, true);
script!(EXTEND, "extend.lua" after "outlast.lua", 2, false);
script!(RENEW, "renew.lua" after "outlast.lua", 2, true);
script!(HOLDING, "holding.lua", 1, true);
script!(ACQUIRE_ALL, "acquire_all.lua" after "clock.lua" "fence.lua" "queue.lua", 4, true);
script!(SHARED_ACQUIRE, "shared_acquire.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 6, true);
script!(SHARED_RELEASE, "shared_release.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 6, true);
script!(SHARED_EXTEND, "shared_extend.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 6, false);
script!(SHARED_RENEW, "shared_renew.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 6, true);
script!(SHARED_HOLDING, "shared_holding.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 1, true);
script!(SHARED_HOLDERS, "shared_holders.lua" after "clock.lua" "queue.lua", 1, true);
script!(SIGHT, "sight.lua" after "seen.lua", 3, true);
script!(SHARED_SIGHT, "shared_sight.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua" "seen.lua", 6, true);
script!(BREAK, "break.lua" after "clock.lua" "fence.lua" "queue.lua", 5, true);
script!(SHARED_BREAK, "shared_break.lua" after "clock.lua" "fence.lua" "queue.lua" "shared.lua", 6, true);
script!(FOREIGN, "foreign.lua", 6, true);

script!(ENTRY_CLAIM, "entry_claim.lua" after "clock.lua" "entry.lua", 1, true);
script!(ENTRY_FILL, "entry_fill.lua" after "clock.lua" "entry.lua", 1, true);
script!(ENTRY_PROLONG, "entry_prolong.lua" after "clock.lua" "entry.lua", 1, true);
script!(ENTRY_ABANDON, "entry_abandon.lua" after "clock.lua" "entry.lua", 1, true);
script!(ENTRY_DELETE, "entry_delete.lua" after "entry.lua", 1, false);
script!(ENTRY_DISCARD, "entry_discard.lua" after "entry.lua", 1, true);
script!(ENTRY_LEFT, "entry_left.lua" after "entry.lua", 1, true);
script!(TAG_BEGIN, "tag_begin.lua" after "clock.lua" "tag.lua", 1, true);
script!(TAG_INVALIDATE, "tag_invalidate.lua" after "clock.lua" "tag.lua", 1, false);

/// What is done with a lock, where that depends on how many can hold it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Acquire,
    Release,
    Extend,
    Renew,
    Holding,
    Sight,
    Break,
}

impl Deed {
    /// The script that does it to a lock.
    pub(super) fn script(self, lock: &LockKeys) -> &'static Script {
        match (self, lock.share().is_alone()) {
            (Self::Acquire, true) => &ACQUIRE,
            (Self::Acquire, false) => &SHARED_ACQUIRE,
            (Self::Release, true) => &RELEASE,
            (Self::Release, false) => &SHARED_RELEASE,
            (Self::Extend, true) => &EXTEND,
            (Self::Extend, false) => &SHARED_EXTEND,
            (Self::Renew, true) => &RENEW,
            (Self::Renew, false) => &SHARED_RENEW,
            (Self::Holding, true) => &HOLDING,
            (Self::Holding, false) => &SHARED_HOLDING,
            (Self::Sight, true) => &SIGHT,
            (Self::Sight, false) => &SHARED_SIGHT,
            (Self::Break, true) => &BREAK,
            (Self::Break, false) => &SHARED_BREAK,
        }
    }
}
