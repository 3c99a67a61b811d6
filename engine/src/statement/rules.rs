//! Computed columns and CHECK constraints when they are declared: their texts must mean something over the table's
//! columns, and rows that exist must meet a new condition. How they act on rows is in `write/rules.rs`.

use super::{
    columns, commit,
    database::new_name,
    select::{exact, from_one, named, nested, null, object_name, relation, select},
    table::changed,
};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext, calls_sequence, explain},
    sql::parse_expression,
    write::RowRules,
};
use arrow::compute::can_cast_types;
use basalt_meta::{Check, Edit, Precondition, Table};
use datafusion::{
    physical_expr::PhysicalExpr,
    sql::sqlparser::ast::{Expr, Ident, UnaryOperator},
};
use futures::StreamExt;
use std::sync::Arc;

/// Under which name the table's rows are read.
const ROWS: &str = "__basalt_rows";

/// Fails when a formula or condition of the table makes no sense.
pub(super) fn check_table(context: &StatementContext, table: &Table) -> Result<()> {
    for column in &table.columns {
        let Some(computed) = &column.computed else { continue };
        // A formula may use the columns that are given, not others that are computed.
        let given = table.columns.iter().filter(|c| c.computed.is_none()).cloned().collect();
        let schema = context.user_schema(&Table { columns: given, ..table.clone() });
        let formula = steady(context, &computed.expression, &schema)?;
        let found = formula.data_type(&schema).map_err(explain)?;
        if !can_cast_types(&found, &column.data_type) {
            let message = format!(
                "computed column `{}` of type {} cannot hold values of type {}",
                column.name,
                crate::plan::sql_type(&column.data_type),
                crate::plan::sql_type(&found)
            );
            return Err(Error::Semantic { message });
        }
    }
    for check in &table.checks {
        steady(context, &check.condition, &context.user_schema(table))?;
    }
    check_cluster(context, table)?;
    RowRules::new(context, table).map(|_| ())
}

/// Fails when CLUSTER BY holds more than columns and means nothing.
pub(super) fn check_cluster(context: &StatementContext, table: &Table) -> Result<()> {
    for text in &table.cluster_by {
        context.expression(text, &context.user_schema(table))?;
    }
    Ok(())
}

/// An expression that makes the same of the same row, today and tomorrow.
fn steady(
    context: &StatementContext,
    text: &str,
    schema: &arrow::datatypes::SchemaRef,
) -> Result<Arc<dyn PhysicalExpr>> {
    let parsed = parse_expression(text, context.sql_limits())?;
    let expression = context.expression_ast(&parsed, schema)?;
    let volatile = datafusion::physical_expr_common::physical_expr::is_volatile(&expression);
    if volatile || calls_sequence(&parsed) {
        return Err(Error::Semantic { message: format!("`{text}` makes something else of the same row each time") });
    }
    Ok(expression)
}

/// The constraints of a new table, each with a name.
pub(super) fn named_checks(table: &str, checks: &[(Option<Ident>, String)]) -> Result<Vec<Check>> {
    let mut named: Vec<Check> = Vec::with_capacity(checks.len());
    for (name, condition) in checks {
        let name = match name {
            Some(name) => new_name(name)?,
            None => free_name(table, &named),
        };
        if named.iter().any(|known| known.name == name) {
            return Err(Error::Semantic { message: format!("constraint `{name}` appears twice") });
        }
        named.push(Check { name, condition: condition.clone() });
    }
    Ok(named)
}

fn free_name(table: &str, taken: &[Check]) -> String {
    let name = |n: usize| [table, "_check", &n.to_string()].concat();
    let mut n = taken.len() + 1;
    while taken.iter().any(|check| check.name == name(n)) {
        n += 1;
    }
    name(n)
}

/// ALTER TABLE … ADD CONSTRAINT: every row that exists must meet it.
pub(super) async fn add_check(
    context: &StatementContext,
    resolved: &ResolvedTable,
    name: Option<&Ident>,
    condition: &str,
) -> Result<()> {
    let mut table = Table::clone(resolved.table.table());
    let name = match name {
        Some(name) => new_name(name)?,
        None => free_name(&table.name, &table.checks),
    };
    if table.checks.iter().any(|known| known.name == name) {
        return Err(Error::Semantic { message: format!("constraint `{name}` exists already") });
    }
    table.checks.push(Check { name: name.clone(), condition: condition.to_string() });
    check_table(context, &table)?;
    let holds = nested(parse_expression(condition, context.sql_limits())?);
    let fails = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(holds) };
    let from = from_one(relation(object_name(&[ROWS]), Some(exact(ROWS))));
    let query = select(vec![named(null(), "n")], vec![from], Some(fails));
    let planned = context.plan_query_over(&query, vec![(ROWS.to_string(), context.provider(resolved)?)]).await?;
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        if batch.map_err(explain)?.num_rows() > 0 {
            let message = format!("rows of the table violate constraint `{name}`: CHECK ({condition})");
            return Err(Error::Evaluation { message });
        }
    }
    let preconditions = vec![
        Precondition::TableUnchanged { table: table.id, since: resolved.table.version() },
        Precondition::TableSchema { table: table.id, schema_version: table.schema_version },
    ];
    // Rows on their way were not asked: they may not be added any more.
    let edit = Edit::AlterTable { table: changed(context, table), breaking: true };
    commit(context, vec![edit], preconditions).await?;
    Ok(())
}

/// Fails when the columns of a table and its rules do not fit.
pub(super) fn check_new(context: &StatementContext, table: &Table) -> Result<()> {
    if table.columns.iter().all(|c| c.computed.is_some()) {
        return Err(Error::Semantic { message: "a table needs a column that is not computed".into() });
    }
    columns::check_names(context, &table.columns)?;
    check_table(context, table)
}
