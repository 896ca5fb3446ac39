//! A guest that tries everything the SDK has, one subject for each argument, and traps where something is not as documented.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a trap is how a test guest fails")]

mod caches;
mod failures;
mod kinds;
mod locks;
mod plain;

use std::error::Error;
use std::fmt;

bellwether_guest::main!(app);

async fn app() -> Result<(), Box<dyn Error>> {
    let subject = std::env::args().nth(1).ok_or("say which subject")?;
    match subject.as_str() {
        "values" => caches::values().await?,
        "content" => caches::content().await?,
        "raw" => caches::raw().await?,
        "lifetimes" => caches::lifetimes().await?,
        "deletes" => caches::deletes().await?,
        "mistakes" => caches::mistakes().await?,
        "computing" => caches::computing().await?,
        "failing for a while" => failures::told_for_a_while().await?,
        "failing as asked" => failures::told_as_asked().await?,
        "failing again" => failures::told_again().await?,
        "failing with an old value" => failures::forgiven().await?,
        "failing at once" => failures::tried_again().await?,
        "concurrency" => caches::concurrency().await?,
        "tags" => caches::tags().await?,
        "writing for others" => plain::write().await?,
        "reading of others" => plain::read().await?,
        "holding" => locks::holding().await?,
        "waiting" => locks::waiting().await?,
        "handing over" => locks::handing_over().await?,
        "losing" => locks::losing().await?,
        "classes" => locks::classes()?,
        "fair" => kinds::fair().await?,
        "read-write" => kinds::read_write().await?,
        "semaphore" => kinds::semaphore().await?,
        "many" => kinds::many().await?,
        "failing" => return Err(Failure(std::io::Error::other("the disk is full")).into()),
        "printing" => print!("no newline at the end"),
        other => panic!("there is no subject {other:?}"),
    }
    Ok(())
}

#[derive(Debug)]
struct Failure(std::io::Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was written")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
