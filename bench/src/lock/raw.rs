//! The least that a lock on Redis can be: the raw reference.

use anyhow::ensure;
use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;

const COMPARE_AND_DELETE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// What the reference is called in figures.
pub(super) const NAME: &str = "SET NX PX + compare-and-delete, p50";

/// A `SET NX PX` and a compare-and-delete of one key.
pub(super) struct RawLock {
    connection: MultiplexedConnection,
    delete: redis::Script,
    key: &'static str,
    /// Another one each time, so that a replica that lags does not show the one of before.
    token: u64,
}

impl RawLock {
    /// Over a connection of its own to the server that has the key.
    pub(super) async fn connect(url: &str, key: &'static str) -> anyhow::Result<Self> {
        let connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { connection, delete: redis::Script::new(COMPARE_AND_DELETE), key, token: 0 })
    }

    /// Takes it and lets go of it: two round trips.
    pub(super) async fn cycle(&mut self) -> anyhow::Result<()> {
        self.take().await?;
        self.release().await
    }

    /// The same, and in between all replicas are asked at once until they show it: a third round trip at least.
    pub(super) async fn confirmed_cycle(&mut self, replicas: &[MultiplexedConnection]) -> anyhow::Result<()> {
        self.take().await?;
        let (key, token) = (self.key, self.token);
        let asked = replicas.iter().map(async |replica| {
            let mut replica = replica.clone();
            while redis::cmd("GET").arg(key).query_async::<Option<u64>>(&mut replica).await? != Some(token) {}
            anyhow::Ok(())
        });
        try_join_all(asked).await?;
        self.release().await
    }

    async fn take(&mut self) -> anyhow::Result<()> {
        let lease = u64::try_from(super::LEASE.as_millis())?;
        self.token = self.token.wrapping_add(1);
        let mut set = redis::cmd("SET");
        set.arg(self.key).arg(self.token).arg("NX").arg("PX").arg(lease);
        let set: Option<String> = set.query_async(&mut self.connection).await?;
        ensure!(set.is_some(), "the raw lock is held by somebody else");
        Ok(())
    }

    async fn release(&mut self) -> anyhow::Result<()> {
        let deleted: u64 = self.delete.key(self.key).arg(self.token).invoke_async(&mut self.connection).await?;
        ensure!(deleted == 1, "the raw lock was not released");
        Ok(())
    }
}

/// Connections to replicas of a cluster on which they may be read from.
pub(super) async fn readonly(urls: impl IntoIterator<Item = String>) -> anyhow::Result<Vec<MultiplexedConnection>> {
    let connections = urls.into_iter().map(async |url| {
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        redis::cmd("READONLY").exec_async(&mut connection).await?;
        anyhow::Ok(connection)
    });
    try_join_all(connections).await
}
