//! UPDATE: the rows that match go, and the same rows with new values come, in one commit.

use super::{
    Outcome,
    change::{Repeats, RowSet, target},
    columns,
    insert::{Filler, default_expression},
    select::{column_of, from_one, is_default, named, object_name, relation, select},
    transaction,
};
use crate::{
    Error, Result,
    plan::{PlannedQuery, ROW_COLUMN, ResolvedTable, SEGMENT_COLUMN, StatementContext, over_true_values, true_name},
    sql::{Update, last_name},
};
use basalt_meta::{Operation, Table};
use datafusion::sql::sqlparser::ast::{Assignment, AssignmentTarget, Expr, Ident, ObjectName, SelectItem};
use futures::StreamExt;

/// Under which name plans see the rows of a statement's target with their positions.
pub(super) const TARGET: &str = "__basalt_target";

pub(super) async fn update(context: &StatementContext, update: &Update) -> Result<Outcome> {
    let (resolved, planned) = plan(context, update).await?;
    let places = (0..resolved.table.table().columns.len()).map(Some).collect();
    let mut filler = Filler::open(context, resolved.table.clone(), places, Operation::Update)?;
    let mut rows = RowSet::default();
    let filled = rewrite(context, planned, &mut filler, &mut rows).await;
    let (mut staged, count) = filler.finish(filled).await?;
    if !rows.is_empty() {
        let (edits, preconditions) = rows.delete(context, &resolved.table, Operation::Update);
        staged.edits.extend(edits);
        staged.preconditions.extend(preconditions);
        transaction::keep(context, staged).await?;
    }
    Outcome::counts(&[("number of rows updated", count)])
}

async fn rewrite(
    context: &StatementContext,
    planned: PlannedQuery,
    filler: &mut Filler<'_>,
    rows: &mut RowSet,
) -> Result<()> {
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        rows.add(&batch, Repeats::Error("UPDATE: a row matches several rows of FROM"))?;
        filler.rows_of(&batch, 2).await?;
    }
    Ok(())
}

/// The query that yields position and new values of every row to change.
pub(super) async fn plan(context: &StatementContext, update: &Update) -> Result<(ResolvedTable, PlannedQuery)> {
    let resolved = target(context, &update.table)?;
    let table = resolved.table.table();
    let alias = alias(&update.table, update.alias.as_ref())?;
    let mut projection = positions(&alias);
    let new = new_values(context, table, &update.assignments, &alias)?;
    projection.extend(new.into_iter().enumerate().map(|(n, expr)| named(expr, &format!("v{n}"))));
    let mut from = vec![from_one(relation(object_name(&[TARGET]), Some(alias.clone())))];
    from.extend(update.from.iter().cloned());
    let mut selection = update.selection.clone();
    if let Some(condition) = &mut selection {
        over_true_values(condition, &alias, &context.masked_columns(table)?);
    }
    let query = select(projection, from, selection);
    let relations = vec![(TARGET.to_string(), context.positions(&resolved)?)];
    let planned = context.plan_query_over(&query, relations).await?;
    Ok((resolved, planned))
}

/// The name by which a statement's expressions call its target.
pub(super) fn alias(table: &ObjectName, alias: Option<&Ident>) -> Result<Ident> {
    match alias {
        Some(alias) => Ok(alias.clone()),
        None => Ok(last_name(table)?.clone()),
    }
}

/// Where rows stand, as the first two columns.
pub(super) fn positions(alias: &Ident) -> Vec<SelectItem> {
    vec![named(column_of(alias, SEGMENT_COLUMN), SEGMENT_COLUMN), named(column_of(alias, ROW_COLUMN), ROW_COLUMN)]
}

/// For each column of the table, the expression of its new value.
pub(super) fn new_values(
    context: &StatementContext,
    table: &Table,
    assignments: &[Assignment],
    alias: &Ident,
) -> Result<Vec<Expr>> {
    let mut values: Vec<Option<Expr>> = vec![None; table.columns.len()];
    for assignment in assignments {
        let index = columns::find(table, assigned(&assignment.target)?)?;
        let column = &table.columns[index];
        if column.computed.is_some() {
            return Err(Error::Semantic { message: format!("column `{}` is computed and cannot be set", column.name) });
        }
        let value = match is_default(&assignment.value) {
            true => default_expression(context, column.default.as_deref())?,
            false => assignment.value.clone(),
        };
        if values[index].replace(value).is_some() {
            return Err(Error::Semantic { message: format!("column `{}` is set twice", column.name) });
        }
    }
    // What is not assigned stays as it is stored, masked or not.
    let masked = context.masked_columns(table)?;
    let kept = |(value, column): (Option<Expr>, &basalt_meta::Column)| {
        let name = if masked.contains(&column.name) { true_name(&column.name) } else { column.name.clone() };
        value.unwrap_or_else(|| column_of(alias, &name))
    };
    Ok(values.into_iter().zip(&table.columns).map(kept).collect())
}

/// The column an assignment names: `a`, or `t.a`.
fn assigned(target: &AssignmentTarget) -> Result<&Ident> {
    match target {
        AssignmentTarget::ColumnName(name) => last_name(name),
        AssignmentTarget::Tuple(_) => Err(Error::Unsupported { what: "SET of several columns at once".into() }),
    }
}
