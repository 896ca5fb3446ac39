//! How a process hears what becomes of a lock or an entry.

use std::fmt;

use super::Token;

/// What a watch hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The lock is held by this token now, for as long as its place is kept.
    Granted {
        /// Of a ticket that this process put into the queue.
        token: Token,
        /// Larger than that of every earlier holder.
        fence: u64,
    },
    /// Grants may have been missed.
    Doubt,
}

/// A watch on one lock or entry. It ends when dropped.
pub struct Watch {
    words: tokio::sync::mpsc::UnboundedReceiver<Word>,
    over: bool,
    _subscription: Box<dyn Send + Sync>,
}

impl Watch {
    /// A watch that hears `words`. `subscription` is dropped with the watch.
    #[must_use]
    pub fn new(words: tokio::sync::mpsc::UnboundedReceiver<Word>, subscription: Box<dyn Send + Sync>) -> Self {
        Self { words, over: false, _subscription: subscription }
    }

    /// Waits for the next word since the watch began or since the last call. Can be dropped and called again without missing one.
    pub async fn heard(&mut self) -> Word {
        match self.words.recv().await {
            Some(word) => word,
            None if !std::mem::replace(&mut self.over, true) => Word::Doubt,
            // Whoever waits has a retry pause and a deadline besides.
            None => std::future::pending().await,
        }
    }

    /// Whether nothing will be heard any more: the store is gone, or the runtime where the watch began has ended. The last word is
    /// [`Word::Doubt`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
