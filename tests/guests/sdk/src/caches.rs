//! Caches.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_guest::{Cache, CacheOptions, ComputeError, Error, Found, Result, StageChoice, Ttl, cbor, join_all, join_at_most};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Forecast {
    city: String,
    degrees: Vec<f32>,
    warning: Option<String>,
}

fn forecast(city: &str) -> Forecast {
    Forecast { city: city.to_owned(), degrees: vec![-1.5, 0.0, 21.25], warning: None }
}

pub(crate) async fn values() -> Result<()> {
    let cache = Cache::open("values")?;
    assert_eq!(cache.name(), "values");
    assert_eq!(cache.get::<Forecast>("oslo").await?, None);
    cache.set("oslo", &forecast("Oslo")).await?;
    assert_eq!(cache.get("oslo").await?, Some(forecast("Oslo")));

    // Nothing is a value too.
    cache.set("nothing", &None::<Forecast>).await?;
    assert_eq!(cache.get::<Option<Forecast>>("nothing").await?, Some(None));

    cache.set_many([("quito", forecast("Quito")), ("athens", forecast("Athens"))]).await?;
    let found = cache.get_many::<Forecast>(["athens", "nowhere", "oslo", "quito"]).await?;
    assert_eq!(found, [Some(forecast("Athens")), None, Some(forecast("Oslo")), Some(forecast("Quito"))]);
    assert_eq!(cache.get_many::<Forecast>([] as [&str; 0]).await?, []);
    Ok(())
}

pub(crate) async fn content() -> Result<()> {
    let cache = Cache::open("content")?;
    cache.set("page", "plain").await?;
    let second = cache.with_content(&("norwegian", 2))?;
    assert_eq!(second.get::<String>("page").await?, None);
    second.set("page", "second").await?;
    assert_eq!(second.get::<String>("page").await?.as_deref(), Some("second"));
    assert_eq!(cache.get::<String>("page").await?.as_deref(), Some("plain"));

    // The order of a map makes no other content.
    let ordered = cache.with_content(&BTreeMap::from([("a", 1), ("b", 2)]))?;
    ordered.set("map", "found").await?;
    let backwards = cbor::Value::Map(vec![("b".into(), 2.into()), ("a".into(), 1.into())]);
    assert_eq!(cache.with_content(&backwards)?.get::<String>("map").await?.as_deref(), Some("found"));
    Ok(())
}

pub(crate) async fn raw() -> Result<()> {
    let bare = CacheOptions::default().serializer(StageChoice::None).compressor(StageChoice::None);
    let bare = Cache::open_with("bare", bare)?;
    bare.set_bytes("logo", &[0, 159, 146, 150], None).await?;
    assert_eq!(bare.get_bytes("logo").await?, Some(vec![0, 159, 146, 150]));
    assert!(matches!(bare.set("logo", "not bytes").await, Err(Error::Invalid(_))));

    let cache = Cache::open("raw")?;
    cache.set_cbor("answer", vec![0x18, 42], None).await?;
    assert_eq!(cache.get_cbor("answer").await?, Some(vec![0x18, 42]));
    assert_eq!(cache.get::<u8>("answer").await?, Some(42));
    assert!(matches!(cache.set_cbor("answer", vec![0x18], None).await, Err(Error::Invalid(_))));
    Ok(())
}

pub(crate) async fn lifetimes() -> Result<()> {
    let cache = Cache::open_with("lifetimes", CacheOptions::default().expire(Duration::from_hours(1)))?;
    let lives = async |key: &str, most: Duration| {
        let ttl = cache.ttl(key).await?;
        assert!(matches!(ttl, Ttl::Remaining(time) if time <= most && time > most / 2), "{key}: {ttl:?}");
        Ok::<_, Error>(())
    };
    cache.set("hour", &1).await?;
    lives("hour", Duration::from_hours(1)).await?;
    cache.set_for("minute", &1, Duration::from_mins(1)).await?;
    lives("minute", Duration::from_mins(1)).await?;
    cache.set_many_for([("minutes", 1)], Duration::from_mins(2)).await?;
    lives("minutes", Duration::from_mins(2)).await?;
    cache.set_bytes("bytes", b"1", Some(Duration::from_mins(3))).await?;
    lives("bytes", Duration::from_mins(3)).await?;
    assert_eq!(cache.ttl("never set").await?, Ttl::Absent);

    let forever = Cache::open_with("forever", CacheOptions::default())?;
    forever.set("entry", &1).await?;
    assert_eq!(forever.ttl("entry").await?, Ttl::Persistent);
    Ok(())
}

pub(crate) async fn deletes() -> Result<()> {
    let cache = Cache::open("deletes")?;
    cache.set_many(["a", "b", "c", "d1", "d2", "e"].map(|key| (key, 1))).await?;
    assert!(cache.exists("a").await?);
    assert!(cache.delete("a").await?);
    assert!(!cache.exists("a").await?);
    assert!(!cache.delete("a").await?);
    assert_eq!(cache.delete_many(["a", "b", "c"]).await?, 2);
    assert_eq!(cache.delete_pattern("d*").await?, 2);
    assert!(cache.exists("e").await?);
    cache.with_content(&1)?.set("e", &1).await?;
    let other = Cache::open("deletes not")?;
    other.set("e", &1).await?;
    assert_eq!(cache.clear().await?, 2);
    assert_eq!(cache.clear().await?, 0);
    assert!(!cache.exists("e").await? && other.exists("e").await?);
    Ok(())
}

