//! What cannot be run, and what is said about it.

use bellwether::runtime::Wasm;

use super::*;

async fn refusal(bytes: &[u8]) -> String {
    let runtime = builder().build().await.unwrap();
    runtime.load(Wasm::named("bad.wasm", bytes.to_vec())).unwrap_err().to_string()
}

async fn refusal_of_text(text: &str) -> String {
    refusal(&wat::parse_str(text).unwrap()).await
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

/// A `run` of WASI 0.2 that returns at once, with what is imported besides.
fn command(imports: &str) -> String {
    format!(
        r#"(component
            {imports}
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance (export "wasi:cli/run@0.2.6") (export "run" (func $run)))
        )"#
    )
}

#[tokio::test]
async fn what_is_no_component_says_what_it_is_and_how_to_make_one() {
    assert_says(&refusal(b"").await, &["bad.wasm", "is empty", "wasm32-wasip2"]);
    assert_says(&refusal(b"#!/bin/sh").await, &["is not WebAssembly", "wasm32-wasip2"]);
    assert_says(&refusal(b"(component)").await, &["WebAssembly text", "wasm-tools parse"]);
    assert_says(&refusal(b"\0asm").await, &["cut off"]);
    assert_says(&refusal_of_text("(module)").await, &["core WebAssembly module", "wasm-tools component new"]);
    let mut component = wat::parse_str(command("")).unwrap();
    component.truncate(component.len() - 9);
    assert_says(&refusal(&component).await, &["cannot be compiled"]);
    let runtime = builder().build().await.unwrap();
    assert_says(&runtime.load("no/such.wasm").unwrap_err().to_string(), &["no/such.wasm", "cannot be read"]);
}

#[tokio::test]
async fn what_lacks_the_export_says_which() {
    assert_says(&refusal_of_text("(component)").await, &["wasi:cli/run@0.3.0", "exports nothing"]);
    let named = r#"(component (instance $i) (export "a:b/c@1.0.0" (instance $i)))"#;
    assert_says(&refusal_of_text(named).await, &["wasi:cli/run@0.3.0", "a:b/c@1.0.0"]);
    let stage = r#"(component (instance $i) (export "bellwether:core/serializer@0.1.0" (instance $i)))"#;
    assert_says(&refusal_of_text(stage).await, &["it is a stage"]);
    let odd = r#"(component (instance $i) (export "wasi:cli/run@0.3.0" (instance $i)))"#;
    assert_says(&refusal_of_text(odd).await, &["exports a `run` that is not that of `wasi:cli`"]);
}

#[tokio::test]
async fn what_imports_what_nobody_grants_says_which() {
    let other = command(r#"(import "wasi:http/types@0.2.0" (instance (export "f" (func))))"#);
    assert_says(&refusal_of_text(&other).await, &["nobody grants", "wasi:http/types@0.2.0", "bellwether:core/{types,lock,"]);
    for unknown in ["lock@0.3.0", "semaphore@0.1.0", "lock"] {
        let unknown = format!("bellwether:core/{unknown}");
        let text = refusal_of_text(&command(&format!(r#"(import "{unknown}" (instance (export "f" (func))))"#))).await;
        assert_says(
            &text,
            &[&unknown, "this version does not have", ",cache}@0.2.0`", "`bellwether:core/{types,lock,cache}@0.1.0`"],
        );
    }
    for version in ["0.1.0", "0.2.0"] {
        let lock = format!("bellwether:core/lock@{version}");
        let text = refusal_of_text(&command(&format!(r#"(import "{lock}" (instance (export "f" (func))))"#))).await;
        assert_says(&text, &[&lock, "nobody grants"]);
    }
}

#[tokio::test]
async fn a_synchronous_command_runs_unless_it_would_have_to_wait() {
    let runtime = builder().build().await.unwrap();
    let guest = runtime.load(Wasm::named("good.wasm", wat::parse_str(command("")).unwrap())).unwrap();
    assert!(guest.run(GuestRun::default()).await.unwrap().success());

    let waits = command(
        r#"(import "bellwether:core/cache@0.1.0" (instance
            (export "cache" (type $cache (sub resource)))
            (export "[method]cache.delete-pattern" (func async (param "self" (borrow $cache)) (param "pattern" string)))))"#,
    );
    let text = refusal_of_text(&waits).await;
    assert_says(
        &text,
        &["bellwether:core/cache@0.1.0", "[method]cache.delete-pattern", "wasi:cli/run@0.2.6", "wasi:cli/run@0.3.0"],
    );
}
