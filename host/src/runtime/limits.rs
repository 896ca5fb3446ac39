//! What a guest may use of this machine.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::guest::Quotas;

/// What one run of a guest may use.
///
/// By default a guest has no deadline: one that loops or waits without end runs until its future is dropped. It lets other tasks
/// run meanwhile, but keeps a processor busy, and the locks that it holds. Set [`GuestLimits::deadline`] for every guest that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLimits {
    /// All of its memories together, in bytes. 256 MiB by default.
    pub memory: u64,
    /// The elements of all of its tables together. 1,000,000 by default.
    pub table: u64,
    /// How long it may run, waiting included; `None` for as long as it likes, which is the default. A guest that computes
    /// without end is ended as promptly as one that waits.
    pub deadline: Option<Duration>,
    /// How many bytes one call may hand to the host; a call with more traps. 128 MiB by default.
    pub call_bytes: u64,
    /// What it may have at once on the host's side.
    pub quotas: Quotas,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self { memory: 256 << 20, table: 1_000_000, deadline: None, call_bytes: 128 << 20, quotas: Quotas::default() }
    }
}

/// Keeps a guest within its memory.
#[derive(Debug)]
pub(super) struct Meter {
    memory: Gauge,
    table: Gauge,
}

impl Meter {
    pub(super) fn new(limits: &GuestLimits) -> Self {
        Self { memory: Gauge::new(limits.memory), table: Gauge::new(limits.table) }
    }

    /// Whether the guest was ever refused memory.
    pub(super) fn was_refused_memory(&self) -> bool {
        self.memory.refused
    }
}

// Growth that was allowed and then failed, which only a machine without memory does, stays charged: `memory_grow_failed` is also
// called for growth that `memory_growing` was never asked about, and a guest could earn memory with it.
impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(current, desired, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.table.grow(current, desired, maximum))
    }
}

#[derive(Debug)]
struct Gauge {
    left: u64,
    refused: bool,
}

impl Gauge {
    fn new(left: u64) -> Self {
        Self { left, refused: false }
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The guest's own limit, and none of ours.
            return false;
        }
        let more = desired.saturating_sub(current) as u64;
        let left = self.left.checked_sub(more);
        self.left = left.unwrap_or(self.left);
        self.refused |= left.is_none();
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_limit_and_their_own_maximum_is_not_ours() {
        let mut gauge = Gauge::new(100);
        assert!(gauge.grow(0, 60, None));
        assert!(!gauge.grow(60, 80, Some(70)) && !gauge.refused);
        assert!(gauge.grow(0, 40, Some(40)));
        assert!(!gauge.grow(60, 61, None) && gauge.refused);
        assert!(gauge.grow(60, 60, None), "a refusal is no end");
    }
}
