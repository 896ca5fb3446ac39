//! What there is in a cache, for those who operate it. Both walks go over all keys of the store, in batches that leave it responsive.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{Cache, Ttl};
use crate::envelope::Peek;
use crate::error::{Error, StageKind};
use crate::glob::Glob;
use crate::names::is_tag;
use crate::store::browse::{About, Browse, Seen};

/// Entries of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The entries, by their keys, and among them what has no value: see [`FoundEntry::has_value`].
    pub entries: Vec<FoundEntry>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// An entry of a cache, as it was found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEntry {
    /// Its key. With an identity that is not built in, the text which that identity gave.
    pub key: String,
    /// With the identity `default`, the digest of its content, if it has content.
    pub content: Option<String>,
    /// The store's key.
    pub stored: String,
    /// What it is like, if it was looked at.
    pub about: Option<EntryAbout>,
}

impl FoundEntry {
    /// Whether it has a value. A placeholder or a failure has none, and is no entry to who reads.
    #[must_use]
    pub fn has_value(&self) -> bool {
        !self.about.as_ref().is_some_and(|about| matches!(about.form, EntryForm::Vacant | EntryForm::Failed))
    }
}

/// What an entry is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAbout {
    /// How many bytes are stored, envelope and payload together.
    pub bytes: u64,
    /// How much longer it is stored; `None`: until it is deleted.
    pub expires: Option<Duration>,
    /// Who wrote it.
    pub form: EntryForm,
}

/// In what form an entry is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryForm {
    /// With an envelope.
    Enveloped {
        /// The serializer that wrote it, `none` for none; `None` for one that is not registered here.
        serializer: Option<String>,
        /// The compressor, likewise, also if it left the value as it was.
        compressor: Option<String>,
        /// Whether the value is compressed.
        compressed: bool,
        /// When it was written, in milliseconds since 1970 by the writer's clock.
        created: u64,
        /// Its tags. An entry of which one was invalidated is no entry to who reads.
        tags: Vec<String>,
    },
    /// A placeholder for a value that somebody computes.
    Vacant,
    /// The failure of a computation, for as long as nobody tries again.
    Failed,
    /// Without an envelope: a bare payload, in a cache of such; in any other cache nothing that it can read.
    Bare,
}

/// What is in a cache, all together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// How many entries there are. One that comes or goes meanwhile may be counted or not. Of what was not looked at, also what is none: a
    /// placeholder, a failure, and what another program keeps there.
    pub entries: u64,
    /// How many of them were looked at; all from `bytes` to `bare` is of those.
    pub looked_at: u64,
    /// How many bytes they have, envelopes and payloads together, without keys and without what the server needs besides.
    pub bytes: u64,
    /// How many bytes the largest has, and the store's key of it.
    pub largest: Option<(u64, String)>,
    /// How many have a time to live; the others stay until they are deleted.
    pub expiring: u64,
    /// How many were written by which serializer; `unknown` for those that are not registered here.
    pub serializers: BTreeMap<String, u64>,
    /// How many were written by which compressor, likewise.
    pub compressors: BTreeMap<String, u64>,
    /// How many are compressed, of those with an envelope.
    pub compressed: u64,
    /// How many have no envelope.
    pub bare: u64,
    /// How many placeholders for values that somebody computes were met besides, where it was looked.
    pub vacant: u64,
    /// How many failures of computations, likewise.
    pub failed: u64,
}

/// Of so many entries it is noted that they were counted. Beyond, one that is met twice, as while a server's table grows or another takes
/// its place, counts twice.
const NOTED: usize = 1 << 20;

