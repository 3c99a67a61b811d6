//! Which versions living snapshots can see. Memory only: after a crash there are no readers.

use crate::Version;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// The versions in use, with how many hold each.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    held: Mutex<BTreeMap<Version, usize>>,
}

impl Pins {
    /// Takes what `read` returns and pins its version in one step, so that [`Pins::oldest`] cannot slip in between.
    pub(crate) fn pin_with<T>(self: &Arc<Self>, read: impl FnOnce() -> (T, Version)) -> (T, Arc<Pin>) {
        let mut held = self.held.lock();
        let (value, version) = read();
        *held.entry(version).or_insert(0) += 1;
        (value, Arc::new(Pin { pins: Arc::clone(self), version }))
    }

    /// The oldest pinned version, or what `newest` returns when nothing is pinned.
    pub(crate) fn oldest(&self, newest: impl FnOnce() -> Version) -> Version {
        let held = self.held.lock();
        held.first_key_value().map_or_else(newest, |(&version, _)| version)
    }
}

/// Holds one version until dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    version: Version,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.pins.held.lock();
        let count = held.get_mut(&self.version).expect("a living pin is counted");
        *count -= 1;
        if *count == 0 {
            held.remove(&self.version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_living_pin_counts() {
        let pins = Arc::new(Pins::default());
        assert_eq!(pins.oldest(|| Version(9)), Version(9));
        let ((), five) = pins.pin_with(|| ((), Version(5)));
        let ((), seven) = pins.pin_with(|| ((), Version(7)));
        let again = Arc::clone(&five);
        drop(five);
        assert_eq!(pins.oldest(|| Version(9)), Version(5));
        drop(again);
        assert_eq!(pins.oldest(|| Version(9)), Version(7));
        drop(seven);
        assert_eq!(pins.oldest(|| Version(9)), Version(9));
    }
}
