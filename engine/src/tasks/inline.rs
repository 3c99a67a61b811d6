//! How many small loads of each table wait to be folded, without looking at the catalogue on every write; and the
//! brake for writers when folding does not keep up.

use crate::{Error, Result};
use basalt_meta::{Location, TableId, TableSnapshot};
use dashmap::DashMap;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// More than this many pieces, or bytes, of one table make it due for folding…
const FOLD_PIECES: u64 = 64;
const FOLD_BYTES: u64 = 16 << 20;
/// …but not more often than this, unless there are very many: each fold writes and syncs files.
const FOLD_INTERVAL: Duration = Duration::from_secs(1);
const FOLD_PIECES_URGENT: u64 = 1000;
/// Writers wait beyond these.
const PIECES_MAX: u64 = 2000;
const BYTES_MAX: u64 = 256 << 20;
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Small loads waiting, by table.
#[derive(Debug)]
pub(crate) struct InlineGauges {
    tables: DashMap<TableId, Gauge>,
    due: Notify,
    folded: Notify,
    wait_max: Duration,
}

impl Default for InlineGauges {
    fn default() -> Self {
        Self { tables: DashMap::new(), due: Notify::new(), folded: Notify::new(), wait_max: WAIT_MAX }
    }
}

#[derive(Debug, Clone, Copy)]
struct Gauge {
    pieces: u64,
    bytes: u64,
    /// When the oldest of them came, as far as this process saw it.
    since: Instant,
}

impl Gauge {
    fn is_full(&self) -> bool {
        self.pieces >= PIECES_MAX || self.bytes >= BYTES_MAX
    }

    fn is_due(&self, fold_after: Duration) -> bool {
        let age = self.since.elapsed();
        let much = self.pieces > FOLD_PIECES || self.bytes > FOLD_BYTES;
        self.pieces > 0 && (age >= fold_after || self.pieces > FOLD_PIECES_URGENT || (much && age >= FOLD_INTERVAL))
    }
}

impl InlineGauges {
    /// Waits while too many small loads of `table` are waiting: at most five seconds, then `Error::Busy`.
    pub async fn admit(&self, table: TableId) -> Result<()> {
        if !self.is_full(table) {
            return Ok(());
        }
        self.due.notify_one();
        let room = async {
            loop {
                let folded = self.folded.notified();
                if !self.is_full(table) {
                    return;
                }
                folded.await;
            }
        };
        tokio::time::timeout(self.wait_max, room)
            .await
            .map_err(|_| Error::Busy { what: "small loads waiting to be folded" })
    }

    /// Counts pieces that were just published.
    pub fn added(&self, table: TableId, pieces: u64, bytes: u64) {
        let urgent = {
            let fresh = Gauge { pieces: 0, bytes: 0, since: Instant::now() };
            let mut gauge = self.tables.entry(table).or_insert(fresh);
            gauge.pieces += pieces;
            gauge.bytes += bytes;
            gauge.pieces > FOLD_PIECES_URGENT || gauge.bytes > FOLD_BYTES
        };
        if urgent {
            self.due.notify_one();
        }
    }

    /// Sets the gauge to what a snapshot really has.
    pub fn refresh(&self, table: &TableSnapshot) {
        let inline = table.iter().filter(|v| v.segment.location == Location::Inline);
        let (pieces, bytes) = inline.fold((0, 0), |(n, b), v| (n + 1, b + v.segment.bytes));
        let id = table.table().id;
        if pieces == 0 {
            self.tables.remove(&id);
        } else {
            self.tables.insert(id, Gauge { pieces, bytes, since: Instant::now() });
        }
        self.folded.notify_waiters();
    }

    /// The table is gone.
    pub fn forget(&self, table: TableId) {
        self.tables.remove(&table);
        self.folded.notify_waiters();
    }

    /// Tables that should be folded now.
    pub fn due(&self, fold_after: Duration) -> Vec<TableId> {
        self.tables.iter().filter(|g| g.is_due(fold_after)).map(|g| *g.key()).collect()
    }

    /// Returns when some table may be due before its time.
    pub async fn urgent(&self) {
        self.due.notified().await;
    }

    fn is_full(&self, table: TableId) -> bool {
        self.tables.get(&table).is_some_and(|g| g.is_full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_due_when_many_pieces_wait_or_they_are_old() {
        let gauges = InlineGauges::default();
        let table = TableId(1);
        assert!(gauges.due(Duration::ZERO).is_empty());
        gauges.added(table, 1, 100);
        assert!(gauges.due(Duration::from_secs(3600)).is_empty(), "one small load waits for others");
        assert_eq!(gauges.due(Duration::ZERO), vec![table]);
        gauges.added(table, FOLD_PIECES_URGENT, 100);
        assert_eq!(gauges.due(Duration::from_secs(3600)), vec![table]);
    }

    #[tokio::test]
    async fn writers_wait_for_the_fold_and_are_then_refused() {
        let mut gauges = InlineGauges { wait_max: Duration::from_millis(5), ..InlineGauges::default() };
        let table = TableId(1);
        gauges.added(table, PIECES_MAX, 100);
        assert!(matches!(gauges.admit(table).await, Err(Error::Busy { .. })));
        assert!(gauges.admit(TableId(2)).await.is_ok(), "other tables go on");
        gauges.wait_max = Duration::from_secs(60);
        let (admitted, ()) = tokio::join!(gauges.admit(table), async {
            tokio::task::yield_now().await;
            gauges.forget(table);
        });
        assert!(admitted.is_ok());
    }
}
