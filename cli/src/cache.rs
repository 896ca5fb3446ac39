//! `bellwether get`, `set`, `delete` and `ttl`: the entries of a cache, one at a time.

use std::time::Duration;

use bellwether::cache::{Cache, Key, Peeked};
use bellwether::store;
use clap::Args;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::failure::{Failure, status};
use crate::settings::Settings;
use crate::stages::Stages;
use crate::{output, time, value};

/// Which entry.
#[derive(Debug, Args)]
struct Entry {
    /// The cache's name, as guests open it.
    cache: String,

    /// The entry's key.
    key: String,

    /// What the value was computed from; the same key with other content is another entry.
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    content: Option<String>,

    #[command(flatten)]
    stages: Stages,
}

/// Prints the value of an entry.
///
/// The value is printed as JSON, or in the diagnostic notation of CBOR where JSON cannot say it: bytes are h'00ff' then. Without such an
/// entry nothing is printed and the exit status is 1. It only looks: an old value that a herd still gets is printed, and nobody is kept
/// from computing a fresh one.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether get prices apple\n  bellwether get --content '{\"v\": 2}' reports 2026-11\n  bellwether get --raw thumbnails cat.png > cat.png"
)]
pub(crate) struct Get {
    #[command(flatten)]
    entry: Entry,

    /// Prints bytes and text as they are, with no newline.
    #[arg(long, group = "form")]
    raw: bool,

    /// Prints the value's CBOR.
    #[arg(long, group = "form")]
    cbor: bool,

    /// Prints an object with `found`, `value`, or `diagnostic` for a value that JSON cannot say, and `due`: whether it is an old value
    /// that is to be computed anew.
    #[arg(long, group = "form")]
    json: bool,
}

/// Stores a value.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bellwether set prices apple '{\"eur\": 1.20}' --expire 10m\n  bellwether set greetings en --text hello\n  bellwether set --raw thumbnails cat.png < cat.png\n  bellwether set pages home '\"<h1>\"' --tag user:42 --tag news"
)]
pub(crate) struct Set {
    #[command(flatten)]
    entry: Entry,

    /// The value, as JSON; read from standard input if it is not given.
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,

    #[command(flatten)]
    form: Form,

    /// How long the entry lives: 250ms, 10s, 5m, 1h30m, 2d; as the configuration has it if not given.
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    expire: Option<Duration>,

    /// A tag of the entry, by which it can be invalidated; up to 16.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Prints an object with `stored`, which is true.
    #[arg(long)]
    json: bool,
}

/// What a value is that is not JSON.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Form {
    /// The value is text as it is, not JSON.
    #[arg(long)]
    text: bool,

    /// The value is bytes as they are, not JSON.
    #[arg(long)]
    raw: bool,

    /// The value is CBOR, on standard input.
    #[arg(long, conflicts_with = "value")]
    cbor: bool,
}

/// Deletes an entry, or all whose keys match a pattern.
///
/// The exit status is 1 if there was none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bellwether delete prices apple\n  bellwether delete prices --pattern 'a*'")]
pub(crate) struct Delete {
    /// The cache's name, as guests open it.
    cache: String,

    /// The entry's key.
    key: Option<String>,

    /// What the value was computed from; the same key with other content is another entry.
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    content: Option<String>,

    /// Deletes the entries whose key matches, whatever their content: `*` is any run of characters, `?` any one, `[a-z]` one of a set.
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["key", "content"])]
    pattern: Option<String>,

    /// Prints an object with `deleted`, the number of entries.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// Prints how long an entry has to live, or `persistent`.
///
/// Without such an entry nothing is printed and the exit status is 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bellwether ttl prices apple")]
pub(crate) struct Ttl {
    #[command(flatten)]
    entry: Entry,

    /// Prints an object with `found` and `ttl_ms`, which is null for an entry that lives until it is deleted.
    #[arg(long)]
    json: bool,
}

/// Performs [`Get`].
pub(crate) async fn get(settings: &Settings, command: &Get) -> Result<u8, Failure> {
    let content = content(command.entry.content.as_deref())?;
    let cache = open(settings, &command.entry.cache, &command.entry.stages).await?;
    let Some(Peeked { value: bytes, due }) = cache.peek_cbor(&command.entry.key, content.as_deref()).await? else {
        if command.json {
            output::json(&json!({ "found": false }))?;
        }
        return Ok(status::ABSENT);
    };
    if command.cbor {
        return output::bytes(&bytes).map(|()| 0);
    }
    let value = value::from_cbor(&bytes)
        .map_err(|why| Failure::new(status::CORRUPT, format!("the value cannot be shown ({why}): try --cbor")))?;
    match (command.raw, value::to_json(&value)) {
        (true, _) => match &value {
            ciborium::Value::Bytes(bytes) => output::bytes(bytes),
            ciborium::Value::Text(text) => output::bytes(text.as_bytes()),
            _ => Err(Failure::usage("the value is neither bytes nor text: leave out --raw")),
        },
        (_, Some(plain)) if command.json => output::json(&json!({ "found": true, "value": plain, "due": due })),
        (_, None) if command.json => output::json(&json!({ "found": true, "diagnostic": value::diagnostic(&value), "due": due })),
        (_, Some(plain)) => output::json(&plain),
        (_, None) => output::line(&value::diagnostic(&value)),
    }?;
    Ok(0)
}

