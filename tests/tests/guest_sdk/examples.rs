//! The example application, through the example stages.

use bellwether::runtime::Input;
use serde_json::{Value, json};

use super::*;

const STAGES: [&str; 3] = ["msgpack", "lz4", "tenant"];
const ARGS: [&str; 8] = ["--serializer", "msgpack", "--compressor", "lz4", "--identity", "tenant", "--json", "--tenant=acme"];

async fn application() -> (Runtime, Guest) {
    let stages = STAGES
        .iter()
        .fold(builder(), |builder, name| builder.stage(*name, bellwether_tests::component(&format!("example-{name}")).unwrap()));
    let runtime = stages.build().await.unwrap();
    let guest = runtime.load(bellwether_tests::component("example-licences").unwrap()).unwrap();
    (runtime, guest)
}

/// What `cargo metadata` would print of a workspace where each of 40 packages depends on three later ones.
fn document(licence_of_30: &str) -> String {
    let name = |n: usize| format!("package-{n}");
    let packages: Vec<_> = (0..40)
        .map(|n| {
            let licence = if n == 30 { licence_of_30 } else { ["MIT OR Apache-2.0", "MIT/Apache-2.0", "ISC"][n % 3] };
            json!({ "id": name(n), "name": name(n), "version": "1.2.3", "source": null, "license": licence, "license_file": null })
        })
        .collect();
    let nodes: Vec<_> = (0..40)
        .map(|n| {
            let deps = [2 * n + 1, 2 * n + 2, n + 7].into_iter().filter(|n| *n < 40);
            json!({ "id": name(n), "deps": deps.map(|n| json!({ "pkg": name(n), "dep_kinds": [{ "kind": null }] })).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "packages": packages, "resolve": { "nodes": nodes } }).to_string()
}

async fn closures(guest: &Guest, document: String) -> Value {
    let ran = run(guest, ARGS, GuestRun::default().stdin(Input::Bytes(document.into()))).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test]
async fn a_second_run_finds_everything_in_the_cache() {
    let (runtime, guest) = application().await;
    let cold = closures(&guest, document("ISC")).await;
    assert_eq!((&cold["packages"], &cold["computed"], &cold["cached"]), (&json!(40), &json!(40), &json!(0)));
    let warm = closures(&guest, document("ISC")).await;
    assert_eq!((&warm["computed"], &warm["cached"]), (&json!(0), &json!(40)));
    assert_eq!(warm["closures"], cold["closures"]);
    assert_eq!(warm["licences"], json!({ "Apache-2.0 OR MIT": 26, "ISC": 14 }));
    assert_eq!(warm["closures"][0]["closure"]["needed"].as_array().map(Vec::len), Some(2));

    // Named by the identity: under their tenant.
    let cache = runtime.caches().open("licences", None).unwrap();
    assert_eq!(cache.delete_pattern("somebody/*").await.unwrap(), 0);
    assert_eq!(cache.delete_pattern("acme/package-*").await.unwrap(), 40);
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_change_is_computed_with_everything_above_it_and_nothing_else() {
    let (runtime, guest) = application().await;
    closures(&guest, document("ISC")).await;
    let changed = closures(&guest, document("GPL-3.0-only")).await;
    // 30 is needed by 23 (30 - 7), by 14 (2n + 2), and by what needs those.
    let mut above = std::collections::BTreeSet::from([30]);
    for n in (0..30).rev() {
        if [2 * n + 1, 2 * n + 2, n + 7].iter().any(|below| above.contains(below)) {
            above.insert(n);
        }
    }
    assert_eq!((&changed["computed"], &changed["cached"]), (&json!(above.len()), &json!(40 - above.len())));
    assert!(
        above.contains(&0) && changed["closures"][0]["closure"]["needed"].as_array().unwrap().contains(&json!("GPL-3.0-only"))
    );
    runtime.shutdown().await;
}

#[tokio::test]
async fn two_guests_at_once_compute_nothing_twice() {
    let (runtime, guest) = application().await;
    let (one, other) = tokio::join!(closures(&guest, document("ISC")), closures(&guest, document("ISC")));
    let count = |what: &str| one[what].as_u64().unwrap() + other[what].as_u64().unwrap();
    assert_eq!(count("computed"), 40);
    assert_eq!(count("computed") + count("cached") + count("shared"), 80);
    assert_eq!(one["closures"], other["closures"]);
    runtime.shutdown().await;
}

#[tokio::test]
async fn bad_input_is_named_and_fails() {
    let (runtime, guest) = application().await;
    for (args, input, why) in [
        (&["-"][..], "", "standard input: is empty"),
        (&[], "{", "standard input: is not JSON"),
        (&[], "[1]", "is JSON, but not what"),
        (&[], r#"{"packages": [], "resolve": {"nodes": []}}"#, "has no packages"),
        (&["/no/such.json"], "", "/no/such.json: cannot be read"),
        (&["--frobnicate"], "", "--frobnicate"),
        (&["--serializer", "nobody"], "{}", "nobody"),
    ] {
        let ran = run(&guest, args.iter().copied(), GuestRun::default().stdin(Input::Bytes(input.into()))).await;
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(why), "{ran:?}");
    }
    runtime.shutdown().await;
}
