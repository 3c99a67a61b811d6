//! Files into a table's sink: several files side by side, each decoded on the CPU threads, a bounded number of batches on
//! their way.

use super::{
    format::{FileFormat, Kind, Missing},
    named::{self, NamedRows, Wanted},
    options::{CopyOptions, OnError},
    source::Source,
};
use crate::{
    ByteStream, ColumnMapping, Error, LoadRequest, Result,
    load::{FieldRules, TextRows},
    parts::Parts,
    plan::{PlannedQuery, ResolvedTable, StatementContext},
    stage::Found,
    statement::{Defaults, Filler, no_columns},
};
use arrow::record_batch::RecordBatch;
use basalt_meta::Table;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Value};
use futures::{StreamExt, stream::FuturesUnordered};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Files read at the same time, at most.
const FILES_SIDE_BY_SIDE: usize = 8;
/// Batches on their way from all files together.
const BATCHES_IN_FLIGHT: usize = 8;

/// What became of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FileReport {
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub first_error_line: Option<u64>,
}

/// How files become rows of one table; the same for all of them.
#[derive(Debug)]
pub(crate) struct RowMaker {
    rows: Rows,
    format: FileFormat,
    on_error: OnError,
    errors: AtomicU64,
}

#[derive(Debug)]
enum Rows {
    Text(TextRows),
    Named(NamedRows),
}

impl RowMaker {
    /// `columns` are filled from the fields in order; with `values`, from its placeholders, and the rest by constants.
    pub fn new(
        context: &StatementContext,
        resolved: &ResolvedTable,
        columns: &[Ident],
        values: Option<&[Expr]>,
        format: FileFormat,
        options: &CopyOptions,
    ) -> Result<Self> {
        let mappings = mappings(resolved.table.table(), columns, values)?;
        let rows = match format.as_text() {
            Some(text) => {
                let request = LoadRequest {
                    session: context.session.clone(),
                    database: resolved.database.name.clone(),
                    table: resolved.table.table().name.clone(),
                    label: None,
                    format: text,
                    columns: Some(mappings),
                    filter: None,
                    max_filter_ratio: 1.0,
                    strict: true,
                    timeout: None,
                };
                let rules = FieldRules { bad_variant_as_null: options.disable_variant_check, ..format.rules() };
                Rows::Text(TextRows::for_table(context, resolved, &request, &rules)?)
            }
            None => Rows::Named(named_rows(context, resolved.table.table(), &mappings, &format, options)?),
        };
        Ok(Self { rows, format, on_error: options.on_error, errors: AtomicU64::new(0) })
    }

    /// Counts bad rows; an error when there are too many.
    fn bad(&self, report: &mut FileReport, count: u64, line: Option<u64>, reason: &str) -> Result<()> {
        report.errors += count;
        if report.first_error.is_none() {
            report.first_error = Some(reason.to_string());
            report.first_error_line = line;
        }
        let total = self.errors.fetch_add(count, Ordering::Relaxed) + count;
        let place = match line {
            Some(line) => format!("at file '{}', line {line}", report.path),
            None => format!("at file '{}'", report.path),
        };
        match self.on_error {
            OnError::Continue => Ok(()),
            OnError::AbortAt(max) if total < max => Ok(()),
            OnError::AbortAt(_) => {
                Err(Error::BadData { message: format!("abort after {total} errors! the last error: {reason} {place}") })
            }
            OnError::Abort => Err(Error::BadData { message: format!("{reason} {place}") }),
        }
    }

