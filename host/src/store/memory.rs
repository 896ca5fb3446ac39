//! An embedded store, in this process.
