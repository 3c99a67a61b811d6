//! How a statement ended (or how its rows will come), and the small results that statements make themselves.

use crate::{Error, Result};
use arrow::{
    array::{ArrayRef, StringArray, UInt64Array},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion::{execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter};
use futures::TryStreamExt;
use std::sync::Arc;

/// How a statement ended (or how its rows will come).
pub(crate) enum Outcome {
    /// Rows follow.
    Rows { schema: SchemaRef, stream: SendableRecordBatchStream },
    /// No result set.
    Done,
}

impl Outcome {
    /// These rows.
    pub(super) fn batch(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let rows = futures::stream::iter([Ok(batch)]);
        Outcome::Rows { schema: Arc::clone(&schema), stream: Box::pin(RecordBatchStreamAdapter::new(schema, rows)) }
    }

    /// The same without its rows: they are made and thrown away.
    pub(super) fn without_rows(self) -> Self {
        match self {
            Outcome::Rows { schema, stream } => {
                let planned = stream.schema();
                let none = stream.try_filter_map(|_| std::future::ready(Ok(None)));
                Outcome::Rows { schema, stream: Box::pin(RecordBatchStreamAdapter::new(planned, none)) }
            }
            Outcome::Done => Outcome::Done,
        }
    }

    /// One row of counts.
    pub(super) fn counts(counts: &[(&str, u64)]) -> Result<Self> {
        let fields: Vec<Field> = counts.iter().map(|(name, _)| Field::new(*name, DataType::UInt64, false)).collect();
        let columns = counts.iter().map(|(_, n)| Arc::new(UInt64Array::from(vec![*n])) as ArrayRef).collect();
        Ok(Self::batch(own_batch(Schema::new(fields), columns)?))
    }

    /// Rows of strings; `None` is NULL.
    pub(super) fn texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<Self> {
        let columns: Vec<ArrayRef> = (0..names.len())
            .map(|n| Arc::new(StringArray::from_iter(rows.iter().map(|row| row[n].as_deref()))) as ArrayRef)
            .collect();
        let fields: Vec<Field> = names
            .iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(*name, DataType::Utf8, column.null_count() > 0))
            .collect();
        Ok(Self::batch(own_batch(Schema::new(fields), columns)?))
    }
}

fn own_batch(schema: Schema, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|source| Error::internal("a result has no shape", source))
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Rows { schema, .. } => f.debug_struct("Rows").field("schema", schema).finish_non_exhaustive(),
            Outcome::Done => f.write_str("Done"),
        }
    }
}
