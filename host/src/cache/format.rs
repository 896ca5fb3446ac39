//! In what form a cache stores its entries, and in which others it can read them.

use std::fmt;

use super::options::{CacheOptions, Pins, pinned};
use super::pipeline::id;
use crate::envelope::StageId;
use crate::error::{Error, Invalid, StageKind};
use crate::stage::{Compressor, Registered, Serializer, StageChoice, Stages};

/// What stands around the payload of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvelopeChoice {
    /// What the platform says: the standard envelope unless it says otherwise.
    #[default]
    Default,
    /// The [`crate::envelope`].
    Standard,
    /// Nothing: other programs can read the payload as it is, and write it.
    ///
    /// What needs the envelope is [`Invalid::NeedsEnvelope`]: herd protection, and entries of other stages. Nothing tells then whether
    /// an entry was compressed, so the compressor is applied to every value, however small; one that leaves a value as it is fails
    /// ([`crate::error::StageFault::Declined`]). Nothing tells either which stages wrote an entry, or whether it is whole: what the
    /// stages of this cache cannot read is their error, and what they can is taken for a value.
    None,
}

impl EnvelopeChoice {
    fn is_none(self) -> bool {
        self == Self::None
    }
}

impl fmt::Display for EnvelopeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "`default`",
            Self::Standard => "`standard`",
            Self::None => "`none`",
        })
    }
}

/// What was chosen, checked against a policy.
#[derive(Debug)]
pub(super) struct Choices {
    /// There is no envelope.
    pub(super) plain: bool,
    serializers: Vec<StageChoice>,
    compressors: Vec<StageChoice>,
}

/// Checks a wish for the envelope and for stages of old entries against what the platform has and pins.
pub(super) fn choices(defaults: &CacheOptions, pins: Pins, wish: &CacheOptions) -> Result<Choices, Error> {
    let standard = |choice| if choice == EnvelopeChoice::Default { EnvelopeChoice::Standard } else { choice };
    let default = standard(defaults.envelope);
    let envelope = if wish.envelope == EnvelopeChoice::Default { default } else { wish.envelope };
    pinned("envelope", pins.envelope, default, envelope, |choice| choice.to_string())?;
    let reads = |kind, part, pin, defaults: &Vec<StageChoice>, wish: Option<&Vec<StageChoice>>, default: &StageChoice| {
        let spelt_out = |choice: &StageChoice| {
            if *choice == StageChoice::Default { default.named(kind) } else { choice.clone() }
        };
        let defaults: Vec<_> = defaults.iter().map(spelt_out).collect();
        let wish = wish.map_or_else(|| defaults.clone(), |wish| wish.iter().map(spelt_out).collect());
        pinned(part, pin, &defaults, &wish, |choices| listed(choices))?;
        if envelope.is_none() && !wish.is_empty() {
            return Err(Error::from(Invalid::NeedsEnvelope { what: part }));
        }
        Ok(wish)
    };
    let none = Vec::new();
    Ok(Choices {
        plain: envelope.is_none(),
        serializers: reads(
            StageKind::Serializer,
            "reads-serializers",
            pins.reads_serializers,
            defaults.reads_serializers.as_ref().unwrap_or(&none),
            wish.reads_serializers.as_ref(),
            &defaults.serializer,
        )?,
        compressors: reads(
            StageKind::Compressor,
            "reads-compressors",
            pins.reads_compressors,
            defaults.reads_compressors.as_ref().unwrap_or(&none),
            wish.reads_compressors.as_ref(),
            &defaults.compressor,
        )?,
    })
}

fn listed(choices: &[StageChoice]) -> String {
    let names: Vec<_> = choices.iter().map(ToString::to_string).collect();
    format!("[{}]", names.join(", "))
}

/// The forms of one cache. The stages that write are not among those that can read too.
#[derive(Debug)]
pub(super) struct Formats {
    /// There is no envelope.
    pub(super) plain: bool,
    serializers: Vec<Option<Registered<dyn Serializer>>>,
    compressors: Vec<Option<Registered<dyn Compressor>>>,
}

impl Formats {
    /// Finds the stages.
    pub(super) fn new(stages: &Stages, choices: &Choices) -> Result<Self, Error> {
        let Choices { plain, serializers, compressors } = choices;
        Ok(Self {
            plain: *plain,
            serializers: serializers.iter().map(|choice| stages.serializer(choice)).collect::<Result<_, _>>()?,
            compressors: compressors.iter().map(|choice| stages.compressor(choice)).collect::<Result<_, _>>()?,
        })
    }

    /// The serializer that reads what `wrote` wrote, if there is one: `own`, or one of the others.
    #[allow(clippy::option_option, reason = "whether it can be read, and by which stage, which may be none")]
    pub(super) fn serializer<'a>(
        &'a self,
        own: Option<&'a Registered<dyn Serializer>>,
        wrote: StageId,
    ) -> Option<Option<&'a Registered<dyn Serializer>>> {
        find(own, &self.serializers, wrote)
    }

    /// The compressor that reads what `wrote` wrote, likewise.
    #[allow(clippy::option_option, reason = "whether it can be read, and by which stage, which may be none")]
    pub(super) fn compressor<'a>(
        &'a self,
        own: Option<&'a Registered<dyn Compressor>>,
        wrote: StageId,
    ) -> Option<Option<&'a Registered<dyn Compressor>>> {
        find(own, &self.compressors, wrote)
    }

    /// The ids of the others of a kind.
    pub(super) fn ids(&self, kind: StageKind) -> Vec<StageId> {
        match kind {
            StageKind::Identity => Vec::new(),
            StageKind::Serializer => self.serializers.iter().map(|stage| id(stage.as_ref())).collect(),
            StageKind::Compressor => self.compressors.iter().map(|stage| id(stage.as_ref())).collect(),
        }
    }
}

#[allow(clippy::option_option, reason = "whether it can be read, and by which stage, which may be none")]
fn find<'a, T: ?Sized>(
    own: Option<&'a Registered<T>>,
    others: &'a [Option<Registered<T>>],
    wrote: StageId,
) -> Option<Option<&'a Registered<T>>> {
    std::iter::once(own).chain(others.iter().map(Option::as_ref)).find(|stage| id(*stage) == wrote)
}
