//! One Redis server.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{Process, directory, free_port};
use crate::wait::until;

/// How far above the port of a cluster's node its bus is.
pub const BUS: u16 = 10_000;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Lines of configuration, each a directive and its arguments.
    pub config: Vec<Vec<String>>,
    /// The password of the user `default`.
    pub password: Option<String>,
    /// The most memory for data, as `3mb`; nothing is evicted.
    pub maxmemory: Option<String>,
    /// Encrypted connections only, and only from clients with a certificate.
    pub tls: bool,
    /// The port of the primary that it copies.
    pub replica_of: Option<u16>,
    /// The port to listen on; a free one if none is given.
    pub port: Option<u16>,
    /// The port that others are told to reach it at, because something stands in front of it there. In a cluster the same
    /// thing stands in front of its bus, 10,000 ports above.
    pub announce: Option<u16>,
}

impl ServerOptions {
    /// Adds a line of configuration.
    #[must_use]
    pub fn with(mut self, line: &[&str]) -> Self {
        self.config.push(line.iter().map(ToString::to_string).collect());
        self
    }
}

/// A Redis server that is killed when dropped. It keeps nothing on disk unless it is configured to.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    port: u16,
    dir: PathBuf,
    mode: Option<&'static str>,
    options: ServerOptions,
}

impl Server {
    /// Starts a server as it comes.
    ///
    /// # Errors
    /// If redis-server is not installed, or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(ServerOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If redis-server is not installed, or does not start.
    pub fn start_with(options: ServerOptions) -> Result<Self> {
        Self::start_in(None, options)
    }

    /// Starts one in another mode, by its flag. Sentinel has a program of its own, but not everywhere in the same package.
    pub(crate) fn start_in(mode: Option<&'static str>, options: ServerOptions) -> Result<Self> {
        let dir = directory()?;
        if options.tls {
            write_certificates(&dir)?;
        }
        let port = options.port.map_or_else(free_port, Ok)?;
        let mut server = Self { process: None, port, dir, mode, options };
        server.restart()?;
        Ok(server)
    }

    /// Starts it again on the same port, having killed it if it still runs. The data is gone, unless the configuration has it
    /// kept on disk.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let config = self.dir.join("redis.conf");
        // Sentinels and nodes of a cluster write down what they have learnt.
        if !config.exists() {
            std::fs::write(&config, self.config())?;
        }
        let arguments: Vec<_> = std::iter::once(config.display().to_string()).chain(self.mode.map(str::to_owned)).collect();
        let mut process = Process::start("redis-server", &arguments, &self.dir)?;
        until("the server's first answer", || {
            process.check(&self.dir)?;
            let answer = self.connection().and_then(|mut connection| Ok(redis::cmd("PING").query::<String>(&mut connection)?));
            Ok(answer.ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it (SIGKILL) if it runs. Whoever connects is refused from then on.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether it was not killed.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Stops it in its tracks (SIGSTOP): connections stay, and nothing is answered.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> Result<()> {
        self.process.as_ref().context("the server does not run")?.signal("STOP")
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<()> {
        self.process.as_ref().context("the server does not run")?.signal("CONT")
    }

    /// Keeps a replica from getting anything any more, while it lives and answers.
    ///
    /// # Errors
    /// If it does not answer, or still gets something.
    pub fn cut_off(&self) -> Result<()> {
        self.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"])?;
        self.command::<u64>(&["CLIENT", "KILL", "TYPE", "master"])?;
        until("the replica to be cut off", || {
            let info = self.command::<String>(&["INFO", "replication"])?;
            Ok(info.contains("master_link_status:down").then_some(()))
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that others reach it at.
    #[must_use]
    pub fn announced(&self) -> u16 {
        self.options.announce.unwrap_or(self.port)
    }

    /// The address of a store there, with the password and the certificates it takes.
    #[must_use]
    pub fn url(&self) -> String {
        let login = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        if self.options.tls {
            let (ca, cert, key) = (self.file("ca.pem"), self.file("cert.pem"), self.file("key.pem"));
            return format!("rediss://{login}127.0.0.1:{}?ca={ca}&cert={cert}&key={key}", self.port);
        }
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    /// The path of one of its files: `ca.pem`, `cert.pem` and `key.pem` with TLS, and `log`.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// A second connection, to look at what ours have done.
    ///
    /// # Errors
    /// If it cannot be made. It never can with TLS, which the second client does not know.
    pub fn connection(&self) -> Result<redis::Connection> {
        let login = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{}", self.plain_port()))?;
        let connection = client.get_connection_with_timeout(std::time::Duration::from_secs(2))?;
        connection.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        Ok(connection)
    }

    /// Runs a command given as words and gives its reply.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses, or replies with something else.
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connection()?).with_context(|| format!("{words:?} to port {}", self.port))
    }

    /// One number of `INFO`.
    ///
    /// # Errors
    /// If there is no such number.
    pub fn info(&self, name: &str) -> Result<u64> {
        let info: String = self.command(&["INFO", "everything"])?;
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("INFO has no {name}"))?.trim().parse()?)
    }

    /// With TLS, the harness itself still needs a way in.
    fn plain_port(&self) -> u16 {
        if self.options.tls { self.port + 10_000 } else { self.port }
    }

    fn config(&self) -> String {
        let mut lines =
            vec![format!("port {}", self.plain_port()), "bind 127.0.0.1".into(), format!("dir {}", self.dir.display())];
        if self.options.tls {
            lines.push(format!("tls-port {}", self.port));
            lines.extend(["tls-cert-file cert.pem", "tls-key-file key.pem", "tls-ca-cert-file ca.pem"].map(Into::into));
        }
        if self.mode.is_none() {
            // A replica follows at once, not when it suits the primary.
            let server = ["save \"\"", "appendonly no", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"];
            lines.extend(server.map(Into::into));
        }
        if let Some(password) = &self.options.password {
            lines.extend([format!("requirepass {password}"), format!("masterauth {password}")]);
        }
        if let Some(port) = self.options.announce {
            lines.extend([format!("replica-announce-port {port}"), format!("cluster-announce-port {port}")]);
            lines.push(format!("cluster-announce-bus-port {}", port + BUS));
        }
        if let Some(most) = &self.options.maxmemory {
            lines.extend([format!("maxmemory {most}"), "maxmemory-policy noeviction".into()]);
        }
        lines.extend(self.options.replica_of.map(|port| format!("replicaof 127.0.0.1 {port}")));
        lines.extend(self.options.config.iter().map(|line| line.join(" ")));
        lines.join("\n") + "\n"
    }
}

/// A root, and a certificate by it for server and client.
fn write_certificates(dir: &Path) -> Result<()> {
    let root_key = rcgen::KeyPair::generate()?;
    let mut root = rcgen::CertificateParams::new(Vec::new())?;
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // Another name than that of what it signs, which would look like signed by itself.
    root.distinguished_name.push(rcgen::DnType::CommonName, "root");
    let root_pem = root.self_signed(&root_key)?.pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(["localhost".into(), "127.0.0.1".into()])?.signed_by(&key, &issuer)?;
    std::fs::write(dir.join("ca.pem"), root_pem)?;
    std::fs::write(dir.join("cert.pem"), certificate.pem())?;
    std::fs::write(dir.join("key.pem"), key.serialize_pem())?;
    Ok(())
}
