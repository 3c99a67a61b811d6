//! What a table says of each of its rows: values of computed columns, and conditions that must hold. Applied to every
//! row that is written, whoever brings it.

use crate::{
    Error, Result,
    plan::{StatementContext, explain},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use basalt_meta::Table;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

/// The rules of one table, compiled.
#[derive(Debug)]
pub(crate) struct RowRules {
    /// All columns under the users' names.
    schema: SchemaRef,
    /// Position, type and formula of each computed column.
    computed: Vec<(usize, DataType, Arc<dyn PhysicalExpr>)>,
    /// Name, text and condition of each constraint.
    checks: Vec<(String, String, Arc<dyn PhysicalExpr>)>,
}

impl RowRules {
    /// `None` for a table without rules.
    pub fn new(context: &StatementContext, table: &Table) -> Result<Option<Self>> {
        if table.checks.is_empty() && table.columns.iter().all(|c| c.computed.is_none()) {
            return Ok(None);
        }
        let field = |c: &basalt_meta::Column| Field::new(&c.name, c.data_type.clone(), true);
        let schema: SchemaRef = Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()));
        let mut computed = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let Some(formula) = &column.computed else { continue };
            computed.push((at, column.data_type.clone(), context.expression(&formula.expression, &schema)?));
        }
        let mut checks = Vec::new();
        for check in &table.checks {
            let condition = context.expression(&check.condition, &schema)?;
            if condition.data_type(&schema).map_err(explain)? != DataType::Boolean {
                let message = format!("constraint `{}` must be true or false: {}", check.name, check.condition);
                return Err(Error::Semantic { message });
            }
            checks.push((check.name.clone(), check.condition.clone(), condition));
        }
        Ok(Some(Self { schema, computed, checks }))
    }

    /// The rows with their computed values. A row that breaks a condition is an error; `first_row` is how many rows came
    /// before.
    pub fn apply(&self, batch: RecordBatch, first_row: u64) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for (at, data_type, formula) in &self.computed {
            let rows = self.rows(&columns, batch.num_rows())?;
            let values = formula.evaluate(&rows).and_then(|v| v.into_array(rows.num_rows())).map_err(explain)?;
            columns[*at] = if values.data_type() == data_type { values } else { cast(&values, data_type)? };
        }
        if !self.checks.is_empty() {
            let rows = self.rows(&columns, batch.num_rows())?;
            for (name, text, condition) in &self.checks {
                let holds = condition.evaluate(&rows).and_then(|v| v.into_array(rows.num_rows())).map_err(explain)?;
                let holds = holds.as_boolean();
                // NULL is not false.
                if let Some(row) = (0..holds.len()).find(|row| holds.is_valid(*row) && !holds.value(*row)) {
                    let row = first_row + row as u64 + 1;
                    let message = format!("row {row} violates constraint `{name}`: CHECK ({text})");
                    return Err(Error::Evaluation { message });
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let fields: Vec<Field> =
            batch.schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }

    fn rows(&self, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.to_vec(), &options)?)
    }
}
