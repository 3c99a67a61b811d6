//! REPLACE INTO: rows of the source come in, and rows of the table that agree with one of them in the columns of ON
//! go, in one commit. NULL agrees with nothing. A source with two rows of one key has no right answer and is refused.

use super::{
    Outcome,
    change::{Repeats, RowSet, target},
    columns,
    insert::{self, Filler},
    select::{column_of, exact, from_one, named, object_name, relation, select},
    transaction,
    update::{TARGET, positions},
};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext},
    sql::{InsertSource, Replace},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    compute::filter_record_batch,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use basalt_meta::{Operation, Table};
use datafusion::{
    execution::memory_pool::{MemoryConsumer, MemoryReservation},
    sql::sqlparser::ast::{Query, TableAlias, TableAliasColumnDef, TableFactor},
};
use futures::StreamExt;
use std::{collections::HashSet, sync::Arc};

/// Bytes a set of keys needs for each beside the key itself.
const KEY_OVERHEAD_BYTES: usize = 48;

pub(super) async fn replace(context: &StatementContext, replace: &Replace) -> Result<Outcome> {
    let resolved = target(context, &replace.table)?;
    let table = Arc::clone(resolved.table.table());
    let places = insert::places(&table, &replace.columns)?;
    let mut filler = Filler::open(context, resolved.table.clone(), places, Operation::Merge)?;
    filler.keys = Some(Keys::new(context, &table, replace)?);
    let mut removing = Keys::new(context, &table, replace)?;
    let mut gone = RowSet::default();
    let filled = fill(context, &resolved, replace, &mut filler, &mut removing, &mut gone).await;
    let (mut staged, inserted) = filler.finish(filled).await?;
    let (edits, preconditions) = gone.delete(context, &resolved.table, Operation::Merge);
    staged.edits.extend(edits);
    staged.preconditions.extend(preconditions);
    // A row of the same key that another statement adds meanwhile would stay beside ours.
    staged.preconditions.push(basalt_meta::Precondition::TableUnchanged {
        table: table.id,
        since: context.transaction.as_ref().map_or(resolved.table.version(), |t| t.snapshot().version()),
    });
    if !staged.edits.is_empty() || !staged.written.segments.is_empty() {
        transaction::keep(context, staged).await?;
    }
    Outcome::counts(&[("number of rows inserted", inserted)])
}

async fn fill(
    context: &StatementContext,
    resolved: &ResolvedTable,
    replace: &Replace,
    filler: &mut Filler<'_>,
    removing: &mut Keys,
    gone: &mut RowSet,
) -> Result<()> {
    let InsertSource::Query(query) = &replace.source else {
        return Err(Error::Internal { message: "REPLACE keeps its rows as a query".into(), source: None });
    };
    match &replace.delete_when {
        None => filler.query(query).await?,
        Some(_) => with_deletions(context, resolved.table.table(), replace, query, filler, removing).await?,
    }
    let keys = filler.keys.take();
    let found = |batch: &RecordBatch| -> Result<BooleanArray> {
        let mut hits = vec![false; batch.num_rows()];
        for keys in keys.iter().chain([&*removing]) {
            keys.mark(batch, 2, &mut hits)?;
        }
        Ok(hits.into())
    };
    if keys.as_ref().is_none_or(Keys::is_empty) && removing.is_empty() {
        return Ok(());
    }
    let alias = exact(TARGET);
    let mut projection = positions(&alias);
    for (n, ident) in replace.on.iter().enumerate() {
        let column = &resolved.table.table().columns[columns::find(resolved.table.table(), ident)?];
        projection.push(named(column_of(&alias, &column.name), &format!("k{n}")));
    }
    let query = select(projection, vec![from_one(relation(object_name(&[TARGET]), Some(alias)))], None);
    let relations = vec![(TARGET.to_string(), context.positions(resolved)?)];
    let planned = context.plan_query_over(&query, relations).await?;
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        let hits = found(&batch)?;
        if hits.true_count() > 0 {
            gone.add(&filter_record_batch(&batch, &hits)?, Repeats::Allowed)?;
        }
    }
    Ok(())
}

