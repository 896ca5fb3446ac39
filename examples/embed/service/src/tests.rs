//! The service without a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use bellwether::Runtime;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::service::router;

/// A WASI 0.2 command that fails.
const FAILING: &str = r#"(component
    (core module $m (func (export "run") (result i32) i32.const 1))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $exports (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $exports)))"#;

/// What was answered: status, `x-cache`, body.
struct Answer(StatusCode, String, String);

async fn get(service: &Router, path: &str) -> Answer {
    ask(service, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(service: &Router, path: &str, body: &Value) -> Answer {
    let request = Request::post(path).header("content-type", "application/json").body(Body::from(body.to_string()));
    ask(service, request.unwrap()).await
}

async fn ask(service: &Router, request: Request<Body>) -> Answer {
    let response = service.clone().oneshot(request).await.unwrap();
    let cache = response.headers().get("x-cache").map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer(status, cache, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_second_answer_comes_from_the_cache() {
    let runtime = Runtime::builder().build().await.unwrap();
    let service = router(&runtime, None).unwrap();
    let Answer(status, cache, first) = get(&service, "/primes/100").await;
    assert_eq!((status, cache.as_str()), (StatusCode::OK, "miss"), "{first}");
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["count"], 25);
    let Answer(_, cache, second) = get(&service, "/primes/100").await;
    assert_eq!((cache.as_str(), second), ("hit", first));
    let lock = runtime.locks().open("primes:100", bellwether::lock::LockOptions::default()).unwrap();
    assert!(!lock.is_locked().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_computes_and_the_others_wait_for_it() {
    let runtime = Runtime::builder().build().await.unwrap();
    let service = router(&runtime, None).unwrap();
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { get(&service, "/primes/2000000").await })
        })
        .collect();
    let mut misses = 0;
    for answer in asked {
        let Answer(status, cache, body) = answer.await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        misses += usize::from(cache == "miss");
    }
    assert_eq!(misses, 1);
}

#[tokio::test]
async fn what_cannot_be_answered_has_its_status() {
    let runtime = Runtime::builder().build().await.unwrap();
    let service = router(&runtime, None).unwrap();
    for (path, expected) in [
        ("/primes/many", StatusCode::BAD_REQUEST),
        ("/primes/-1", StatusCode::BAD_REQUEST),
        ("/primes/4000000000", StatusCode::BAD_REQUEST),
        ("/nothing", StatusCode::NOT_FOUND),
    ] {
        let Answer(status, ..) = get(&service, path).await;
        assert_eq!(status, expected, "{path}");
    }
    let Answer(status, _, body) = post(&service, "/run", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("GUEST="), "{body}");
}

#[tokio::test]
async fn a_guest_runs_for_a_request() {
    let runtime = Runtime::builder().build().await.unwrap();
    let guest = runtime.load(wat::parse_str(FAILING).unwrap()).unwrap();
    let service = router(&runtime, Some(guest)).unwrap();
    let Answer(status, _, body) = post(&service, "/run", &json!({ "args": ["a"], "stdin": "b" })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "status": 1, "stdout": "", "stderr": "" }));
}
