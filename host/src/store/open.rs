//! Opens a store by its address.

use std::sync::Arc;
use std::time::Duration;

use super::Store;
use super::address::Address;
use super::memory::MemoryStore;
use crate::clock::Span;
use crate::error::Error;

/// How long a store may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// How long making one connection may take, logging in included: 1 ms to 100 years, by default 2 s.
    pub connect_timeout: Duration,
    /// How long one operation may take, connecting anew and repeating included: 1 ms to 100 years, by default 2 s. Deleting by a
    /// pattern takes this long at most for each of its steps.
    pub response_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(2), response_timeout: Duration::from_secs(2) }
    }
}

/// Opens the store at an address, as [`super::address`] describes them. It is connected when the answer is there; later losses of
/// the connection are mended as they are found.
///
/// # Errors
/// [`crate::error::Invalid`] for an address or a time that cannot be; [`Error::Unavailable`] for a store that cannot be reached in
/// time or refuses the credentials.
pub async fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>, Error> {
    let address = Address::parse(url)?;
    Span::new("connect timeout", options.connect_timeout)?;
    Span::new("response timeout", options.response_timeout)?;
    match address {
        Address::Memory => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "redis")]
        Address::Redis(address) => Ok(Arc::new(super::redis::RedisStore::connect(&address, options).await?)),
        #[cfg(not(feature = "redis"))]
        Address::Redis(address) => Err(crate::error::Invalid::StoreUrl {
            url: address.to_string(),
            why: "needs Redis, which this program was built without: use memory:, or build with the feature `redis`".into(),
        }
        .into()),
    }
}
