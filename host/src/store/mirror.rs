//! Copies of entries that a process keeps, and how it hears that they are out of date.

use std::fmt;

/// One who keeps copies of the entries whose keys begin alike. It is told what happens to them by [`EntryStore::track`], from any
/// thread and while the store's connection waits, so it must not block.
///
/// It starts out without trust.
///
/// [`EntryStore::track`]: super::EntryStore::track
pub trait Mirror: fmt::Debug + Send + Sync + 'static {
    /// From here on it is told of every change. What was copied before may be out of date.
    fn trust(&self);

    /// This entry was written, deleted or has expired.
    fn changed(&self, key: &str);

    /// All entries may have been. Whether it is told of what happens to them from here on is as it was: this can be heard from one server
    /// while others tell nothing.
    fn all_changed(&self);

    /// Any entry may have been; from here on changes may go unheard.
    fn doubt(&self);

    /// Nobody tells it anything any more, as the runtimes in which that was done have ended: it has to be tracked anew in another.
    fn ended(&self) {}
}

/// Has a [`Mirror`] told until it is dropped.
pub struct Tracking {
    _until: Box<dyn Send + Sync>,
}

impl Tracking {
    /// A tracking that ends when `until` is dropped.
    #[must_use]
    pub fn new(until: Box<dyn Send + Sync>) -> Self {
        Self { _until: until }
    }
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").finish_non_exhaustive()
    }
}
