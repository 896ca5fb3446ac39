//! `get`, `set`, `delete` and `ttl` on a real server.

use serde_json::{Value, json};

use crate::support::{feed, on};

#[test]
fn a_value_of_json_comes_back_as_it_was() {
    let redis = crate::support::redis();
    let store = &redis.url();
    for (key, value) in
        [("null", "null"), ("number", "-1.5"), ("text", r#""a\nb""#), ("object", r#"{"a":[1,{"b":null}],"c":-1}"#)]
    {
        assert_eq!(on(store, &["set", "c", key, value]).ok(), "");
        assert_eq!(on(store, &["set", "c", key, value, "--json"]).ok(), "{\"stored\":true}\n");
        assert_eq!(on(store, &["get", "c", key]).ok(), format!("{value}\n"));
        let object: Value = serde_json::from_str(&on(store, &["get", "c", key, "--json"]).ok()).unwrap();
        assert_eq!(object, json!({ "found": true, "value": serde_json::from_str::<Value>(value).unwrap(), "due": false }));
    }
}

#[test]
fn json_of_which_a_part_would_be_lost_is_refused() {
    let redis = crate::support::redis();
    let store = &redis.url();
    assert!(on(store, &["set", "c", "k", r#"{"a":1,"a":2}"#]).failed(2).contains("a key twice"));
    assert!(on(store, &["get", "c", "k", "--content", r#"{"a":1,"a":2}"#]).failed(2).contains("a key twice"));
    on(store, &["get", "c", "k"]).failed(1);
}

#[test]
fn what_is_not_there_is_told_by_the_status_alone() {
    let redis = crate::support::redis();
    let store = &redis.url();
    for command in ["get", "ttl", "delete"] {
        assert_eq!(on(store, &[command, "c", "k"]).failed(1), "", "{command}");
    }
    assert_eq!(on(store, &["delete", "c", "--pattern", "*", "--json"]).stdout, "{\"deleted\":0}\n");
    assert_eq!(on(store, &["get", "c", "k", "--json"]).stdout, "{\"found\":false}\n");
}

#[test]
fn bytes_and_text_and_cbor_pass_unchanged() {
    let redis = crate::support::redis();
    let store = &redis.url();
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(feed(store, &["set", "c", "bytes", "--raw"], &bytes).status.success());
    assert_eq!(feed(store, &["get", "c", "bytes", "--raw"], b"").stdout, bytes);
    assert!(on(store, &["get", "c", "bytes"]).ok().starts_with("h'000102"));

    on(store, &["set", "c", "text", "--text", "no \"json\""]).ok();
    assert_eq!(on(store, &["get", "c", "text"]).ok(), "\"no \\\"json\\\"\"\n");
    assert_eq!(on(store, &["get", "c", "text", "--raw"]).ok(), "no \"json\"");

    // {1: 2}, which JSON cannot say.
    let cbor = [0xa1, 0x01, 0x02];
    assert!(feed(store, &["set", "c", "cbor", "--cbor"], &cbor).status.success());
    assert_eq!(feed(store, &["get", "c", "cbor", "--cbor"], b"").stdout, cbor);
    assert_eq!(on(store, &["get", "c", "cbor"]).ok(), "{1: 2}\n");
    assert_eq!(on(store, &["get", "c", "cbor", "--json"]).ok(), "{\"diagnostic\":\"{1: 2}\",\"due\":false,\"found\":true}\n");
    assert!(on(store, &["get", "c", "cbor", "--raw"]).failed(2).contains("leave out --raw"));
}

#[test]
fn values_are_read_from_standard_input() {
    let redis = crate::support::redis();
    let store = &redis.url();
    assert!(feed(store, &["set", "c", "k"], b" {\"from\": \"stdin\"}\n").status.success());
    assert_eq!(on(store, &["get", "c", "k"]).ok(), "{\"from\":\"stdin\"}\n");
}

#[test]
fn content_tells_entries_of_one_key_apart_whatever_its_order() {
    let redis = crate::support::redis();
    let store = &redis.url();
    on(store, &["set", "c", "k", "1", "--content", r#"{"a": 1, "b": 2}"#]).ok();
    on(store, &["set", "c", "k", "2"]).ok();
    assert_eq!(on(store, &["get", "c", "k", "--content", r#"{"b":2,"a":1}"#]).ok(), "1\n");
    assert_eq!(on(store, &["get", "c", "k"]).ok(), "2\n");
    on(store, &["delete", "c", "k", "--content", r#"{"b":2,"a":1}"#]).ok();
    on(store, &["get", "c", "k", "--content", r#"{"a":1,"b":2}"#]).failed(1);
    assert_eq!(on(store, &["get", "c", "k"]).ok(), "2\n");
}

#[test]
fn expiry_is_kept_and_shown() {
    let redis = crate::support::redis();
    let store = &redis.url();
    on(store, &["set", "c", "k", "1", "--expire", "2h"]).ok();
    let left = on(store, &["ttl", "c", "k"]).ok();
    assert!(left.starts_with("1h59m5") || left == "2h\n", "{left}");
    let object: Value = serde_json::from_str(&on(store, &["ttl", "c", "k", "--json"]).ok()).unwrap();
    let millis = object["ttl_ms"].as_u64().unwrap();
    assert!((7_100_000..=7_200_000).contains(&millis), "{object}");

    on(store, &["set", "c", "k", "1"]).ok();
    assert_eq!(on(store, &["ttl", "c", "k"]).ok(), "persistent\n");
    assert_eq!(on(store, &["ttl", "c", "k", "--json"]).ok(), "{\"found\":true,\"ttl_ms\":null}\n");
}

#[test]
fn patterns_delete_within_one_cache_and_prefix() {
    let redis = crate::support::redis();
    let store = &redis.url();
    for (cache, key) in [("c", "apple"), ("c", "avocado"), ("c", "banana"), ("d", "apple")] {
        on(store, &["set", cache, key, "1"]).ok();
    }
    on(store, &["--prefix", "other:", "set", "c", "apple", "2"]).ok();
    assert_eq!(on(store, &["delete", "c", "--pattern", "a*"]).ok(), "2\n");
    on(store, &["get", "c", "apple"]).failed(1);
    assert_eq!(on(store, &["get", "c", "banana"]).ok(), "1\n");
    assert_eq!(on(store, &["get", "d", "apple"]).ok(), "1\n");
    assert_eq!(on(store, &["get", "c", "apple", "--prefix", "other:"]).ok(), "2\n");
}

#[test]
fn stages_are_chosen_by_name_and_an_entry_remembers_its_own() {
    let redis = crate::support::redis();
    let store = &redis.url();
    let document = format!("[{}0]", "\"again and again\",".repeat(200));
    on(store, &["set", "c", "k", &document, "--serializer", "json", "--compressor", "none"]).ok();
    assert_eq!(on(store, &["get", "c", "k", "--serializer", "json", "--compressor", "none"]).ok(), format!("{document}\n"));
    let mismatch = on(store, &["get", "c", "k", "--serializer", "postcard"]).failed(65);
    assert!(mismatch.contains("json") && mismatch.contains("postcard"), "{mismatch}");
    assert!(on(store, &["get", "c", "k", "--serializer", "yaml"]).failed(2).contains("postcard"), "the known names are listed");
}
