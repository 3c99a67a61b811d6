//! Changes of a table that change its rows too: every row is read, converted and written anew, and one commit puts the
//! new columns and the new rows in the place of the old ones.

use super::{
    change, columns,
    insert::Filler,
    select::{column, exact, from_one, named, null, object_name, relation, select},
    table::changed,
};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext},
    write::{Staged, publish},
};
use basalt_meta::{Column, Edit, Operation, Precondition, Table};
use datafusion::sql::sqlparser::ast::{Expr, SelectItem};
use std::sync::Arc;

/// Under which name the old rows are read.
const OLD: &str = "__basalt_old";

/// Writes all rows of `old` under the columns of `table`: a column that `old` has too is converted, one it has not
/// gets its default.
pub(super) async fn rewrite(context: &StatementContext, old: &ResolvedTable, table: Table) -> Result<()> {
    let before = Arc::clone(old.table.table());
    let table = Arc::new(changed(context, table));
    let places = (0..table.columns.len()).map(Some).collect();
    let unpublished = context.snapshot.unpublished(Arc::clone(&table));
    let mut filler = Filler::open(context, unpublished, places, Operation::Alter)?;
    let filled = fill(context, old, &table, &mut filler).await;
    let (staged, _) = filler.finish(filled).await?;
    let (removed, unchanged) = change::delete_all(context, &old.table, Operation::Alter);
    let mut edits = vec![Edit::AlterTable { table: Table::clone(&table), breaking: true }];
    edits.extend(removed);
    let mut preconditions = unchanged;
    preconditions.push(Precondition::TableSchema { table: before.id, schema_version: before.schema_version });
    preconditions.push(Precondition::TableUnchanged { table: before.id, since: old.table.version() });
    publish(&context.parts, vec![Staged { edits, preconditions, ..staged }], Vec::new(), Vec::new()).await?;
    Ok(())
}

async fn fill(context: &StatementContext, old: &ResolvedTable, table: &Table, filler: &mut Filler<'_>) -> Result<()> {
    let before = old.table.table();
    let projection: Vec<SelectItem> = table
        .columns
        .iter()
        .enumerate()
        .map(|(n, new)| Ok(named(value_of(context, before, new)?, &format!("v{n}"))))
        .collect::<Result<_>>()?;
    let query = select(projection, vec![from_one(relation(object_name(&[OLD]), Some(exact(OLD))))], None);
    let planned = context.plan_query_over(&query, vec![(OLD.to_string(), context.provider(old)?)]).await?;
    filler.planned(planned).await
}

fn value_of(context: &StatementContext, before: &Table, new: &Column) -> Result<Expr> {
    match before.column_by_id(new.id) {
        Some(old) => Ok(column(&old.name)),
        None => super::insert::default_expression(context, new.default.as_deref()),
    }
}

/// Fails when a column that is to be NOT NULL has a NULL.
pub(super) async fn check_no_nulls(context: &StatementContext, table: &ResolvedTable, checked: &Column) -> Result<()> {
    let is_null = Expr::IsNull(Box::new(column(&checked.name)));
    let query = select(
        vec![named(null(), "n")],
        vec![from_one(relation(object_name(&[OLD]), Some(exact(OLD))))],
        Some(is_null),
    );
    let planned = context.plan_query_over(&query, vec![(OLD.to_string(), context.provider(table)?)]).await?;
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = futures::StreamExt::next(&mut stream).await {
        if batch.map_err(crate::plan::explain)?.num_rows() > 0 {
            let message = format!("column `{}` has NULLs, so it cannot be NOT NULL", checked.name);
            return Err(Error::Semantic { message });
        }
    }
    Ok(())
}

/// Whether values of the old type can be read as the new one without being written anew, and statistics stay bounds.
pub(super) fn is_widening(old: &arrow::datatypes::DataType, new: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::*;
    match (old, new) {
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (UInt8, UInt16 | UInt32 | UInt64) | (UInt16, UInt32 | UInt64) | (UInt32, UInt64) => true,
        (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(q, t)) => p <= q && s == t,
        (old, new) => old == new,
    }
}

/// Fails when a column is part of what the table is arranged by.
pub(super) fn check_not_arranging(
    context: &StatementContext,
    table: &Table,
    column: &Column,
    what: &str,
) -> Result<()> {
    let in_key = matches!(&table.key_model, basalt_meta::KeyModel::Unique { key } if key.contains(&column.id));
    let used = if in_key {
        "the unique key"
    } else if table.sort_key.contains(&column.id) && what == "dropped" {
        "the sort key"
    } else if uses_column(context, table, column)? {
        "an expression of the table (partition, cluster key, computed column or constraint)"
    } else {
        return Ok(());
    };
    Err(Error::Semantic { message: format!("column `{}` is in {used} and cannot be {what}", column.name) })
}

/// Whether a text of the table (partition, formula, condition) names a column: without it, the text has no meaning any
/// more.
fn uses_column(context: &StatementContext, table: &Table, column: &Column) -> Result<bool> {
    let formulas = table.columns.iter().filter(|c| c.id != column.id).filter_map(|c| c.computed.as_ref());
    let texts: Vec<&str> = table
        .partition_by
        .iter()
        .chain(&table.cluster_by)
        .map(String::as_str)
        .chain(formulas.map(|computed| computed.expression.as_str()))
        .chain(table.checks.iter().map(|check| check.condition.as_str()))
        .collect();
    if texts.is_empty() {
        return Ok(false);
    }
    let others = table.columns.iter().filter(|c| c.id != column.id).cloned().collect();
    let without = Table { columns: others, ..table.clone() };
    let schema = if without.columns.is_empty() { columns::no_columns() } else { context.user_schema(&without) };
    Ok(texts.into_iter().any(|text| context.expression(text, &schema).is_err()))
}
