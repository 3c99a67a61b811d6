//! The share of the memory pool that one statement may reserve (setting `max_memory_usage`).

use datafusion::{
    common::{Result, resources_datafusion_err},
    execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Counts what one statement reserves, and refuses more than its limit. The common pool still has the last word.
#[derive(Debug)]
pub(super) struct StatementPool {
    inner: Arc<dyn MemoryPool>,
    limit: usize,
    reserved: AtomicUsize,
}

impl StatementPool {
    pub fn new(inner: Arc<dyn MemoryPool>, limit: usize) -> Self {
        Self { inner, limit, reserved: AtomicUsize::new(0) }
    }
}

impl std::fmt::Display for StatementPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "statement({} of {} bytes)", self.reserved.load(Relaxed), self.limit)
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.reserved.fetch_add(additional, Relaxed);
        self.inner.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
        self.reserved.fetch_sub(shrink, Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let fits = |now: usize| now.checked_add(additional).filter(|sum| *sum <= self.limit);
        if self.reserved.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return Err(resources_datafusion_err!(
                "the statement may reserve {} bytes (setting `max_memory_usage`) and needs {additional} more",
                self.limit
            ));
        }
        self.inner.try_grow(reservation, additional).inspect_err(|_| {
            self.reserved.fetch_sub(additional, Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.reserved.load(Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
