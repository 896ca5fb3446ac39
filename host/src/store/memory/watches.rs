//! Who watches which lock in the embedded store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::open;
use crate::store::{Watch, Word};

/// Those who listen, for each lock that anybody watches.
#[derive(Debug, Default, Clone)]
pub(super) struct Watches(Arc<Mutex<HashMap<String, Vec<mpsc::UnboundedSender<Word>>>>>);

impl Watches {
    /// Starts to watch.
    pub(super) fn watch(&self, channel: &str) -> Watch {
        let (sender, words) = mpsc::unbounded_channel();
        open(&self.0).entry(channel.to_owned()).or_default().push(sender.clone());
        Watch::new(words, Box::new(Subscription { all: self.clone(), channel: channel.to_owned(), sender }))
    }

    /// Tells everybody who watches; false if nobody does.
    pub(super) fn tell(&self, channel: &str, word: &Word) -> bool {
        let watched = open(&self.0);
        // Each of them has to be told, so not as soon as one was.
        watched.get(channel).map_or(0, |listeners| listeners.iter().filter(|l| l.send(word.clone()).is_ok()).count()) > 0
    }
}

/// One watch; it is forgotten when dropped.
#[derive(Debug)]
struct Subscription {
    all: Watches,
    channel: String,
    sender: mpsc::UnboundedSender<Word>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = open(&self.all.0);
        if let Some(listeners) = all.get_mut(&self.channel) {
            listeners.retain(|listener| !listener.same_channel(&self.sender));
            if listeners.is_empty() {
                all.remove(&self.channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_word_reaches_all_who_watch_and_nobody_else() {
        let watches = Watches::default();
        let (mut a, mut b, mut other) = (watches.watch("a"), watches.watch("a"), watches.watch("b"));
        assert!(a.heard().now_or_never().is_none());
        assert!(watches.tell("a", &Word::Doubt));
        assert_eq!(a.heard().now_or_never(), Some(Word::Doubt));
        assert_eq!(b.heard().now_or_never(), Some(Word::Doubt));
        assert!(a.heard().now_or_never().is_none(), "one word is heard once");
        assert!(other.heard().now_or_never().is_none());
        assert!(!watches.tell("c", &Word::Doubt));
    }

    #[test]
    fn what_nobody_watches_is_forgotten() {
        let watches = Watches::default();
        let (a, b) = (watches.watch("a"), watches.watch("a"));
        drop(a);
        assert_eq!(open(&watches.0).len(), 1);
        drop(b);
        assert_eq!(open(&watches.0).len(), 0);
    }
}
