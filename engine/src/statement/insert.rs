//! INSERT: from literals straight into columns, or from any query.

use super::{
    Outcome,
    assign::{Defaults, convert_in_zone, to_batch},
    change::{self, target},
    literals, select, transaction,
};
use crate::{
    Error, Result, StageAttachment, copy,
    plan::{PlannedQuery, ResolvedTable, StatementContext},
    sql::{Insert, InsertSource, LiteralRows, SqlLimits, parse_expression},
    write::{Staged, TableSink},
};
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use basalt_meta::{Operation, Precondition, Table, TableSnapshot};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use futures::StreamExt;
use std::{borrow::Cow, sync::Arc};

/// Rows of literals that are made into columns at a time.
const LITERAL_BATCH_ROWS: usize = 16 * 1024;

pub(super) async fn insert(context: &StatementContext, insert: &Insert) -> Result<Outcome> {
    let resolved = target(context, &insert.table)?;
    // Files make whole rows of the table.
    let named = if matches!(insert.source, InsertSource::Files(_)) { &[] } else { insert.columns.as_slice() };
    let places = places(resolved.table.table(), named)?;
    let operation = if insert.overwrite { Operation::Overwrite } else { Operation::Append };
    let mut filler = Filler::open(context, resolved.table.clone(), places, operation)?;
    let filled = match &insert.source {
        InsertSource::Literals(rows) => filler.literals(rows).await.map(|()| copy::Purge::default()),
        InsertSource::Query(query) => match &context.attachment {
            Some(attachment) => attached(context, &mut filler, &resolved, insert, query, attachment).await,
            None => filler.query(query).await.map(|()| copy::Purge::default()),
        },
        InsertSource::Files(files) => {
            let rows = copy::InsertRows { columns: &insert.columns, values: files.values.as_deref() };
            match (&files.location, &context.attachment) {
                (Some(location), _) => {
                    let (format, options) = (files.file_format.as_ref(), &files.options);
                    copy::insert_files(context, &mut filler, &resolved, rows, location, format, options).await
                }
                (None, Some(attachment)) => {
                    let (format, options) = (&attachment.file_format_options, &attachment.copy_options);
                    copy::insert_files(
                        context,
                        &mut filler,
                        &resolved,
                        rows,
                        &attachment.location,
                        Some(format),
                        options,
                    )
                    .await
                }
                (None, None) => Err(Error::Syntax { message: "expected rows behind VALUES".into() }),
            }
        }
    };
    let (purged, filled) = match filled {
        Ok(purged) => (purged, Ok(())),
        Err(error) => (copy::Purge::default(), Err(error)),
    };
    let (mut staged, rows) = filler.finish(filled).await?;
    if insert.overwrite {
        overwrite(context, &resolved.table, &mut staged);
    }
    purged.stage(&mut staged);
    transaction::keep(context, staged).await?;
    purged.done(context).await?;
    Outcome::counts(&[("number of rows inserted", rows)])
}

/// An INSERT whose tuple of placeholders stands for the fields of an attached file.
async fn attached(
    context: &StatementContext,
    filler: &mut Filler<'_>,
    resolved: &ResolvedTable,
    insert: &Insert,
    query: &Query,
    attachment: &StageAttachment,
) -> Result<copy::Purge> {
    let values = match &*query.body {
        SetExpr::Values(values) if values.rows.len() == 1 => &values.rows[0].content,
        _ => {
            let message = "a file is attached: the INSERT needs VALUES with one row of placeholders".into();
            return Err(Error::Semantic { message });
        }
    };
    let rows = copy::InsertRows { columns: &insert.columns, values: Some(values) };
    let (format, options) = (&attachment.file_format_options, &attachment.copy_options);
    copy::insert_files(context, filler, resolved, rows, &attachment.location, Some(format), options).await
}

/// Adds to staged rows that they take the place of all others.
pub(super) fn overwrite(context: &StatementContext, table: &TableSnapshot, staged: &mut Staged) {
    let (edits, preconditions) = change::delete_all(context, table, Operation::Overwrite);
    let since = context.transaction.as_ref().map_or(table.version(), |t| t.snapshot().version());
    staged.edits.extend(edits);
    staged.preconditions.extend(preconditions);
    staged.preconditions.push(Precondition::TableUnchanged { table: table.table().id, since });
}

