//! MERGE INTO: one query joins the source to the target and says for every row which clause applies and with which
//! values; deletions, updated rows and new rows are then one commit.

use super::{
    Outcome,
    change::{Repeats, RowSet, target},
    columns,
    insert::{Filler, default_expression},
    select::{
        Unmatched, and, case, column_of, equals, is_default, join, named, nested, number, object_name, relation, select,
    },
    transaction,
    update::{TARGET, alias, new_values, positions},
};
use crate::{
    Error, Result,
    plan::{PlannedQuery, ROW_COLUMN, ResolvedTable, StatementContext, over_true_values},
    sql::{Merge, MergeAction, MergeClause},
};
use arrow::{
    array::{Array, AsArray, BooleanArray},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, UInt64Type},
    record_batch::RecordBatch,
};
use basalt_meta::{Operation, Table};
use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, TableFactor};
use futures::StreamExt;

pub(super) async fn merge(context: &StatementContext, merge: &Merge) -> Result<Outcome> {
    let (resolved, planned) = plan(context, merge).await?;
    let width = resolved.table.table().columns.len();
    let places = (0..width).map(Some).collect();
    let mut filler = Filler::open(context, resolved.table.clone(), places, Operation::Merge)?;
    let mut done = Done::default();
    let filled = apply(context, merge, planned, width, &mut filler, &mut done).await;
    let (mut staged, _) = filler.finish(filled).await?;
    let (edits, preconditions) = std::mem::take(&mut done.gone).delete(context, &resolved.table, Operation::Merge);
    staged.edits.extend(edits);
    staged.preconditions.extend(preconditions);
    if !staged.edits.is_empty() || !staged.written.segments.is_empty() {
        transaction::keep(context, staged).await?;
    }
    done.outcome(merge)
}

#[derive(Default)]
struct Done {
    gone: RowSet,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

impl Done {
    fn outcome(&self, merge: &Merge) -> Result<Outcome> {
        let has = |wanted: fn(&MergeAction) -> bool| merge.clauses.iter().any(|c| wanted(&c.action));
        let mut counts = Vec::new();
        if has(|a| matches!(a, MergeAction::Insert { .. } | MergeAction::InsertAll)) {
            counts.push(("number of rows inserted", self.inserted));
        }
        if has(|a| matches!(a, MergeAction::Update(_) | MergeAction::UpdateAll)) {
            counts.push(("number of rows updated", self.updated));
        }
        if has(|a| matches!(a, MergeAction::Delete)) {
            counts.push(("number of rows deleted", self.deleted));
        }
        Outcome::counts(&counts)
    }
}

async fn apply(
    context: &StatementContext,
    merge: &Merge,
    planned: PlannedQuery,
    width: usize,
    filler: &mut Filler<'_>,
    done: &mut Done,
) -> Result<()> {
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        let mut first = 3;
        for (n, clause) in merge.clauses.iter().enumerate() {
            let rows = rows_of_clause(&batch, n)?;
            let count = rows.num_rows() as u64;
            if clause.matched && count > 0 {
                done.gone.add(&rows, Repeats::Error("MERGE: several source rows match one row of the target"))?;
            }
            match &clause.action {
                MergeAction::Delete => done.deleted += count,
                MergeAction::Update(_) | MergeAction::UpdateAll => done.updated += count,
                MergeAction::Insert { .. } | MergeAction::InsertAll => done.inserted += count,
            }
            if has_values(clause) {
                filler.rows_of(&rows, first).await?;
                first += width;
            }
        }
    }
    Ok(())
}

fn has_values(clause: &MergeClause) -> bool {
    !matches!(clause.action, MergeAction::Delete)
}

/// The rows to which clause `n` applies; the third column says.
fn rows_of_clause(batch: &RecordBatch, n: usize) -> Result<RecordBatch> {
    let fault = |source| Error::internal("clauses of a MERGE cannot be told apart", source);
    let chosen = cast(batch.column(2), &DataType::UInt64).map_err(fault)?;
    let chosen = chosen.as_primitive::<UInt64Type>();
    let mask: BooleanArray =
        (0..chosen.len()).map(|row| Some(chosen.is_valid(row) && chosen.value(row) == n as u64)).collect();
    filter_record_batch(batch, &mask).map_err(fault)
}