    async fn read_text(
        &self,
        rows: &TextRows,
        parts: &Arc<Parts>,
        body: ByteStream,
        side_by_side: usize,
        report: &mut FileReport,
        out: &mpsc::Sender<Arrived>,
        file: usize,
    ) -> Result<()> {
        let mut reader = rows.read(parts, body, side_by_side);
        loop {
            let piece = match reader.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(Error::BadData { message }) => {
                    self.bad(report, 1, None, &message)?;
                    break;
                }
                Err(error) => return Err(error),
            };
            if piece.bad_rows > 0 {
                let (line, reason) = piece.first_bad.unwrap_or((0, "a row cannot be read".into()));
                self.bad(report, piece.bad_rows, Some(line), &reason)?;
            }
            for batch in piece.batches {
                if out.send(Arrived { file, rows: batch }).await.is_err() {
                    return Ok(());
                }
            }
        }
        report.bytes = reader.bytes();
        Ok(())
    }

    async fn read_named(
        &self,
        context: &StatementContext,
        rows: &NamedRows,
        source: &Source,
        found: &Found,
        out: &mpsc::Sender<Arrived>,
        file: usize,
    ) -> Result<()> {
        let mut opened = named::open(source, &self.format, found).await?;
        let places = rows.places(&opened.schema)?;
        let mut defaults = Defaults::default();
        let mut first_row = 0;
        while let Some(batch) = opened.batches.next().await {
            let batch = batch?;
            let made = rows.rows(context, &batch, &places, first_row, &mut defaults)?;
            first_row += batch.num_rows() as u64;
            if out.send(Arrived { file, rows: made }).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads one file of a stage.
    async fn read_file(
        self: Arc<Self>,
        context: Arc<StatementContext>,
        source: Arc<Source>,
        file: usize,
        side_by_side: usize,
        out: mpsc::Sender<Arrived>,
    ) -> Result<(usize, FileReport)> {
        let found = &source.files[file];
        let mut report = FileReport { path: found.file.path.clone(), bytes: found.file.size, ..FileReport::default() };
        match &self.rows {
            Rows::Text(rows) => {
                let body = source.open(found, self.format.compression)?;
                self.read_text(rows, &context.parts, body, side_by_side, &mut report, &out, file).await?;
            }
            Rows::Named(rows) => match self.read_named(&context, rows, &source, found, &out, file).await {
                Ok(()) => {}
                Err(error @ (Error::BadData { .. } | Error::Evaluation { .. } | Error::Semantic { .. })) => {
                    self.bad(&mut report, 1, None, &error.to_string())?;
                }
                Err(error) => return Err(error),
            },
        }
        context.counters.add_scanned_bytes(found.file.size);
        Ok((file, report))
    }
}

/// Rows of a file on their way to the sink.
#[derive(Debug)]
struct Arrived {
    file: usize,
    rows: RecordBatch,
}

/// Fills a table from files; with a limit, no more rows than that.
pub(crate) async fn from_files(
    context: &Arc<StatementContext>,
    filler: &mut Filler<'_>,
    maker: Arc<RowMaker>,
    source: Arc<Source>,
    rows_max: u64,
) -> Result<Vec<FileReport>> {
    let threads = context.parts.runtime.default_key().threads.max(1);
    let together = threads.min(FILES_SIDE_BY_SIDE).min(source.files.len().max(1));
    let side_by_side = (threads / together).max(1) + 1;
    let (out, arrived) = mpsc::channel::<Arrived>(BATCHES_IN_FLIGHT);
    let mut reports: Vec<FileReport> =
        source.files.iter().map(|f| FileReport { path: f.file.path.clone(), ..FileReport::default() }).collect();
    let mut counts = vec![0u64; reports.len()];
    let reading = read_all(context, &maker, &source, together, side_by_side, out);
    let writing = async {
        // Dropped at the end, also after an error: then the readers stop.
        let mut arrived = arrived;
        let mut left = if rows_max == 0 { u64::MAX } else { rows_max };
        while let Some(Arrived { file, rows }) = arrived.recv().await {
            let taken = (rows.num_rows() as u64).min(left);
            left -= taken;
            counts[file] += taken;
            context.counters.add_scanned_rows(taken);
            filler.table_rows(rows.slice(0, taken as usize)).await?;
            if left == 0 {
                // Whoever still reads finds nobody to send to, and stops.
                break;
            }
        }
        Ok::<(), Error>(())
    };
    let (read, written) = tokio::join!(reading, writing);
    written?;
    for (file, report) in read? {
        reports[file] = report;
    }
    for (report, rows) in reports.iter_mut().zip(counts) {
        report.rows = rows;
    }
    Ok(reports)
}

async fn read_all(
    context: &Arc<StatementContext>,
    maker: &Arc<RowMaker>,
    source: &Arc<Source>,
    together: usize,
    side_by_side: usize,
    out: mpsc::Sender<Arrived>,
) -> Result<Vec<(usize, FileReport)>> {
    let mut running = FuturesUnordered::new();
    let mut done = Vec::with_capacity(source.files.len());
    let mut next = 0;
    loop {
        while next < source.files.len() && running.len() < together && !out.is_closed() {
            let (maker, context) = (Arc::clone(maker), Arc::clone(context));
            let reading = maker.read_file(context.clone(), Arc::clone(source), next, side_by_side, out.clone());
            running.push(AbortOnDrop(context.parts.runtime.spawn(reading)));
            next += 1;
        }
        let Some(read) = running.next().await else { return Ok(done) };
        done.push(read?);
    }
}

/// A task that ends with the one that waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<T>> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(outcome) => outcome,
            Err(source) => Err(Error::internal("reading of a file did not finish", source)),
        })
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fills a table from one stream of bytes.
pub(crate) async fn from_stream(
    context: &Arc<StatementContext>,
    filler: &mut Filler<'_>,
    maker: &RowMaker,
    body: ByteStream,
    name: &str,
) -> Result<FileReport> {
    let Rows::Text(rows) = &maker.rows else {
        return Err(Error::Unsupported { what: format!("a stream of {}", maker.format.name()) });
    };
    let (out, arrived) = mpsc::channel::<Arrived>(BATCHES_IN_FLIGHT);
    let mut report = FileReport { path: name.to_string(), ..FileReport::default() };
    let side_by_side = context.parts.runtime.default_key().threads.max(1) + 1;
    let mut count = 0;
    let reading = async {
        let read = maker.read_text(rows, &context.parts, body, side_by_side, &mut report, &out, 0).await;
        drop(out);
        read
    };
    let writing = async {
        let mut arrived = arrived;
        while let Some(Arrived { rows, .. }) = arrived.recv().await {
            count += rows.num_rows() as u64;
            filler.table_rows(rows).await?;
        }
        Ok::<(), Error>(())
    };
    let (read, written) = tokio::join!(reading, writing);
    written?;
    read?;
    report.rows = count;
    context.counters.add_scanned_rows(count);
    context.counters.add_scanned_bytes(report.bytes);
    Ok(report)
}

