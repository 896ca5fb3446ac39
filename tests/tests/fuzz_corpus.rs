//! What `cargo xtask fuzz` tries with bytes that it makes up, tried with those in `fuzz/corpus`, and with some that are cut off or have
//! a bit changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the file is shared with a crate")]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

#[test]
fn the_corpus_holds() {
    for (name, target) in targets::ALL {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut tried = 0;
        for entry in fs::read_dir(&directory).unwrap_or_else(|why| panic!("{}: {why}", directory.display())) {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            target(&bytes);
            for at in 0..bytes.len().min(200) {
                target(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                target(&changed);
            }
            tried += 1;
        }
        assert!(tried > 0, "there is no corpus for {name}");
    }
}
