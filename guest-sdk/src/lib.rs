//! Locks and caches for WebAssembly guests of a bellwether host.
