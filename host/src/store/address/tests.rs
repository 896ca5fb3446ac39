#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;

fn redis(text: &str) -> RedisAddress {
    match Address::parse(text).unwrap() {
        Address::Redis(address) => *address,
        Address::Memory => panic!("{text} is in memory"),
    }
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.into(), port }
}

#[test]
fn all_parts_are_found_and_decoded() {
    let address = redis("redis://us%40er:p%3Aa%2F%40s@cache.example:7000/3");
    assert_eq!(address.endpoints, [endpoint("cache.example", 7000)]);
    assert_eq!(address.login, Login { user: Some("us@er".into()), password: Some("p:a/@s".into()) });
    assert_eq!((address.database, address.topology, address.tls), (3, Topology::Server, None));
    assert_eq!(redis("redis://:secret@[::1]").login.user, None);
    assert_eq!(redis("redis://[::1]:7").endpoints, [endpoint("::1", 7)]);
    assert_eq!(Address::parse("memory:").unwrap(), Address::Memory);
}

#[test]
fn several_hosts_have_default_ports() {
    let address = redis("redis+sentinel://u:p@a,b:1,c/main/2?sentinel_password=x%26y");
    assert_eq!(address.endpoints, [endpoint("a", 26379), endpoint("b", 1), endpoint("c", 26379)]);
    let login = Login { user: None, password: Some("x&y".into()) };
    assert_eq!((address.topology, address.database), (Topology::Sentinel { service: "main".into(), login }, 2));
    let address = redis("rediss+cluster://a,b?ca=/etc/my%20ca.pem&cert=c&key=k");
    assert_eq!(address.endpoints, [endpoint("a", 6379), endpoint("b", 6379)]);
    let client = Some(("c".into(), "k".into()));
    assert_eq!(address.tls, Some(Tls { roots: Some("/etc/my ca.pem".into()), client }));
}

#[test]
fn an_address_is_shown_without_its_password() {
    for (text, shown) in [
        ("redis://user:secret@h", "redis://user@h:6379"),
        ("redis://:secret@h/1", "redis://h:6379/1"),
        ("rediss+sentinel://user:secret@a,b/main?sentinel_password=secret", "rediss+sentinel://user@a:26379,b:26379/main"),
        ("redis+cluster://:secret@a,b", "redis+cluster://a:6379,b:6379"),
    ] {
        assert_eq!(redis(text).to_string(), shown);
        assert!(!format!("{:?}", redis(text)).contains("secret"));
    }
}

#[test]
fn mistakes_are_named_without_secrets() {
    for (text, part) in [
        ("localhost", "no scheme"),
        ("http://:secret@localhost", "known are memory:, redis://"),
        ("redis+ring://a", "known are"),
        ("redis:localhost", "no `//`"),
        ("redis://", "names no host"),
        ("redis://secret@host", "user but no password"),
        ("redis://:secret@host:0", "the port"),
        ("redis://:secret@host:70000", "the port"),
        ("redis://fe80::1", "brackets"),
        ("redis://host/first", "the database"),
        ("redis://host/1/2", "after the database"),
        ("redis://a,b", "several hosts"),
        ("redis+sentinel://a,b", "names no service"),
        ("redis+cluster://a/1", "one database"),
        ("redis://:sec#ret@host", "%23"),
        ("redis://u:sec?ret@host", "%3F"),
        ("redis://u:secret/9@host", "%2F"),
        ("redis+sentinel://h/s?sentinel_password=sec@ret", "%40"),
        ("redis://host#1", "%23"),
        ("redis://host?ca=x", "not encrypted"),
        ("rediss://host?cert=x", "both files"),
        ("redis://host?timeout=1", "unknown or repeated"),
        ("redis://:%ff@host", "not UTF-8"),
        ("memory:big", "after `memory:`"),
    ] {
        let error = Address::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(!error.contains("sec") && !error.contains("ret"), "{text}: {error}");
    }
}
