//! Questions to whoever is at the terminal, before something is done that cannot be undone.

use std::io::{self, IsTerminal};

use crate::failure::{Failure, status};
use crate::output;

/// Refuses to go on if this is to be asked about and nobody can be asked. `what` is what it is asked before, as "it breaks a lock".
pub(crate) fn possible(yes: bool, what: &str) -> Result<(), Failure> {
    if yes || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(format!("this asks before {what}, and there is no terminal to ask on: give --yes")))
}

/// Whether the answer is yes.
pub(crate) async fn agreed(question: &str) -> Result<bool, Failure> {
    output::ask(question);
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    match answer.await {
        Ok(Ok(line)) => Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")),
        Ok(Err(why)) => Err(Failure::new(status::NO_INPUT, format!("cannot read standard input: {why}"))),
        Err(why) => Err(Failure::system("cannot read standard input", &why)),
    }
}
