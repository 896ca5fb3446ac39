//! `cache-many-*`: a thousand keys in one call, beside raw pipelines to the same servers.

use std::collections::BTreeMap;

use anyhow::ensure;
use bellwether::cache::{Cache, CacheOptions, Caches, StageChoice};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::Cluster;
use bytes::Bytes;
use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;

use super::document_value;
use crate::measure::{Figure, in_turn_async};
use crate::report::Report;

const KEYS: usize = 1_000;

/// Measures the wanted cases, on one server and on a cluster of three.
pub(super) async fn run(url: &str, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    measure(["cache-many-get", "cache-many-set"], url, |_| Ok(url.to_owned()), rounds, report).await?;
    let cases = ["cache-many-get-cluster", "cache-many-set-cluster"];
    if !cases.into_iter().any(|case| report.wants(case)) {
        return Ok(());
    }
    let cluster = Cluster::start()?;
    measure(cases, &cluster.url(), |key| Ok(cluster.primary_of(key)?.url()), rounds, report).await
}

async fn measure(
    [get, set]: [&'static str; 2],
    url: &str,
    server: impl Fn(&str) -> anyhow::Result<String>,
    rounds: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    const CALLS: usize = 20;
    if !report.wants(get) && !report.wants(set) {
        return Ok(());
    }
    let options =
        CacheOptions { serializer: StageChoice::Named("cbor".into()), compressor: StageChoice::None, ..CacheOptions::default() };
    let cache = Caches::new(store::open(url, &StoreOptions::default()).await?).open("bench-many", Some(options))?;
    let value = document_value();
    let entries: Vec<_> = (0..KEYS).map(|number| (format!("key-{number}"), value.clone())).collect();
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.clone()).collect();
    cache.set_many_cbor(entries.clone(), None, None).await?;
    let raw = Raw::connect(&cache, &keys, server).await?;

    if report.wants(get) {
        let ours = async || {
            let values = cache.get_many_cbor(&keys, None).await?;
            ensure!(values.iter().all(Option::is_some), "an entry is gone");
            Ok(())
        };
        let times = in_turn_async(rounds, CALLS, ours, async || raw.get().await).await?;
        let figure = Figure::of_times(get, times, rounds * CALLS);
        report.print(&figure.against("raw pipelines of 1,000 GETs, p50").goal("≤ 1.3 ×"))?;
    }
    if report.wants(set) {
        // Both make their keys each time, as programs do.
        let ours = async || Ok(cache.set_many_cbor(entries.clone(), None, None).await?);
        let times = in_turn_async(rounds, CALLS, ours, async || raw.set(&value).await).await?;
        let figure = Figure::of_times(set, times, rounds * CALLS);
        report.print(&figure.against("raw pipelines of 1,000 SETs, p50").goal("≤ 1.3 ×"))?;
    }
    Ok(())
}

/// Connections to the servers, each with its keys.
struct Raw(Vec<(MultiplexedConnection, Vec<String>)>);

impl Raw {
    async fn connect(cache: &Cache, keys: &[String], server: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Self> {
        let mut servers = BTreeMap::<String, Vec<String>>::new();
        for key in keys {
            let stored = cache.entry_key(key.as_str()).await?;
            servers.entry(server(&stored)?).or_default().push(stored);
        }
        let connections = servers
            .into_iter()
            .map(async |(url, keys)| anyhow::Ok((redis::Client::open(url)?.get_multiplexed_async_connection().await?, keys)));
        Ok(Self(try_join_all(connections).await?))
    }

    async fn get(&self) -> anyhow::Result<()> {
        let gets = self.0.iter().map(async |(connection, keys)| {
            let mut pipeline = redis::pipe();
            for key in keys {
                pipeline.get(key);
            }
            let values: Vec<Option<Bytes>> = pipeline.query_async(&mut connection.clone()).await?;
            ensure!(values.iter().all(Option::is_some), "an entry is gone");
            Ok(())
        });
        try_join_all(gets).await.map(drop)
    }

    async fn set(&self, value: &Bytes) -> anyhow::Result<()> {
        let sets = self.0.iter().map(async |(connection, keys)| {
            let mut pipeline = redis::pipe();
            for key in keys {
                // In the slot of the key.
                pipeline.set(format!("{{{key}}}-raw"), &value[..]).ignore();
            }
            anyhow::Ok(pipeline.exec_async(&mut connection.clone()).await?)
        });
        try_join_all(sets).await.map(drop)
    }
}
