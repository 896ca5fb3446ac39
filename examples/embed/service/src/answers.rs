//! What a client is told when something fails.
//!
//! The kinds of bellwether's errors are few and say who can do something about them, so each has its status code here, once.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether::Error;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// Something that is worth trying again soon.
    pub(crate) fn busy(text: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// A fault of this service. The client learns no more than that; the log does.
    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        eprintln!("internal error: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service failed")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            Error::Denied(_) => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            Error::Limit(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            Error::Unavailable(_) => {
                eprintln!("{error}");
                Self::busy("the store is away")
            }
            // The lock was lost on the way: another request may have it by now.
            Error::NotHeld(_) => Self::busy("interrupted by another request"),
            Error::Stage(_) | Error::Corrupt(_) => Self::internal(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let retry = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = (self.status, format!("{}\n", self.text)).into_response();
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
