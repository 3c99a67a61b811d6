//! The memory all writers share. Rows are reserved when they are taken and released when they are encoded.
//!
//! No deadlock: a writer that must wait first seals everything it holds, and sealed rows are released by encoding,
//! which itself reserves nothing. No starvation by idle writers: each may hold only its share unsealed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: usize = 1 << 10;

/// Bytes of rows that may be in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    total_units: usize,
    peak_units: AtomicUsize,
}

/// Reserved bytes; released when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    _permit: OwnedSemaphorePermit,
}

/// A place among the writers.
#[derive(Debug)]
pub(crate) struct WriterShare {
    budget: Arc<Budget>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let total_units = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let units = Arc::new(Semaphore::new(total_units));
        Arc::new(Self { units, total_units, peak_units: AtomicUsize::new(0) })
    }

    pub(crate) fn join(self: &Arc<Self>) -> WriterShare {
        WriterShare { budget: Arc::clone(self) }
    }

    /// Most bytes that were ever reserved at once.
    #[cfg(test)]
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_units.load(Ordering::Relaxed) * UNIT_BYTES
    }

    /// A single batch larger than the whole budget counts as the whole: it waits until it is alone.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES).clamp(1, self.total_units)).expect("total is at most u32::MAX")
    }

    fn reserved(&self, permit: OwnedSemaphorePermit) -> Reservation {
        let used = self.total_units - self.units.available_permits();
        self.peak_units.fetch_max(used, Ordering::Relaxed);
        Reservation { _permit: permit }
    }
}

impl WriterShare {
    /// Bytes this writer should hold unsealed at most, when it holds `held` now: a part of what is left. So however
    /// many writers sit idle on their share, something is left for the next one.
    pub(crate) fn bytes(&self, held: usize) -> usize {
        (self.budget.units.available_permits() * UNIT_BYTES + held) / 4
    }

    pub(crate) fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let units = self.budget.units_of(bytes);
        let permit = Arc::clone(&self.budget.units).try_acquire_many_owned(units).ok()?;
        Some(self.budget.reserved(permit))
    }

    pub(crate) async fn reserve(&self, bytes: usize) -> Reservation {
        let units = self.budget.units_of(bytes);
        let permit = Arc::clone(&self.budget.units).acquire_many_owned(units).await;
        self.budget.reserved(permit.expect("the semaphore is never closed"))
    }
}
