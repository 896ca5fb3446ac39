//! Locks of kind quorum on real servers: what they need, what they wait for, and what they outlive.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Wait;
use bellwether::error::Invalid;
use bellwether::lock::{Kind, Lock, LockOptions, Locks, Quorum};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::{Cluster, Sentinel, Server, ServerOptions, until};
use tokio::time::Instant;

mod failovers;
mod lagging;
mod needs;
mod ordinary;
mod routes;
mod sentinels;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Longer than any test.
const LONG: Wait = Wait::UpTo(Duration::from_secs(25));

/// Locks over connections of their own, as another process has them.
async fn locks(url: &str) -> Locks {
    let options = StoreOptions { connect_timeout: 5 * SECOND, response_timeout: 5 * SECOND };
    Locks::new(store::open(url, &options).await.unwrap())
}

/// The lock `lock` of a kind.
fn lock(locks: &Locks, kind: Kind) -> Lock {
    locks.open("lock", LockOptions { kind, ..LockOptions::default() }).unwrap()
}

fn at_least(count: u32) -> Quorum {
    Quorum::AtLeast(NonZeroU32::new(count).unwrap())
}

/// What a server has for the lock `lock`, be it a replica.
fn holder(server: &Server) -> Option<String> {
    let mut connection = server.connection().unwrap();
    // Refused by servers that are no nodes of a cluster, which need none of it.
    let _ = redis::cmd("READONLY").query::<()>(&mut connection);
    redis::cmd("GET").arg("lock").query(&mut connection).unwrap()
}

/// Keeps a replica from getting anything any more, while it lives and answers.
fn cut_off(primary: &Server, replica: &Server) {
    replica.cut_off().unwrap();
    // One more, so that what comes next cannot be in what it has.
    primary.command::<u64>(&["DEL", "lock"]).unwrap();
}

/// A primary and some that copy it.
fn primary_with(replicas: usize) -> (Server, Vec<Server>) {
    let primary = Server::start().unwrap();
    let replica = |_| {
        let options = ServerOptions { replica_of: Some(primary.port()), ..ServerOptions::default() };
        Server::start_with(options).unwrap()
    };
    let replicas: Vec<_> = (0..replicas).map(replica).collect();
    until("the replicas to follow", || {
        let role: (String, u64, Vec<redis::Value>) = primary.command(&["ROLE"])?;
        Ok((role.2.len() == replicas.len()).then_some(()))
    })
    .unwrap();
    (primary, replicas)
}
