//! One lock per unique-key table: its writers look for older rows of their keys one after the other, so that two of
//! them never miss each other's rows. Everything else runs side by side and never comes here.

use crate::{Error, Result};
use basalt_meta::TableId;
use dashmap::DashMap;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a writer waits for those before it.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Writers of one unique-key table wait for each other here; everything else runs side by side.
#[derive(Debug, Default)]
pub(crate) struct TableLocks {
    locks: DashMap<TableId, Arc<Mutex<()>>>,
}

impl TableLocks {
    /// Takes the locks of `tables`, always in the order of their ids, so that writers of several tables cannot wait
    /// for each other in a circle.
    pub async fn lock(&self, tables: &BTreeSet<TableId>) -> Result<Vec<OwnedMutexGuard<()>>> {
        let mut guards = Vec::with_capacity(tables.len());
        for table in tables {
            let lock = Arc::clone(&self.locks.entry(*table).or_default());
            let guard = tokio::time::timeout(WAIT_MAX, lock.lock_owned());
            guards.push(guard.await.map_err(|_| Error::Busy { what: "writers of one unique-key table" })?);
        }
        Ok(guards)
    }

    /// Forgets locks nobody holds or waits for.
    pub fn sweep(&self) {
        self.locks.retain(|_, lock| Arc::strong_count(lock) > 1);
    }
}