/// Performs [`Set`].
pub(crate) async fn set(settings: &Settings, command: &Set) -> Result<u8, Failure> {
    let content = content(command.entry.content.as_deref())?;
    let given = match &command.value {
        Some(value) => value.clone().into_bytes(),
        None => read_value().await?,
    };
    let value = encode(&command.form, given)?;
    let cache = open(settings, &command.entry.cache, &command.entry.stages).await?;
    let cache = cache.with_tags(&command.tags)?;
    cache.set_cbor(&command.entry.key, value.into(), content.as_deref(), command.expire).await?;
    if command.json {
        output::json(&json!({ "stored": true }))?;
    }
    Ok(0)
}

/// Performs [`Delete`].
pub(crate) async fn delete(settings: &Settings, command: &Delete) -> Result<u8, Failure> {
    let content = content(command.content.as_deref())?;
    if command.pattern.is_none() && command.key.is_none() {
        return Err(Failure::usage("there is nothing to delete: give KEY or --pattern"));
    }
    let cache = open(settings, &command.cache, &command.stages).await?;
    let mut deleted = 0;
    if let Some(pattern) = &command.pattern {
        deleted += cache.delete_pattern(pattern).await?;
    }
    if let Some(key) = &command.key {
        deleted += u64::from(cache.delete(named(key, content.as_deref())?).await?);
    }
    if command.json {
        output::json(&json!({ "deleted": deleted }))?;
    } else if command.pattern.is_some() {
        output::line(&deleted.to_string())?;
    }
    Ok(if deleted == 0 { status::ABSENT } else { 0 })
}

/// Performs [`Ttl`].
pub(crate) async fn ttl(settings: &Settings, command: &Ttl) -> Result<u8, Failure> {
    let content = content(command.entry.content.as_deref())?;
    let cache = open(settings, &command.entry.cache, &command.entry.stages).await?;
    let ttl = cache.ttl(named(&command.entry.key, content.as_deref())?).await?;
    match ttl {
        _ if command.json => output::json(&match ttl {
            store::Ttl::Absent => json!({ "found": false }),
            store::Ttl::Persistent => json!({ "found": true, "ttl_ms": null }),
            store::Ttl::Remaining(left) => json!({ "found": true, "ttl_ms": bellwether::clock::millis(left) }),
        }),
        store::Ttl::Absent => Ok(()),
        store::Ttl::Persistent => output::line("persistent"),
        store::Ttl::Remaining(left) => output::line(&time::show(left)),
    }?;
    Ok(if ttl == store::Ttl::Absent { status::ABSENT } else { 0 })
}

pub(crate) async fn open(settings: &Settings, name: &str, stages: &Stages) -> Result<Cache, Failure> {
    Ok(settings.shared_store(stages).await?.caches().open(name, None)?)
}

fn content(json: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(json) = json else { return Ok(None) };
    let content = value::from_json(json.as_bytes())
        .map_err(|why| Failure::usage(format!("--content cannot be used as JSON ({why}): quote text twice, as '\"text\"'")))?;
    value::to_cbor(&content).map(Some).map_err(Failure::usage)
}

fn named<'a>(key: &'a str, content: Option<&[u8]>) -> Result<Key<'a>, Failure> {
    Ok(match content {
        Some(content) => Key::with_cbor_content(key, content)?,
        None => Key::from(key),
    })
}

/// A value on standard input.
async fn read_value() -> Result<Vec<u8>, Failure> {
    // No server takes more in one value.
    const MOST: u64 = 512 << 20;
    let bytes = read_stdin(MOST + 1).await?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::new(status::LIMIT, "the value on standard input has over 512 MiB, and no store takes that"));
    }
    Ok(bytes)
}

/// All of standard input, or so many bytes of it.
pub(crate) async fn read_stdin(most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = tokio::io::stdin().take(most).read_to_end(&mut bytes).await;
    read.map_err(|why| Failure::new(status::NO_INPUT, format!("cannot read standard input: {why}")))?;
    Ok(bytes)
}

/// The CBOR of what was given.
fn encode(form: &Form, given: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let encoded = if form.cbor {
        return Ok(given);
    } else if form.raw {
        value::to_cbor(&ciborium::Value::Bytes(given))
    } else if form.text {
        let text = String::from_utf8(given)
            .map_err(|why| Failure::usage(format!("the value is not text ({why}): give --raw for bytes")))?;
        value::to_cbor(&text)
    } else {
        let json = value::from_json(&given).map_err(|why| {
            Failure::usage(format!(
                "the value cannot be used as JSON ({why}): give --text for text, --raw for bytes, --cbor for other values"
            ))
        })?;
        value::to_cbor(&json)
    };
    encoded.map_err(Failure::usage)
}
