//! Garbage: bytes of unpublished segments, and orphans that a crash left behind.

use crate::{Result, Storage};

/// What a round removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub segments: usize,
    pub bytes: u64,
}

/// Which leftovers of dead epochs were found.
#[derive(Debug, Clone, Default)]
pub struct OrphanScan {
    pub removed: Vec<String>,
    pub kept: usize,
}

impl Storage {
    /// One round: asks the catalogue for removed segments below the oldest pin and `horizon_micros` old, forgets
    /// them there and removes their bytes.
    pub async fn collect_garbage(&self, _keep_micros: i64) -> Result<Collected> {
        todo!()
    }

    /// Removes files of *dead epochs* to which no record refers. Files of the present epoch are never touched.
    pub async fn remove_orphans(&self) -> Result<OrphanScan> {
        todo!()
    }
}
