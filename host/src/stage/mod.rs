//! The stages that a cached value passes through: identity → serializer → compressor.
//!
//! Three small traits; the built-in stages, a sandboxed component and an embedder's own Rust all stand behind them.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::error::StageFault;
use crate::glob::Glob;

pub mod builtin;
mod choice;
#[cfg(feature = "component")]
pub mod component;
mod registry;
mod shelf;

pub use choice::StageChoice;
pub use registry::Stages;
pub use shelf::Registered;

/// Names entries.
pub trait Identity: fmt::Debug + Send + Sync + 'static {
    /// The part of the store's key that follows the cache's name. The same arguments must always give the same text, and
    /// different entries different texts. `content`, if any, is canonical CBOR.
    fn generate<'a>(&'a self, cache: &'a str, key: &'a str, content: Option<&'a [u8]>) -> Work<'a, String>;

    /// Whether what `generate` returns can be part of a key as it is: never empty, no braces, no control characters. What other
    /// identities return is checked and escaped by the caller.
    fn escapes(&self) -> bool {
        false
    }

    /// The text that a pattern of `delete-pattern` is matched against, given what [`Identity::generate`] returned: the
    /// caller's own key where that can be told, else all of it.
    fn matched<'a>(&self, identity: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(identity)
    }

    /// A pattern that the stored text of every identity matches whose [`Identity::matched`] matches `pattern`. It only saves work.
    fn hint(&self, pattern: &Glob) -> Glob {
        let _ = pattern;
        Glob::any()
    }
}

/// Turns values into bytes and back.
pub trait Serializer: fmt::Debug + Send + Sync + 'static {
    /// The bytes to store for a value, which is one well-formed CBOR data item.
    fn serialize(&self, value: Bytes) -> Work<'_, Bytes>;

    /// The value of stored bytes, as one CBOR data item. The caller checks that it is one unless this
    /// [`Serializer::trusted`] and so is the compressor that the bytes went through, if any.
    fn deserialize(&self, bytes: Bytes) -> Work<'_, Bytes>;

    /// Whether what `deserialize` returns needs no check, given the very bytes that `serialize` returned.
    fn trusted(&self) -> bool {
        false
    }
}

/// Makes bytes fewer.
pub trait Compressor: fmt::Debug + Send + Sync + 'static {
    /// The compressed bytes; `None` to leave them as they are.
    fn compress(&self, bytes: Bytes) -> Work<'_, Option<Bytes>>;

    /// The compressed bytes, even where they are not fewer: nothing will tell the reader whether they were compressed. An error,
    /// [`StageFault::Declined`], if [`Compressor::compress`] would leave them as they are and the stage knows no other way.
    fn compress_always(&self, bytes: Bytes) -> Work<'_, Bytes> {
        let compressed = self.compress(bytes);
        Work::later(async move { compressed.await?.ok_or(StageFault::Declined) })
    }

    /// What was compressed; an error if it would be more than `max_size` bytes.
    fn decompress(&self, bytes: Bytes, max_size: u64) -> Work<'_, Bytes>;

    /// Whether what `decompress` returns is always what was compressed, so that a [`Serializer::trusted`] can take it unchecked.
    fn trusted(&self) -> bool {
        false
    }
}

/// What a stage gives: at once, as most do, or later, where the work was moved off the caller's thread.
pub enum Work<'a, T> {
    /// The answer. `None` once it was polled out.
    Done(Option<Result<T, StageFault>>),
    /// The answer comes later.
    Later(BoxFuture<'a, Result<T, StageFault>>),
}

impl<'a, T> Work<'a, T> {
    /// The answer, at once.
    pub fn done(answer: Result<T, StageFault>) -> Self {
        Self::Done(Some(answer))
    }

    /// The answer, later.
    pub fn later(answer: impl Future<Output = Result<T, StageFault>> + Send + 'a) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl<T> Unpin for Work<'_, T> {}

impl<T> Future for Work<'_, T> {
    type Output = Result<T, StageFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            },
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Work<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Work::Done",
            Self::Later(_) => "Work::Later",
        })
    }
}