pub(crate) async fn mistakes() -> Result<()> {
    let cache = Cache::open("mistakes")?;
    cache.set("text", "text").await?;
    let error = cache.get::<u64>("text").await.unwrap_err();
    assert!(matches!(error, Error::Decode { type_name: "u64", .. }), "{error}");
    assert!(matches!(cache.get::<String>("").await, Err(Error::Invalid(_))));
    assert!(matches!(cache.set("large", &cbor::Value::Bytes(vec![0; 17 << 20])).await, Err(Error::Limit(_))));
    assert!(matches!(cache.delete_pattern("[a").await, Err(Error::Invalid(_))));
    assert!(matches!(Cache::open(""), Err(Error::Invalid(_))));
    let unknown = Cache::open_with("mistakes", CacheOptions::default().serializer("nobody"));
    assert!(matches!(unknown, Err(Error::Invalid(text)) if text.contains("nobody")));
    Ok(())
}

pub(crate) async fn computing() -> Result<()> {
    let cache = Cache::open("computing")?;
    let failed = cache.get_or_try_insert_with("oslo", async || Err::<Forecast, _>("no connection")).await;
    assert_eq!(failed, Err(ComputeError::Compute("no connection")));
    let computed = std::cell::Cell::new(0);
    let compute = async || {
        computed.set(computed.get() + 1);
        Ok::<_, Error>(forecast("Oslo"))
    };
    for found in join_all((0..10).map(|_| cache.get_or_try_insert_with("oslo", &compute))).await {
        assert_eq!(found, Ok(forecast("Oslo")));
    }
    assert_eq!(computed.get(), 1);
    assert!(matches!(cache.lookup::<Forecast>("oslo", Duration::ZERO).await?, Found::Hit(found) if found == forecast("Oslo")));
    let Found::Vacant(vacancy) = cache.lookup::<Forecast>("quito", Duration::ZERO).await? else { panic!("nobody computes") };
    assert!(matches!(cache.lookup::<Forecast>("quito", Duration::from_millis(5)).await?, Found::Busy));
    assert!(vacancy.fill(&forecast("Quito"), Some(Duration::from_mins(1))).await?);
    assert_eq!(cache.get("quito").await?, Some(forecast("Quito")));
    let Found::Vacant(vacancy) = cache.lookup::<Forecast>("athens", Duration::ZERO).await? else { panic!("nobody computes") };
    assert!(vacancy.fail("no connection", Duration::from_mins(1)).await?);
    let failed = cache.get_or_try_insert_with("athens", async || Ok::<_, Error>(forecast("Athens"))).await;
    assert_eq!(failed, Err(ComputeError::Failed("no connection".into())));
    assert!(!cache.exists("athens").await?);
    Ok(())
}

pub(crate) async fn tags() -> Result<()> {
    let cache = Cache::open("tags")?;
    let tagged = cache.with_tags(["country:no", "north"]);
    tagged.set("oslo", &forecast("Oslo")).await?;
    tagged.set_for("bergen", &forecast("Bergen"), Duration::from_mins(1)).await?;
    tagged.set_many([("tromsø", forecast("Tromsø"))]).await?;
    tagged.set_bytes("logo", b"1", None).await?;
    tagged.with_content(&1)?.set("oslo", &forecast("Oslo 1")).await?;
    cache.set("quito", &forecast("Quito")).await?;
    assert!(cache.invalidate_tag("north").await?);
    assert!(!cache.invalidate_tag("north").await?);
    let found = cache.get_many::<Forecast>(["oslo", "bergen", "tromsø", "quito"]).await?;
    assert_eq!(found, [None, None, None, Some(forecast("Quito"))]);
    assert!(!cache.with_content(&1)?.exists("oslo").await? && !cache.exists("logo").await?);

    // A value that was computed before an invalidation is for who computed it, and for nobody else.
    let void = tagged.get_or_try_insert_with("oslo", async || {
        cache.invalidate_tag("country:no").await?;
        Ok::<_, Error>(forecast("Oslo"))
    });
    assert_eq!(void.await, Ok(forecast("Oslo")));
    assert!(!cache.exists("oslo").await?);
    let stored = tagged.get_or_try_insert_with("oslo", async || Ok::<_, Error>(forecast("Oslo")));
    assert_eq!(stored.await, Ok(forecast("Oslo")));
    assert!(cache.exists("oslo").await?);
    // With tags that it turned out to have.
    let Found::Vacant(vacancy) = cache.lookup::<Forecast>("athens", Duration::ZERO).await? else { panic!("nobody computes") };
    assert!(vacancy.fill_tagged(&forecast("Athens"), None, ["country:gr"]).await?);
    assert!(cache.invalidate_tag("country:gr").await?);
    assert!(!cache.exists("athens").await? && cache.exists("oslo").await?);

    assert!(matches!(cache.with_tags([""]).set("a", &1).await, Err(Error::Invalid(_))));
    assert!(matches!(cache.with_tags((0..17).map(|n| n.to_string())).set("a", &1).await, Err(Error::Limit(_))));
    cache.with_tags([] as [&str; 0]).set("a", &1).await
}

pub(crate) async fn concurrency() -> Result<()> {
    let cache = Cache::open("concurrency")?;
    let keys: Vec<String> = (0..1_000).map(|n| format!("key {n}")).collect();
    for set in join_at_most(100, keys.iter().zip(0_u32..).map(|(key, n)| set(&cache, key, n))).await {
        set?;
    }
    let found = join_all(keys.iter().map(|key| cache.get::<u32>(key))).await;
    assert!(found.into_iter().eq((0..1_000).map(|n| Ok(Some(n)))));
    Ok(())
}

async fn set(cache: &Cache, key: &str, number: u32) -> Result<()> {
    cache.set(key, &number).await
}