/// Rows of the source for which DELETE WHEN holds only say what goes; the others come in.
async fn with_deletions(
    context: &StatementContext,
    table: &Table,
    replace: &Replace,
    query: &Query,
    filler: &mut Filler<'_>,
    removing: &mut Keys,
) -> Result<()> {
    let Some(condition) = &replace.delete_when else {
        return Ok(());
    };
    let query = filler.with_defaults(query)?.into_owned();
    // Rows without names of their own are known by the names of the columns they fill.
    let named_columns = match &*query.body {
        datafusion::sql::sqlparser::ast::SetExpr::Values(_) => filled_columns(table, replace)?,
        _ => Vec::new(),
    };
    let alias = TableAlias { explicit: true, name: exact("source"), columns: named_columns, at: None };
    let source = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    let everything = super::select::everything();
    let projection = vec![named(condition.clone(), "__basalt_deletes"), everything];
    let planned = context.plan_query(&select(projection, vec![from_one(source)], None)).await?;
    let mut stream = context.run(planned.physical)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        let Some(deletes) = batch.column(0).as_boolean_opt() else {
            let message = "the condition of DELETE WHEN must be true or false".to_string();
            return Err(Error::Semantic { message });
        };
        let deletes: BooleanArray =
            (0..deletes.len()).map(|row| Some(deletes.is_valid(row) && deletes.value(row))).collect();
        let doomed = filter_record_batch(&batch, &deletes)?;
        if doomed.num_rows() > 0 {
            let rows = filler.columns_of(&doomed, 1)?;
            removing.add(&rows)?;
        }
        let kept = filter_record_batch(&batch, &arrow::compute::not(&deletes)?)?;
        filler.rows_of(&kept, 1).await?;
    }
    Ok(())
}

/// Names of the columns that the values of a row fill, in their order.
fn filled_columns(table: &Table, replace: &Replace) -> Result<Vec<TableAliasColumnDef>> {
    let def = |name: &str| TableAliasColumnDef { name: exact(name), data_type: None };
    if replace.columns.is_empty() {
        return Ok(table.columns.iter().filter(|c| c.computed.is_none()).map(|c| def(&c.name)).collect());
    }
    let name = |ident| Ok(def(&table.columns[columns::find(table, ident)?].name));
    replace.columns.iter().map(name).collect()
}

/// Keys of the rows of one statement, as comparable bytes.
#[derive(Debug)]
pub(super) struct Keys {
    converter: RowConverter,
    /// Positions of the key's columns in the table.
    columns: Vec<usize>,
    keys: HashSet<Box<[u8]>>,
    reservation: MemoryReservation,
    rows: u64,
}

impl Keys {
    fn new(context: &StatementContext, table: &Table, replace: &Replace) -> Result<Self> {
        let mut positions = Vec::with_capacity(replace.on.len());
        for ident in &replace.on {
            let at = columns::find(table, ident)?;
            if table.columns[at].data_type.is_nested() {
                let message = format!("column `{}` cannot be in ON: its values have no equality", ident.value);
                return Err(Error::Semantic { message });
            }
            if positions.contains(&at) {
                return Err(Error::Semantic { message: format!("column `{}` appears twice in ON", ident.value) });
            }
            positions.push(at);
        }
        let fields = positions.iter().map(|at| SortField::new(table.columns[*at].data_type.clone())).collect();
        let pool = context.parts.runtime.memory_pool();
        let reservation = MemoryConsumer::new("keys of a REPLACE").register(pool);
        let converter = RowConverter::new(fields)?;
        Ok(Self { converter, columns: positions, keys: HashSet::new(), reservation, rows: 0 })
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes the keys of rows that have all columns of the table.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|at| Arc::clone(batch.column(*at))).collect();
        let rows = self.converter.convert_columns(&columns)?;
        for row in 0..batch.num_rows() {
            self.rows += 1;
            if has_null(&columns, row) {
                continue;
            }
            let key = rows.row(row).data();
            self.reservation.try_grow(key.len() + KEY_OVERHEAD_BYTES)?;
            if !self.keys.insert(key.into()) {
                let message = format!("REPLACE: row {} of the source has the key of an earlier one", self.rows);
                return Err(Error::Evaluation { message });
            }
        }
        Ok(())
    }

    /// Marks rows of `batch` whose key, in columns from `first` on, is one of these.
    fn mark(&self, batch: &RecordBatch, first: usize, hits: &mut [bool]) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let columns = &batch.columns()[first..first + self.columns.len()];
        let rows = self.converter.convert_columns(columns)?;
        for (row, hit) in hits.iter_mut().enumerate() {
            *hit |= self.keys.contains(rows.row(row).data());
        }
        Ok(())
    }
}

fn has_null(columns: &[ArrayRef], row: usize) -> bool {
    columns.iter().any(|column| column.is_null(row))
}
