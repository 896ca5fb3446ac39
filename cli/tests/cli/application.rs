//! The example application with all three component stages, as `cargo xtask demo` runs it, on every kind of store.

use std::path::Path;
use std::process::Command;

use bellwether_tests::{Cluster, component};
use serde_json::Value;

use crate::support::{Ended, on, redis};

/// What cargo knows of this workspace, in a directory for the guest to find.
fn documents() -> tempfile::TempDir {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]));
    // What other platforms need has not been downloaded.
    let cargo = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host.trim(), "--manifest-path"])
            .arg(manifest),
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("metadata.json"), cargo).unwrap();
    directory
}

fn output(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// Runs the application in a process of its own.
fn examine(store: &str, documents: &Path, flags: &[&str]) -> Ended {
    let file = |package| component(package).unwrap().to_str().unwrap().to_owned();
    let [app, serializer, compressor, identity] =
        ["example-licences", "example-msgpack", "example-lz4", "example-tenant"].map(file);
    let directory = format!("{}::/documents", documents.display());
    let stages = ["--serializer", &serializer, "--compressor", &compressor, "--identity", &identity];
    let command = [&["run", &app, "--dir", &directory], &stages as &[&str], flags, &["--", "--json", "/documents/metadata.json"]];
    on(store, &command.concat())
}

fn report(line: &str) -> (u64, u64, u64) {
    let report: Value = serde_json::from_str(line).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap();
    (number("packages"), number("computed"), number("cached"))
}

#[track_caller]
fn second_process_computes_nothing(store: &str) {
    let documents = documents();
    let (packages, computed, cached) = report(&examine(store, documents.path(), &[]).ok());
    assert!(packages > 50, "{packages}");
    assert_eq!((computed, cached), (packages, 0));
    let (packages, computed, cached) = report(&examine(store, documents.path(), &[]).ok());
    assert_eq!((computed, cached), (0, packages));
}

#[test]
fn two_processes_share_a_cache_on_a_server() {
    second_process_computes_nothing(&redis().url());
}

#[test]
fn two_processes_share_a_cache_on_a_cluster() {
    second_process_computes_nothing(&Cluster::start().unwrap().url());
}

#[test]
fn two_runs_share_a_cache_in_memory() {
    let documents = documents();
    let ended = examine("memory:", documents.path(), &["--repeat", "2"]);
    let reports: Vec<_> = ended.stdout.lines().map(report).collect();
    let [(packages, cold, 0), (_, 0, warm)] = reports[..] else { panic!("{ended:?}") };
    assert_eq!((cold, warm), (packages, packages));
}
