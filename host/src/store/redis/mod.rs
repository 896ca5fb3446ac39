//! Stores on Redis: a single server, the primary that Sentinels watch, or a cluster.
//!
//! There is one connection for requests to each server that keeps data, shared by all, and one for subscriptions to each server
//! that has a watched lock. Both are made anew when they are lost.

use std::time::Duration;

use futures_util::future::FutureExt;
use redis::Value;

use super::address::{RedisAddress, Topology as Kind};
use super::{Replicas, Reply, Store, StoreOptions, Token};
use crate::error::Error;
use crate::names::LockKeys;

mod browse;
mod claims;
mod clock;
mod cluster;
mod connect;
mod delete_matching;
mod entry_store;
mod fault;
mod followers;
mod link;
mod lock_store;
mod many;
mod map;
mod naming;
mod primary;
mod replicas;
mod request;
mod scan;
mod script;
mod sentinels;
mod sightings;
mod slots;
mod subscribe;
mod sweep;
mod testimony;
mod topology;
mod tracking;
mod wire;

use clock::ServerClock;
use cluster::Cluster;
use connect::Connector;
use fault::{Fault, integer, odd};
use primary::Primary;
use replicas::RedisReplicas;
use request::{Request, Waiter};
use subscribe::Hub;
use topology::Topology;
use tracking::Tracker;
use wire::Wire;

/// A store on one or more Redis servers, version 6.2 or later.
#[derive(Debug)]
pub struct RedisStore {
    address: String,
    wire: Wire,
    hub: Hub,
    tracker: Tracker,
    clock: ServerClock,
    /// What this process is called among those who wait for a lock. Random, and no secret.
    client: String,
    replicas: RedisReplicas,
}

impl RedisStore {
    /// Connects to the store at an address.
    ///
    /// # Errors
    /// [`crate::error::Invalid::StoreUrl`] for certificates that cannot be read, [`Error::Unavailable`] for a store that cannot be
    /// reached in time or refuses the credentials.
    pub async fn connect(address: &RedisAddress, options: &StoreOptions) -> Result<Self, Error> {
        let shown = address.to_string();
        let connector = Connector::new(address, options.connect_timeout)?;
        let topology = connected(connector, address, options).await.map_err(|fault| fault.into_error(&shown, ""))?;
        let client = Token::random()?.as_str().to_owned();
        let hub = Hub::new(topology.clone(), options.response_timeout);
        let replicas = RedisReplicas::new(shown.clone(), topology.clone(), options.response_timeout);
        let tracker = Tracker::new(topology.clone(), options.response_timeout);
        let clock = ServerClock::new(topology.clone(), options.response_timeout);
        clock.ask().await;
        Ok(Self { address: shown, wire: Wire::new(topology, options.response_timeout), hub, tracker, clock, client, replicas })
    }

    /// This process, among those who wait for a lock.
    fn waiter(&self) -> Waiter<'_> {
        Waiter { client: &self.client, publish: self.wire.topology().publish() }
    }

    async fn ask(&self, request: Request<'_>) -> Result<Value, Error> {
        match self.wire.call(&request).await {
            Ok(reply) => Ok(reply),
            Err(fault) => {
                let blamed = request.blamed(fault.code());
                // A box, as nearly all requests have no need of what is in it.
                let key = if fault.code() == "WRONGTYPE" { Box::pin(self.foreign(request.locks())).await } else { None };
                Err(self.error(fault, key.unwrap_or(blamed)))
            }
        }
    }

    /// The key of these locks in which something else is kept. Errors of scripts do not tell, so it is asked for once there is one.
    async fn foreign<'a>(&self, locks: &'a [LockKeys]) -> Option<&'a str> {
        if locks.is_empty() {
            return None;
        }
        let which = integer(&self.wire.call(&Request::Foreign(locks)).await.ok()?).ok()?;
        locks.iter().flat_map(request::keys).nth(usize::try_from(which).ok()?.checked_sub(1)?)
    }

    /// Has a number answered.
    async fn number(&self, request: Request<'_>) -> Result<i64, Error> {
        let reply = self.ask(request).await?;
        integer(&reply).map_err(|fault| self.error(fault, request.key()))
    }

    fn error(&self, fault: Fault, key: &str) -> Error {
        fault.into_error(&self.address, key)
    }

    fn odd(&self, wanted: &str, reply: &Value) -> Error {
        self.error(odd(wanted, reply), "")
    }
}

/// The servers of an address, once they can be reached.
async fn connected(connector: Connector, address: &RedisAddress, options: &StoreOptions) -> Result<Topology, Fault> {
    let deadline = tokio::time::Instant::now() + options.connect_timeout;
    let timeout: Duration = options.response_timeout;
    match address.topology {
        Kind::Server | Kind::Sentinel { .. } => {
            let primary = Primary::new(connector, timeout);
            primary.link().live(deadline).await?;
            Ok(Topology::One(primary))
        }
        Kind::Cluster => {
            let seeds = address.endpoints.clone();
            Cluster::connect(connector, seeds, timeout, deadline).await.map(Topology::Many)
        }
    }
}

impl Store for RedisStore {
    fn address(&self) -> &str {
        &self.address
    }

    fn check(&self) -> Reply<'_, ()> {
        async move {
            match self.wire.call(&Request::Probe).await {
                Ok(_) => Ok(()),
                // A user who may only touch some keys has come as far as can be told without one of them.
                Err(fault) if fault.code() == "NOPERM" => Ok(()),
                Err(fault) => Err(self.error(fault, Request::Probe.key())),
            }
        }
        .boxed()
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        Some(&self.replicas)
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }
}
