//! Which partition each row belongs to: the table's partition expression, its value as text.

use crate::{Result, plan::StatementContext};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array},
    compute::{self, cast, take_record_batch},
    datatypes::{DataType, SchemaRef},
};
use basalt_meta::Table;
use datafusion::physical_expr::PhysicalExpr;
use std::{collections::HashMap, ops::Range, sync::Arc};

/// Partition of rows for which the expression has no value.
const NULL_PARTITION: &str = "NULL";

/// Splits batches by the table's partition expression.
#[derive(Debug)]
pub(super) struct Partitioner {
    /// The expression over the table's columns under their user names.
    expression: Arc<dyn PhysicalExpr>,
    user_schema: SchemaRef,
}

impl Partitioner {
    /// `None` for a table without partitions.
    pub fn new(context: &StatementContext, table: &Table) -> Result<Option<Self>> {
        let Some(sql) = &table.partition_by else { return Ok(None) };
        let user_schema = context.user_schema(table);
        let expression = context.expression(sql, &user_schema)?;
        Ok(Some(Self { expression, user_schema }))
    }

    /// The rows of `batch` by partition, in order of first appearance. Rows of one partition keep their order.
    pub fn split(&self, batch: RecordBatch) -> Result<Vec<(String, RecordBatch)>> {
        let values = self.values(&batch)?;
        let runs = compute::partition(&[Arc::clone(&values)])?.ranges();
        let starts = UInt32Array::from_iter_values(runs.iter().map(|run| run.start as u32));
        let texts = cast(&compute::take(&values, &starts, None)?, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let text = |run: usize| if texts.is_null(run) { NULL_PARTITION } else { texts.value(run) };
        if runs.len() <= 1 {
            return Ok(runs.iter().map(|_| (text(0).to_string(), batch.clone())).collect());
        }
        let groups = group(&runs, text);
        if groups.len() == 1 {
            return Ok(vec![(text(0).to_string(), batch)]);
        }
        groups
            .into_iter()
            .map(|(name, rows)| Ok((name, take_record_batch(&batch, &UInt32Array::from(rows))?)))
            .collect()
    }

    fn values(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let named = RecordBatch::try_new(Arc::clone(&self.user_schema), batch.columns().to_vec())?;
        Ok(self.expression.evaluate(&named)?.into_array(named.num_rows())?)
    }
}

/// Row numbers by partition text, in order of first appearance.
fn group<'a>(runs: &[Range<usize>], text: impl Fn(usize) -> &'a str) -> Vec<(String, Vec<u32>)> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let name = text(i);
        let at = *index.entry(name).or_insert_with(|| {
            groups.push((name.to_string(), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.extend(run.start as u32..run.end as u32);
    }
    groups
}
