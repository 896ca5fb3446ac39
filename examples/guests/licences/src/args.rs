//! The command line.

use std::fmt;
use std::time::Duration;

use bellwether_guest::StageChoice;

pub(crate) const HELP: &str = "\
What each package of a workspace brings along, and under which licences.

Usage: licences [OPTIONS] [FILE]...

A FILE is what `cargo metadata --format-version 1` printed; `-`, or no file at all, is standard input.

  --cache NAME         the cache of the closures [licences]
  --tenant NAME        whose entries they are: the first part of every key [shared]
  --expire TIME        how long entries live, as in 90s, 10m, 12h, 7d [for ever, or as the platform says]
  --identity NAME      the stage that names entries; `none`, `default` or a name that the platform knows [default]
  --serializer NAME    the stage that turns values into bytes
  --compressor NAME    the stage that makes the bytes fewer
  --jobs N             how many packages are under way at the same time [32]
  --top N              how many closures to show, the largest first [10]
  --json               print one line of JSON for each file
";

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run(Args),
}

/// How the program was started.
#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) sources: Vec<Source>,
    pub(crate) cache: String,
    pub(crate) tenant: String,
    pub(crate) expire: Option<Duration>,
    pub(crate) identity: StageChoice,
    pub(crate) serializer: StageChoice,
    pub(crate) compressor: StageChoice,
    pub(crate) jobs: usize,
    pub(crate) top: usize,
    pub(crate) json: bool,
}

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    File(String),
    Stdin,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(path) => path,
            Self::Stdin => "standard input",
        })
    }
}

impl Default for Args {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            cache: "licences".to_owned(),
            tenant: "shared".to_owned(),
            expire: None,
            identity: StageChoice::Default,
            serializer: StageChoice::Default,
            compressor: StageChoice::Default,
            jobs: 32,
            top: 10,
            json: false,
        }
    }
}

pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut args = Args::default();
    let mut words = words.into_iter();
    let mut options = true;
    while let Some(word) = words.next() {
        if !options || !word.starts_with('-') || word == "-" {
            args.sources.push(if word == "-" { Source::Stdin } else { Source::File(word) });
            continue;
        }
        let (option, attached) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || attached.clone().or_else(|| words.next()).ok_or_else(|| format!("{option} needs a value"));
        match option {
            "-h" | "--help" => return Ok(Command::Help),
            "--" => options = false,
            "--json" => args.json = true,
            "--cache" => args.cache = value()?,
            "--tenant" => args.tenant = tenant(value()?)?,
            "--expire" => args.expire = Some(time(&value()?)?),
            "--identity" => args.identity = stage(value()?),
            "--serializer" => args.serializer = stage(value()?),
            "--compressor" => args.compressor = stage(value()?),
            "--jobs" => args.jobs = number(option, &value()?)?.max(1),
            "--top" => args.top = number(option, &value()?)?,
            _ => return Err(format!("unknown option {option}: --help lists them")),
        }
    }
    if args.sources.is_empty() {
        args.sources.push(Source::Stdin);
    }
    Ok(Command::Run(args))
}

fn stage(name: String) -> StageChoice {
    match name.as_str() {
        "default" => StageChoice::Default,
        "none" => StageChoice::None,
        _ => StageChoice::Named(name),
    }
}

fn tenant(name: String) -> Result<String, String> {
    if name.is_empty() || name.contains('/') {
        return Err(format!("--tenant {name:?} cannot be the first part of a key: give a name without a slash"));
    }
    Ok(name)
}

fn number(option: &str, text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{option} {text:?} is not a number"))
}

fn time(text: &str) -> Result<Duration, String> {
    let fault = || format!("--expire {text:?} is not a time: write 90s, 10m, 12h or 7d");
    let unit = text.chars().next_back().ok_or_else(fault)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fault()),
    };
    let count: u64 = text.trim_end_matches(unit).parse().map_err(|_| fault())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_a_file_it_reads_standard_input() {
        assert_eq!(words(""), Ok(Command::Run(Args { sources: vec![Source::Stdin], ..Args::default() })));
        assert_eq!(words("-"), words(""));
    }

    #[test]
    fn options_and_files_come_in_any_order() {
        let expected = Args {
            sources: vec![Source::File("a.json".to_owned()), Source::Stdin, Source::File("--odd".to_owned())],
            cache: "c".to_owned(),
            tenant: "t".to_owned(),
            expire: Some(Duration::from_mins(10)),
            identity: StageChoice::Named("tenant".to_owned()),
            serializer: StageChoice::None,
            compressor: StageChoice::Default,
            jobs: 1,
            top: 3,
            json: true,
        };
        let line = "a.json --cache c --tenant=t --expire 10m --identity tenant --serializer none --compressor default \
                    --jobs 0 --top=3 - --json -- --odd";
        assert_eq!(words(line), Ok(Command::Run(expected)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, why) in [
            ("--frobnicate", "--frobnicate"),
            ("--cache", "--cache needs a value"),
            ("--top many", "many"),
            ("--expire 10", "10m"),
            ("--expire 0s", "0s"),
            ("--expire s", "is not a time"),
            ("--expire 99999999999999999d", "is not a time"),
            ("--tenant a/b", "slash"),
        ] {
            let error = words(line).err();
            assert!(error.as_ref().is_some_and(|error| error.contains(why)), "{line}: {error:?}");
        }
    }
}
