//! `--config`: what a platform decides holds for every command.

use std::path::Path;

use bellwether_tests::component;

use crate::support::{bellwether, finish, on, redis, run, until};

fn write(directory: &Path, text: &str) -> String {
    let file = directory.join("bellwether.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn store_prefix_expiry_and_stages_come_from_the_configuration_and_flags_override_them() {
    let redis = redis();
    let directory = tempfile::tempdir().unwrap();
    let store = redis.url();
    let config =
        format!("version = 1\n[store]\nurl = {store:?}\nprefix = \"tenant:\"\n[cache]\nexpire = \"1h\"\nserializer = \"json\"\n");
    let config = write(directory.path(), &config);
    run(&["--config", &config, "set", "c", "k", "1"]).ok();
    assert_eq!(run(&["--config", &config, "get", "c", "k"]).ok(), "1\n");
    assert!(run(&["--config", &config, "ttl", "c", "k"]).ok().starts_with("59m"));
    assert_eq!(on(&store, &["get", "c", "k", "--prefix", "tenant:", "--serializer", "json"]).ok(), "1\n");
    run(&["--config", &config, "get", "c", "k", "--prefix", "other:"]).failed(1);
    run(&["--config", &config, "get", "c", "k", "--serializer", "cbor"]).failed(65);
    assert!(run(&["--config", &config, "--store", "redis://127.0.0.1:1", "get", "c", "k"]).failed(69).contains("127.0.0.1:1"));
}

#[test]
fn stages_change_without_a_cold_cache_and_bare_values_are_shared_by_what_the_configuration_says() {
    let redis = redis();
    let directory = tempfile::tempdir().unwrap();
    let store = redis.url();
    let config = |cache: &str| write(directory.path(), &format!("version = 1\n[store]\nurl = {store:?}\n[cache]\n{cache}\n"));
    on(&store, &["set", "c", "k", "1"]).ok();
    let moving = config("serializer = \"json\"\nreads_serializers = [\"cbor\"]\npin = [\"reads_serializers\", \"envelope\"]");
    assert_eq!(run(&["--config", &moving, "get", "c", "k"]).ok(), "1\n");
    run(&["--config", &moving, "set", "c", "k", "2"]).ok();
    on(&store, &["get", "c", "k"]).failed(65);

    let bare = config("serializer = \"json\"\ncompressor = \"none\"\nenvelope = \"none\"");
    run(&["--config", &bare, "set", "c", "k", "[3]"]).ok();
    assert_eq!(redis.command::<String>(&["GET", "cache:c:k"]).unwrap(), "[3]");
    let both = config("envelope = \"none\"\nreads_compressors = [\"none\"]");
    let complaint = run(&["--config", &both, "get", "c", "k"]).failed(78);
    assert!(complaint.contains("bellwether.toml") && complaint.contains("reads-compressors needs the envelope"), "{complaint}");
}

#[test]
fn empty_variables_count_as_unset() {
    let redis = redis();
    let directory = tempfile::tempdir().unwrap();
    let store = redis.url();
    let config = write(directory.path(), &format!("version = 1\n[store]\nurl = {store:?}\nprefix = \"tenant:\"\n"));
    run(&["--config", &config, "set", "c", "k", "1"]).ok();
    let mut command = bellwether(&["get", "c", "k", "--config", &config]);
    for variable in ["BELLWETHER_STORE", "BELLWETHER_PREFIX", "BELLWETHER_LOG"] {
        command.env(variable, "");
    }
    assert_eq!(finish(command.spawn().unwrap()).ok(), "1\n");
    // What is given on the command line is meant.
    run(&["--config", &config, "get", "c", "k", "--prefix", ""]).failed(1);
    let mut command = bellwether(&["get", "c", "k"]);
    assert!(finish(command.env("BELLWETHER_CONFIG", "").spawn().unwrap()).failed(2).contains("--store"));
}

#[test]
fn a_guest_may_open_nothing_that_the_configuration_does_not_grant() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("metadata.json"), "{}").unwrap();
    let config = write(directory.path(), "version = 1\n[guest]\ncaches = [\"others-*\"]\n");
    let app = component("example-licences").unwrap();
    let ended = run(&["run", app.to_str().unwrap(), "--config", &config, "--", "metadata.json"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("\"licences\"") && ended.stderr.contains("not granted"), "{ended:?}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_with_file_and_place() {
    let directory = tempfile::tempdir().unwrap();
    for (text, hint) in [
        ("", "version = 1"),
        ("version = 99", "version 99"),
        ("version = 1\n[store]\nurll = \"memory:\"", "line 3"),
        ("version = 1\n[cache]\nexpire = \"soon\"", "line 3"),
    ] {
        let config = write(directory.path(), text);
        let complaint = run(&["--config", &config, "get", "c", "k"]).failed(78);
        assert!(complaint.contains("bellwether.toml") && complaint.contains(hint), "{complaint}");
    }
    let stage = component("example-lz4").unwrap();
    let stage = format!("[[stage]]\nfile = {:?}\nname = ", stage.to_str().unwrap());
    for (text, hint) in [
        ("[cache]\nserializer = \"yaml\"", "postcard"),
        ("[cache]\nreads_serializers = [\"yaml\"]", "postcard"),
        (&format!("{stage}\"zlib\""), "zlib"),
        (&format!("{stage}\"twice\"\n{stage}\"twice\""), "twice"),
        ("[cache]\nexpire = \"0s\"", "expire"),
        ("[[stage]]\nname = \"a\"\nfile = \"missing.wasm\"", "missing.wasm"),
        ("[store]\nprefix = \"a}\"", "`store.prefix` has a `}`"),
        ("[store]\nprefix = \"a\\n\"", "prefix"),
        ("[store]\nurl = \"mysql://localhost\"", "redis+cluster://"),
    ] {
        let config = write(directory.path(), &format!("version = 1\n{text}"));
        let complaint = run(&["--config", &config, "run", "missing-guest.wasm"]).failed(78);
        assert!(complaint.contains("bellwether.toml") && complaint.contains(hint), "{hint:?} in {complaint}");
    }
    assert!(run(&["--prefix", "a}", "run", "missing-guest.wasm"]).failed(2).contains("prefix \"a}\""));
    let config = write(directory.path(), "version = 1\n[store]\nurl_env = \"NO_SUCH_VARIABLE\"");
    assert!(run(&["--config", &config, "get", "c", "k"]).failed(78).contains("NO_SUCH_VARIABLE"));
}

#[test]
fn who_looks_at_an_entry_of_a_herd_does_not_keep_the_herd_from_computing_it() {
    let redis = redis();
    let directory = tempfile::tempdir().unwrap();
    let herd = "[cache]\nherd = { timeout = \"10m\", extend_timeout = \"10m\" }\npin = [\"herd\"]\n";
    let config = write(directory.path(), &format!("version = 1\n[store]\nurl = {:?}\n{herd}", redis.url()));
    let stored = || redis.command::<Vec<u8>>(&["GET", "cache:c:k"]).unwrap();
    run(&["--config", &config, "set", "c", "k", "1", "--expire", "500ms", "--tag", "t"]).ok();
    let before = stored();
    until("the entry is due", || {
        let found = run(&["--config", &config, "get", "c", "k", "--json"]).ok();
        assert!(found.contains("\"value\":1"), "{found}");
        found.contains("\"due\":true")
    });
    assert_eq!(run(&["--config", &config, "cache", "get", "c", "k"]).ok(), "1\n");
    assert!(stored() == before, "it was claimed");
    run(&["--config", &config, "cache", "invalidate", "c", "--tag", "t"]).ok();
    run(&["--config", &config, "get", "c", "k"]).failed(1);
}
