//! `bellwether locks break`: takes a lock away from who holds it.

use bellwether::lock::{Broken, Form, HeldLock, Locks, Part, SeenHolder};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{object, open, who};
use crate::failure::{Failure, status};
use crate::settings::Settings;
use crate::{output, prompt, time};

/// Takes a lock away from its holders.
///
/// Shows the lock and asks first. Where several hold it, as readers do, it is taken away from all that were shown, or from the one that
/// `--fingerprint` chooses. Who holds it only since it was shown is left alone. The lock goes to who waits for it. A holder learns of
/// it when it renews its lease, and may go on until then: it is kept out only by what the lock protects, if that refuses stale fences.
/// Which are stale is printed.
///
/// The exit status is 1 if nobody holds the lock or the answer was no, and 75 if only others held it by then.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The lock's name, without the prefix.
    name: String,

    /// What the name stands for. Needed only if more than one lock of this name is held, as they have nothing to do with each other.
    #[arg(long)]
    kind: Option<Kind>,

    /// Does not ask.
    #[arg(short, long)]
    yes: bool,

    /// Only from the holder behind whom the list has this in brackets.
    #[arg(long, value_name = "DIGITS")]
    fingerprint: Option<String>,

    /// Prints an object with `broken`, `fence` (new ones are larger), `taken_from` (fingerprints), `handed_on`, and `was`, the lock as
    /// the list had it.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bellwether locks break nightly
  bellwether locks break nightly --yes --fingerprint 1f0c9a3e
  bellwether locks break licences --kind semaphore";

/// What a name stands for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A plain lock
    Lock,
    /// A read-write lock
    ReadWrite,
    /// A semaphore
    Semaphore,
}

impl From<Kind> for Form {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Lock => Self::Plain,
            Kind::ReadWrite => Self::ReadWrite,
            Kind::Semaphore => Self::Semaphore,
        }
    }
}

/// Performs [`Options`].
pub(super) async fn break_lock(settings: &Settings, options: &Options, as_json: bool) -> Result<u8, Failure> {
    prompt::possible(options.yes, "it breaks a lock")?;
    let locks = open(settings).await?;
    let seen = look(&locks, options).await?;
    let chosen: Vec<_> = seen.holders().iter().filter(|holder| is_chosen(holder, options.fingerprint.as_deref())).collect();
    if chosen.is_empty() {
        return changed_hands(&seen);
    }
    if !options.yes && !ask(&seen, &chosen).await? {
        return Err(Failure::new(status::ABSENT, "left as it is"));
    }
    let mut outcomes = Vec::new();
    for holder in chosen {
        outcomes.push((holder, locks.break_lock(&seen, holder).await?));
    }
    tell(&seen, &outcomes, as_json || options.json)
}

/// The one lock that is meant.
async fn look(locks: &Locks, options: &Options) -> Result<HeldLock, Failure> {
    let name = &options.name;
    let mut held = match options.kind {
        Some(kind) => locks.look_at(name, kind.into()).await?.into_iter().collect(),
        None => locks.look(name).await?,
    };
    if held.len() > 1 {
        let kinds: Vec<_> = held.iter().map(|seen| format!("--kind {}", seen.form().as_str())).collect();
        let which = kinds.join(" or ");
        return Err(Failure::usage(format!("{name:?} is the name of more than one lock that is held: say which with {which}")));
    }
    let what = options.kind.map_or(Form::Plain, Form::from);
    held.pop().ok_or_else(|| Failure::new(status::ABSENT, format!("nobody holds the {what} {name:?}")))
}

/// Whether this holder was shown with these digits, if there are any.
fn is_chosen(holder: &SeenHolder, digits: Option<&str>) -> bool {
    let shown = &holder.fingerprint;
    let is_that = |digits: &str| digits.len() >= shown.short().len() && shown.as_str().starts_with(&digits.to_ascii_lowercase());
    digits.is_none_or(is_that)
}

fn changed_hands(seen: &HeldLock) -> Result<u8, Failure> {
    let text = format!("somebody else holds the {} {:?} by now, and nothing was done: look again", seen.form(), seen.name());
    Err(Failure::new(status::BUSY, text))
}

/// Shows a lock and asks whether to break it.
async fn ask(seen: &HeldLock, chosen: &[&SeenHolder]) -> Result<bool, Failure> {
    let waiting = match seen.waiters() {
        0 => "nobody waits".to_owned(),
        waiters => format!("{waiters} in the queue"),
    };
    let name = named(seen);
    let question = match chosen {
        [only] => format!("{name} is held by {}; {waiting}. Break it? [y/N] ", in_words(only)),
        many => {
            let lines: Vec<_> = many.iter().map(|holder| format!("  {}", in_words(holder))).collect();
            let lines = lines.join("\n");
            format!("{name} is held by {}; {waiting}:\n{lines}\nBreak all of them? [y/N] ", many.len())
        }
    };
    prompt::agreed(&question).await
}

/// Says what became of it.
fn tell(seen: &HeldLock, outcomes: &[(&SeenHolder, Broken)], as_json: bool) -> Result<u8, Failure> {
    let (mut taken_from, mut fences, mut handed, mut lines) = (Vec::new(), Vec::new(), false, Vec::new());
    for (holder, outcome) in outcomes {
        let who = who(holder);
        let Broken::Yes { fence, handed_on } = outcome else {
            lines.push(format!("left as it is: {who} does not hold {} any more", named(seen)));
            continue;
        };
        let stale = match holder.fence {
            _ if holder.part.is_alone() => format!("fences up to {fence} are stale"),
            Some(own) => format!("its fence {own} is stale, and new ones are larger than {fence}"),
            None => format!("new fences are larger than {fence}"),
        };
        let now = if *handed_on { "; the next in the queue has it now" } else { "" };
        lines.push(format!("broken: {} was held by {who}; {stale}{now}", named(seen)));
        taken_from.push(holder.fingerprint.short());
        fences.push(*fence);
        handed |= handed_on;
    }
    let Some(fence) = fences.iter().max() else {
        // What nobody holds is as it was wanted, but was not done here.
        if outcomes.iter().any(|(_, outcome)| *outcome == Broken::ChangedHands) {
            return changed_hands(seen);
        }
        return Err(Failure::new(status::ABSENT, format!("nobody holds the {} {:?}", seen.form(), seen.name())));
    };
    if as_json {
        let was = object(seen);
        output::json(&json!({ "broken": true, "fence": fence, "taken_from": taken_from, "handed_on": handed, "was": was }))?;
    } else {
        output::line(&lines.join("\n"))?;
    }
    Ok(0)
}

/// The lock's name, and what it is unless it is a plain one.
fn named(seen: &HeldLock) -> String {
    match seen.form() {
        Form::Plain => format!("{:?}", seen.name()),
        form => format!("the {form} {:?}", seen.name()),
    }
}

fn in_words(holder: &SeenHolder) -> String {
    let lease = holder.lease_left.map_or_else(|| "has no lease".to_owned(), |left| format!("has {} left", time::show(left)));
    match holder.part {
        Part::All => format!("{}, {lease}", who(holder)),
        part => format!("{}, {}, {lease}", who(holder), part.as_str()),
    }
}
