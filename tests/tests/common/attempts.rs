//! Attempts at a store as tests make them.

use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Span;
use bellwether::names::LockKeys;
use bellwether::store::{Attempt, Queueing, Release, Store, Ticket, Token, Watch, Word};
use tokio::time::timeout;

/// A ticket whose place is kept for long.
pub(crate) fn ticket(token: &Token, lease: Option<Span>) -> Ticket {
    Ticket { token: token.clone(), lease, kept: Span::new("kept", Duration::from_secs(20)).unwrap() }
}

/// What is asked of stores in a few words.
pub(crate) trait Attempts {
    /// One attempt that waits for nothing.
    async fn acquire(&self, lock: &LockKeys, token: &Token, lease: Option<Span>) -> Result<Attempt, Error>;

    /// A waiter takes a place in the queue of a lock that is held.
    async fn queue(&self, lock: &LockKeys) -> Token;

    /// A holder and a waiter come, the holder releases the lock to the waiter, which is to be heard, and then that one does.
    async fn is_granted(&self, lock: &LockKeys, watch: &mut Watch, within: Duration) -> bool;
}

impl Attempts for dyn Store {
    async fn acquire(&self, lock: &LockKeys, token: &Token, lease: Option<Span>) -> Result<Attempt, Error> {
        self.attempt(lock, &ticket(token, lease), Queueing::NONE).await
    }

    async fn queue(&self, lock: &LockKeys) -> Token {
        let token = Token::random().unwrap();
        let queueing = Queueing { joins: true, fair: true, brief: true };
        let attempt = self.attempt(lock, &ticket(&token, None), queueing).await.unwrap();
        assert!(matches!(attempt, Attempt::Busy { .. }), "{attempt:?}");
        token
    }

    async fn is_granted(&self, lock: &LockKeys, watch: &mut Watch, within: Duration) -> bool {
        let holder = Token::random().unwrap();
        let attempt = self.acquire(lock, &holder, None).await.unwrap();
        assert!(matches!(attempt, Attempt::Acquired { .. }), "{attempt:?}");
        let waiter = self.queue(lock).await;
        self.release(lock, Release::of(&holder)).await.unwrap();
        let heard =
            timeout(within, async { while !matches!(watch.heard().await, Word::Granted { token, .. } if token == waiter) {} });
        let heard = heard.await.is_ok();
        self.release(lock, Release { withdraws: Some(&ticket(&waiter, None)), ..Release::of(&waiter) }).await.unwrap();
        heard
    }
}
