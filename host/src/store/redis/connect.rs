//! Makes connections: to a server, or to whichever server the Sentinels call the primary.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo,
    RedisConnectionInfo, TlsCertificates, Value,
};

use super::fault::{Fault, odd};
use super::naming::{self, Naming};
use super::testimony::Named;
use crate::error::{Error, Invalid};
use crate::store::address::{Endpoint, Login, RedisAddress, Tls, Topology};

/// Takes what a connection brings unasked, and the news that it is closed. It must not block.
pub(super) type OnPush = Box<dyn Fn(PushInfo) + Send + Sync>;

/// What it takes to connect to the servers of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    /// Whom to connect to.
    pub(super) target: Target,
    /// Whether it is read from though it is a replica, which the nodes of a cluster refuse to who does not say so.
    replica: bool,
    shared: Arc<Shared>,
}

/// Whom to connect to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// This server.
    Server(Endpoint),
    /// The primary that these Sentinels know by this name.
    Primary {
        sentinels: Arc<[Endpoint]>,
        service: Arc<str>,
        login: Login,
        /// The latest failover that was heard of.
        latest: Arc<AtomicU64>,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(endpoint) => endpoint.fmt(f),
            Self::Primary { service, .. } => write!(f, "the Sentinels or their primary {service:?}"),
        }
    }
}

#[derive(Debug)]
struct Shared {
    login: Login,
    database: i64,
    certificates: Option<TlsCertificates>,
    timeout: Duration,
}

impl Connector {
    /// A connector to the first server of an address, or by its Sentinels. Reads the certificates.
    pub(super) fn new(address: &RedisAddress, timeout: Duration) -> Result<Self, Error> {
        let unreadable = |why: String| Invalid::StoreUrl { url: address.to_string(), why };
        let certificates = address.tls.as_ref().map(read_certificates).transpose().map_err(unreadable)?;
        if certificates.is_some() {
            // The driver takes the process's default and panics if there is none. An embedder who has chosen one is left alone, and
            // losing the race against one who is just choosing is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let target = match (&address.topology, address.endpoints.first()) {
            (Topology::Sentinel { service, login }, _) => Target::Primary {
                sentinels: address.endpoints.clone().into(),
                service: service.as_str().into(),
                login: login.clone(),
                latest: Arc::default(),
            },
            (_, Some(endpoint)) => Target::Server(endpoint.clone()),
            (_, None) => return Err(unreadable("names no host".into()).into()),
        };
        let shared = Shared { login: address.login.clone(), database: address.database, certificates, timeout };
        Ok(Self { target, replica: false, shared: Arc::new(shared) })
    }

    /// A connector to another server of the same store.
    pub(super) fn to(&self, endpoint: Endpoint) -> Self {
        Self { target: Target::Server(endpoint), replica: false, shared: self.shared.clone() }
    }

    /// A connector to a replica of the same cluster, to read from it.
    pub(super) fn to_replica(&self, endpoint: Endpoint) -> Self {
        Self { replica: true, ..self.to(endpoint) }
    }

