//! Starts, names, counts and drains background tasks. What the tasks do is in the files beside.

use super::{InlineGauges, compaction, retention};
use crate::{Error, Result, parts::Parts};
use dashmap::DashMap;
use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const COMPACTION_INTERVAL: Duration = Duration::from_secs(5);
const GARBAGE_INTERVAL: Duration = Duration::from_secs(60);
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);
const ORPHANS_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const TRANSACTIONS_INTERVAL: Duration = Duration::from_secs(10);

/// All background tasks of one engine.
#[derive(Debug)]
pub(crate) struct Supervisor {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Arc<DashMap<u64, TaskInfo>>,
    next_id: AtomicU64,
    inline: InlineGauges,
}

/// A task that runs now.
#[derive(Debug, Clone)]
pub(crate) struct TaskInfo {
    pub id: u64,
    pub name: &'static str,
    pub started: Instant,
}

/// Takes a task off the list, however it ends.
struct Listed {
    running: Arc<DashMap<u64, TaskInfo>>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.running.remove(&self.id);
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            running: Arc::default(),
            next_id: AtomicU64::new(1),
            inline: InlineGauges::default(),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Supervisor {
    /// Small loads waiting to be folded.
    pub fn inline(&self) -> &InlineGauges {
        &self.inline
    }

    /// Tasks that run now, oldest first.
    pub fn running(&self) -> Vec<TaskInfo> {
        let mut tasks: Vec<TaskInfo> = self.running.iter().map(|t| t.clone()).collect();
        tasks.sort_by_key(|t| t.id);
        tasks
    }

    /// Runs a future as a task that goes on when the caller goes away, and returns what it returns.
    pub async fn run<F>(&self, name: &'static str, future: F) -> Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.run_on(name, &tokio::runtime::Handle::current(), future).await
    }

    /// The same on the threads of another runtime.
    pub async fn run_on<F>(&self, name: &'static str, threads: &tokio::runtime::Handle, future: F) -> Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let listed = self.list(name);
        let task = async move {
            let _listed = listed;
            future.await
        };
        let task = self.tracker.spawn_on(task, threads);
        task.await.map_err(|source| Error::internal(format!("task {name} did not finish"), source))
    }

    /// Starts the recurring tasks of an engine. They hold the engine's parts only while they work.
    pub fn start(&self, parts: &Arc<Parts>) {
        for table in all_tables(parts) {
            self.inline.refresh(&table);
        }
        let fold_after = parts.settings.fold_after;
        let tick = (fold_after / 4).clamp(Duration::from_millis(50), Duration::from_secs(1));
        self.every("fold", tick, parts, compaction::fold_round);
        self.every("compaction", COMPACTION_INTERVAL, parts, compaction::compaction_round);
        self.every("garbage", GARBAGE_INTERVAL, parts, retention::garbage_round);
        self.every("retention", RETENTION_INTERVAL, parts, retention::retention_round);
        self.every("orphans", ORPHANS_INTERVAL, parts, retention::orphan_round);
        self.every("transactions", TRANSACTIONS_INTERVAL, parts, crate::statement::roll_back_idle);
    }

    /// Stops the recurring tasks and waits for everything that runs, at most `grace`. False when something still runs.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let drained = tokio::time::timeout(grace, self.tracker.wait()).await.is_ok();
        if !drained {
            let left: Vec<&str> = self.running().iter().map(|t| t.name).collect();
            tracing::warn!(tasks = ?left, "background tasks did not end in time");
        }
        drained
    }

    /// Runs `round` now and then every `interval`. A round that fails or panics is logged; the next one runs anyway.
    fn every<F, R>(&self, name: &'static str, interval: Duration, parts: &Arc<Parts>, round: F)
    where
        F: Fn(Arc<Parts>) -> R + Send + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let weak: Weak<Parts> = Arc::downgrade(parts);
        let stop = self.stop.clone();
        let running = Arc::clone(&self.running);
        let first_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let task = async move {
            while !stop.is_cancelled() {
                let Some(parts) = weak.upgrade() else { return };
                running.insert(first_id, TaskInfo { id: first_id, name, started: Instant::now() });
                let listed = Listed { running: Arc::clone(&running), id: first_id };
                run_round(name, round(parts), &stop).await;
                drop(listed);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = pause(name, interval, &weak) => {}
                }
            }
        };
        self.tracker.spawn_on(task, parts.runtime.cpu());
    }

    fn list(&self, name: &'static str) -> Listed {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.running.insert(id, TaskInfo { id, name, started: Instant::now() });
        Listed { running: Arc::clone(&self.running), id }
    }
}

/// Waits for the next round. Folding may be woken earlier.
async fn pause(name: &'static str, interval: Duration, parts: &Weak<Parts>) {
    let sleep = tokio::time::sleep(interval);
    let Some(parts) = parts.upgrade().filter(|_| name == "fold") else { return sleep.await };
    tokio::select! {
        () = sleep => {}
        () = parts.tasks.inline.urgent() => {}
    }
}

async fn run_round(name: &'static str, round: impl Future<Output = Result<()>>, stop: &CancellationToken) {
    use futures::FutureExt;
    match AssertUnwindSafe(round).catch_unwind().await {
        Ok(Ok(())) => {}
        Ok(Err(_)) if stop.is_cancelled() => {}
        Ok(Err(error)) => tracing::warn!(task = name, %error, "background round failed"),
        Err(_) => tracing::error!(task = name, "background round panicked"),
    }
}

/// Every live table (views left out).
pub(super) fn all_tables(parts: &Parts) -> Vec<basalt_meta::TableSnapshot> {
    let snapshot = parts.catalog.snapshot();
    let tables = snapshot.databases().into_iter().flat_map(|d| snapshot.tables(d.id));
    tables.filter(|t| t.table().kind == basalt_meta::TableKind::Table).collect()
}
