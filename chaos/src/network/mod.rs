//! The network between clients, servers and Sentinels: a TCP proxy in front of every server, which delays, holds back or breaks what
//! passes through it.
//!
//! Everything is on one machine, so who connects is told by the address it connects from: clients from 127.0.0.1, server number n
//! and the Sentinels from addresses of their own. That makes it possible to cut one server off from its peers and not from clients.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bellwether_tests::server::BUS;
use tokio::net::TcpListener;
use tokio::sync::watch;

mod proxy;

/// Somebody who connects to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    /// A client of the store.
    Client,
    /// A server, by its place.
    Server(u8),
    /// Any of the Sentinels.
    Sentinel,
}

/// What becomes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Effect {
    /// It passes.
    #[default]
    None,
    /// It is held back until the weather changes, and delivered then, as TCP does after a partition.
    Hold,
    /// It comes later. To clients this much later, half of it, or not at all, which differs from connection to connection.
    Delay(Duration),
    /// The connection is reset after so many more bytes of replies, likely in the middle of one.
    Reset(u32),
    /// About half of the connections are reset, the others go on, and new ones are held back.
    Halve,
}

/// For whom there is an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Whatever goes to a server.
    To(u8),
    /// What servers and Sentinels send to a server.
    FromPeersTo(u8),
    /// What clients send to a server.
    FromClientsTo(u8),
    /// Whatever a server sends to others.
    From(u8),
    /// Whatever Sentinels send to servers.
    FromSentinels,
    /// Whatever servers that follow another send to that.
    FromServersTo(u8),
}

impl Whose {
    fn is(self, from: Party, to: u8) -> bool {
        match self {
            Self::To(server) => server == to,
            Self::FromPeersTo(server) => server == to && from != Party::Client,
            Self::FromClientsTo(server) => server == to && from == Party::Client,
            Self::From(server) => from == Party::Server(server),
            Self::FromSentinels => from == Party::Sentinel,
            Self::FromServersTo(server) => server == to && matches!(from, Party::Server(_)),
        }
    }
}

/// What becomes of whose traffic. The first that fits counts.
#[derive(Debug, Clone, Default)]
struct Weather(Arc<[(Whose, Effect)]>);

impl Weather {
    fn effect(&self, from: Party, to: u8) -> Effect {
        self.0.iter().find(|(whose, _)| whose.is(from, to)).map_or(Effect::None, |(_, effect)| *effect)
    }
}

/// The network. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    weather: watch::Sender<Weather>,
}

impl Network {
    /// A network in good weather.
    pub(crate) fn new() -> Self {
        Self { weather: watch::Sender::new(Weather::default()) }
    }

    /// Stands in front of a server: at the port `front` and at that of a cluster's bus for it.
    pub(crate) async fn stand(&self, server: u8, front: u16, behind: u16) -> Result<()> {
        for above in [0, BUS] {
            let listener = TcpListener::bind(("127.0.0.1", front + above)).await?;
            let stand = proxy::Stand { server, behind: behind + above, weather: self.weather.subscribe() };
            tokio::spawn(stand.serve(listener));
        }
        Ok(())
    }

    /// Changes the weather.
    pub(crate) fn set(&self, effects: &[(Whose, Effect)]) {
        self.weather.send_replace(Weather(effects.into()));
    }

    /// Good weather again.
    pub(crate) fn clear(&self) {
        self.set(&[]);
    }
}

/// The address that a party connects from.
pub(crate) fn source(party: Party) -> Ipv4Addr {
    match party {
        Party::Client => Ipv4Addr::LOCALHOST,
        Party::Server(place) => Ipv4Addr::new(127, 0, 1, place.saturating_add(1)),
        Party::Sentinel => Ipv4Addr::new(127, 0, 2, 1),
    }
}

fn party(source: IpAddr) -> Party {
    match source {
        IpAddr::V4(address) => match address.octets() {
            [127, 0, 1, place] => Party::Server(place.saturating_sub(1)),
            [127, 0, 2, _] => Party::Sentinel,
            _ => Party::Client,
        },
        IpAddr::V6(_) => Party::Client,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn who_connects_is_told_by_the_address() {
        for who in [Party::Client, Party::Server(0), Party::Server(8), Party::Sentinel] {
            assert_eq!(party(source(who).into()), who);
        }
    }

    /// A server that sends back what it gets, and its port behind a network.
    async fn echo(network: &Network) -> u16 {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap().port();
        tokio::spawn(proxy::Stand { server: 0, behind, weather: network.weather.subscribe() }.serve(listener));
        front
    }

    async fn call(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn what_is_held_back_comes_when_the_weather_clears() {
        let network = Network::new();
        let mut stream = TcpStream::connect(("127.0.0.1", echo(&network).await)).await.unwrap();
        assert_eq!(call(&mut stream, b"one").await.unwrap(), b"one");
        network.set(&[(Whose::To(1), Effect::Reset(0)), (Whose::To(0), Effect::Hold)]);
        let mut waiting = Box::pin(call(&mut stream, b"two"));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err());
        network.clear();
        assert_eq!(waiting.await.unwrap(), b"two");
    }

    #[tokio::test]
    async fn a_reset_comes_in_the_middle_of_a_reply() {
        let network = Network::new();
        let mut stream = TcpStream::connect(("127.0.0.1", echo(&network).await)).await.unwrap();
        call(&mut stream, b"one").await.unwrap();
        network.set(&[(Whose::FromClientsTo(0), Effect::Reset(5))]);
        stream.write_all(b"twelve bytes").await.unwrap();
        let mut got = Vec::new();
        // A reset may discard what came before it.
        let ended = stream.read_to_end(&mut got).await;
        assert!(ended.is_err() || got == b"twelv", "{got:?}");
    }

    #[tokio::test]
    async fn half_of_the_clients_stay() {
        let network = Network::new();
        let front = echo(&network).await;
        let mut streams =
            [TcpStream::connect(("127.0.0.1", front)).await.unwrap(), TcpStream::connect(("127.0.0.1", front)).await.unwrap()];
        for stream in &mut streams {
            call(stream, b"one").await.unwrap();
        }
        network.set(&[(Whose::FromPeersTo(0), Effect::Hold), (Whose::FromClientsTo(0), Effect::Halve)]);
        let [first, second] = &mut streams;
        let (first, second) = tokio::join!(call(first, b"two"), call(second, b"two"));
        assert_ne!(first.is_ok(), second.is_ok());
    }
}