/// The query: position, number of the clause, and for each clause that writes, a value for every column.
pub(super) async fn plan(context: &StatementContext, merge: &Merge) -> Result<(ResolvedTable, PlannedQuery)> {
    let resolved = target(context, &merge.table)?;
    let alias = alias(&merge.table, merge.alias.as_ref())?;
    let source = source_alias(&merge.source)?;
    let table = resolved.table.table();
    let masked = context.masked_columns(table)?;
    let choice = choice(merge, &alias, &masked);
    let mut projection = positions(&alias);
    projection.push(named(choice.clone(), "__basalt_clause"));
    for (n, clause) in merge.clauses.iter().enumerate() {
        // Values are computed only where the clause applies: elsewhere they might be errors.
        let applies = equals(nested(choice.clone()), number(n));
        for (m, value) in values(context, table, clause, &alias, &source)?.into_iter().enumerate() {
            projection.push(branch(applies.clone(), value, &format!("c{n}_{m}")));
        }
    }
    let unmatched = if merge.clauses.iter().all(|c| c.matched) { Unmatched::Drop } else { Unmatched::Keep };
    let mut on = merge.on.clone();
    over_true_values(&mut on, &alias, &masked);
    let target = relation(object_name(&[TARGET]), Some(alias));
    let from = join(merge.source.clone(), target, on, unmatched);
    let query = select(projection, vec![from], None);
    let relations = vec![(TARGET.to_string(), context.positions(&resolved)?)];
    let planned = context.plan_query_over(&query, relations).await?;
    Ok((resolved, planned))
}

fn branch(applies: Expr, value: Expr, name: &str) -> SelectItem {
    named(case(vec![(applies, value)]), name)
}

/// `CASE WHEN … THEN number of the first clause that applies … END`.
fn choice(merge: &Merge, alias: &Ident, masked: &[String]) -> Expr {
    let branches = merge.clauses.iter().enumerate().map(|(n, clause)| {
        let position = Box::new(column_of(alias, ROW_COLUMN));
        let matched = if clause.matched { Expr::IsNotNull(position) } else { Expr::IsNull(position) };
        let applies = match &clause.condition {
            Some(condition) => {
                let mut condition = condition.clone();
                over_true_values(&mut condition, alias, masked);
                and(Some(matched), condition)
            }
            None => matched,
        };
        (applies, number(n))
    });
    case(branches.collect())
}

fn values(
    context: &StatementContext,
    table: &Table,
    clause: &MergeClause,
    alias: &Ident,
    source: &Ident,
) -> Result<Vec<Expr>> {
    let value = |c: &basalt_meta::Column| match c.computed {
        Some(_) => super::select::null(),
        None => column_of(source, &c.name),
    };
    let from_source = || table.columns.iter().map(value).collect();
    match &clause.action {
        MergeAction::Delete => Ok(Vec::new()),
        MergeAction::UpdateAll | MergeAction::InsertAll => Ok(from_source()),
        MergeAction::Update(assignments) => new_values(context, table, assignments, alias),
        MergeAction::Insert { columns, values } => inserted(context, table, columns, values),
    }
}

fn inserted(context: &StatementContext, table: &Table, names: &[Ident], values: &[Expr]) -> Result<Vec<Expr>> {
    let open: Vec<usize> = (0..table.columns.len()).filter(|n| table.columns[*n].computed.is_none()).collect();
    let wanted = if names.is_empty() { open.len() } else { names.len() };
    if wanted != values.len() {
        let message = format!("INSERT of MERGE has {} values, but {wanted} columns to fill", values.len());
        return Err(Error::Semantic { message });
    }
    let mut row: Vec<Option<Expr>> = vec![None; table.columns.len()];
    for (n, value) in values.iter().enumerate() {
        let index = if names.is_empty() { open[n] } else { columns::find(table, &names[n])? };
        if table.columns[index].computed.is_some() {
            let message = format!("column `{}` is computed: it takes no values", table.columns[index].name);
            return Err(Error::Semantic { message });
        }
        let value = match is_default(value) {
            true => default_expression(context, table.columns[index].default.as_deref())?,
            false => value.clone(),
        };
        if row[index].replace(value).is_some() {
            let message = format!("column `{}` appears twice", table.columns[index].name);
            return Err(Error::Semantic { message });
        }
    }
    let or_default = |(value, column): (Option<Expr>, &basalt_meta::Column)| match value {
        Some(value) => Ok(value),
        None => default_expression(context, column.default.as_deref()),
    };
    row.into_iter().zip(&table.columns).map(or_default).collect()
}

/// The name by which the source's columns are called.
fn source_alias(source: &TableFactor) -> Result<Ident> {
    let alias = match source {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).cloned(),
        _ => None,
    };
    let alias =
        alias.ok_or_else(|| Error::Semantic { message: "the source of a MERGE needs a name (AS …)".into() })?;
    Ok(alias)
}
