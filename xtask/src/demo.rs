//! The example application, cold and warm.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use xshell::cmd;

use crate::components;
use crate::steps::Steps;

/// Runs the example application cold and warm, and shows the difference.
///
/// Builds the command line program and the example components, then runs the application `examples/guests/licences` twice on
/// the output of `cargo metadata` of this workspace, with a msgpack serializer, an LZ4 compressor and a tenant-prefix identity,
/// all of them components: first with an empty cache, then with what the first run left there.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Uses this store (`redis://127.0.0.1:6379`, for example), from two processes one after the other, in place of a memory
    /// store within one process.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// What the application says of one run.
#[derive(Debug, Deserialize)]
struct Report {
    packages: u64,
    computed: u64,
    cached: u64,
    value_bytes: u64,
    reading_ms: f64,
    working_ms: f64,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    let shell = steps.shell();
    let built = components::build(steps, &components::EXAMPLES)?;
    steps.step("building the command line program (the first time this compiles wasmtime)", || {
        Ok(cmd!(shell, "cargo build --package bellwether-cli").run()?)
    })?;
    let documents = steps.target().join("demo");
    steps.step("writing down what cargo knows of this workspace", || {
        let metadata = cmd!(shell, "cargo metadata --format-version 1 --locked").quiet().read()?;
        Steps::note(&format!("{} KiB of JSON", metadata.len() / 1024));
        shell.create_dir(&documents)?;
        shell.write_file(documents.join("metadata.json"), metadata).context("cannot write the input of the application")
    })?;

    let bellwether = steps.target().join("debug/bellwether");
    let stages = [("--serializer", "example-msgpack"), ("--compressor", "example-lz4"), ("--identity", "example-tenant")];
    let stages: Vec<_> = stages.into_iter().flat_map(|(flag, package)| [PathBuf::from(flag), built.of(package)]).collect();
    let application = built.of("example-licences");
    // A prefix of its own makes the first run on a shared server a cold one.
    let prefix = format!("demo-{}:", std::process::id());
    let directory = format!("{}::/documents", documents.display());
    let run = |repeat: &str, store: &str| {
        let stage_flags = &stages;
        let settings = ["--store", store, "--prefix", &prefix, "--repeat", repeat, "--dir", &directory];
        let arguments = ["--json", "--expire", "1h", "/documents/metadata.json"];
        let command = cmd!(shell, "{bellwether} run {settings...} {stage_flags...} {application} -- {arguments...}");
        eprintln!("$ {command}");
        Ok(command.quiet().read()?)
    };
    let reports = match &options.store {
        None => steps.step("running the application twice, cold and warm", || run("2", "memory:"))?,
        Some(store) => {
            let cold = steps.step("running the application in one process, cold", || run("1", store))?;
            let warm = steps.step("running the application in another process, warm", || run("1", store))?;
            format!("{cold}\n{warm}")
        }
    };
    let reports = reports.lines().map(serde_json::from_str).collect::<Result<Vec<Report>, _>>();
    let [cold, warm] = &reports.context("the application's report cannot be read")?[..] else {
        bail!("the application did not report twice")
    };
    steps.say("the licences that each package of this workspace brings along");
    print!("{}", table(cold, warm));
    Steps::note("the same for people: run the command above without --json");
    Ok(())
}

fn table(cold: &Report, warm: &Report) -> String {
    let row = |what: &str, cold: String, warm: String| format!("    {what:<30}{cold:>12}{warm:>12}\n");
    let count = |number: u64| number.to_string();
    let time = |millis: f64| format!("{millis:.1} ms");
    [
        row("", "cold".into(), "warm".into()),
        row("packages", count(cold.packages), count(warm.packages)),
        row("closures computed", count(cold.computed), count(warm.computed)),
        row("closures from the cache", count(cold.cached), count(warm.cached)),
        row("bytes of closures", count(cold.value_bytes), count(warm.value_bytes)),
        row("time to read the document", time(cold.reading_ms), time(warm.reading_ms)),
        row("time to get all closures", time(cold.working_ms), time(warm.working_ms)),
    ]
    .concat()
}
