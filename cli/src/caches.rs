//! `bellwether cache`: what is in a cache, and what is to be there no more.

use bellwether::cache::{EntryForm, FoundEntry, Stats};
use bellwether::clock::millis;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::{Failure, status};
use crate::settings::Settings;
use crate::stages::Stages;
use crate::{cache, output, prompt, time};

/// Looks into a cache, and changes what is in it.
///
/// All of it goes through the same stages and names as guests do, so that a value which a custom serializer wrote can be read:
/// give the component with --serializer, or a configuration that has it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether cache get prices apple\n  bellwether cache keys prices --pattern 'a*' --long\n  bellwether cache stats prices\n  bellwether cache clear prices"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Get(cache::Get),
    Set(cache::Set),
    Delete(cache::Delete),
    Ttl(cache::Ttl),
    Keys(Keys),
    Stats(ShowStats),
    Invalidate(Invalidate),
    Clear(Clear),
}

/// Lists the keys of a cache's entries.
///
/// It walks over all keys of every server in small batches, and over no values. With an identity that is not built in, what is
/// listed is the text that the identity gave. What has no value yet, as somebody computes it or failed to, is shown by --long and --json.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether cache keys prices\n  bellwether cache keys prices --pattern 'a*' --long\n  bellwether cache keys prices --json | jq -r '.entries[] | select(.ttl_ms == null).key'"
)]
struct Keys {
    /// The cache's name, as guests open it.
    cache: String,

    /// Only keys that match: `*` is any run of characters, `?` any one, `[a-z]` one of a set.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    pattern: String,

    /// How many at most; if there are more, that is said on stderr.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,

    /// Shows also the digest of the content, bytes, time to live, and which stages wrote the entry.
    #[arg(short, long)]
    long: bool,

    /// Prints an object with `entries`, a list of objects, and `more`; `ttl_ms` is null for an entry that lives until it is deleted,
    /// `serializer` and `compressor` for one without an envelope or of stages that are not known here. `tags` are those that it was set
    /// with; one that was invalidated by a tag can still be listed. One with `vacant` or `failed` has no value.
    #[arg(long, conflicts_with = "long")]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// Says how many entries a cache has, how large they are, and what wrote them.
///
/// All entries are counted, but only a sample is looked at; what is said of all from the sample has a `~`. Bytes are those of
/// envelopes and values: keys and what the server needs besides are not in them. Values that are being computed, and failures, are counted
/// apart where they are looked at, and else as entries.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bellwether cache stats prices\n  bellwether cache stats prices --full --json")]
struct ShowStats {
    /// The cache's name, as guests open it.
    cache: String,

    /// About how many entries are looked at.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sample: u64,

    /// Looks at all of them.
    #[arg(long, conflicts_with = "sample")]
    full: bool,

    /// Prints an object with `entries`, `looked_at`, and of those `bytes`, `largest`, `expiring`, `serializers` …
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// Deletes the entries that something has made wrong, or puts an end to all that have a tag.
///
/// Prints how many were deleted; how many had the tag, nobody knows. The exit status is 1 if there was none.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether cache invalidate prices --pattern 'fruit/*'\n  bellwether cache invalidate prices --tag supplier:7"
)]
struct Invalidate {
    /// The cache's name, as guests open it.
    cache: String,

    #[command(flatten)]
    which: Which,

    /// Prints an object with `deleted`, the number of entries; for a tag, with `invalidated`, which is false if none can have had it.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// Which entries; one way to say it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Those whose key matches, whatever their content: `*` is any run of characters, `?` any one, `[a-z]` one of a set.
    #[arg(long, value_name = "GLOB")]
    pattern: Option<String>,

    /// Those that were set with this tag: one request, however many they are.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

/// Deletes all entries of a cache.
///
/// Asks first. Prints how many there were; the exit status is 1 if there was none, or the answer was no.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bellwether cache clear prices --yes")]
struct Clear {
    /// The cache's name, as guests open it.
    cache: String,

