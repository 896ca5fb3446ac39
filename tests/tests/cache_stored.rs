//! What caches leave on a Redis server, and what they make of what others left there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use anyhow::Result;
use bellwether::cache::CacheOptions;
use bellwether::envelope::{Envelope, HEADER, MAGIC, StageId};
use bellwether::error::{Corrupt, Error, Invalid, StageKind};
use bellwether::store::{self, StoreOptions};
use bellwether::{Cache, Caches};
use bellwether_tests::Server;
use bytes::Bytes;
use redis::Commands;

const KEY: &str = "cache:pages:a";

/// A server, another client of it, and a cache there.
async fn set_up() -> Result<(Server, redis::Connection, Cache)> {
    let (server, connection) = tokio::task::spawn_blocking(|| {
        let server = Server::start()?;
        let connection = server.connection()?;
        anyhow::Ok((server, connection))
    })
    .await??;
    let caches = Caches::new(store::open(&server.url(), &StoreOptions::default()).await?);
    let options = CacheOptions { compressor: "none".into(), ..CacheOptions::default() };
    Ok((server, connection, caches.open("pages", Some(options))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn others_can_read_what_is_stored() -> Result<()> {
    let (_server, mut other, cache) = set_up().await?;
    cache.set("a", "text", Some(std::time::Duration::from_mins(1))).await?;
    let stored: Vec<u8> = other.get(KEY)?;
    assert_eq!(&stored[..4], &MAGIC);
    assert_eq!(stored[4], 1);
    assert_eq!(&stored[HEADER..], b"\x64text");
    let left: i64 = other.pttl(KEY)?;
    assert!((30_000..=60_000).contains(&left), "{left}");
    cache.set("user:42 {x}", &1, None).await?;
    assert!(other.exists::<_, bool>("cache:pages:user%3A42 %7Bx%7D")?);
    assert_eq!(other.pttl::<_, i64>("cache:pages:user%3A42 %7Bx%7D")?, -1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_why_and_can_be_replaced() -> Result<()> {
    let (_server, mut other, cache) = set_up().await?;
    cache.set("a", "text", None).await?;
    let whole: Vec<u8> = other.get(KEY)?;
    let mut plant = async |bytes: &[u8]| {
        other.set::<_, _, ()>(KEY, bytes)?;
        let one = cache.get::<String>("a").await.unwrap_err();
        let many = cache.get_many::<String, _>(["none", "a"]).await.unwrap_err();
        assert_eq!(one, many);
        assert!(one.to_string().contains(KEY), "{one}");
        match one {
            Error::Corrupt(why) => anyhow::Ok(why),
            other => panic!("{other:?}"),
        }
    };
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    for foreign in [&b""[..], b"plain", b"\x80\x04\x95 a pickle, and long enough for a header of any version"] {
        assert!(matches!(plant(foreign).await?, Corrupt::Foreign { .. }));
    }
    for size in [5, HEADER - 1, HEADER, whole.len() - 1] {
        assert!(matches!(plant(&whole[..size]).await?, Corrupt::Length { .. }), "{size}");
    }
    assert!(matches!(plant(&[&whole[..], b"more"].concat()).await?, Corrupt::Length { .. }));
    assert!(matches!(plant(&changed(4)).await?, Corrupt::Version { version: 0x41, newest: 3, .. }));
    assert!(matches!(plant(&changed(5)).await?, Corrupt::Flags { flags: 0x40, .. }));
    for damaged in [6, 14, 34, HEADER, whole.len() - 1] {
        assert!(matches!(plant(&changed(damaged)).await?, Corrupt::Checksum { .. }), "{damaged}");
    }
    let (envelope, payload) = Envelope::open(KEY, Bytes::from(whole.clone()))?;
    let unknown = Envelope { serializer: StageId::named("unknown"), ..envelope }.seal(&payload)?;
    assert!(matches!(plant(&unknown).await?, Corrupt::OtherStage { kind: StageKind::Serializer, .. }));
    // None of this is in the way of another value, or of the key being deleted.
    cache.set("a", "new", None).await?;
    assert_eq!(cache.get::<String>("a").await?.as_deref(), Some("new"));
    other.set::<_, _, ()>(KEY, "plain")?;
    assert!(cache.exists("a").await? && cache.delete("a").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_kind_is_not_a_damaged_entry() -> Result<()> {
    let (_server, mut other, cache) = set_up().await?;
    other.rpush::<_, _, ()>(KEY, "a list")?;
    let error = cache.get::<String>("a").await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == KEY), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_leave_alone_what_is_no_entry_of_the_cache() -> Result<()> {
    let (_server, mut other, cache) = set_up().await?;
    let neighbours = ["a", "cache:", "cache:pages", "cache:page:a", "cache:pages2:a", "xcache:pages:a", "lock", "cache:page*:a"];
    for key in neighbours {
        other.set::<_, _, ()>(key, "theirs")?;
    }
    other.set::<_, _, ()>(b"cache:pages:\xff\xfe", "not UTF-8")?;
    cache.set_many([("a", 1), ("b", 2)], None).await?;
    assert_eq!(cache.delete_pattern("*").await?, 2);
    for key in neighbours {
        assert_eq!(other.get::<_, String>(key)?, "theirs");
    }
    assert_eq!(other.get::<_, String>(b"cache:pages:\xff\xfe")?, "not UTF-8");
    Ok(())
}
