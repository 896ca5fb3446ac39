//! Reads one entry a thousand times at once, ten times over, and prints how many nanoseconds each thousand took.
//!
//! Arguments: the cache's name and the key.

use std::error::Error;
use std::time::Instant;

use bellwether_guest::{Cache, CacheOptions, StageChoice, join_all};

bellwether_guest::main!(app);

async fn app() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (name, key) = args.next().zip(args.next()).ok_or("say which cache and which key")?;
    let cache = Cache::open_with(&name, CacheOptions::default().serializer("cbor").compressor(StageChoice::None))?;
    for _ in 0..10 {
        let start = Instant::now();
        for value in join_all((0..1_000).map(|_| cache.get_cbor(&key))).await {
            value?.ok_or("the entry is gone")?;
        }
        println!("{}", start.elapsed().as_nanos());
    }
    Ok(())
}
