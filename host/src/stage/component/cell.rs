//! What the host keeps for one instance: what it may use, and what it said.

use wasmtime::ResourceLimiter;

/// How much of what an instance printed is kept, in bytes: enough for a panic message.
const SAID: usize = 2048;

/// The store's data of one instance.
#[derive(Debug)]
pub(super) struct Cell {
    max_memory: usize,
    max_table: usize,
    memory: usize,
    table: usize,
    /// By how much the last growth was to change `memory`.
    growth: usize,
    denied: bool,
    said: Vec<u8>,
    random: u64,
}

impl Cell {
    pub(super) fn new(max_memory: u64, max_table: usize) -> Self {
        Self {
            max_memory: usize::try_from(max_memory).unwrap_or(usize::MAX),
            max_table,
            memory: 0,
            table: 0,
            growth: 0,
            denied: false,
            said: Vec::new(),
            random: 0,
        }
    }

    /// Begins a call: what was before it is forgotten.
    pub(super) fn begin(&mut self) {
        self.denied = false;
        self.said.clear();
    }

    /// The memory it has, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Whether it was denied memory since the call began.
    pub(super) fn denied(&self) -> bool {
        self.denied
    }

    /// Keeps the last of what it prints.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let new = bytes.get(bytes.len().saturating_sub(SAID)..).unwrap_or_default();
        let excess = (self.said.len() + new.len()).saturating_sub(SAID);
        self.said.drain(..excess.min(self.said.len()));
        self.said.extend_from_slice(new);
    }

    /// The last of what it printed since the call began.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).trim().to_owned()
    }

    /// The next random number: the same ones for every instance (`SplitMix64` from zero).
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl ResourceLimiter for Cell {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let allowed = self.memory.checked_add(growth).is_some_and(|total| total <= self.max_memory);
        if allowed {
            self.memory += growth;
            self.growth = growth;
        } else {
            self.growth = 0;
            self.denied = true;
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("a stage could not have more memory: {error:#}");
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.growth));
        self.denied = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let allowed = self.table.checked_add(growth).is_some_and(|total| total <= self.max_table);
        if allowed {
            self.table += growth;
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories() {
        let mut cell = Cell::new(100, 10);
        assert!(cell.memory_growing(0, 60, None).unwrap());
        assert!(cell.memory_growing(0, 40, None).unwrap());
        assert!(!cell.denied());
        assert!(!cell.memory_growing(60, 61, None).unwrap());
        assert!(cell.denied());
        cell.begin();
        assert!(!cell.denied());
        assert_eq!(cell.memory(), 100);
    }

    #[test]
    fn growth_that_failed_does_not_count() {
        let mut cell = Cell::new(100, 10);
        assert!(cell.memory_growing(0, 60, None).unwrap());
        cell.memory_grow_failed(wasmtime::Error::msg("no pages")).unwrap();
        assert!(cell.denied());
        assert_eq!(cell.memory(), 0);
    }

    #[test]
    fn tables_are_bounded() {
        let mut cell = Cell::new(100, 10);
        assert!(cell.table_growing(0, 10, None).unwrap());
        assert!(!cell.table_growing(10, 11, None).unwrap());
    }

    #[test]
    fn the_last_of_what_is_said_is_kept() {
        let mut cell = Cell::new(0, 0);
        for _ in 0..10 {
            cell.say(&[b'a'; 500]);
        }
        cell.say(b"end");
        assert_eq!(cell.said().len(), SAID);
        assert!(cell.said().ends_with("aend"));
        cell.say(&[b'b'; 3 * SAID]);
        assert_eq!(cell.said(), "b".repeat(SAID));
    }
}