/// For each column of the table, which value of a row goes there.
pub(super) fn places(table: &Table, named: &[Ident]) -> Result<Vec<Option<usize>>> {
    if named.is_empty() {
        // Computed columns take no values.
        let mut next = 0..;
        return Ok(table.columns.iter().map(|c| if c.computed.is_none() { next.next() } else { None }).collect());
    }
    let mut places = vec![None; table.columns.len()];
    for (n, ident) in named.iter().enumerate() {
        let index = super::columns::find(table, ident)?;
        if table.columns[index].computed.is_some() {
            let message = format!("column `{}` is computed: it takes no values", ident.value);
            return Err(Error::Semantic { message });
        }
        if places[index].replace(n).is_some() {
            return Err(Error::Semantic { message: format!("column `{}` appears twice", ident.value) });
        }
    }
    Ok(places)
}

/// Fills one table's sink from rows whose values stand at known places.
pub(crate) struct Filler<'a> {
    context: &'a StatementContext,
    table: Arc<Table>,
    sink: TableSink,
    places: Vec<Option<usize>>,
    defaults: Defaults,
    rows: u64,
    /// Keys of the rows, for statements that look for older ones.
    pub(super) keys: Option<super::replace::Keys>,
}

impl<'a> Filler<'a> {
    pub fn open(
        context: &'a StatementContext,
        table: TableSnapshot,
        places: Vec<Option<usize>>,
        operation: Operation,
    ) -> Result<Self> {
        let record = Arc::clone(table.table());
        let sink = TableSink::open(context, table, operation)?;
        Ok(Self { context, table: record, sink, places, defaults: Defaults::default(), rows: 0, keys: None })
    }

    /// Ends the sink: rows that no one sees yet, and how many. After an error nothing of them stays.
    pub async fn finish(self, filled: Result<()>) -> Result<(Staged, u64)> {
        match filled {
            Ok(()) => Ok((self.sink.finish().await?, self.rows)),
            Err(error) => {
                self.sink.discard().await;
                Err(error)
            }
        }
    }

    fn width(&self) -> usize {
        self.places.iter().flatten().count()
    }

    pub fn check_width(&self, found: usize) -> Result<()> {
        if found == self.width() {
            return Ok(());
        }
        let message = format!("INSERT has {found} values in a row, but {} columns to fill", self.width());
        Err(Error::Semantic { message })
    }

    async fn literals(&mut self, rows: &LiteralRows) -> Result<()> {
        self.check_width(rows.width())?;
        let direct = |(column, place): (&basalt_meta::Column, &Option<usize>)| {
            place.is_none() || literals::is_direct(&column.data_type)
        };
        if !self.table.columns.iter().zip(&self.places).all(direct) {
            return self.query(&as_query(rows)).await;
        }
        for start in (0..rows.rows()).step_by(LITERAL_BATCH_ROWS) {
            let range = start..(start + LITERAL_BATCH_ROWS).min(rows.rows());
            let count = range.len();
            let table = Arc::clone(&self.table);
            let mut arrays = Vec::with_capacity(table.columns.len());
            for (column, place) in table.columns.iter().zip(&self.places) {
                arrays.push(match place {
                    Some(n) => literals::column(self.context, rows, range.clone(), *n, column, &mut self.defaults)?,
                    None => self.defaults.values(self.context, column, count)?,
                });
            }
            self.write(to_batch(&table, arrays, count)?).await?;
        }
        Ok(())
    }

    pub(super) async fn query(&mut self, query: &Query) -> Result<()> {
        let query = self.with_defaults(query)?;
        let planned = self.context.plan_query(&query).await?;
        self.planned(planned).await
    }

