//! Which stages there are, by name.

/// The stages that caches can choose from.
#[derive(Debug, Clone, Default)]
pub struct Stages {}
