//! The interface `cache`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{Accessor, Resource};

use super::bindings::bellwether::core::cache::{
    Found, Host, HostCache, HostCacheWithStore, HostVacancy, HostVacancyWithStore, Options, Outcome, TimeToLive,
};
use super::bindings::bellwether::core::types::{Cbor, Milliseconds};
use super::call::{Call, Entry};
use super::convert::{Failure, time};
use super::view::{BellwetherCtxView, HasBellwether};
use crate::cache::{self, Cache, Key, Vacancy};
use crate::error::Error;

/// A cache in a guest's table.
pub type CacheEntry = Entry<Cache>;

/// A vacancy in a guest's table.
pub type VacancyEntry = Entry<Vacancy>;

impl Host for BellwetherCtxView<'_> {}

impl HostCache for BellwetherCtxView<'_> {
    fn open(&mut self, name: String, options: Option<Options>) -> Result<Resource<CacheEntry>, Failure> {
        self.ctx.grant.cache(&name)?;
        let room = self.room()?;
        let cache = self.ctx.caches.open(&name, options.map(Into::into))?;
        self.keep(cache, room)
    }

    fn drop(&mut self, this: Resource<CacheEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostCacheWithStore<T> for HasBellwether {
    async fn get(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
    ) -> Result<Option<Cbor>, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        // The guest may have dropped the call by the time there is an answer.
        let value = call.perform(|on| async move { on.untaken(&key, content.as_deref()).await }).await?.take();
        Ok(value.map(Vec::from))
    }

    async fn get_many(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        keys: Vec<String>,
        content: Option<Cbor>,
    ) -> Result<Vec<Option<Cbor>>, Failure> {
        let call = Call::begin(accessor, &this, sizes(&keys) + size(content.as_ref()))?;
        let values = call.perform(|on| async move { on.untaken_many(&keys, content.as_deref()).await }).await?.take();
        Ok(values.into_iter().map(|value| value.map(Vec::from)).collect())
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        value: Cbor,
        content: Option<Cbor>,
        expire: Option<Milliseconds>,
    ) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, key.len() + value.len() + size(content.as_ref()))?;
        call.perform(|on| async move { on.set_cbor(&key, Bytes::from(value), content.as_deref(), time(expire)).await }).await
    }

    async fn set_many(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        entries: Vec<(String, Cbor)>,
        content: Option<Cbor>,
        expire: Option<Milliseconds>,
    ) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, entry_sizes(&entries) + size(content.as_ref()))?;
        let entries = entries.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect();
        call.perform(|on| async move { on.set_many_cbor(entries, content.as_deref(), time(expire)).await }).await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
    ) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        call.perform(|on| async move { on.exists(whole(&key, content.as_deref())?).await }).await
    }

    async fn ttl(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
    ) -> Result<TimeToLive, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        Ok(call.perform(|on| async move { on.ttl(whole(&key, content.as_deref())?).await }).await?.into())
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
    ) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        call.perform(|on| async move { on.delete(whole(&key, content.as_deref())?).await }).await
    }

    async fn delete_many(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        keys: Vec<String>,
        content: Option<Cbor>,
    ) -> Result<u64, Failure> {
        let call = Call::begin(accessor, &this, sizes(&keys) + size(content.as_ref()))?;
        call.perform(|on| async move { on.delete_many(&keys, content.as_deref()).await }).await
    }

    async fn delete_pattern(accessor: &Accessor<T, Self>, this: Resource<CacheEntry>, pattern: String) -> Result<u64, Failure> {
        let call = Call::begin(accessor, &this, pattern.len())?;
        call.perform(|on| async move { on.delete_pattern(&pattern).await }).await
    }

    async fn clear(accessor: &Accessor<T, Self>, this: Resource<CacheEntry>) -> Result<u64, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.clear().await }).await
    }

    async fn lookup(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
        wait: Milliseconds,
    ) -> Result<Found, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        let on = Arc::clone(&call.on);
        match look(accessor, call, key, content, wait, None).await? {
            Outcome::Hit(value) => Ok(Found::Hit(value)),
            Outcome::Vacant(vacancy) => Ok(Found::Vacant(vacancy)),
            Outcome::Busy => Ok(Found::Busy),
            Outcome::Failed(why) => Err(on.no_value(why).into()),
        }
    }

    async fn lookup_or_failure(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
        wait: Milliseconds,
    ) -> Result<Outcome, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()))?;
        look(accessor, call, key, content, wait, None).await
    }

    async fn lookup_tagged(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        content: Option<Cbor>,
        wait: Milliseconds,
        tags: Vec<String>,
    ) -> Result<Outcome, Failure> {
        let call = Call::begin(accessor, &this, key.len() + size(content.as_ref()) + sizes(&tags))?;
        look(accessor, call, key, content, wait, Some(tags)).await
    }

    async fn set_tagged(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        key: String,
        value: Cbor,
        content: Option<Cbor>,
        expire: Option<Milliseconds>,
        tags: Vec<String>,
    ) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, key.len() + value.len() + size(content.as_ref()) + sizes(&tags))?;
        call.perform(|on| async move {
            on.with_tags(tags)?.set_cbor(&key, Bytes::from(value), content.as_deref(), time(expire)).await
        })
        .await
    }

    async fn set_many_tagged(
        accessor: &Accessor<T, Self>,
        this: Resource<CacheEntry>,
        entries: Vec<(String, Cbor)>,
        content: Option<Cbor>,
        expire: Option<Milliseconds>,
        tags: Vec<String>,
    ) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, entry_sizes(&entries) + size(content.as_ref()) + sizes(&tags))?;
        let entries = entries.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect();
        call.perform(|on| async move { on.with_tags(tags)?.set_many_cbor(entries, content.as_deref(), time(expire)).await }).await
    }

    async fn invalidate_tag(accessor: &Accessor<T, Self>, this: Resource<CacheEntry>, tag: String) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, tag.len())?;
        call.perform(|on| async move { on.invalidate_tag(&tag).await }).await
    }
}

