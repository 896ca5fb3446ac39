//! Computations that fail, as the platform has it.

use std::cell::Cell;
use std::time::Duration;

use bellwether_guest::{Cache, ComputeError, Found, Result, join_all};

type Computed = Result<u8, ComputeError<&'static str>>;

/// Fails to compute the entry, for so many callers at once: what they get, and how often it was tried.
async fn fail(cache: &Cache, callers: usize) -> (Vec<Computed>, u32) {
    let tried = Cell::new(0);
    let compute = async || {
        tried.set(tried.get() + 1);
        Err("no luck")
    };
    (join_all((0..callers).map(|_| cache.get_or_try_insert_with("key", &compute))).await, tried.get())
}

pub(crate) async fn told_for_a_while() -> Result<()> {
    let cache = Cache::open("failures")?;
    let (mut told, tried) = fail(&cache, 8).await;
    told.retain(|told| *told != Err(ComputeError::Failed("no luck".into())));
    assert_eq!((told, tried), (vec![Err(ComputeError::Compute("no luck"))], 1));
    assert_eq!(cache.get::<u8>("key").await?, None);
    Ok(())
}

pub(crate) async fn told_as_asked() -> Result<()> {
    let (cache, forgetful) = (Cache::open("failures")?, Cache::open("failures")?.with_failures(Duration::ZERO));
    let (told, tried) = fail(&cache.with_failures(Duration::from_hours(1)), 8).await;
    assert_eq!((told.iter().filter(|told| **told == Err(ComputeError::Failed("no luck".into()))).count(), tried), (7, 1));
    let (told, tried) = fail(&cache, 8).await;
    assert_eq!((told, tried), (vec![Err(ComputeError::Failed("no luck".into())); 8], 0), "it holds for all");
    // Over soon, as a time of nothing counts as the least there is.
    let retried = async |computed: &str| loop {
        match forgetful.get_or_try_insert_with(computed, async || Err::<u8, _>("no luck")).await {
            Err(ComputeError::Failed(_)) => {}
            other => break other,
        }
    };
    assert_eq!(retried("other").await, Err(ComputeError::Compute("no luck")));
    assert_eq!(retried("other").await, Err(ComputeError::Compute("no luck")));
    // The text as a whole would be too long for a call.
    let long = "é".repeat(64 << 10);
    let computed =
        cache.with_failures(Duration::from_hours(1)).get_or_try_insert_with("long", async || Err::<u8, _>(&long)).await;
    assert!(computed.is_err());
    let Err(ComputeError::Failed(kept)) = cache.get_or_try_insert_with("long", async || Ok::<u8, &str>(1)).await else {
        panic!("it was not noted");
    };
    assert_eq!(kept, "é".repeat(512));
    Ok(())
}

pub(crate) async fn told_again() -> Result<()> {
    let (told, tried) = fail(&Cache::open("failures")?, 8).await;
    assert_eq!((told, tried), (vec![Err(ComputeError::Failed("no luck".into())); 8], 0));
    Ok(())
}

pub(crate) async fn forgiven() -> Result<()> {
    let cache = Cache::open("failures")?;
    assert_eq!(fail(&cache, 1).await, (vec![Err(ComputeError::Compute("no luck"))], 1), "there is no old value");
    cache.set_for("key", &1, Duration::from_millis(1)).await?;
    // Until its time is over, there is nothing to compute.
    let tried = loop {
        let (computed, tried) = fail(&cache, 1).await;
        assert_eq!(computed, [Ok(1)]);
        if tried > 0 {
            break tried;
        }
    };
    assert_eq!(tried, 1);
    assert_eq!(fail(&cache, 8).await, (vec![Ok(1); 8], 0));

    // A value of another type is no value to who computes.
    cache.set_for("text", "text", Duration::from_millis(1)).await?;
    let vacancy = loop {
        if let Found::Vacant(vacancy) = cache.lookup::<String>("text", Duration::ZERO).await? {
            break vacancy;
        }
    };
    assert!(vacancy.computation_failed::<u8>("no luck").await.is_err());
    assert_eq!(cache.get::<String>("text").await?.as_deref(), Some("text"));
    Ok(())
}

pub(crate) async fn tried_again() -> Result<()> {
    let cache = Cache::open("failures")?;
    assert_eq!(fail(&cache, 4).await, (vec![Err(ComputeError::Compute("no luck")); 4], 4));
    assert_eq!(cache.get_or_try_insert_with("key", async || Ok::<u8, &str>(1)).await, Ok(1));
    Ok(())
}
