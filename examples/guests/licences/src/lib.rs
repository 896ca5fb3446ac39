//! A guest application: what each package of a workspace brings along, and under which licences.
//!
//! It reads what `cargo metadata --format-version 1` prints, and for every package works out its dependency closure: how many
//! packages, under which licences and by which shortest way they come in, which licences have to be accepted at the least, and
//! what could be saved by doing without any one of them. Closures are cached by name and version; what a closure was computed from
//! (the licence, and the same of every dependency) is the content, so a package that is locked differently in another
//! workspace is another entry, and one that is locked alike is computed once, by whichever process comes first.

use std::error::Error;
use std::io::Read as _;
use std::time::{Duration, Instant};

use bellwether_guest::{Cache, CacheOptions, StageChoice};

mod args;
mod closure;
mod fewest;
mod graph;
mod metadata;
mod report;
mod spdx;
mod work;

use args::{Args, Command, Source};
use graph::Graph;
use report::Report;

bellwether_guest::main!(app);

async fn app() -> Result<(), Box<dyn Error>> {
    let args = match args::parse(std::env::args().skip(1))? {
        Command::Help => {
            print!("{}", args::HELP);
            return Ok(());
        }
        Command::Run(args) => args,
    };
    let cache = open(&args)?;
    for source in &args.sources {
        let report = examine(source, &cache, &args).await.map_err(|error| format!("{source}: {error}"))?;
        if args.json {
            println!("{}", serde_json::to_string(&report.json(args.top))?);
        } else {
            print!("{}", report.text(args.top));
        }
    }
    Ok(())
}

fn open(args: &Args) -> Result<Cache, bellwether_guest::Error> {
    let wishes = [&args.identity, &args.serializer, &args.compressor];
    if args.expire.is_none() && wishes.iter().all(|wish| **wish == StageChoice::Default) {
        return Cache::open(&args.cache);
    }
    let mut options = CacheOptions::default()
        .identity(args.identity.clone())
        .serializer(args.serializer.clone())
        .compressor(args.compressor.clone());
    if let Some(expire) = args.expire {
        options = options.expire(expire);
    }
    Cache::open_with(&args.cache, options)
}

async fn examine(source: &Source, cache: &Cache, args: &Args) -> Result<Report, Box<dyn Error>> {
    let start = Instant::now();
    let document = read(source)?;
    let graph = Graph::new(metadata::parse(&document)?)?;
    let reading = start.elapsed();
    let outcome = work::closures(&graph, cache, args).await?;
    let total = start.elapsed();
    let working: Duration = total.saturating_sub(reading);
    Ok(Report { source: source.to_string(), document_bytes: document.len(), graph, outcome, reading, working })
}

fn read(source: &Source) -> Result<Vec<u8>, Box<dyn Error>> {
    let document = match source {
        Source::File(path) => std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?,
        Source::Stdin => {
            let mut document = Vec::new();
            std::io::stdin().lock().read_to_end(&mut document).map_err(|error| format!("cannot be read: {error}"))?;
            document
        }
    };
    if document.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty: give it what `cargo metadata --format-version 1` prints".into());
    }
    Ok(document)
}
