//! One redis-server process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server, or a set of them, has to become ready.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(20);

/// A server, killed when dropped.
pub(crate) struct Server {
    port: u16,
    process: Child,
    ended: bool,
}

impl Server {
    /// Starts a server with these settings, a line each as in `redis.conf`, and waits until it answers.
    pub(crate) fn start(directory: &Path, port: u16, settings: &str, args: &[&str]) -> Result<Self> {
        let directory = directory.join(port.to_string());
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let configuration = directory.join("redis.conf");
        fs::write(&configuration, format!("port {port}\nbind 127.0.0.1\ndir {}\n{settings}\n", directory.display()))?;
        let log = File::create(directory.join("log"))?;
        let process = Command::new("redis-server")
            .arg(&configuration)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start redis-server")?;
        let mut server = Self { port, process, ended: false };
        let began = Instant::now();
        while ask(port, "PING").is_err() {
            if server.ended() || began.elapsed() > READY_WITHIN {
                bail!("redis-server on port {port} does not come up; it said:\n{}", fs::read_to_string(directory.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it ended by itself; true once.
    pub(crate) fn ended(&mut self) -> bool {
        let before = self.ended;
        self.ended |= self.process.try_wait().is_ok_and(|status| status.is_some());
        self.ended && !before
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: Ctrl-C reaches the whole process group.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends an inline command and returns the first line of the answer.
pub(crate) fn ask(port: u16, command: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Ports on which nobody listens, each with the one 10,000 above it, which the nodes of a cluster talk on.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let first = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap_or_default();
    let ports: Vec<u16> = (first..45_000).filter(|port| free(*port) && free(port + 10_000)).take(count).collect();
    if ports.len() == count { Ok(ports) } else { bail!("no {count} ports are free on 127.0.0.1") }
}
