//! `cache keys`, `stats`, `invalidate` and `clear` on real servers.

use std::time::Duration;

use bellwether::cache::{Caches, Found};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::{Cluster, component};
use serde_json::{Value, json};

use crate::support::{Ended, feed, on, redis};

fn parsed(ended: Ended) -> Value {
    serde_json::from_str(&ended.ok()).unwrap()
}

#[test]
fn entries_are_listed_and_counted_with_who_wrote_them() {
    let redis = redis();
    let store = &redis.url();
    on(store, &["cache", "set", "c", "apple", "1", "--expire", "1h"]).ok();
    on(store, &["cache", "set", "c", "odd\n*", "{\"a\": \"b\"}", "--serializer", "json", "--compressor", "none"]).ok();
    on(store, &["cache", "set", "c", "apple", "2", "--content", "{\"a\": 1}"]).ok();
    on(store, &["cache", "set", "d", "other", "3"]).ok();
    redis.command::<()>(&["SET", "cache:c:foreign", "\"JSON\""]).unwrap();
    redis.command::<()>(&["LPUSH", "cache:c:list", "x"]).unwrap();

    assert_eq!(on(store, &["cache", "keys", "c"]).ok(), "apple\nforeign\nodd\\n*\n");
    assert_eq!(on(store, &["cache", "keys", "c", "--pattern", "a*"]).ok(), "apple\n");
    let long = on(store, &["cache", "keys", "c", "--long"]).ok();
    assert!(long.starts_with("KEY") && long.contains("persistent") && long.contains("(no envelope)"), "{long}");

    let listed = parsed(on(store, &["cache", "keys", "c", "--json"]));
    let entries = listed["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &listed["more"]), (4, &json!(false)));
    let odd = entries.iter().find(|entry| entry["key"] == "odd\n*").unwrap();
    assert_eq!((&odd["serializer"], &odd["compressor"], &odd["ttl_ms"]), (&json!("json"), &json!("none"), &json!(null)));
    assert_eq!(odd["stored_key"], "cache:c:odd%0A*");
    let ttl = entries[0]["ttl_ms"].as_u64().unwrap();
    assert!((3_500_000..=3_600_000).contains(&ttl), "{ttl}");
    assert_eq!(entries.iter().filter(|entry| entry["content"].is_string()).count(), 1);

    let stats = parsed(on(store, &["cache", "stats", "c", "--json"]));
    assert_eq!((&stats["entries"], &stats["looked_at"], &stats["expiring"]), (&json!(4), &json!(4), &json!(1)));
    assert_eq!((&stats["serializers"], &stats["bare"]), (&json!({ "cbor": 2, "json": 1 }), &json!(1)));
    let human = on(store, &["cache", "stats", "c"]).ok();
    assert!(human.contains("serializer cbor      2\n") && !human.contains('~'), "{human}");
    assert_eq!(parsed(on(store, &["cache", "stats", "none", "--json"]))["entries"], json!(0));
}

#[test]
fn what_has_no_value_is_told_apart() {
    let redis = redis();
    let store = &redis.url();
    on(store, &["set", "c", "value", "1"]).ok();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _computing = runtime.block_on(async {
        let caches = Caches::new(store::open(store, &StoreOptions::default()).await.unwrap());
        let cache = caches.open("c", None).unwrap();
        let lookup = async |key| match cache.lookup::<u8>(key, Duration::ZERO).await.unwrap() {
            Found::Vacant(vacancy) => vacancy,
            found => panic!("{found:?}"),
        };
        assert!(lookup("failed").await.fail("no", Duration::from_mins(10)).await.unwrap());
        lookup("computing").await
    });
    assert_eq!(on(store, &["cache", "keys", "c"]).ok(), "value\n");
    let long = on(store, &["cache", "keys", "c", "--long"]).ok();
    let said = |key: &str, what| long.lines().any(|line| line.starts_with(key) && line.contains(what));
    assert!(said("computing", "(being computed)") && said("failed", "(failure)") && said("value", "cbor"), "{long}");
    let listed = parsed(on(store, &["cache", "keys", "c", "--json"]));
    let of = |part: &str| listed["entries"].as_array().unwrap().iter().map(|entry| entry[part].clone()).collect::<Vec<_>>();
    assert_eq!(of("key"), ["computing", "failed", "value"]);
    assert_eq!(
        (of("vacant"), of("failed")),
        (vec![json!(true), json!(false), json!(null)], vec![json!(false), json!(true), json!(null)])
    );

    let human = on(store, &["cache", "stats", "c"]).ok();
    let human: Vec<_> = human.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["entries 1", "being computed 1", "failures 1"] {
        assert!(human.iter().any(|said| said == line), "{line}: {human:?}");
    }
    let stats = parsed(on(store, &["cache", "stats", "c", "--json"]));
    assert_eq!([&stats["entries"], &stats["looked_at"], &stats["vacant"], &stats["failed"]], [1; 4]);
    assert_eq!(parsed(on(store, &["cache", "stats", "c", "--sample", "0", "--json"]))["entries"], 3);
}

#[test]
fn what_is_there_no_more_is_counted() {
    let redis = redis();
    let store = &redis.url();
    for key in ["apple", "avocado", "banana"] {
        on(store, &["set", "c", key, "1"]).ok();
    }
    on(store, &["set", "d", "apple", "1"]).ok();
    assert_eq!(on(store, &["cache", "invalidate", "c", "--pattern", "a*"]).ok(), "2\n");
    assert_eq!(on(store, &["cache", "invalidate", "c", "--pattern", "a*", "--json"]).stdout, "{\"deleted\":0}\n");
    assert!(on(store, &["cache", "invalidate", "c"]).failed(2).contains("--pattern"));
    assert!(on(store, &["cache", "clear", "c"]).failed(2).contains("--yes"));
    assert_eq!(on(store, &["cache", "clear", "c", "--yes"]).ok(), "1\n");
    assert_eq!(on(store, &["cache", "clear", "c", "--yes"]).status, 1);
    assert_eq!(on(store, &["get", "d", "apple"]).ok(), "1\n");
}

#[test]
fn entries_are_invalidated_by_their_tag() {
    let redis = redis();
    let store = &redis.url();
    on(store, &["cache", "set", "c", "apple", "1", "--tag", "fruit", "--tag", "supplier:7"]).ok();
    on(store, &["set", "c", "carrot", "2", "--tag", "supplier:7"]).ok();
    on(store, &["set", "c", "salt", "3"]).ok();
    let listed = parsed(on(store, &["cache", "keys", "c", "--json"]));
    let tags: Vec<_> = listed["entries"].as_array().unwrap().iter().map(|entry| entry["tags"].clone()).collect();
    assert_eq!(tags, [json!(["fruit", "supplier:7"]), json!(["supplier:7"]), json!([])]);
    assert_eq!(on(store, &["cache", "invalidate", "c", "--tag", "fruit"]).ok(), "");
    assert_eq!(on(store, &["cache", "invalidate", "c", "--tag", "fruit"]).status, 1);
    assert_eq!(on(store, &["get", "c", "apple"]).status, 1);
    assert_eq!(on(store, &["ttl", "c", "apple"]).status, 1);
    assert_eq!(on(store, &["cache", "invalidate", "c", "--tag", "supplier:7", "--json"]).ok(), "{\"invalidated\":true}\n");
    let again = on(store, &["cache", "invalidate", "c", "--tag", "supplier:7", "--json"]);
    assert_eq!((again.stdout.as_str(), again.status), ("{\"invalidated\":false}\n", 1));
    assert_eq!(on(store, &["get", "c", "carrot"]).status, 1);
    assert_eq!(on(store, &["get", "c", "salt"]).ok(), "3\n");

    assert!(on(store, &["cache", "invalidate", "c"]).failed(2).contains("--tag"));
    on(store, &["cache", "invalidate", "c", "--tag", "a", "--pattern", "a"]).failed(2);
    assert!(on(store, &["set", "c", "k", "1", "--tag", ""]).failed(2).contains("the tag is empty"));
    assert!(on(store, &["cache", "invalidate", "c", "--tag", &"x".repeat(129)]).failed(73).contains("129 bytes"));
    assert!(on(store, &["set", "c", "k", "1", "--tag", "a", "--envelope", "none"]).failed(2).contains("envelope"));
}

#[test]
fn every_node_of_a_cluster_is_looked_at() {
    let cluster = Cluster::start().unwrap();
    let store = &cluster.url();
    for n in 0..12 {
        on(store, &["set", "c", &format!("key {n}"), "1"]).ok();
    }
    let listed = parsed(on(store, &["cache", "keys", "c", "--json", "--limit", "20"]));
    assert_eq!(listed["entries"].as_array().unwrap().len(), 12);
    let few = on(store, &["cache", "keys", "c", "--limit", "3"]);
    assert_eq!((few.stdout.lines().count(), few.status), (3, 0));
    assert!(few.stderr.contains("more than 3"), "{few:?}");
    assert_eq!(parsed(on(store, &["cache", "stats", "c", "--json"]))["looked_at"], json!(12));
    assert_eq!(on(store, &["cache", "clear", "c", "--yes"]).ok(), "12\n");
}

#[test]
fn what_a_custom_serializer_wrote_is_read_through_it() {
    let redis = redis();
    let store = &redis.url();
    let msgpack = component::component("example-msgpack").unwrap();
    let serializer = ["--serializer", msgpack.to_str().unwrap()];
    on(store, &[&["cache", "set", "c", "k", "{\"a\":[1,null]}"], &serializer[..]].concat()).ok();
    assert_eq!(on(store, &[&["cache", "get", "c", "k"], &serializer[..]].concat()).ok(), "{\"a\":[1,null]}\n");
    let name = msgpack.file_stem().unwrap().to_str().unwrap();
    assert!(on(store, &["cache", "get", "c", "k"]).failed(65).contains("not registered here"));
    let stats = on(store, &[&["cache", "stats", "c", "--json"], &serializer[..]].concat());
    assert_eq!(parsed(stats)["serializers"], json!({ name: 1 }));
    assert_eq!(parsed(on(store, &["cache", "stats", "c", "--json"]))["serializers"], json!({ "unknown": 1 }));
}

#[test]
fn bare_values_and_large_ones_pass() {
    let redis = redis();
    let store = &redis.url();
    let bare = ["--envelope", "none", "--serializer", "json", "--compressor", "none"];
    on(store, &[&["cache", "set", "c", "k", "{\"a\":1}"], &bare[..]].concat()).ok();
    assert_eq!(redis.command::<String>(&["GET", "cache:c:k"]).unwrap(), "{\"a\":1}");
    redis.command::<()>(&["SET", "cache:c:k", " [2] "]).unwrap();
    assert_eq!(on(store, &[&["cache", "get", "c", "k"], &bare[..]].concat()).ok(), "[2]\n");
    assert!(on(store, &["cache", "get", "c", "k"]).failed(65).contains("not written by bellwether"));

    let large = vec![7; 10 << 20];
    assert!(feed(store, &["cache", "set", "c", "large", "--raw"], &large).status.success());
    assert_eq!(feed(store, &["cache", "get", "c", "large", "--raw"], b"").stdout, large);
    assert_eq!(feed(store, &["cache", "set", "c", "larger", "--raw"], &vec![7; 17 << 20]).status.code(), Some(73));
}
