//! Live rows with their places: what UPDATE, DELETE and MERGE plan over. Segments are pruned by the filters, rows are
//! not: the plan above filters them.

use super::prune;
use crate::{
    parts::Parts,
    plan::{ROW_COLUMN, SEGMENT_COLUMN},
    query::Counters,
};
use arrow::{
    array::{ArrayRef, BooleanArray, UInt32Array},
    buffer::BooleanBuffer,
    compute::filter_record_batch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use async_trait::async_trait;
use basalt_meta::{SegmentView, TableSnapshot};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{
        ExecutionPlan,
        empty::EmptyExec,
        stream::RecordBatchStreamAdapter,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{fmt, sync::Arc};

/// One table at one version, with two more columns.
pub(crate) struct PositionsTable {
    parts: Arc<Parts>,
    table: TableSnapshot,
    schema: SchemaRef,
    counters: Arc<Counters>,
}

impl fmt::Debug for PositionsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PositionsTable").field("table", &self.table.table().name).finish_non_exhaustive()
    }
}

impl PositionsTable {
    pub fn new(parts: Arc<Parts>, table: TableSnapshot, user: &SchemaRef, counters: Arc<Counters>) -> Self {
        let mut fields: Vec<_> = user.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(SEGMENT_COLUMN, DataType::UInt32, false)));
        fields.push(Arc::new(Field::new(ROW_COLUMN, DataType::UInt32, false)));
        Self { parts, table, schema: Arc::new(Schema::new(fields)), counters }
    }
}

#[async_trait]
impl TableProvider for PositionsTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let kept = prune::prune(&self.table, &self.schema, filters, state, &self.parts.chunks)?;
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(projection)?);
        if kept.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let segments: Vec<(u32, SegmentView)> = kept
            .into_iter()
            .map(|kept| {
                self.counters.add_planned(kept.view.live_rows(), kept.view.segment.bytes);
                (kept.index as u32, kept.view.clone())
            })
            .collect();
        let per_stream = segments.len().div_ceil(state.config().target_partitions().max(1));
        let streams = segments
            .chunks(per_stream)
            .map(|segments| {
                let stream = PositionStream {
                    parts: self.parts.clone(),
                    table: self.table.clone(),
                    segments: segments.to_vec(),
                    projection: projection.clone(),
                    schema: schema.clone(),
                    counters: self.counters.clone(),
                };
                Arc::new(stream) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, streams, None, None, false, None)?))
    }
}

/// The rows of some segments, one after the other.
struct PositionStream {
    parts: Arc<Parts>,
    table: TableSnapshot,
    segments: Vec<(u32, SegmentView)>,
    /// Indexes into the table's columns, and the two behind them.
    projection: Vec<usize>,
    schema: SchemaRef,
    counters: Arc<Counters>,
}

impl fmt::Debug for PositionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PositionStream").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

impl PartitionStream for PositionStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let columns = self.table.table().columns.len();
        let stored: Vec<usize> = self.projection.iter().copied().filter(|i| *i < columns).collect();
        let layout = Layout { projection: self.projection.clone(), columns, schema: self.schema.clone() };
        let (storage, table) = (self.parts.storage.clone(), self.table.table().clone());
        let counters = self.counters.clone();
        // The snapshot goes along: it keeps the segments from being collected.
        let pin = self.table.clone();
        let rows = stream::iter(self.segments.clone()).flat_map(move |(index, view)| {
            let (layout, counters) = (layout.clone(), counters.clone());
            let deleted = view.deleted.clone();
            let _ = &pin;
            storage
                .scan_rows(table.clone(), view, stored.clone())
                .map_err(|error| DataFusionError::External(Box::new(error)))
                .and_then(move |(first, batch)| {
                    counters.add_scanned_rows(batch.num_rows() as u64);
                    counters.add_scanned_bytes(batch.get_array_memory_size() as u64);
                    let batch = layout.with_places(index, first, batch, deleted.as_deref());
                    futures::future::ready(batch)
                })
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

#[derive(Clone)]
struct Layout {
    projection: Vec<usize>,
    columns: usize,
    schema: SchemaRef,
}

impl Layout {
    /// The batch's live rows with the columns that say where they stand.
    fn with_places(
        &self,
        segment: u32,
        first: u64,
        batch: RecordBatch,
        deleted: Option<&roaring::RoaringBitmap>,
    ) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut stored = batch.columns().iter().cloned();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.projection.len());
        for index in &self.projection {
            columns.push(match *index {
                index if index < self.columns => {
                    stored.next().ok_or_else(|| DataFusionError::Internal("a scan returned too few columns".into()))?
                }
                index if index == self.columns => Arc::new(UInt32Array::from(vec![segment; rows])),
                _ => Arc::new(UInt32Array::from_iter_values((first..first + rows as u64).map(|row| row as u32))),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let Some(deleted) = deleted.filter(|d| !d.is_empty()) else {
            return Ok(batch);
        };
        let live = BooleanBuffer::collect_bool(rows, |row| !deleted.contains((first + row as u64) as u32));
        Ok(filter_record_batch(&batch, &BooleanArray::new(live, None))?)
    }
}