impl Cache {
    /// Lists at most `limit` entries whose key matches the [pattern](Glob), whatever their content, also those that were invalidated by a
    /// tag and still are in the store, and placeholders and failures.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pattern that cannot be, [`Error::Limit`] for one that is too long, and [`Error::Unavailable`].
    pub async fn list(&self, pattern: &str, limit: usize) -> Result<Listing, Error> {
        let (hint, chosen) = self.0.pipeline.choose(Glob::new(pattern)?);
        let which = Browse { prefix: &self.0.pipeline.entries, hint: &hint, chosen: &chosen, closely: u64::MAX };
        let mut found = BTreeMap::new();
        let mut tell = |batch: Vec<Seen>| {
            found.extend(batch.into_iter().map(|seen| (seen.key, seen.about)));
            if found.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.0.store.browse(which, &mut tell).await?;
        let more = found.len() > limit;
        let entries = found.into_iter().take(limit).map(|(key, about)| self.found(key, about)).collect();
        Ok(Listing { entries, more })
    }

    /// Counts all entries, also those that were invalidated by a tag and still are in the store, and looks at about `sample` of them. As
    /// servers keep keys in the order of a hash, the first that are met are a fair sample.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stats(&self, sample: u64) -> Result<Stats, Error> {
        let chosen = |rest: &str| !is_tag(rest);
        let which = Browse { prefix: &self.0.pipeline.entries, hint: &Glob::any(), chosen: &chosen, closely: sample };
        let mut stats = Stats::default();
        let mut noted = HashSet::new();
        let hasher = RandomState::new();
        let mut tell = |batch: Vec<Seen>| {
            for Seen { key, about } in batch {
                if noted.len() < NOTED && !noted.insert(hasher.hash_one(&key)) {
                    continue;
                }
                match about {
                    Some(about) => self.add(&mut stats, key, &about),
                    None => stats.entries += 1,
                }
            }
            ControlFlow::Continue(())
        };
        self.0.store.browse(which, &mut tell).await?;
        Ok(stats)
    }

    fn add(&self, stats: &mut Stats, key: String, about: &About) {
        let EntryAbout { bytes, expires, form } = self.about(about);
        match form {
            EntryForm::Vacant => {
                stats.vacant += 1;
                return;
            }
            EntryForm::Failed => {
                stats.failed += 1;
                return;
            }
            EntryForm::Bare => stats.bare += 1,
            EntryForm::Enveloped { serializer, compressor, compressed, .. } => {
                stats.compressed += u64::from(compressed);
                for (counts, name) in [(&mut stats.serializers, serializer), (&mut stats.compressors, compressor)] {
                    *counts.entry(name.unwrap_or_else(|| "unknown".to_owned())).or_default() += 1;
                }
            }
        }
        stats.entries += 1;
        stats.looked_at += 1;
        stats.bytes += bytes;
        stats.expiring += u64::from(expires.is_some());
        if stats.largest.as_ref().is_none_or(|(most, _)| bytes > *most) {
            stats.largest = Some((bytes, key));
        }
    }

    fn found(&self, stored: String, about: Option<About>) -> FoundEntry {
        let rest = stored.get(self.0.pipeline.entries.len()..).unwrap_or_default();
        let (key, content) = self.0.pipeline.told(rest);
        FoundEntry { key, content, about: about.map(|about| self.about(&about)), stored }
    }

    fn about(&self, about: &About) -> EntryAbout {
        let expires = match about.ttl {
            Ttl::Remaining(left) => Some(left),
            Ttl::Absent | Ttl::Persistent => None,
        };
        let name = |kind, id| self.0.pipeline.stages.name_of(kind, id).map(str::to_owned);
        let form = match Peek::at(&about.head) {
            None => EntryForm::Bare,
            Some(peek) if peek.vacant => EntryForm::Vacant,
            Some(peek) if peek.failed => EntryForm::Failed,
            Some(peek) => EntryForm::Enveloped {
                serializer: name(StageKind::Serializer, peek.serializer),
                compressor: name(StageKind::Compressor, peek.compressor),
                compressed: peek.compressed,
                created: peek.created,
                tags: about.tags.clone(),
            },
        };
        EntryAbout { bytes: about.bytes, expires, form }
    }
}
