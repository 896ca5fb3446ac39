//! What `cargo xtask redis` runs: servers to play with, until this program is ended.

use anyhow::{Result, bail};
use bellwether_tests::{Cluster, Sentinel, Server};

fn main() -> Result<()> {
    let kind = std::env::args().nth(1);
    match kind.as_deref() {
        None | Some("single") => {
            let server = Server::start()?;
            serve(&server.url(), &format!("redis-cli -p {}", server.port()))
        }
        Some("sentinel") => {
            let set = Sentinel::start()?;
            let port = set.primary()?.port();
            serve(&set.url(), &format!("redis-cli -p {port}"))
        }
        Some("cluster") => {
            let cluster = Cluster::start()?;
            let port = cluster.nodes().first().map_or(0, Server::port);
            serve(&cluster.url(), &format!("redis-cli -c -p {port}"))
        }
        Some(other) => bail!("{other:?} is no kind of server: give single, sentinel or cluster"),
    }
}

/// Says where the servers are, and keeps them. Ctrl-C ends this program, and with it they end.
fn serve(url: &str, client: &str) -> Result<()> {
    println!("\n  export BELLWETHER_STORE={url}\n  {client}\n\nCtrl-C ends the servers.");
    loop {
        std::thread::park();
    }
}
