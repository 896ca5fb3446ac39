#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn refusal(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn the_sample_can_be_read() {
    Config::parse(Config::sample()).unwrap();
}

#[test]
fn the_sample_says_what_the_defaults_are() {
    let sample: toml::Table = Config::sample().parse().unwrap();
    let mut trimmed = sample.clone();
    // What is there as an example only.
    trimmed.remove("stage");
    let remove = |table: &mut toml::Table, section: &str, fields: &[&str]| {
        let section = table.get_mut(section).unwrap().as_table_mut().unwrap();
        for field in fields {
            assert!(section.remove(*field).is_some(), "{field}");
        }
    };
    remove(&mut trimmed, "store", &["holder"]);
    let cache = ["herd", "expire", "stale_if_error", "failures", "identity", "serializer", "compressor", "near", "in_metrics"];
    remove(&mut trimmed, "cache", &cache);
    remove(&mut trimmed, "guest", &["locks", "lock_classes", "caches", "deadline", "directory"]);
    remove(&mut trimmed, "code", &["directory"]);
    let written = Config::parse(&trimmed.to_string()).unwrap();
    let default = Config::parse("version = 1").unwrap();
    assert_eq!(format!("{:?}", written.runtime), format!("{:?}", default.runtime));
}

#[test]
fn a_quorum_is_a_word_or_a_number() {
    let built =
        |quorum: &str| format!("{:?}", Config::parse(&format!("version = 1\n[lock]\nquorum = {quorum}")).unwrap().runtime);
    for (written, meant) in [("\"all\"", "quorum: All"), ("{ at-least = 2 }", "quorum: AtLeast(2)")] {
        assert!(built(written).contains(meant), "{}", built(written));
    }
    for wrong in ["\"most\"", "{ at-least = 0 }", "2"] {
        let text = refusal(&format!("version = 1\n[lock]\nquorum = {wrong}"));
        assert!(text.contains("line 3"), "{text}");
    }
}

#[test]
fn the_version_comes_first() {
    assert!(refusal("").contains("begin it with `version = 1`"));
    let text = refusal("version = 2\nfuture = true");
    assert!(text.contains("has version 2") && text.contains("reads version 1"), "{text}");
}

#[test]
fn mistakes_are_told_with_their_line_and_what_to_do() {
    let text = refusal("version = 1\n\n[store]\n  urk = \"memory:\"");
    assert!(text.contains("the configuration: line 4, column 3: unknown field `urk`") && text.contains("`url`"), "{text}");
    let text = refusal("version = 1\n[cache]\nexpire = 30");
    assert!(text.contains("line 3") && text.contains("\"30s\""), "{text}");
    let text = refusal("version = 1\n[guest]\nmemory = \"1 GB\"");
    assert!(text.contains("line 3") && text.contains("\"1GiB\""), "{text}");
    let text = refusal("version = 1\n[guest]\nmemory = -1");
    assert!(text.contains("line 3") && text.contains("-1"), "{text}");
    let text = refusal("version = 1\n[cache]\npin = [\"colour\"]");
    assert!(text.contains("line 3") && text.contains("compressor"), "{text}");
    assert!(refusal("version = 1\n[store]\nurl = \"memory:\"\nurl_env = \"X\"").contains("keep one of them"));
    assert!(refusal("version = 1\n[store]\nholder = \"a b\"").contains("without spaces"));
    assert!(refusal("version = 1\n[guest]\nlocks = [\"[a\"]").contains("close it"));
    assert!(refusal("version = 1\n[[stage]]\nname = \"a\"\nfile = \"a.wasm\"\ninstances = 0").contains("at least 1"));
}

#[test]
fn what_needs_an_envelope_is_refused_without() {
    for needing in [
        "herd = { timeout = \"1m\", extend_timeout = \"1s\" }",
        "refresh_ahead = 1",
        "stale_if_error = \"1s\"",
        "failures = \"1s\"",
    ] {
        let text = refusal(&format!("version = 1\n[cache]\nenvelope = \"none\"\n{needing}"));
        let field = needing.split(' ').next().unwrap();
        assert!(
            text.contains(&format!("`cache.{field}` needs the envelope")) && text.contains("leave one of the two out"),
            "{text}"
        );
    }
    Config::parse("version = 1\n[cache]\nenvelope = \"none\"\nrefresh_ahead = 0\njitter = 9").unwrap();
}

#[test]
fn a_missing_variable_of_the_environment_is_named() {
    let config = || Config::parse("version = 1\n[store]\nurl_env = \"BELLWETHER_TEST_IS_NOT_SET\"").unwrap();
    assert_eq!(config().with_store("redis://elsewhere").into_builder().unwrap().store_url(), "redis://elsewhere");
    let text = config().into_builder().unwrap_err().to_string();
    assert!(text.contains("BELLWETHER_TEST_IS_NOT_SET") && text.contains("set it"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let text = Config::load("no/such/bellwether.toml").unwrap_err().to_string();
    assert!(text.contains("no/such/bellwether.toml") && text.contains("cannot be read"), "{text}");
}
