//! What this program prints: results to stdout, everything else to stderr; colours only on a terminal.

use std::io::{self, IsTerminal, Write};

use clap::CommandFactory;
use clap_complete::Shell;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// Prints bytes to stdout as they are.
///
/// # Errors
/// When stdout cannot be written to. A reader that has gone away (`| head`) is no error.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(Failure::system("cannot write to standard output", &why)),
        _ => Ok(()),
    }
}

/// Prints a line to stdout.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints rows to stdout, each on one line and their columns under each other.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Result<(), Failure> {
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell).replace('\n', "\\n"))).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    bytes(text.as_bytes())
}

/// Prints JSON to stdout: on one line for programs, indented on a terminal.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Failure> {
    if io::stdout().is_terminal() { line(&format!("{value:#}")) } else { line(&value.to_string()) }
}

/// Says why the program fails.
pub(crate) fn complain(failure: &Failure) {
    note_as("\x1b[1;31m", &failure.to_string());
}

/// Says something by the way.
pub(crate) fn note(text: &str) {
    note_as("\x1b[1m", text);
}

/// Asks something; the answer comes on the same line.
pub(crate) fn ask(question: &str) {
    // Nobody is left to be asked if stderr is closed.
    let _ = write!(io::stderr().lock(), "{}", printable(question));
}

/// Whether a person watches stderr.
pub(crate) fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Prints the completions of a shell.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bellwether", &mut script);
    bytes(&script).map(|()| 0)
}

/// Prints events to stderr: warnings, and more with each `-v`. `BELLWETHER_LOG` chooses exactly.
pub(crate) fn trace(verbose: u8, command: &Command) {
    let default = match verbose {
        // What becomes of their one lock these commands say themselves.
        0 if matches!(command, Command::Lock(_)) => "warn,bellwether::lock::held=off,bellwether::lock::background=off",
        0 if matches!(command, Command::Locks(_)) => "warn,bellwether::lock::sightings=off",
        0 => "warn",
        1 => "warn,bellwether=info",
        2 => "info,bellwether=debug",
        _ => "debug,bellwether=trace",
    };
    let chosen = std::env::var("BELLWETHER_LOG").ok().filter(|chosen| !chosen.is_empty());
    let filter = chosen.and_then(|chosen| EnvFilter::try_new(chosen).ok()).unwrap_or_else(|| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours())
        .with_target(verbose > 1)
        .init();
}

fn note_as(style: &str, text: &str) {
    let (style, plain) = if colours() { (style, "\x1b[0m") } else { ("", "") };
    // Nobody is left to be told if stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{style}bellwether:{plain} {}", printable(text));
}

/// A text from anywhere, with nothing in it that a terminal would act on.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn colours() -> bool {
    watched() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
