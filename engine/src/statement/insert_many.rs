//! INSERT into several tables: the source is read once, each of its rows goes to the branches that take it, and all
//! tables get their rows in one commit.

use super::{
    Outcome,
    change::target,
    columns,
    insert::{self, Filler, default_expression, overwrite},
    select::{boolean, case, everything, exact, from_one, is_default, named, nested, select},
    transaction,
};
use crate::{
    Error, Result,
    plan::{PlannedQuery, ResolvedTable, StatementContext},
    sql::{BranchChoice, BranchCondition, InsertMany, InsertTarget},
    write::Staged,
};
use arrow::{
    array::{Array, AsArray, BooleanArray},
    compute::filter_record_batch,
    record_batch::RecordBatch,
};
use basalt_meta::{Column, Operation, Table, TableId};
use datafusion::sql::sqlparser::ast::{Expr, TableAlias, TableFactor};
use futures::StreamExt;
use std::collections::HashSet;

/// One INTO: where its rows go and where their values stand in the plan's rows.
struct Stream<'a> {
    resolved: ResolvedTable,
    filler: Filler<'a>,
    branch: usize,
    first: usize,
}

pub(super) async fn insert(context: &StatementContext, insert: &InsertMany) -> Result<Outcome> {
    let source_width = context.plan_query(&insert.source).await?.schema.fields().len();
    let (mut streams, planned) = open(context, insert, source_width).await?;
    let filled = fill(context, planned, source_width, &mut streams).await;
    let mut all: Vec<Staged> = Vec::new();
    let mut counts: Vec<(String, u64)> = Vec::new();
    let mut failed = filled.err();
    let mut overwritten: HashSet<TableId> = HashSet::new();
    for stream in streams {
        let outcome = match &failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        };
        match stream.filler.finish(outcome).await {
            Ok((mut staged, rows)) => {
                let table = stream.resolved.table.table();
                if insert.overwrite && overwritten.insert(table.id) {
                    overwrite(context, &stream.resolved.table, &mut staged);
                }
                let name = format!("number of rows inserted into {}.{}", stream.resolved.database.name, table.name);
                match counts.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += rows,
                    None => counts.push((name, rows)),
                }
                all.push(staged);
            }
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        crate::write::discard(&context.parts, all.into_iter().map(|s| s.written)).await;
        return Err(error);
    }
    // What an OVERWRITE removes is said before any rows are added.
    all.sort_by_key(|staged| staged.edits.is_empty());
    transaction::keep_all(context, all).await?;
    let counts: Vec<(&str, u64)> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    Outcome::counts(&counts)
}

/// The query: the source's columns, for each branch whether it takes the row, and the values of each INTO that has some.
async fn open<'a>(
    context: &'a StatementContext,
    insert: &InsertMany,
    source_width: usize,
) -> Result<(Vec<Stream<'a>>, PlannedQuery)> {
    let takes: Vec<Expr> = (0..insert.branches.len()).map(|branch| condition(insert, branch)).collect();
    let mut projection = vec![everything()];
    projection.extend(takes.iter().enumerate().map(|(n, expr)| named(expr.clone(), &format!("__takes_{n}"))));
    let mut next = source_width + takes.len();
    let mut streams = Vec::new();
    let operation = if insert.overwrite { Operation::Overwrite } else { Operation::Append };
    for (branch, stated) in insert.branches.iter().enumerate() {
        for into in &stated.targets {
            let resolved = target(context, &into.table)?;
            let table = resolved.table.table();
            let values = values(context, table, into)?;
            let places = insert::places(table, &into.columns)?;
            let (width, wanted) =
                (if values.is_empty() { source_width } else { values.len() }, places.iter().flatten().count());
            if width != wanted {
                let name = &table.name;
                let message = format!("INSERT has {width} values for table `{name}`, but {wanted} columns to fill");
                return Err(Error::Semantic { message });
            }
            let first = if values.is_empty() { 0 } else { next };
            next += values.len();
            // Values are computed only where the branch takes the row: elsewhere they might be errors.
            for (n, value) in values.into_iter().enumerate() {
                let name = format!("__value_{}_{n}", streams.len());
                projection.push(named(case(vec![(nested(takes[branch].clone()), value)]), &name));
            }
            let filler = Filler::open(context, resolved.table.clone(), places, operation)?;
            streams.push(Stream { resolved, filler, branch, first });
        }
    }
    let alias = TableAlias { explicit: true, name: exact("source"), columns: Vec::new(), at: None };
    let subquery = insert.source.clone();
    let source = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
    let planned = context.plan_query(&select(projection, vec![from_one(source)], None)).await?;
    Ok((streams, planned))
}

/// True where a branch takes a row; false or NULL elsewhere.
fn condition(insert: &InsertMany, branch: usize) -> Expr {
    let stated = |at: usize| match &insert.branches[at].when {
        BranchCondition::When(condition) => nested(Expr::clone(condition)),
        BranchCondition::Always | BranchCondition::Else => boolean(true),
    };
    let alone = insert.choice == BranchChoice::All && !matches!(insert.branches[branch].when, BranchCondition::Else);
    let earlier = if alone { branch..branch } else { 0..branch };
    let mut cases: Vec<(Expr, Expr)> = earlier.map(|at| (stated(at), boolean(false))).collect();
    cases.push((stated(branch), boolean(true)));
    case(cases)
}

/// The values of an INTO, with DEFAULT replaced.
fn values(context: &StatementContext, table: &Table, into: &InsertTarget) -> Result<Vec<Expr>> {
    let filled: Vec<&Column> = match into.columns.is_empty() {
        true => table.columns.iter().filter(|c| c.computed.is_none()).collect(),
        false => {
            into.columns.iter().map(|ident| Ok(&table.columns[columns::find(table, ident)?])).collect::<Result<_>>()?
        }
    };
    let value = |(n, value): (usize, &Expr)| match is_default(value) {
        true => default_expression(context, filled.get(n).and_then(|c| c.default.as_deref())),
        false => Ok(value.clone()),
    };
    into.values.iter().enumerate().map(value).collect()
}

async fn fill(
    context: &StatementContext,
    planned: PlannedQuery,
    source_width: usize,
    streams: &mut [Stream<'_>],
) -> Result<()> {
    let mut rows = context.run(planned.physical)?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        for stream in streams.iter_mut() {
            let taken = taken(&batch, source_width + stream.branch)?;
            stream.filler.rows_of(&taken, stream.first).await?;
        }
    }
    Ok(())
}

/// The rows for which column `at` is true.
fn taken(batch: &RecordBatch, at: usize) -> Result<RecordBatch> {
    let Some(takes) = batch.column(at).as_boolean_opt() else {
        return Err(Error::Semantic { message: "the condition behind WHEN must be true or false".into() });
    };
    let mask: BooleanArray = (0..takes.len()).map(|row| Some(takes.is_valid(row) && takes.value(row))).collect();
    Ok(filter_record_batch(batch, &mask)?)
}
