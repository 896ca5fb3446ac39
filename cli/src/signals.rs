//! Signals that this program gets: to end, or for a command to have.

use std::time::Duration;

use bellwether::store::StoreOptions;
use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::sleep;

use crate::failure::{Failure, status};

/// Waits for the signals that ask a program to end. While it exists they do not end this one by themselves.
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    quit: unix::Signal,
}

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the system allows no handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
            quit: on(SignalKind::quit())?,
        })
    }

    /// The next signal. Can be dropped and called again without missing one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.quit.recv() => Signal::QUIT,
        }
    }

    /// Waits for what is left to be done on the store, but not for long, and no longer than until the next signal that asks to end:
    /// whoever holds a lease would try for as long as that runs. `None` if it was given up.
    pub(crate) async fn farewell<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = sleep(grace()) => None,
            _ = self.next() => None,
        }
    }
}

/// Signals that ask a program for something other than its end.
pub(crate) struct Others {
    user_1: unix::Signal,
    user_2: unix::Signal,
    alarm: unix::Signal,
    window: unix::Signal,
}

impl Others {
    /// Starts to listen. From then on they do nothing to this program itself.
    ///
    /// # Errors
    /// When the system allows no handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            user_1: on(SignalKind::user_defined1())?,
            user_2: on(SignalKind::user_defined2())?,
            alarm: on(SignalKind::alarm())?,
            window: on(SignalKind::window_change())?,
        })
    }

    /// The next signal. Can be dropped and called again without missing one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.user_1.recv() => Signal::USR1,
            _ = self.user_2.recv() => Signal::USR2,
            _ = self.alarm.recv() => Signal::ALARM,
            _ = self.window.recv() => Signal::WINCH,
        }
    }
}

fn on(kind: SignalKind) -> Result<unix::Signal, Failure> {
    unix::signal(kind).map_err(|why| Failure::system("cannot listen for signals", &why))
}

/// Long enough for a request, and for its repetition over a new connection.
fn grace() -> Duration {
    StoreOptions::default().response_timeout * 2
}

/// The exit status that a shell gives a program that this signal ended.
pub(crate) fn exit_status(signal: i32) -> u8 {
    u8::try_from(signal).map_or(u8::MAX, |signal| status::SIGNALLED.saturating_add(signal))
}
