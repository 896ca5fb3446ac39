//! The crate `cached`, a peer: its asynchronous cache on Redis, over one multiplexed connection as ours.

#[cfg(not(feature = "peers"))]
pub(crate) use self::missing::Cached;
#[cfg(feature = "peers")]
pub(crate) use self::there::Cached;

#[cfg(feature = "peers")]
mod there {
    use std::time::Duration;

    use cached::{AsyncRedisCache, ConcurrentCachedAsync as _};

    /// A cache of texts.
    #[derive(Debug, Clone)]
    pub(crate) struct Cached(std::sync::Arc<AsyncRedisCache<String, String>>, String);

    impl Cached {
        /// A cache whose entries live for `expire`, with copies in this process if it is `near`.
        pub(crate) async fn open(url: &str, name: &str, expire: Option<Duration>, near: bool) -> anyhow::Result<Self> {
            let builder = AsyncRedisCache::builder(name).connection_string(url).client_side_caching(near);
            let builder = match expire {
                Some(expire) => builder.ttl(expire),
                None => builder,
            };
            Ok(Self(builder.build().await?.into(), name.to_owned()))
        }

        /// The key of an entry in the store.
        pub(crate) fn entry_key(&self, key: &str) -> String {
            format!("cached-redis-store:{}:{key}", self.1)
        }

        pub(crate) async fn get(&self, key: &str) -> anyhow::Result<Option<String>> {
            Ok(self.0.async_cache_get(&key.to_owned()).await?)
        }

        pub(crate) async fn set(&self, key: &str, value: String) -> anyhow::Result<()> {
            self.0.async_cache_set(key.to_owned(), value).await?;
            Ok(())
        }

        /// The value of an entry, or what is computed: as the functions do that its macro `concurrent_cached` makes.
        pub(crate) async fn get_or_compute<F>(&self, key: &str, compute: impl FnOnce() -> F + Send) -> anyhow::Result<String>
        where
            F: Future<Output = String> + Send,
        {
            Ok(self.0.async_cache_get_or_set_with(key.to_owned(), compute).await?)
        }
    }
}

#[cfg(not(feature = "peers"))]
mod missing {
    use std::convert::Infallible;
    use std::time::Duration;

    use anyhow::bail;

    /// Not there.
    #[derive(Debug, Clone)]
    pub(crate) struct Cached(Infallible);

    #[allow(clippy::unused_async, reason = "as where it is there")]
    impl Cached {
        pub(crate) async fn open(_url: &str, _name: &str, _expire: Option<Duration>, _near: bool) -> anyhow::Result<Self> {
            bail!("this program was built without the feature `peers`");
        }

        pub(crate) fn entry_key(&self, _key: &str) -> String {
            match self.0 {}
        }

        pub(crate) async fn get(&self, _key: &str) -> anyhow::Result<Option<String>> {
            match self.0 {}
        }

        pub(crate) async fn set(&self, _key: &str, _value: String) -> anyhow::Result<()> {
            match self.0 {}
        }

        pub(crate) async fn get_or_compute<F>(&self, _key: &str, _compute: impl FnOnce() -> F + Send) -> anyhow::Result<String>
        where
            F: Future<Output = String> + Send,
        {
            match self.0 {}
        }
    }
}
