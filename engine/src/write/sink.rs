//! Rows of one statement or load on their way into segments: NOT NULL, partitions, and for unique-key tables the
//! removal of rows that a later row of the same statement replaces.
//!
//! A unique-key table's rows are held back and written in *runs* without equal keys. Within a run storage may sort
//! and cut as it likes; between runs the order is known, so `replaced` can tell which of two rows came last.

use super::{
    Staged, discard,
    keys::{KeyEncoder, keep_last},
    partition::Partitioner,
    rules::RowRules,
};
use crate::{Error, Result, parts::Parts, plan::StatementContext};
use arrow::{
    array::Array,
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use basalt_meta::{Operation, Precondition, Table, TableEngine, TableSnapshot};
use basalt_storage::{Inline, TableWriter, Written, table_schema};
use std::sync::Arc;

/// Bytes of rows that are held back for one run of a unique-key table.
const RUN_BYTES_MAX: usize = 64 << 20;

/// Takes rows in the table's schema (`basalt_storage::table_schema`: physical names, exact types) and makes them
/// durable, unpublished segments.
#[derive(Debug)]
pub(crate) struct TableSink {
    parts: Arc<Parts>,
    table: TableSnapshot,
    operation: Operation,
    inline: Inline,
    schema: SchemaRef,
    partitioner: Option<Partitioner>,
    rules: Option<RowRules>,
    writer: Option<TableWriter>,
    run: Option<Run>,
    written: Written,
    rows: u64,
}

/// Rows held back until no equal key can be among them.
#[derive(Debug)]
struct Run {
    encoder: KeyEncoder,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl TableSink {
    /// `operation` names the commit in the table's history. Inside a transaction no inline segments are made.
    pub fn open(context: &StatementContext, table: TableSnapshot, operation: Operation) -> Result<Self> {
        let record = table.table();
        let schema = table_schema(record);
        let partitioner = Partitioner::new(context, record)?;
        let encoder = KeyEncoder::new(record)?;
        let rules = RowRules::new(context, record)?;
        Ok(Self {
            rules,
            parts: Arc::clone(&context.parts),
            operation,
            inline: if context.transaction.is_some() { Inline::Never } else { Inline::Allowed },
            schema,
            partitioner,
            writer: None,
            run: encoder.map(|encoder| Run { encoder, batches: Vec::new(), rows: 0, bytes: 0 }),
            written: Written::default(),
            rows: 0,
            table,
        })
    }

    /// NOT NULL is checked here, for every writer.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.rows == 0 {
            self.parts.tasks.inline().admit(self.table.table().id).await?;
        }
        let batch = match &self.rules {
            Some(rules) => rules.apply(batch, self.rows)?,
            None => batch,
        };
        let batch = self.checked(batch)?;
        self.rows += batch.num_rows() as u64;
        if self.table.table().engine == TableEngine::Null {
            return Ok(());
        }
        let Some(run) = &mut self.run else { return self.write_rows(batch).await };
        run.rows += batch.num_rows();
        run.bytes += batch.get_array_memory_size();
        run.batches.push(batch);
        if run.rows >= self.parts.storage.settings().segment_rows_max || run.bytes >= RUN_BYTES_MAX {
            self.end_run().await?;
        }
        Ok(())
    }

    /// Makes everything durable. Nothing is visible before [`super::publish()`].
    pub async fn finish(mut self) -> Result<Staged> {
        if let Err(error) = self.end_run().await {
            self.discard().await;
            return Err(error);
        }
        let table = self.table.table();
        let precondition = Precondition::TableAppendable { table: table.id, schema_version: table.schema_version };
        Ok(Staged {
            table: self.table,
            operation: self.operation,
            written: self.written,
            edits: Vec::new(),
            preconditions: vec![precondition],
        })
    }

    /// Gives up: removes what was written.
    pub async fn discard(self) {
        discard(&self.parts, [self.written]).await;
    }

    /// The batch under the table's schema. A null in a NOT NULL column is an error naming column and row.
    fn checked(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let table = self.table.table();
        for (column, values) in table.columns.iter().zip(batch.columns()) {
            if column.nullable || values.logical_null_count() == 0 {
                continue;
            }
            let nulls = values.logical_nulls().expect("a null count above zero has a null buffer");
            let row = (0..values.len()).find(|row| nulls.is_null(*row)).unwrap_or(0);
            return Err(null_value(&column.name, self.rows + row as u64));
        }
        if Schema::eq(&batch.schema(), &self.schema) {
            return Ok(batch);
        }
        let found = batch.schema();
        RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()).map_err(|source| Error::Internal {
            message: format!("rows do not fit table {}: found={found:?}", describe(table)),
            source: Some(Arc::new(source)),
        })
    }

    async fn write_rows(&mut self, batch: RecordBatch) -> Result<()> {
        let writer =
            self.writer.get_or_insert_with(|| self.parts.storage.writer(Arc::clone(self.table.table()), self.inline));
        let Some(partitioner) = &self.partitioner else { return Ok(writer.write(None, batch).await?) };
        for (partition, rows) in partitioner.split(batch)? {
            writer.write(Some(&partition), rows).await?;
        }
        Ok(())
    }

    /// Writes what was held back and closes the writer, so that the next rows come into segments of their own.
    async fn end_run(&mut self) -> Result<()> {
        if let Some(run) = &mut self.run {
            let batches = std::mem::take(&mut run.batches);
            (run.rows, run.bytes) = (0, 0);
            for batch in keep_last(&run.encoder, batches)? {
                self.write_rows(batch).await?;
            }
        }
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let written = writer.finish().await?;
        self.written.segments.extend(written.segments);
        self.written.inline.extend(written.inline);
        self.written.rows += written.rows;
        self.written.bytes += written.bytes;
        Ok(())
    }
}

fn null_value(column: &str, row: u64) -> Error {
    Error::BadData { message: format!("NULL value in non-nullable column '{column}' (row {})", row + 1) }
}

fn describe(table: &Table) -> String {
    format!("{} ({})", table.name, table.id)
}
