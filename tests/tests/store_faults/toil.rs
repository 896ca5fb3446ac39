//! All operations at once, while something goes wrong.

use super::*;

/// Does every operation again and again, each on names of its own, and counts those that worked. Each has to end in time, with an
/// answer or the error that the store is unavailable.
async fn toil(store: Arc<dyn Store>, operation: usize, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let name = format!("toil-{operation}");
    let (lock, held, keys) = (lock(&name), token(), vec![format!("{name}-a"), format!("{name}-b")]);
    let entries: Vec<_> = keys.iter().map(|key| entry(key, 100)).collect();
    let renewals = [Renewal { lock: lock.clone(), token: held.clone(), lease: Some(ms(500)) }];
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let outcome = match operation {
            0 => {
                let token = token();
                match store.acquire(&lock, &token, Some(ms(50))).await {
                    Ok(_) => store.release(&lock, Release::of(&token)).await.map(drop),
                    Err(error) => Err(error),
                }
            }
            1 => store.adopt(&lock, &held, &token()).await.map(drop),
            2 => store.extend(&lock, &held, ms(10)).await.map(drop),
            3 => store.renew(&renewals).await.into_iter().try_for_each(|outcome| outcome.map(drop)),
            4 => store.holding(&lock, &held).await.map(drop),
            5 => store.is_locked(&lock).await.map(drop),
            6 => store.watch(&lock).await.map(drop),
            7 => store.get(&keys[0]).await.map(drop),
            8 => store.get_many(&keys).await.map(drop),
            9 => store.set(&entries[0], Some(ms(1000))).await,
            10 => store.set_many(&entries, None).await,
            11 => store.exists(&keys[0]).await.map(drop),
            12 => store.ttl(&keys[0]).await.map(drop),
            13 => store.delete(&keys).await.map(drop),
            14 => store.delete_matching(&name, &Glob::any(), &|_| true).await.map(drop),
            _ => store.check().await,
        };
        // Two calls in the first case.
        assert!(begin.elapsed() < 2 * LIMIT + SLACK, "operation {operation} took {:?}", begin.elapsed());
        match outcome {
            Ok(()) => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Unavailable(_)) => sleep(Duration::from_millis(2)).await,
            Err(other) => panic!("operation {operation}: {other}"),
        }
        tokio::task::yield_now().await;
    }
}

const OPERATIONS: usize = 16;

/// Toils at everything while `trouble` goes on, and until everything has worked again afterwards.
pub(crate) async fn toil_through(store: &Arc<dyn Store>, trouble: impl FnOnce() + Send + 'static) {
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = (0..OPERATIONS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let tasks: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(operation, done)| tokio::spawn(toil(store.clone(), operation, stop.clone(), done.clone())))
        .collect();
    tokio::task::spawn_blocking(trouble).await.unwrap();
    let before: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let begin = Instant::now();
    while let Some(stuck) = counts.iter().zip(&before).position(|(count, before)| count.load(Ordering::Relaxed) <= before + 1) {
        assert!(begin.elapsed() < RECOVERY, "operation {stuck} does not work again");
        assert!(tasks.iter().all(|task| !task.is_finished()), "a task has panicked");
        sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
}