/// Looks an entry up, with room for a vacancy.
async fn look<T: 'static>(
    accessor: &Accessor<T, HasBellwether>,
    call: Call<Cache>,
    key: String,
    content: Option<Cbor>,
    wait: Milliseconds,
    tags: Option<Vec<String>>,
) -> Result<Outcome, Failure> {
    let room = accessor.with(|mut access| access.get().room())?;
    let wait = Duration::from_millis(wait);
    let found = call.perform(|on| async move {
        match tags {
            None => on.lookup_cbor(&key, content.as_deref(), wait).await,
            Some(tags) => on.with_tags(tags)?.lookup_cbor(&key, content.as_deref(), wait).await,
        }
    });
    match found.await? {
        cache::Found::Hit(value) => Ok(Outcome::Hit(value.into())),
        cache::Found::Vacant(vacancy) => accessor.with(|mut access| access.get().keep(vacancy, room)).map(Outcome::Vacant),
        cache::Found::Busy => Ok(Outcome::Busy),
        cache::Found::Failed(why) => Ok(Outcome::Failed(why)),
    }
}

impl HostVacancy for BellwetherCtxView<'_> {
    fn drop(&mut self, this: Resource<VacancyEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostVacancyWithStore<T> for HasBellwether {
    async fn fill(
        accessor: &Accessor<T, Self>,
        this: Resource<VacancyEntry>,
        value: Cbor,
        expire: Option<Milliseconds>,
    ) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, value.len())?;
        call.perform(|on| async move { on.fill_cbor(Bytes::from(value), time(expire)).await }).await
    }

    async fn fail(
        accessor: &Accessor<T, Self>,
        this: Resource<VacancyEntry>,
        why: String,
        expire: Milliseconds,
    ) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, why.len())?;
        call.perform(|on| async move { on.fail(&why, Duration::from_millis(expire)).await }).await
    }

    async fn fill_tagged(
        accessor: &Accessor<T, Self>,
        this: Resource<VacancyEntry>,
        value: Cbor,
        expire: Option<Milliseconds>,
        tags: Vec<String>,
    ) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, value.len() + sizes(&tags))?;
        call.perform(|on| async move { on.fill_tagged_cbor(Bytes::from(value), time(expire), tags).await }).await
    }

    async fn computation_failed(
        accessor: &Accessor<T, Self>,
        this: Resource<VacancyEntry>,
        why: String,
    ) -> Result<Option<Cbor>, Failure> {
        let call = Call::last(accessor, this, why.len())?;
        let old = call.perform(|on| async move { on.computation_failed_cbor(&why).await }).await?;
        Ok(old.map(Vec::from))
    }
}

/// What an item of a list costs besides its bytes.
const ITEM: usize = 48;

fn size(content: Option<&Cbor>) -> usize {
    content.map_or(0, Vec::len)
}

fn sizes(texts: &[String]) -> usize {
    texts.iter().map(|text| ITEM + text.len()).sum()
}

fn entry_sizes(entries: &[(String, Cbor)]) -> usize {
    entries.iter().map(|(key, value)| ITEM + key.len() + value.len()).sum()
}

fn whole<'a>(key: &'a str, content: Option<&'a [u8]>) -> Result<Key<'a>, Error> {
    Ok(match content {
        Some(content) => Key::with_cbor_content(key, content)?,
        None => Key::from(key),
    })
}
