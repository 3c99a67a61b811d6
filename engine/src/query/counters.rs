//! What a statement has done so far: counted where it happens, read by whoever asks.

use super::{Progress, QueryStats};
use arrow::record_batch::RecordBatch;
use basalt_meta::Timestamp;
use datafusion::physical_plan::{ExecutionPlan, metrics::MetricValue};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// Counters of one statement.
#[derive(Debug)]
pub(crate) struct Counters {
    started: Instant,
    started_at: Timestamp,
    scanned_rows: AtomicU64,
    scanned_bytes: AtomicU64,
    planned_rows: AtomicU64,
    planned_bytes: AtomicU64,
    written_rows: AtomicU64,
    written_bytes: AtomicU64,
    result_rows: AtomicU64,
    result_bytes: AtomicU64,
    /// Nanoseconds from start to end; 0 while it runs.
    ended_nanos: AtomicU64,
    warnings: Mutex<Vec<String>>,
    plans: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
    /// Taken from the plans when the statement ended.
    totals: Mutex<PlanTotals>,
}

#[derive(Debug, Default, Clone, Copy)]
struct PlanTotals {
    scanned_rows: u64,
    spilled_files: u64,
    spilled_bytes: u64,
}

impl Counters {
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            started_at,
            scanned_rows: AtomicU64::new(0),
            scanned_bytes: AtomicU64::new(0),
            planned_rows: AtomicU64::new(0),
            planned_bytes: AtomicU64::new(0),
            written_rows: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            result_rows: AtomicU64::new(0),
            result_bytes: AtomicU64::new(0),
            ended_nanos: AtomicU64::new(0),
            warnings: Mutex::new(Vec::new()),
            plans: Mutex::new(Vec::new()),
            totals: Mutex::new(PlanTotals::default()),
        }
    }

    /// Wall clock at the statement's start: its now().
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    pub fn add_scanned_rows(&self, rows: u64) {
        self.scanned_rows.fetch_add(rows, Relaxed);
    }

    pub fn add_scanned_bytes(&self, bytes: u64) {
        self.scanned_bytes.fetch_add(bytes, Relaxed);
    }

    /// Rows and bytes that planning found must be looked at.
    pub fn add_planned(&self, rows: u64, bytes: u64) {
        self.planned_rows.fetch_add(rows, Relaxed);
        self.planned_bytes.fetch_add(bytes, Relaxed);
    }

    pub fn add_written(&self, rows: u64, bytes: u64) {
        self.written_rows.fetch_add(rows, Relaxed);
        self.written_bytes.fetch_add(bytes, Relaxed);
    }

    pub fn add_result(&self, batch: &RecordBatch, bytes: usize) {
        self.result_rows.fetch_add(batch.num_rows() as u64, Relaxed);
        self.result_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Something the client should be told although the statement works.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().push(warning);
    }

    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().clone()
    }

    /// Reads progress of a running plan from its metrics. Plans without inputs have nothing to tell.
    pub fn watch(&self, plan: &Arc<dyn ExecutionPlan>) {
        let mut leaf = plan;
        while let [only] = leaf.children().as_slice() {
            leaf = only;
        }
        if leaf.name() != "PlaceholderRowExec" {
            self.plans.lock().push(plan.clone());
        }
    }

    /// The statement ended: its plans are let go.
    pub fn end(&self) {
        let nanos = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let _ = self.ended_nanos.compare_exchange(0, nanos, Relaxed, Relaxed);
        let plans = std::mem::take(&mut *self.plans.lock());
        let ended = plan_totals(&plans);
        let mut totals = self.totals.lock();
        totals.scanned_rows += ended.scanned_rows;
        totals.spilled_files += ended.spilled_files;
        totals.spilled_bytes += ended.spilled_bytes;
    }

    pub fn stats(&self) -> QueryStats {
        let running = plan_totals(&self.plans.lock());
        let ended = *self.totals.lock();
        let nanos = self.ended_nanos.load(Relaxed);
        let running_time = if nanos == 0 { self.started.elapsed() } else { std::time::Duration::from_nanos(nanos) };
        let progress =
            |rows: &AtomicU64, bytes: &AtomicU64| Progress { rows: rows.load(Relaxed), bytes: bytes.load(Relaxed) };
        let mut scanned = progress(&self.scanned_rows, &self.scanned_bytes);
        scanned.rows += running.scanned_rows + ended.scanned_rows;
        QueryStats {
            scanned,
            written: progress(&self.written_rows, &self.written_bytes),
            result: progress(&self.result_rows, &self.result_bytes),
            total_scan: progress(&self.planned_rows, &self.planned_bytes),
            spilled_files: running.spilled_files + ended.spilled_files,
            spilled_bytes: running.spilled_bytes + ended.spilled_bytes,
            running: running_time,
        }
    }
}

fn plan_totals(plans: &[Arc<dyn ExecutionPlan>]) -> PlanTotals {
    let mut totals = PlanTotals::default();
    for plan in plans {
        add_totals(plan, &mut totals);
    }
    totals
}

fn add_totals(plan: &Arc<dyn ExecutionPlan>, totals: &mut PlanTotals) {
    let children = plan.children();
    if let Some(metrics) = plan.metrics() {
        for metric in metrics.iter() {
            match metric.value() {
                // Rows a scan gave out, and those it decoded but filtered itself.
                MetricValue::OutputRows(rows) if children.is_empty() => totals.scanned_rows += rows.value() as u64,
                MetricValue::Count { name, count } if children.is_empty() && name == "pushdown_rows_pruned" => {
                    totals.scanned_rows += count.value() as u64;
                }
                MetricValue::SpillCount(count) => totals.spilled_files += count.value() as u64,
                MetricValue::SpilledBytes(count) => totals.spilled_bytes += count.value() as u64,
                _ => {}
            }
        }
    }
    for child in children {
        add_totals(child, totals);
    }
}
