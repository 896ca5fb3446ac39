//! A Redis server that a test can kill, start again and stop for a while.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::aio::MultiplexedConnection;

use super::until;

/// A server of its own, without persistence; ended when dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { process: spawn(port, directory.path()), port, directory };
        server.connection().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection of another client, once the server answers.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = None;
        until("the server answers", async || {
            connection = client.get_multiplexed_async_connection().await.ok();
            connection.is_some()
        })
        .await;
        connection.unwrap()
    }

    /// Kills the server; what it had is lost.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same address, empty.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.port, self.directory.path());
    }

    /// Stops it, so that it keeps its connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, directory: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs: install it, as by `apt-get install redis-server`")
}
