//! Locks of other kinds.

use std::time::Duration;

use bellwether_guest::{Error, Lock, LockOptions, MultiLock, Result, RwLock, Semaphore, join_all};

const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn fair() -> Result<()> {
    let lock = Lock::open("fair", LockOptions::default().fair(true))?;
    let turns = join_all((0..20).map(async |turn| {
        let guard = lock.acquire().await?;
        let fence = guard.fence();
        guard.release().await?;
        Ok::<_, Error>((fence, turn))
    }));
    let mut turns: Vec<(u64, i32)> = turns.await.into_iter().collect::<Result<_>>()?;
    turns.sort_unstable();
    assert!(turns.into_iter().map(|(_, turn)| turn).eq(0..20), "who came first is served first");
    Ok(())
}

pub(crate) async fn read_write() -> Result<()> {
    let lock = RwLock::open("read-write", LockOptions::default())?;
    assert_eq!(lock.name(), "read-write");
    let (one, other) = (lock.read().await?, lock.try_read().await?);
    assert!(other.is_some() && lock.try_write().await?.is_none() && lock.is_locked().await?);
    assert!(lock.write_within(Duration::from_millis(5)).await?.is_none());
    assert!(matches!(one.hand_over().await, Err(Error::Invalid(_))));
    drop(other);
    let writer = lock.write().await?;
    assert!(lock.try_read().await?.is_none() && lock.read_within(Duration::from_millis(5)).await?.is_none());
    writer.release().await?;
    let reader = lock.read_within(MINUTE).await?;
    assert!(reader.is_some());
    drop(reader);
    assert!(lock.write_within(MINUTE).await?.is_some());
    Ok(())
}

pub(crate) async fn semaphore() -> Result<()> {
    let semaphore = Semaphore::open("semaphore", 2, LockOptions::default())?;
    assert_eq!((semaphore.name(), semaphore.available().await?), ("semaphore", 2));
    let (one, other) = (semaphore.acquire().await?, semaphore.try_acquire().await?);
    assert!(other.is_some_and(|other| other.fence() > one.fence()));
    assert!(semaphore.acquire_within(MINUTE).await?.is_some(), "a dropped permit is out");
    one.release().await?;
    assert!(matches!(Semaphore::open("semaphore", 0, LockOptions::default()), Err(Error::Invalid(_))));
    Ok(())
}

pub(crate) async fn many() -> Result<()> {
    let both = MultiLock::open(["one", "other"], LockOptions::default())?;
    assert_eq!(both.names(), ["one", "other"]);
    let guard = both.acquire().await?;
    let one = Lock::open("one", LockOptions::default())?;
    assert!(one.try_acquire().await?.is_none() && both.try_acquire().await?.is_none());
    assert!(both.acquire_within(Duration::from_millis(5)).await?.is_none());
    guard.extend(MINUTE).await?;
    assert!(guard.held().await? && guard.remaining().await? > Some(MINUTE));
    guard.renew().await?;
    assert!(guard.remaining().await? <= Some(Duration::from_secs(30)));
    assert_eq!(guard.while_held(async { 42 }).await, Ok(42));
    let fence = guard.fence();
    guard.release().await?;
    let next = one.acquire_within(MINUTE).await?;
    assert!(next.is_some_and(|next| next.fence() > fence));
    drop(both.acquire_within(MINUTE).await?);
    assert!(matches!(MultiLock::open([] as [&str; 0], LockOptions::default()), Err(Error::Invalid(_))));
    Ok(())
}
