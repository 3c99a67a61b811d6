//! Values and rows that statements take from queries: one value, one row, or a whole result held within the memory of
//! statements.

use super::super::{Outcome, select};
use crate::{Error, Result, plan::StatementContext};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use datafusion::{
    common::ScalarValue,
    execution::memory_pool::{MemoryConsumer, MemoryReservation},
    physical_plan::stream::RecordBatchStreamAdapter,
    sql::sqlparser::ast::{Expr, Query, Visit, Visitor},
};
use futures::StreamExt;
use std::{ops::ControlFlow, sync::Arc};

/// A result that is held.
#[derive(Debug)]
pub(super) struct HeldRows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// Keeps its memory accounted for.
    _reservation: MemoryReservation,
}

impl HeldRows {
    /// All rows of an outcome; none for a statement without a result.
    pub async fn of(context: &StatementContext, outcome: Outcome) -> Result<Self> {
        let pool = context.parts.runtime.memory_pool();
        let reservation = MemoryConsumer::new("rows of a script").register(pool);
        let Outcome::Rows { schema, mut stream } = outcome else {
            let schema = super::super::columns::no_columns();
            return Ok(Self { schema, batches: Vec::new(), _reservation: reservation });
        };
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(crate::plan::explain)?;
            reservation.try_grow(batch.get_array_memory_size())?;
            // The plan's own names may differ from those of the result.
            batches.push(RecordBatch::try_new(renamed(&schema, &batch), batch.columns().to_vec())?);
        }
        Ok(Self { schema, batches, _reservation: reservation })
    }

    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The values of row `number`.
    pub fn row(&self, number: usize) -> Result<Option<Vec<ScalarValue>>> {
        let mut before = 0;
        for batch in &self.batches {
            if number < before + batch.num_rows() {
                let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, number - before));
                return Ok(Some(values.collect::<datafusion::common::Result<_>>().map_err(crate::plan::explain)?));
            }
            before += batch.num_rows();
        }
        Ok(None)
    }

    /// The rows as a result.
    pub fn outcome(self: &Arc<Self>) -> Outcome {
        let held = Arc::clone(self);
        let batches: Vec<_> = self.batches.iter().cloned().map(Ok).collect();
        let stream = futures::stream::iter(batches).inspect(move |_| {
            let _ = &held;
        });
        let schema = Arc::clone(&self.schema);
        Outcome::Rows { schema: Arc::clone(&schema), stream: Box::pin(RecordBatchStreamAdapter::new(schema, stream)) }
    }
}

fn renamed(schema: &SchemaRef, batch: &RecordBatch) -> SchemaRef {
    let fields = schema.fields().iter().zip(batch.schema().fields().iter().cloned().collect::<Vec<_>>());
    let fields: Vec<_> = fields
        .map(|(named, found)| arrow::datatypes::Field::new(named.name(), found.data_type().clone(), true))
        .collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

/// The value of an expression, which may hold subqueries.
pub(super) async fn value_of(context: &StatementContext, expr: &Expr) -> Result<ScalarValue> {
    if !has_query(expr) {
        return context.constant(expr);
    }
    let query = select::select(vec![select::named(expr.clone(), "value")], Vec::new(), None);
    let mut row = one_row(context, &query).await?;
    Ok(row.pop().unwrap_or(ScalarValue::Null))
}

/// The one row of a query.
pub(super) async fn one_row(context: &StatementContext, query: &Query) -> Result<Vec<ScalarValue>> {
    let planned = context.plan_query(query).await?;
    let outcome = Outcome::Rows { schema: planned.schema, stream: context.run(planned.physical)? };
    let rows = HeldRows::of(context, outcome).await?;
    match (rows.len(), rows.row(0)?) {
        (1, Some(row)) => Ok(row),
        (count, _) => Err(Error::Semantic { message: format!("the query makes {count} rows where one is needed") }),
    }
}

fn has_query(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Finder).is_break()
}
