//! Entries without an envelope, shared with a Python program that has nothing but its standard library.

use bellwether::cache::{CacheOptions, CachePolicy, EnvelopeChoice, Pins};
use bellwether_tests::Server;

use super::*;

/// What a platform says that shares its caches with others: guests have nothing to say in it.
fn policy() -> CachePolicy {
    let defaults = CacheOptions {
        serializer: "json".into(),
        compressor: "zlib".into(),
        envelope: EnvelopeChoice::None,
        ..CacheOptions::default()
    };
    let pins = Pins { serializer: true, compressor: true, envelope: true, ..Pins::default() };
    CachePolicy { defaults, pins, ..CachePolicy::default() }
}

/// Runs the Python program.
fn python(server: &Server, doing: &str) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest_sdk/plain.py");
    let port = server.port().to_string();
    let output = std::process::Command::new("python3").args([program, &port, doing]).output().expect("python3 is installed");
    assert!(output.status.success(), "{doing}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_what_a_guest_wrote_and_a_guest_what_python_wrote() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap().unwrap();
    let runtime = builder().store(server.url()).cache_policy(policy()).build().await.unwrap();
    let guest = runtime.load(bellwether_tests::component("test-sdk").unwrap()).unwrap();
    let works = async |subject| {
        let ran = run(&guest, [subject], GuestRun::default()).await;
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{subject}");
    };
    works("writing for others").await;
    python(&server, "check");
    python(&server, "write");
    works("reading of others").await;
}
