//! `POST /run`: a guest component for a request.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwether::guest::Grant;
use bellwether::runtime::{Capture, Input, Output};
use bellwether::{GuestError, GuestRun};
use serde::{Deserialize, Serialize};

use crate::answers::Failure;
use crate::service::Service;

/// What the guest is given.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    stdin: String,
}

/// What the guest gave.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    status: u8,
    stdout: String,
    stderr: String,
}

/// Runs the guest. Requests run at the same time, each in an instance of its own; a client that goes away ends its guest, and
/// the guest's locks are released.
pub(crate) async fn run(State(service): State<Service>, Json(request): Json<Request>) -> Result<Json<Answer>, Failure> {
    let Some(guest) = &service.guest else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "no guest is loaded: start the service with GUEST=app.wasm"));
    };
    let (stdout, stderr) = (Capture::default(), Capture::default());
    let run = GuestRun::default()
        .args(request.args)
        .stdin(Input::Bytes(request.stdin.into()))
        .stdout(Output::Capture(stdout.clone()))
        .stderr(Output::Capture(stderr.clone()))
        // Locks and caches of this service's prefix; no file and no network.
        .grant(Grant::all());
    let status = guest.run(run).await?.code();
    Ok(Json(Answer { status, stdout: stdout.text(), stderr: stderr.text() }))
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::Deadline { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            _ => Self::internal(format!("{error}\n{}", error.backtrace())),
        }
    }
}
