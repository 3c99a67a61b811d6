//! DELETE: finds the rows by a query over the table with positions, then marks them deleted. The query library's own
//! DELETE is not used: it can lose a condition with a subquery on the way to the table, and then every row would go.

use super::{
    Outcome,
    change::{self, Repeats, RowSet, staged, target},
    select::{from_one, object_name, relation, select},
    transaction,
    update::{TARGET, alias, positions},
};
use crate::{
    Result,
    plan::{PlannedQuery, ResolvedTable, StatementContext, over_true_values},
    sql::Delete,
};
use basalt_meta::Operation;
use futures::StreamExt;

pub(super) async fn delete(context: &StatementContext, delete: &Delete) -> Result<Outcome> {
    let hidden = super::access::has_row_policy(context, target(context, &delete.table)?.table.table())?;
    if delete.selection.is_none() && delete.using.is_empty() && !hidden {
        return everything(context, delete).await;
    }
    let (resolved, planned) = plan(context, delete).await?;
    let mut rows = RowSet::default();
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        // With USING a row may match several times; it is deleted once.
        rows.add(&batch.map_err(crate::plan::explain)?, Repeats::Allowed)?;
    }
    let count = rows.len();
    if !rows.is_empty() {
        let edits = rows.delete(context, &resolved.table, Operation::Delete);
        transaction::keep(context, staged(resolved.table, Operation::Delete, edits)).await?;
    }
    Outcome::counts(&[("number of rows deleted", count)])
}

async fn everything(context: &StatementContext, delete: &Delete) -> Result<Outcome> {
    let resolved = target(context, &delete.table)?;
    let count = resolved.table.rows();
    let edits = change::delete_all(context, &resolved.table, Operation::Delete);
    transaction::keep(context, staged(resolved.table, Operation::Delete, edits)).await?;
    Outcome::counts(&[("number of rows deleted", count)])
}

/// The query that yields the position of every row to delete.
pub(super) async fn plan(context: &StatementContext, delete: &Delete) -> Result<(ResolvedTable, PlannedQuery)> {
    let resolved = target(context, &delete.table)?;
    let alias = alias(&delete.table, delete.alias.as_ref())?;
    let mut from = vec![from_one(relation(object_name(&[TARGET]), Some(alias.clone())))];
    from.extend(delete.using.iter().cloned());
    let mut selection = delete.selection.clone();
    if let Some(condition) = &mut selection {
        over_true_values(condition, &alias, &context.masked_columns(resolved.table.table())?);
    }
    let query = select(positions(&alias), from, selection);
    let relations = vec![(TARGET.to_string(), context.positions(&resolved)?)];
    let planned = context.plan_query_over(&query, relations).await?;
    Ok((resolved, planned))
}
