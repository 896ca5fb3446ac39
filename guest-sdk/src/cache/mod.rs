//! Caches shared by every process that opens them by the same name.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::guest::bellwether::core::cache as wit;
use crate::cbor::{self, ByteBuf, Bytes};
use crate::error::Result;
use crate::time::millis;

mod lookup;
mod options;

pub use lookup::{ComputeError, Found, Vacancy};
pub use options::{CacheOptions, Herd, StageChoice};

/// A named cache: a series of entries of its own. A clone is the same cache.
///
/// A value is anything that serde can serialize, and `None` is a value like any other: an entry that holds it is there.
#[derive(Clone)]
pub struct Cache {
    inner: Rc<wit::Cache>,
    name: Rc<str>,
    content: Option<Vec<u8>>,
    tags: Rc<[String]>,
    failures: Option<Duration>,
}

/// How long an entry has to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such entry.
    Absent,
    /// It lives until it is deleted.
    Persistent,
    /// It lives for this much longer.
    Remaining(Duration),
}

impl Cache {
    /// Opens a cache with the platform's options. Touches no store.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid), [`Error::Limit`](crate::Error::Limit) for a name that is too long.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_wit(name, None)
    }

    /// Opens a cache with options of its own. Touches no store.
    ///
    /// # Errors
    /// As [`Cache::open`]; [`Error::Denied`](crate::Error::Denied) for an option that the platform pins to something else.
    pub fn open_with(name: &str, options: CacheOptions) -> Result<Self> {
        Self::open_wit(name, Some(&options.into()))
    }

    /// The cache's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same cache, for entries that are computed from `content`: the same key with other content is another entry.
    ///
    /// The host brings the content into one canonical form, so the order of a map's keys does not matter.
    ///
    /// ```
    /// # use bellwether_guest::{Cache, Result};
    /// # async fn example(pages: Cache) -> Result<()> {
    /// let query = ("norwegian", 20);
    /// let page = pages.with_content(&query)?.get::<String>("front").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Encode`](crate::Error::Encode).
    pub fn with_content<C: Serialize + ?Sized>(&self, content: &C) -> Result<Self> {
        Ok(Self { content: Some(cbor::encode(content)?), ..self.clone() })
    }

    /// The same cache, whose entries are set with these tags: by any of the ways to set one, and by lookups. When one of its tags is
    /// [invalidated](Cache::invalidate_tag), an entry is there no more. At most 16, each of 1 to 128 bytes; that is checked when one is
    /// set. No tags: entries are set without.
    ///
    /// ```
    /// # use bellwether_guest::{Cache, Result};
    /// # async fn example(pages: Cache) -> Result<()> {
    /// pages.with_tags(["user:42", "news"]).set("front", "<h1>Welcome</h1>").await?;
    /// pages.invalidate_tag("user:42").await?;
    /// assert_eq!(pages.get::<String>("front").await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_tags(&self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { tags: tags.into_iter().map(Into::into).collect(), ..self.clone() }
    }

    /// The same cache, where nobody tries again for so long after a [computation](Cache::get_or_try_insert_with) of this handle has
    /// failed, 1 ms at least: lookups are told the error's text meanwhile, or get the old value if there is one. It takes the place of what
    /// the platform has decided of failures, also of whether old values are given in place of errors. An entry without envelope cannot
    /// hold a failure.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use bellwether_guest::{Cache, ComputeError};
    /// # async fn example(users: Cache) -> Result<(), ComputeError<String>> {
    /// let users = users.with_failures(Duration::from_secs(2));
    /// let user: String = users.get_or_try_insert_with("42", async || Err("the directory is down".to_owned())).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_failures(&self, expire: Duration) -> Self {
        Self { failures: Some(expire.max(Duration::from_millis(1))), ..self.clone() }
    }

    /// The value of an entry; `None` if there is no entry.
    ///
    /// With herd protection, it also finds nothing where an old value is to be computed anew, and the caller is to do that and to
    /// [`Cache::set`] it. A handle and its clones are one caller there: tasks that share one answer for each other. They had better use
    /// [`Cache::lookup`] or [`Cache::get_or_try_insert_with`], by which each has a vacancy of its own.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) but `NotHeld`; `Decode` if the value is of another type.
    pub async fn get<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<T>> {
        self.get_cbor(key).await?.as_deref().map(cbor::decode).transpose()
    }

    /// The values of many entries, in the order of the keys, in one round trip to each node of the store.
    ///
    /// # Errors
    /// As [`Cache::get`], for any of them.
    pub async fn get_many<T: DeserializeOwned>(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<Option<T>>> {
        let found = self.inner.get_many(owned(keys), self.content.clone()).await?;
        found.into_iter().map(|value| value.as_deref().map(cbor::decode).transpose()).collect()
    }

    /// Stores a value, for as long as the cache's entries live.
    ///
    /// With herd protection, the next set after a [`Cache::get`] that was to compute the value is the answer to it, however late: it does
    /// not replace what somebody else has set since, and is left out if a tag of the old value was invalidated since. An entry that was
    /// deleted meanwhile, also by this handle, stays so, unless the answer comes after the times of [`Herd`]. The answer is the
    /// first set by the handle or any clone of it, whichever task it is of: see [`Cache::get`].
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) but `NotHeld`, `Decode` and `Corrupt`.
    pub async fn set<T: Serialize + ?Sized>(&self, key: impl AsRef<str>, value: &T) -> Result<()> {
        self.set_cbor(key, cbor::encode(value)?, None).await
    }

    /// Stores a value that lives this long, at least 1 ms.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn set_for<T: Serialize + ?Sized>(&self, key: impl AsRef<str>, value: &T, expire: Duration) -> Result<()> {
        self.set_cbor(key, cbor::encode(value)?, Some(expire)).await
    }

    /// Stores many values, in one round trip to each node of the store.
    ///
    /// # Errors
    /// As [`Cache::set`]. Some of the values may then be stored.
    pub async fn set_many<T: Serialize>(&self, entries: impl IntoIterator<Item = (impl AsRef<str>, T)>) -> Result<()> {
        self.set_all(entries, None).await
    }

    /// Stores many values that live this long, at least 1 ms.
    ///
    /// # Errors
    /// As [`Cache::set_many`].
    pub async fn set_many_for<T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (impl AsRef<str>, T)>,
        expire: Duration,
    ) -> Result<()> {
        self.set_all(entries, Some(expire)).await
    }

    /// The bytes of an entry that [`Cache::set_bytes`] stored.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn get_bytes(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>> {
        Ok(self.get::<ByteBuf>(key).await?.map(|bytes| bytes.0))
    }

    /// Stores bytes: a CBOR byte string, the only kind of value that passes where the serializer is
    /// [`StageChoice::None`]. With `expire`, they live this long.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn set_bytes(&self, key: impl AsRef<str>, bytes: &[u8], expire: Option<Duration>) -> Result<()> {
        self.set_cbor(key, cbor::encode(&Bytes(bytes))?, expire).await
    }

    /// The value of an entry as one CBOR data item.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn get_cbor(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>> {
        Ok(self.inner.get(key.as_ref().to_owned(), self.content.clone()).await?)
    }

    /// Stores a value given as exactly one CBOR data item. With `expire`, it lives this long.
    ///
    /// # Errors
    /// As [`Cache::set`]; [`Error::Invalid`](crate::Error::Invalid) for bytes that are not one item.
    pub async fn set_cbor(&self, key: impl AsRef<str>, value: Vec<u8>, expire: Option<Duration>) -> Result<()> {
        let (key, content, expire) = (key.as_ref().to_owned(), self.content.clone(), expire.map(millis));
        if self.tags.is_empty() {
            return Ok(self.inner.set(key, value, content, expire).await?);
        }
        Ok(self.inner.set_tagged(key, value, content, expire, self.tags.to_vec()).await?)
    }

    /// Whether there is such an entry.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable), and those of the key, content and identity.
    pub async fn exists(&self, key: impl AsRef<str>) -> Result<bool> {
        Ok(self.inner.exists(key.as_ref().to_owned(), self.content.clone()).await?)
    }

    /// How long an entry has to live.
    ///
    /// # Errors
    /// As [`Cache::exists`].
    pub async fn ttl(&self, key: impl AsRef<str>) -> Result<Ttl> {
        Ok(match self.inner.ttl(key.as_ref().to_owned(), self.content.clone()).await? {
            wit::TimeToLive::Absent => Ttl::Absent,
            wit::TimeToLive::Persistent => Ttl::Persistent,
            wit::TimeToLive::Remaining(ms) => Ttl::Remaining(Duration::from_millis(ms)),
        })
    }

    /// Deletes an entry. False if there was none.
    ///
    /// # Errors
    /// As [`Cache::exists`].
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        Ok(self.inner.delete(key.as_ref().to_owned(), self.content.clone()).await?)
    }

    /// Deletes many entries and says how many there were.
    ///
    /// # Errors
    /// As [`Cache::exists`].
    pub async fn delete_many(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Result<u64> {
        Ok(self.inner.delete_many(owned(keys), self.content.clone()).await?)
    }

    /// Deletes every entry of this cache whose key matches, whatever its content, and says how many there were.
    ///
    /// In the pattern `*` is any run of characters, `?` any one, `[abc]`, `[a-z]` and `[^a]` one of a set, and `\` takes the
    /// next character literally.
    ///
    /// # Errors
    /// As [`Cache::exists`]; [`Error::Invalid`](crate::Error::Invalid) for an unfinished set or escape.
    pub async fn delete_pattern(&self, pattern: &str) -> Result<u64> {
        Ok(self.inner.delete_pattern(pattern.to_owned()).await?)
    }

    /// Deletes every entry of this cache and says how many there were. What is written meanwhile may stay.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable); some of the entries may then be deleted.
    pub async fn clear(&self) -> Result<u64> {
        Ok(self.inner.clear().await?)
    }

    /// Invalidates all entries of this cache that have a tag, whatever their key and content, in one round trip however many there are:
    /// none of them is there any more, and no value that is being computed becomes one. False if there can be no such entry.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable), [`Error::Invalid`](crate::Error::Invalid) and
    /// [`Error::Limit`](crate::Error::Limit) for a tag that cannot be.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<bool> {
        Ok(self.inner.invalidate_tag(tag.to_owned()).await?)
    }

    fn open_wit(name: &str, options: Option<&wit::Options>) -> Result<Self> {
        Ok(Self {
            inner: Rc::new(wit::Cache::open(name, options)?),
            name: name.into(),
            content: None,
            tags: Rc::default(),
            failures: None,
        })
    }

    async fn set_all<T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (impl AsRef<str>, T)>,
        expire: Option<Duration>,
    ) -> Result<()> {
        let encode = |(key, value): (_, T)| Ok((AsRef::<str>::as_ref(&key).to_owned(), cbor::encode(&value)?));
        let entries = entries.into_iter().map(encode).collect::<Result<Vec<_>>>()?;
        let (content, expire) = (self.content.clone(), expire.map(millis));
        if self.tags.is_empty() {
            return Ok(self.inner.set_many(entries, content, expire).await?);
        }
        Ok(self.inner.set_many_tagged(entries, content, expire, self.tags.to_vec()).await?)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.name).finish_non_exhaustive()
    }
}

fn owned(keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    keys.into_iter().map(|key| key.as_ref().to_owned()).collect()
}