    /// Does not ask.
    #[arg(short, long)]
    yes: bool,

    /// Prints an object with `deleted`, the number of entries.
    #[arg(long)]
    json: bool,
}

/// Performs [`Options`].
pub(crate) async fn cache(settings: &Settings, options: &Options) -> Result<u8, Failure> {
    match &options.action {
        Action::Get(command) => cache::get(settings, command).await,
        Action::Set(command) => cache::set(settings, command).await,
        Action::Delete(command) => cache::delete(settings, command).await,
        Action::Ttl(command) => cache::ttl(settings, command).await,
        Action::Keys(command) => keys(settings, command).await,
        Action::Stats(command) => stats(settings, command).await,
        Action::Invalidate(command) => invalidate(settings, command).await,
        Action::Clear(command) => clear(settings, command).await,
    }
}

async fn keys(settings: &Settings, command: &Keys) -> Result<u8, Failure> {
    let cache = cache::open(settings, &command.cache, &command.stages).await?;
    let found = cache.list(&command.pattern, command.limit).await?;
    if command.json {
        let entries: Vec<_> = found.entries.iter().map(object).collect();
        output::json(&json!({ "entries": entries, "more": found.more }))?;
    } else if command.long {
        let titles = ["KEY", "CONTENT", "BYTES", "TIME TO LIVE", "SERIALIZER", "COMPRESSOR"].map(str::to_owned);
        output::table(&std::iter::once(titles).chain(found.entries.iter().map(row)).collect::<Vec<_>>())?;
    } else {
        // One key can be on many lines otherwise, and each line would be another key.
        let mut keys: Vec<[String; 1]> =
            found.entries.into_iter().filter(FoundEntry::has_value).map(|entry| [entry.key]).collect();
        keys.dedup();
        output::table(&keys)?;
    }
    if found.more && !command.json {
        output::note(&format!("there are more than {}: give --limit or --pattern", command.limit));
    }
    Ok(0)
}

async fn stats(settings: &Settings, command: &ShowStats) -> Result<u8, Failure> {
    let cache = cache::open(settings, &command.cache, &command.stages).await?;
    let stats = cache.stats(if command.full { u64::MAX } else { command.sample }).await?;
    if command.json { output::json(&of_stats(&stats)) } else { output::table(&lines(&stats)) }.map(|()| 0)
}

async fn invalidate(settings: &Settings, command: &Invalidate) -> Result<u8, Failure> {
    let cache = cache::open(settings, &command.cache, &command.stages).await?;
    match &command.which {
        Which { pattern: Some(pattern), .. } => tell_deleted(cache.delete_pattern(pattern).await?, command.json),
        Which { tag: Some(tag), .. } => {
            let invalidated = cache.invalidate_tag(tag).await?;
            if command.json {
                output::json(&json!({ "invalidated": invalidated }))?;
            }
            Ok(if invalidated { 0 } else { status::ABSENT })
        }
        Which { pattern: None, tag: None } => Err(Failure::usage("there is nothing to invalidate: give --pattern or --tag")),
    }
}

async fn clear(settings: &Settings, command: &Clear) -> Result<u8, Failure> {
    prompt::possible(command.yes, "it clears a cache")?;
    let cache = cache::open(settings, &command.cache, &Stages::default()).await?;
    if !command.yes && !prompt::agreed(&format!("Delete all entries of the cache {:?}? [y/N] ", command.cache)).await? {
        return Err(Failure::new(status::ABSENT, "left as it is"));
    }
    tell_deleted(cache.clear().await?, command.json)
}

fn tell_deleted(deleted: u64, as_json: bool) -> Result<u8, Failure> {
    if as_json { output::json(&json!({ "deleted": deleted })) } else { output::line(&deleted.to_string()) }?;
    Ok(if deleted == 0 { status::ABSENT } else { 0 })
}

fn object(entry: &FoundEntry) -> Value {
    let mut object = json!({ "key": entry.key, "content": entry.content, "stored_key": entry.stored });
    if let Some(about) = &entry.about {
        object["bytes"] = about.bytes.into();
        object["ttl_ms"] = about.expires.map(millis).into();
        match &about.form {
            EntryForm::Enveloped { serializer, compressor, compressed, created, tags } => {
                object["serializer"] = serializer.clone().into();
                object["compressor"] = compressor.clone().into();
                object["compressed"] = (*compressed).into();
                object["created_ms"] = (*created).into();
                object["tags"] = tags.clone().into();
            }
            form => {
                object["vacant"] = (*form == EntryForm::Vacant).into();
                object["failed"] = (*form == EntryForm::Failed).into();
                object["serializer"] = Value::Null;
                object["compressor"] = Value::Null;
            }
        }
    }
    object
}

fn row(entry: &FoundEntry) -> [String; 6] {
    let dash = || "-".to_owned();
    let content = entry.content.clone().unwrap_or_else(dash);
    let Some(about) = &entry.about else { return [entry.key.clone(), content, dash(), dash(), dash(), dash()] };
    let (serializer, compressor) = match &about.form {
        EntryForm::Enveloped { serializer, compressor, compressed, .. } => {
            let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
            let left = if *compressed || compressor.as_deref() == Some("none") { "" } else { " (left as it was)" };
            (name(serializer), name(compressor) + left)
        }
        EntryForm::Vacant => ("(being computed)".to_owned(), dash()),
        EntryForm::Failed => ("(failure)".to_owned(), dash()),
        EntryForm::Bare => ("(no envelope)".to_owned(), dash()),
    };
    let lives = about.expires.map_or_else(|| "persistent".to_owned(), time::show);
    [entry.key.clone(), content, about.bytes.to_string(), lives, serializer, compressor]
}

fn of_stats(stats: &Stats) -> Value {
    json!({
        "entries": stats.entries,
        "looked_at": stats.looked_at,
        "bytes": stats.bytes,
        "largest": stats.largest.as_ref().map(|(bytes, key)| json!({ "bytes": bytes, "stored_key": key })),
        "expiring": stats.expiring,
        "serializers": stats.serializers,
        "compressors": stats.compressors,
        "compressed": stats.compressed,
        "bare": stats.bare,
        "vacant": stats.vacant,
        "failed": stats.failed,
    })
}

fn lines(stats: &Stats) -> Vec<[String; 2]> {
    // Who was not looked at can be of either kind.
    let [met, looked_at] = [stats.entries, stats.looked_at].map(|count| u128::from(count + stats.vacant + stats.failed));
    let part = |count: u64| match looked_at {
        all if all == met => count.to_string(),
        0 => "?".to_owned(),
        // Of 64 bits each, so that the product has room.
        all => format!("~{}", u128::from(count) * met / all),
    };
    let mut lines = vec![("entries".to_owned(), stats.entries.to_string())];
    if stats.looked_at < stats.entries {
        lines.push(("looked at".to_owned(), stats.looked_at.to_string()));
    }
    lines.push(("bytes".to_owned(), part(stats.bytes)));
    if let Some((bytes, key)) = &stats.largest {
        lines.push(("largest".to_owned(), format!("{bytes} bytes: {key}")));
    }
    lines.push(("with a time to live".to_owned(), part(stats.expiring)));
    for (kind, counts) in [("serializer", &stats.serializers), ("compressor", &stats.compressors)] {
        lines.extend(counts.iter().map(|(name, count)| (format!("{kind} {name}"), part(*count))));
    }
    lines.push(("compressed".to_owned(), part(stats.compressed)));
    for (what, count) in [("without an envelope", stats.bare), ("being computed", stats.vacant), ("failures", stats.failed)] {
        if count > 0 {
            lines.push((what.to_owned(), part(count)));
        }
    }
    lines.into_iter().map(|(what, count)| [what, count]).collect()
}
