//! Locks.

use std::future::pending;
use std::time::Duration;

use bellwether_guest::{Error, Kind, Lock, LockOptions, Result, Token};

pub(crate) async fn holding() -> Result<()> {
    let lock = Lock::open("holding", LockOptions::default())?;
    assert_eq!(lock.name(), "holding");
    assert!(!lock.is_locked().await?);
    let guard = lock.acquire().await?;
    assert!(lock.is_locked().await? && guard.held().await?);
    guard.extend(Duration::from_mins(1)).await?;
    assert!(guard.remaining().await? > Some(Duration::from_mins(1)));
    guard.renew().await?;
    assert!(guard.remaining().await? <= Some(Duration::from_secs(30)));
    assert_eq!(guard.while_held(async { 42 }).await, Ok(42));
    let fence = guard.fence();
    guard.release().await?;
    assert!(!lock.is_locked().await?);

    let guard = lock.acquire().await?;
    assert!(guard.fence() > fence);
    drop(guard);
    assert!(lock.acquire_within(Duration::from_mins(1)).await?.is_some(), "a dropped guard holds its lock");

    let lasting = Lock::open("lasting", LockOptions::default().no_lease())?.acquire().await?;
    assert_eq!(lasting.remaining().await?, None);
    Ok(())
}

pub(crate) async fn waiting() -> Result<()> {
    let lock = Lock::open("waiting", LockOptions::default())?;
    let guard = lock.acquire().await?;
    assert!(lock.try_acquire().await?.is_none());
    assert!(lock.acquire_within(Duration::from_millis(20)).await?.is_none());
    let (released, acquired) = (guard.release(), lock.acquire());
    let both = bellwether_guest::join_all([
        Box::pin(async { released.await.map(|()| None) }) as std::pin::Pin<Box<dyn Future<Output = _>>>,
        Box::pin(async { acquired.await.map(Some) }),
    ]);
    let both: Result<Vec<_>> = both.await.into_iter().collect();
    assert!(both?.pop().flatten().is_some());

    for refused in [LockOptions::default().kind(Kind::Quorum), LockOptions::default().retry(Duration::from_mins(1))] {
        assert!(matches!(Lock::open("waiting", refused), Err(Error::Invalid(_))));
    }
    Ok(())
}

pub(crate) async fn handing_over() -> Result<()> {
    let lock = Lock::open("handing over", LockOptions::default())?;
    let guard = lock.acquire().await?;
    let fence = guard.fence();
    let token = guard.hand_over().await?;
    assert!(lock.is_locked().await?);
    // As another guest would get it.
    let token = Token::from(token.as_str().to_owned());
    let adopted = lock.adopt(&token).await?;
    assert!(adopted.fence() > fence);
    adopted.release().await?;
    assert!(matches!(lock.adopt(&token).await, Err(Error::NotHeld)));
    Ok(())
}

pub(crate) async fn losing() -> Result<()> {
    let short = LockOptions::default().lease(Duration::from_millis(60)).retry(Duration::from_millis(20)).renew(false);
    let lock = Lock::open("losing", short)?;
    let guard = lock.acquire().await?;
    guard.lost().await;
    assert!(!guard.held().await?);
    assert_eq!(guard.release().await, Err(Error::NotHeld));

    let guard = lock.acquire().await?;
    assert_eq!(guard.while_held(pending::<()>()).await, Err(Error::NotHeld));
    assert_eq!(guard.renew().await, Err(Error::NotHeld));
    Ok(())
}

pub(crate) fn classes() -> Result<()> {
    Lock::open_as("ordinary", "classes", Some("a note"), LockOptions::default())?;
    let unknown = Lock::open_as("nobody", "classes", None, LockOptions::default());
    assert!(matches!(unknown, Err(Error::Invalid(text)) if text.contains("nobody") && text.contains("ordinary")));
    Ok(())
}
