//! Which loads run, by label. A running label lives in the memory of the process that runs it; a finished one in the
//! catalogue, with the answer its first caller got; a failed one is free again.

use super::{
    LoadOutcome, LoadReport,
    rejected::{Rejected, RejectedLogs},
};
use crate::{Error, Principal, Result};
use basalt_meta::{Catalog, Label, LabelRecord, LabelState};
use dashmap::{DashMap, Entry};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Loads of one engine: those that run, and the logs of bad rows of recent ones.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    running: Arc<DashMap<Label, u64>>,
    count: Arc<AtomicUsize>,
    rejected: Mutex<RejectedLogs>,
}

/// A label held for a running load; free again when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    running: Arc<DashMap<Label, u64>>,
    label: Label,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.running.remove(&self.label);
    }
}

/// A place among the loads that run at the same time.
#[derive(Debug)]
pub(crate) struct Slot {
    count: Arc<AtomicUsize>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a label was found to be.
#[derive(Debug)]
pub(super) enum Reserved {
    Yes(Reservation),
    /// Answered without loading.
    Taken(LoadReport),
}

impl Loads {
    /// Loads that run now.
    pub fn running(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// The log of bad rows called `name`, if `principal` may see it.
    pub fn rejected_rows(&self, principal: &Principal, name: &str) -> Option<String> {
        self.rejected.lock().text(principal, name)
    }

    /// Takes a place, or is refused when `max` loads run.
    pub(crate) fn admit(&self, max: usize) -> Result<Slot> {
        let taken = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < max).then_some(n + 1));
        taken.map_err(|_| Error::Busy { what: "loads running" })?;
        Ok(Slot { count: Arc::clone(&self.count) })
    }

    /// Takes the label for a new load. Of racing loads exactly one gets it.
    pub(super) fn reserve(&self, catalog: &Catalog, label: &Label, load_id: u64) -> Result<Reserved> {
        let reservation = match self.running.entry(label.clone()) {
            Entry::Occupied(running) => return Ok(Reserved::Taken(running_report(label, *running.get()))),
            Entry::Vacant(free) => {
                free.insert(load_id);
                Reservation { running: Arc::clone(&self.running), label: label.clone() }
            }
        };
        // Looked up while the label is held: a load that finished before has published it by now.
        match catalog.label(label)? {
            Some(record) => Ok(Reserved::Taken(finished_report(&record)?)),
            None => Ok(Reserved::Yes(reservation)),
        }
    }

    /// Keeps the bad rows of a load, and says under which name.
    pub(super) fn keep_rejected(&self, load_id: u64, owner: &Principal, rejected: &Rejected) -> Option<String> {
        if rejected.rows() == 0 {
            return None;
        }
        let name = format!("load-{load_id}-{:016x}", rand::random::<u64>());
        self.rejected.lock().keep(name.clone(), owner, rejected.text());
        Some(name)
    }
}

fn running_report(label: &Label, load_id: u64) -> LoadReport {
    LoadReport { load_id, outcome: LoadOutcome::LabelRunning, ..LoadReport::empty(label.name.clone()) }
}

/// The report the first load of this label ended with.
pub(super) fn finished_report(record: &LabelRecord) -> Result<LoadReport> {
    let LabelState::Finished { report } = &record.state;
    let report: LoadReport = serde_json::from_str(report)
        .map_err(|source| Error::internal(format!("stored report of label `{}`", record.label.name), source))?;
    Ok(LoadReport { outcome: LoadOutcome::LabelFinished, ..report })
}
