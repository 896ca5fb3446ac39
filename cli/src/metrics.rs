//! `--metrics`: what locks and caches have done, for Prometheus to fetch while the program runs.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::Args;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use crate::failure::{Failure, status};

/// The option of commands that may run for long.
#[derive(Debug, Args)]
pub(crate) struct Metrics {
    /// Serves what locks and caches have done so far to Prometheus, as GET /metrics over HTTP on this address (`127.0.0.1:9464`, for
    /// example) while the program runs. Whoever reaches the address can read it.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    metrics: Option<SocketAddr>,
}

/// From half a round trip in one machine to a server that is down, each twice the one before.
const BUCKETS: [f64; 20] = [
    0.000_064, 0.000_128, 0.000_256, 0.000_512, 0.001_024, 0.002_048, 0.004_096, 0.008_192, 0.016_384, 0.032_768, 0.065_536,
    0.131_072, 0.262_144, 0.524_288, 1.048_576, 2.097_152, 4.194_304, 8.388_608, 16.777_216, 33.554_432,
];

impl Metrics {
    /// Begins to serve, if that was asked for, and to count. Nothing that is to be counted may come before it.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub(crate) fn serve(&self) -> Result<(), Failure> {
        let Some(address) = self.metrics else { return Ok(()) };
        let builder = PrometheusBuilder::new().with_http_listener(address);
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS);
        builder.and_then(PrometheusBuilder::install).map_err(|why| {
            let why = match why {
                BuildError::FailedToCreateHTTPListener(why) => why,
                why => why.to_string(),
            };
            Failure::new(status::SYSTEM, format!("cannot serve metrics on {address}: {why}: give --metrics another address"))
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|why| format!("{why}: write HOST:PORT"))?;
    found.next().ok_or_else(|| "it has no address: write HOST:PORT".to_owned())
}