    /// The server, if it is always the same.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.target {
            Target::Server(endpoint) => Some(endpoint),
            Target::Primary { .. } => None,
        }
    }

    /// How to connect to each of the Sentinels, what they call the primary, and the latest failover that was heard of; `None` if there are
    /// none.
    pub(super) fn sentinels(&self) -> Option<(Vec<Self>, &Arc<str>, &Arc<AtomicU64>)> {
        let Target::Primary { sentinels, service, login, latest } = &self.target else { return None };
        let Shared { certificates, timeout, .. } = &*self.shared;
        let shared = Shared { login: login.clone(), database: 0, certificates: certificates.clone(), timeout: *timeout };
        let shared = Arc::new(shared);
        let to = |sentinel: &Endpoint| Self { target: Target::Server(sentinel.clone()), replica: false, shared: shared.clone() };
        Some((sentinels.iter().map(to).collect(), service, latest))
    }

    /// Makes a connection, within the time for it, and says to which server.
    pub(super) async fn connect(&self, on_push: OnPush) -> Result<(MultiplexedConnection, Endpoint), Fault> {
        let attempt = async {
            match &self.target {
                Target::Server(endpoint) => {
                    let mut connection = self.dial(endpoint, &self.shared.login, self.shared.database, Some(on_push)).await?;
                    if self.replica {
                        allow_reading(endpoint, &mut connection).await?;
                    }
                    Ok((connection, endpoint.clone()))
                }
                Target::Primary { sentinels, service, login, latest } => {
                    let asked = sentinels.iter().map(|sentinel| self.ask_sentinel(sentinel, service, login));
                    let primary = naming::primary(asked, |primary| self.confirmed(primary), latest).await?;
                    let connection = self.dial(&primary, &self.shared.login, self.shared.database, Some(on_push)).await?;
                    Ok((connection, primary))
                }
            }
        };
        tokio::time::timeout(self.shared.timeout, attempt).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    fn too_slow(&self) -> Fault {
        Fault::Unreachable(format!("{}: no connection within {:?}", self.target, self.shared.timeout))
    }

    async fn dial(
        &self,
        endpoint: &Endpoint,
        login: &Login,
        database: i64,
        on_push: Option<OnPush>,
    ) -> Result<MultiplexedConnection, Fault> {
        let client = self.client(endpoint, login, database).map_err(|error| Fault::connecting(endpoint, &error))?;
        // Time is kept by whoever waits: one timer for an operation, not one for each of its steps.
        let mut config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        if let Some(on_push) = on_push {
            config = config.set_push_sender(move |push| {
                on_push(push);
                Ok::<_, std::convert::Infallible>(())
            });
        }
        let dialled = client.get_multiplexed_async_connection_with_config(&config).await;
        dialled.map_err(|error| Fault::connecting(endpoint, &error))
    }

    fn client(&self, endpoint: &Endpoint, login: &Login, database: i64) -> Result<Client, redis::RedisError> {
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        // RESP3, because only that tells of a closed connection, and lets a subscribed one be asked whether it is still alive.
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(database)
            .set_lib_name("bellwether", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password);
        }
        let addr = match &self.shared.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        // Requests of many callers share the connection, so a small one must not wait for the reply to the one before.
        let info =
            addr.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match &self.shared.certificates {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        }
    }

    /// What a Sentinel calls the primary.
    async fn ask_sentinel(&self, sentinel: &Endpoint, service: &str, login: &Login) -> Result<Naming, Fault> {
        let mut connection = self.dial(sentinel, login, 0, None).await?;
        let mut questions = Pipeline::with_capacity(2);
        // The second tells the epoch, and goes on to name the old primary for a while where the first names the new one.
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service).cmd("SENTINEL").arg("MASTER").arg(service);
        let replies = connection.send_packed_commands(&questions, 0, questions.len()).await;
        let mut replies = replies.map_err(|error| Fault::connecting(sentinel, &error))?.into_iter();
        let primary = match replies.next().unwrap_or(Value::Nil) {
            Value::Nil => return Err(Fault::Unreachable(format!("the Sentinel {sentinel} knows no service {service:?}"))),
            Value::ServerError(error) => return Err(Fault::connecting(sentinel, &error.into())),
            reply => address(&reply).ok_or_else(|| odd("an address", &reply))?,
        };
        let epoch = replies.next().and_then(|reply| Named::read(&reply).ok()).map_or(0, |named| named.epoch());
        Ok(Naming { primary, epoch })
    }

    /// A server that was named as the primary, if it takes itself for that.
    async fn confirmed(&self, primary: Endpoint) -> Result<Endpoint, Fault> {
        let mut connection = self.dial(&primary, &self.shared.login, self.shared.database, None).await?;
        confirm_primary(&primary, &mut connection).await?;
        Ok(primary)
    }
}

fn address(reply: &Value) -> Option<Endpoint> {
    let Value::Array(parts) = reply else { return None };
    let [Value::BulkString(host), Value::BulkString(port)] = parts.as_slice() else { return None };
    Some(Endpoint { host: String::from_utf8_lossy(host).into_owned(), port: String::from_utf8_lossy(port).parse().ok()? })
}

/// Has a node of a cluster serve reads of what it has a copy of.
async fn allow_reading(endpoint: &Endpoint, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
    match connection.send_packed_command(&redis::cmd("READONLY")).await {
        Ok(Value::ServerError(error)) => Err(Fault::connecting(endpoint, &error.into())),
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::connecting(endpoint, &error)),
    }
}

/// Whether the server takes itself for a primary.
async fn confirm_primary(endpoint: &Endpoint, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
    let reply = connection.send_packed_command(&redis::cmd("ROLE")).await.map_err(|error| Fault::connecting(endpoint, &error))?;
    match reply {
        // Who may not ask has to trust the Sentinel; a write on a replica then says READONLY.
        Value::ServerError(error) if error.code() == "NOPERM" => Ok(()),
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(()),
            _ => {
                Err(Fault::Unreachable(format!("{endpoint} is named as the primary and is a replica still: a failover goes on")))
            }
        },
        other => Err(odd("a role", &other)),
    }
}

fn read_certificates(tls: &Tls) -> Result<TlsCertificates, String> {
    let read = |file: &std::path::Path| {
        std::fs::read(file).map_err(|why| format!("names a file {} that cannot be read: {why}", file.display()))
    };
    let root_cert = tls.roots.as_deref().map(read).transpose()?;
    let client_tls = match &tls.client {
        None => None,
        Some((cert, key)) => Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
    };
    Ok(TlsCertificates { client_tls, root_cert })
}