/// Fills a table from plans, one per file, a few at the same time.
pub(crate) async fn from_plans(
    context: &Arc<StatementContext>,
    filler: &mut Filler<'_>,
    plans: Vec<(String, PlannedQuery)>,
    options: &CopyOptions,
) -> Result<Vec<FileReport>> {
    let mut reports: Vec<FileReport> =
        plans.iter().map(|(path, _)| FileReport { path: path.clone(), ..FileReport::default() }).collect();
    let together = context.parts.runtime.default_key().threads.clamp(1, FILES_SIDE_BY_SIDE);
    let mut left = if options.size_limit == 0 { u64::MAX } else { options.size_limit };
    let streams = plans.into_iter().enumerate().map(|(file, (_, planned))| {
        let stream = context.run(planned.physical);
        match stream {
            Ok(stream) => stream.map(move |batch| (file, batch.map_err(crate::plan::explain))).boxed(),
            Err(error) => futures::stream::iter([(file, Err(error))]).boxed(),
        }
    });
    let mut rows = futures::stream::iter(streams).flatten_unordered(together);
    let mut errors = 0;
    while let Some((file, batch)) = rows.next().await {
        if left == 0 {
            break;
        }
        let report = &mut reports[file];
        let failed = match batch {
            Ok(batch) => {
                let taken = (batch.num_rows() as u64).min(left);
                match filler.rows_of(&batch.slice(0, taken as usize), 0).await {
                    Ok(()) => {
                        left -= taken;
                        report.rows += taken;
                        continue;
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        errors += 1;
        let message = format!("{failed} at file '{}'", report.path);
        match options.on_error {
            OnError::Continue => {}
            OnError::AbortAt(max) if errors < max => {}
            _ => return Err(with_message(failed, message)),
        }
        report.errors += 1;
        report.first_error.get_or_insert(failed.to_string());
    }
    Ok(reports)
}

fn with_message(error: Error, message: String) -> Error {
    match error {
        Error::BadData { .. } => Error::BadData { message },
        Error::Evaluation { .. } => Error::Evaluation { message },
        Error::Semantic { .. } => Error::Semantic { message },
        other => other,
    }
}

/// What becomes of the fields, as the list of a load.
fn mappings(table: &Table, columns: &[Ident], values: Option<&[Expr]>) -> Result<Vec<ColumnMapping>> {
    let names: Vec<String> = match columns.is_empty() {
        true => table.columns.iter().filter(|c| c.computed.is_none()).map(|c| c.name.clone()).collect(),
        false => {
            let find =
                |ident: &Ident| crate::statement::find_column(table, ident).map(|n| table.columns[n].name.clone());
            columns.iter().map(find).collect::<Result<_>>()?
        }
    };
    let Some(values) = values else {
        return Ok(names.into_iter().map(ColumnMapping::Field).collect());
    };
    if values.len() != names.len() {
        let message = format!("VALUES has {} values, but {} columns to fill", values.len(), names.len());
        return Err(Error::Semantic { message });
    }
    let mapping = |(name, value): (String, &Expr)| match is_placeholder(value) {
        true => ColumnMapping::Field(name),
        false => ColumnMapping::Expression { column: name, sql: printed(value) },
    };
    Ok(names.into_iter().zip(values).map(mapping).collect())
}

pub(crate) fn is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
}

/// An expression as text that reads back as the same.
fn printed(expr: &Expr) -> String {
    use datafusion::sql::sqlparser::ast::visit_expressions_mut;
    let mut expr = expr.clone();
    let escaped = visit_expressions_mut(&mut expr, |e| {
        if let Expr::Value(value) = e
            && let Value::SingleQuotedString(text) = &mut value.value
        {
            *text = text.replace('\\', "\\\\");
        }
        std::ops::ControlFlow::<std::convert::Infallible>::Continue(())
    });
    let std::ops::ControlFlow::Continue(()) = escaped;
    expr.to_string()
}

fn named_rows(
    context: &StatementContext,
    table: &Arc<Table>,
    mappings: &[ColumnMapping],
    format: &FileFormat,
    options: &CopyOptions,
) -> Result<NamedRows> {
    let wanted = |column: &basalt_meta::Column| {
        let of_column = |m: &&ColumnMapping| match m {
            ColumnMapping::Field(name) => *name == column.name,
            ColumnMapping::Expression { column: name, .. } => *name == column.name,
        };
        Ok(match mappings.iter().find(of_column) {
            None => Wanted::Default,
            Some(ColumnMapping::Field(name)) => Wanted::Name(name.clone()),
            Some(ColumnMapping::Expression { sql, .. }) => {
                Wanted::Constant(context.expression_in_zone(sql, &no_columns())?)
            }
        })
    };
    let wanted = table.columns.iter().map(wanted).collect::<Result<_>>()?;
    let missing = match &format.kind {
        Kind::Parquet(columns) | Kind::Avro(columns) => columns.missing,
        _ => Missing::Error,
    };
    Ok(NamedRows::new(Arc::clone(table), wanted, missing, options.case_sensitive))
}
