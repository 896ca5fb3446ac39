//! A web service that embeds bellwether.
//!
//! One `Runtime` serves all requests. `GET /primes/{below}` keeps what is expensive in a cache that all instances of the service
//! share, and takes a lock so that only one of them computes it; `POST /run` runs a guest component that sees the same locks and caches.
//!
//! The environment configures it:
//! - `BELLWETHER_STORE`: where locks and entries are kept, `memory:` by default
//! - `LISTEN`: the address to listen on, `127.0.0.1:8080` by default
//! - `GUEST`: the component that `POST /run` runs, none by default
//!
//! ```text
//! cargo run --package example-service &
//! curl --include http://127.0.0.1:8080/primes/5000000
//! ```

use anyhow::Context;
use bellwether::Runtime;
use tokio::net::TcpListener;

mod answers;
mod guest;
mod primes;
mod service;
#[cfg(test)]
mod tests;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = setting("BELLWETHER_STORE", "memory:");
    let listen = setting("LISTEN", "127.0.0.1:8080");

    let runtime = Runtime::builder().store(&store).prefix("example-service:").build().await?;
    let guest = match std::env::var_os("GUEST") {
        Some(file) => Some(runtime.load(std::path::Path::new(&file))?),
        None => None,
    };
    let service = service::router(&runtime, guest)?;

    let listener =
        TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}: set LISTEN to another address"))?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service).with_graceful_shutdown(asked_to_end()).await?;

    // Locks whose requests were cut off are released in the background; leave none behind.
    runtime.shutdown().await;
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn asked_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system ends the process by itself.
        std::future::pending::<()>().await;
    }
}
