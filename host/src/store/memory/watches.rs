//! Who waits for which lock in the embedded store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::open;
use crate::store::Watch;

/// One wake-up counter for each lock that anybody watches.
#[derive(Debug, Default, Clone)]
pub(super) struct Watches(Arc<Mutex<HashMap<String, Watched>>>);

#[derive(Debug)]
struct Watched {
    wakes: watch::Sender<u64>,
    watches: usize,
}

impl Watches {
    /// Starts to watch.
    pub(super) fn watch(&self, channel: &str) -> Watch {
        let mut watched = open(&self.0);
        let watched = watched.entry(channel.to_owned()).or_insert_with(|| Watched { wakes: watch::Sender::new(0), watches: 0 });
        watched.watches += 1;
        let subscription = Subscription { all: self.clone(), channel: channel.to_owned() };
        Watch::new(watched.wakes.subscribe(), Box::new(subscription))
    }

    /// Wakes everybody who watches.
    pub(super) fn wake(&self, channel: &str) {
        if let Some(watched) = open(&self.0).get(channel) {
            watched.wakes.send_modify(|wakes| *wakes = wakes.wrapping_add(1));
        }
    }
}

/// One watch; the last one that is dropped takes the counter away.
#[derive(Debug)]
struct Subscription {
    all: Watches,
    channel: String,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = open(&self.all.0);
        if let Some(watched) = all.get_mut(&self.channel) {
            watched.watches -= 1;
            if watched.watches == 0 {
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
    fn a_release_wakes_all_who_watch_and_nobody_else() {
        let watches = Watches::default();
        let (mut a, mut b, mut other) = (watches.watch("a"), watches.watch("a"), watches.watch("b"));
        assert!(a.woken().now_or_never().is_none());
        watches.wake("a");
        assert!(a.woken().now_or_never().is_some());
        assert!(b.woken().now_or_never().is_some());
        assert!(a.woken().now_or_never().is_none(), "one release wakes once");
        assert!(other.woken().now_or_never().is_none());
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
