//! What is done while the lock is held, and how it is let go of.

use std::fmt::Display;

use bellwether::Error;
use bellwether::lock::{Form, Guard, Locks};

use super::Options;
use crate::child::{self, Running};
use crate::failure::{Failure, status};
use crate::signals::{Others, Signals};
use crate::{output, time};

/// Why it is not known whether the lock was released, if nothing else was heard.
pub(super) const SILENCE: &str = "the store has not answered";

/// Runs the command and lets go of the lock.
pub(super) async fn hold(guard: Guard, locks: &Locks, options: &Options, signals: &mut Signals) -> Result<u8, Failure> {
    let fence = guard.fence().to_string();
    let variables = [("BELLWETHER_LOCK", guard.name()), ("BELLWETHER_FENCE", fence.as_str())];
    let ended = supervise(&guard, &variables, options, signals).await;
    let left = match signals.farewell(let_go(&guard, locks)).await {
        Some(Err(Error::NotHeld(why))) if ended.is_ok() => {
            let text = format!("the lock {:?} was lost before the command ended ({})", options.name, why.why);
            return Err(Failure::new(status::LOST, text));
        }
        // A loss that ended the command is told by that already.
        Some(Ok(()) | Err(Error::NotHeld(_))) => return ended,
        Some(Err(why)) => left_over(options, &why),
        None => left_over(options, &SILENCE),
    };
    // That the command failed, and how, matters more to who called it.
    if matches!(ended, Ok(0)) {
        return Err(Failure::new(status::UNAVAILABLE, left));
    }
    output::note(&left);
    ended
}

/// Says that the store did not confirm a release.
pub(super) fn left_over(options: &Options, why: &dyn Display) -> String {
    let lease = time::show(options.lease);
    format!("the lock {:?} may not be released ({why}): at the latest it is free after its lease of {lease}", options.name)
}

/// Releases the lock.
async fn let_go(guard: &Guard, locks: &Locks) -> Result<(), Error> {
    let released = guard.release().await;
    // A release that failed goes on in the background.
    locks.settled().await;
    match released {
        Ok(()) | Err(Error::NotHeld(_)) => released,
        // How it ended there only the store knows.
        Err(why) => match is_left(guard, locks).await {
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => Err(why),
        },
    }
}

/// Whether the store still has the lock for this guard.
async fn is_left(guard: &Guard, locks: &Locks) -> Result<bool, Error> {
    let Some(held) = locks.look_at(guard.name(), Form::Plain).await? else { return Ok(false) };
    // A program of another kind that has it by now has no label, and leaves the last fence as it was.
    Ok(held.holders().iter().any(|holder| holder.label.is_some() && holder.fence.is_none_or(|fence| fence == guard.fence())))
}

/// Runs the command to its end, and ends it if the lock is lost.
async fn supervise(guard: &Guard, variables: &[(&str, &str)], options: &Options, signals: &mut Signals) -> Result<u8, Failure> {
    // Before the command is there to be sent any.
    let mut others = Others::listen()?;
    let mut command = Running::start(&options.command, variables)?;
    loop {
        tokio::select! {
            // A command that ended in the moment in which the lock was lost has ended.
            biased;
            ended = command.ended() => return ended.map(child::exit_status),
            why = guard.lost() => {
                output::note(&format!("the lock {:?} is lost ({why}); ending the command", options.name));
                command.end(options.grace).await;
                return Err(Failure::new(status::LOST, format!("the lock {:?} was lost while the command ran: {why}", options.name)));
            }
            signal = signals.next() => command.pass_on(signal),
            signal = others.next() => command.pass_on(signal),
        }
    }
}