    /// Takes the rows of a plan.
    pub async fn planned(&mut self, planned: PlannedQuery) -> Result<()> {
        self.check_width(planned.schema.fields().len())?;
        let mut stream = self.context.run(planned.physical)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(crate::plan::explain)?;
            self.rows_of(&batch, 0).await?;
        }
        Ok(())
    }

    /// Takes rows whose values begin at column `offset` of `batch`.
    pub async fn rows_of(&mut self, batch: &RecordBatch, offset: usize) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = self.columns_of(batch, offset)?;
        self.write(rows).await
    }

    /// Rows whose values begin at column `offset`, with all columns of the table, without writing them.
    pub fn columns_of(&mut self, batch: &RecordBatch, offset: usize) -> Result<RecordBatch> {
        let table = Arc::clone(&self.table);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
        for (column, place) in table.columns.iter().zip(&self.places) {
            arrays.push(match place {
                Some(n) => convert_in_zone(self.context, batch.column(offset + n), column, self.rows)?,
                None => self.defaults.values(self.context, column, batch.num_rows())?,
            });
        }
        to_batch(&table, arrays, batch.num_rows())
    }

    /// Takes rows in the schema of the table's segments.
    pub async fn table_rows(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 { Ok(()) } else { self.write(batch).await }
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if let Some(keys) = &mut self.keys {
            keys.add(&batch)?;
        }
        let (rows, bytes) = (batch.num_rows() as u64, batch.get_array_memory_size() as u64);
        self.sink.write(batch).await?;
        self.rows += rows;
        self.context.counters.add_written(rows, bytes);
        Ok(())
    }

    /// The query with the word DEFAULT in its VALUES replaced by the columns' defaults.
    pub(super) fn with_defaults<'q>(&self, query: &'q Query) -> Result<Cow<'q, Query>> {
        let says_default = match &*query.body {
            SetExpr::Values(values) => values.rows.iter().any(|row| row.content.iter().any(select::is_default)),
            SetExpr::Select(select) => select.projection.iter().any(
                |item| matches!(item, SelectItem::UnnamedExpr(expr) if select.from.is_empty() && select::is_default(expr)),
            ),
            _ => false,
        };
        if !says_default {
            return Ok(Cow::Borrowed(query));
        }
        let mut query = query.clone();
        let SetExpr::Values(values) = &mut *query.body else {
            return Err(Error::Unsupported { what: "DEFAULT outside VALUES".into() });
        };
        for row in &mut values.rows {
            for (n, expr) in row.content.iter_mut().enumerate() {
                if select::is_default(expr) {
                    *expr = self.default_of(n)?;
                }
            }
        }
        Ok(Cow::Owned(query))
    }

    fn default_of(&self, place: usize) -> Result<Expr> {
        let index = self.places.iter().position(|p| *p == Some(place));
        let column = index.map(|n| &self.table.columns[n]);
        default_expression(self.context, column.and_then(|c| c.default.as_deref()))
    }
}

/// A column's default as an expression.
pub(super) fn default_expression(context: &StatementContext, default: Option<&str>) -> Result<Expr> {
    match default {
        Some(text) => Ok(select::nested(parse_expression(text, limits(context))?)),
        None => Ok(select::null()),
    }
}

/// The bounds under which text is parsed.
pub(super) fn limits(context: &StatementContext) -> SqlLimits {
    SqlLimits { bytes: context.parts.settings.sql_bytes_max, depth: context.parts.settings.sql_depth_max }
}

/// Literals as VALUES, for columns whose types only the planner can make.
fn as_query(rows: &LiteralRows) -> Query {
    use crate::sql::Literal;
    use datafusion::sql::sqlparser::ast::{Parens, Value, Values};
    let expr = |literal: Literal<'_>| match literal {
        Literal::Null => select::null(),
        Literal::Default => Expr::Identifier(datafusion::sql::sqlparser::ast::Ident::new("DEFAULT")),
        Literal::Bool(value) => Expr::Value(Value::Boolean(value).with_empty_span()),
        Literal::Number(text) => Expr::Value(Value::Number(text.to_string(), false).with_empty_span()),
        Literal::Text(text) => select::text(&text),
    };
    let row = |n| Parens::with_empty_span((0..rows.width()).map(|column| expr(rows.get(n, column))).collect());
    let rows = (0..rows.rows()).map(row).collect();
    select::query(SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows }))
}
