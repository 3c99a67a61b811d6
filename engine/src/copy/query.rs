//! Files as a table of a query: `SELECT $1, t.$2 FROM @stage/path (FILE_FORMAT => 'csv') t`. Text files have positional
//! columns, JSON one column of documents, Parquet and Avro their own.

use super::{
    format::{FileFormat, Kind},
    infer::{Arguments, infer_schema, list_stage},
    named,
    source::{Selection, Source, find, format_named, format_of},
    variants::rows_as_variants,
};
use crate::{
    Error, Result, load::TextRows, parts::Parts, plan::StatementContext, query::Counters, sql::location_of_table,
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result as PlanResult},
    datasource::MemTable,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{
        ExecutionPlan,
        empty::EmptyExec,
        stream::RecordBatchStreamAdapter,
        streaming::{PartitionStream, StreamingTableExec},
    },
    sql::sqlparser::ast::{
        self, ExcludeSelectItem, FunctionArg, FunctionArgExpr, Ident, Select, SelectItem, TableFactor, Value, Visit,
        Visitor, visit_relations,
    },
};
use futures::{StreamExt, TryStreamExt};
use std::{fmt, ops::ControlFlow, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

mod parquet;

/// Name of the column with the path of a row's file.
pub(crate) const FILE_NAME: &str = "metadata$filename";
/// Name of the column with the number of a row in its file, from 0.
pub(crate) const FILE_ROW: &str = "metadata$file_row_number";
const DOCUMENT: &str = "$1";
const RELATION: &str = "__basalt_files";
/// Batches of one partition on their way.
const BATCHES_IN_FLIGHT: usize = 2;

/// What a query says about the columns of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    positions: usize,
    file_name: bool,
    file_row: bool,
    wildcard: bool,
}

impl Mentions {
    pub fn of(query: &ast::Query) -> Self {
        let mut mentions = Self::default();
        // Never breaks.
        let _ = Visit::visit(query, &mut mentions);
        mentions
    }

    fn ident(&mut self, ident: &Ident) {
        if let Some(number) = ident.value.strip_prefix('$').and_then(|n| n.parse().ok()) {
            self.positions = self.positions.max(number);
        }
        self.file_name |= ident.value.eq_ignore_ascii_case(FILE_NAME);
        self.file_row |= ident.value.eq_ignore_ascii_case(FILE_ROW);
    }
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Identifier(ident) => self.ident(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.iter().for_each(|ident| self.ident(ident)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        self.wildcard |= select.projection.iter().any(star);
        ControlFlow::Continue(())
    }
}

/// The function over a place of files that a table of a query calls.
pub(crate) fn staged_function(factor: &TableFactor) -> Option<StagedFunction> {
    let TableFactor::Table { name, args: Some(_), .. } = factor else { return None };
    let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    match ident.value.to_lowercase().as_str() {
        "infer_schema" => Some(StagedFunction::InferSchema),
        "list_stage" => Some(StagedFunction::ListStage),
        _ => None,
    }
}

/// Functions over places of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StagedFunction {
    InferSchema,
    ListStage,
}

async fn call(
    context: &StatementContext,
    function: StagedFunction,
    factor: &TableFactor,
) -> Result<Arc<dyn TableProvider>> {
    let TableFactor::Table { args, .. } = factor else {
        return Err(option_error("a function has arguments"));
    };
    let mut arguments = Arguments::new();
    for arg in args.iter().flat_map(|a| &a.args) {
        let FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } = arg else {
            return Err(option_error("arguments are written NAME => value"));
        };
        arguments.insert(name.value.to_lowercase(), text(value)?);
    }
    let batch = match function {
        StagedFunction::InferSchema => infer_schema(context, &arguments).await?,
        StagedFunction::ListStage => list_stage(context, &arguments).await?,
    };
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(crate::plan::explain)?;
    Ok(Arc::new(table))
}

/// The place of the only table of a query that is one.
pub(crate) fn only_location(query: &ast::Query) -> Result<String> {
    let mut found = Vec::new();
    let walked = visit_relations(query, |name| {
        if let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && ident.quote_style.is_some()
            && ident.value.starts_with('@')
        {
            found.push(ident.value.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(walked.is_continue());
    match <[String; 1]>::try_from(found) {
        Ok([location]) => Ok(location),
        Err(found) => {
            let message = format!("COPY INTO a table from a query needs one stage in its FROM, not {}", found.len());
            Err(Error::Semantic { message })
        }
    }
}

/// Removes the columns that are not the files' own from what `*` means.
pub(crate) fn hide_from_wildcards(select: &mut Select, mentions: Mentions) {
    let mut hidden = Vec::new();
    let name = |name: &str| ast::ObjectName::from(vec![Ident::with_quote('"', name)]);
    if mentions.file_name {
        hidden.push(name(FILE_NAME));
    }
    if mentions.file_row {
        hidden.push(name(FILE_ROW));
    }
    if mentions.positions > 0 {
        hidden.push(name(DOCUMENT));
    }
    if hidden.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) = item
            && options.opt_exclude.is_none()
        {
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(hidden.clone()));
        }
    }
}

/// The places of files in a query, as tables under the names that stand for them.
pub(crate) async fn staged_tables(
    context: &StatementContext,
    query: &ast::Query,
    staged: Vec<(String, TableFactor)>,
) -> Result<Vec<(String, Arc<dyn TableProvider>)>> {
    let mut tables: Vec<(String, Arc<dyn TableProvider>)> = Vec::with_capacity(staged.len());
    for (relation, factor) in staged {
        let table: Arc<dyn TableProvider> = match staged_function(&factor) {
            Some(function) => call(context, function, &factor).await?,
            None => Arc::new(from_factor(context, query, &factor).await?),
        };
        tables.push((relation, table));
    }
    Ok(tables)
}

async fn from_factor(context: &StatementContext, query: &ast::Query, factor: &TableFactor) -> Result<StageTable> {
    let (Some(location), TableFactor::Table { args, .. }) = (location_of_table(factor), factor) else {
        return Err(Error::Internal { message: "a table that is no place of files".into(), source: None });
    };
    let (mut format, mut pattern, mut files) = (None, None, Vec::new());
    for arg in args.iter().flat_map(|a| &a.args) {
        let FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } = arg else {
            return Err(option_error("options are written NAME => value"));
        };
        match name.value.to_lowercase().as_str() {
            "file_format" => format = Some(text(value)?),
            "pattern" => pattern = Some(text(value)?),
            "files" => files = texts(value)?,
            // What it says is the default.
            "case_sensitive" => {}
            other => return Err(option_error(&format!("unknown option `{}`", other.to_uppercase()))),
        }
    }
    let selection = Selection { files: &files, pattern: pattern.as_deref(), connection: None };
    let source = find(context, location, selection).await?;
    let format = match format {
        Some(name) => format_named(context, &name)?,
        None => format_of(context, None, &source.stage)?,
    };
    StageTable::open(context, source, format, query).await
}

fn option_error(why: &str) -> Error {
    Error::InvalidArgument { message: format!("options of a stage in FROM: {why}") }
}

fn text(expr: &ast::Expr) -> Result<String> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(text.clone()),
            Value::Number(number, _) => Ok(number.clone()),
            Value::Boolean(value) => Ok(value.to_string()),
            _ => Err(option_error("a value must be a text")),
        },
        ast::Expr::Identifier(ident) => Ok(ident.value.clone()),
        _ => Err(option_error("a value must be a text")),
    }
}

fn texts(expr: &ast::Expr) -> Result<Vec<String>> {
    match expr {
        ast::Expr::Tuple(items) => items.iter().map(text).collect(),
        ast::Expr::Nested(inner) => Ok(vec![text(inner)?]),
        other => Ok(vec![text(other)?]),
    }
}

/// Files as a table.
pub(crate) struct StageTable {
    parts: Arc<Parts>,
    counters: Arc<Counters>,
    source: Arc<Source>,
    format: FileFormat,
    schema: SchemaRef,
    /// Columns before those about the file.
    own: usize,
    rows: Option<TextRows>,
}

impl fmt::Debug for StageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageTable").field("files", &self.source.files.len()).finish_non_exhaustive()
    }
}

impl StageTable {
    /// Files with the columns that `query` speaks of.
    pub async fn open(
        context: &StatementContext,
        source: Source,
        format: FileFormat,
        query: &ast::Query,
    ) -> Result<Self> {
        let mentions = Mentions::of(query);
        let texts = |count: usize| (1..=count).map(|n| Field::new(format!("${n}"), DataType::Utf8View, true)).collect();
        let mut fields: Vec<Field> = match &format.kind {
            Kind::Delimited(_) => {
                if mentions.wildcard {
                    let message =
                        format!("Query from {} file lacks column positions. Specify as $1, $2, etc.", format.name());
                    return Err(Error::Semantic { message });
                }
                texts(mentions.positions)
            }
            Kind::Json(_) => vec![Field::new(DOCUMENT, DataType::LargeBinary, true)],
            Kind::Parquet(_) | Kind::Avro(_) => named_fields(&source, &format, mentions).await?,
        };
        let own = fields.len();
        let own_schema: SchemaRef = Arc::new(Schema::new(fields.clone()));
        let rows = match (format.as_text(), &format.kind) {
            (Some(text), Kind::Json(_)) => Some(TextRows::documents(&text, own_schema)?),
            (Some(text), _) => {
                let rules = crate::load::FieldRules { width: crate::load::Width::Lenient, ..format.rules() };
                Some(TextRows::texts(&text, own_schema, &rules)?)
            }
            (None, _) => None,
        };
        if mentions.file_name {
            fields.push(Field::new(FILE_NAME, DataType::Utf8View, false));
        }
        if mentions.file_row {
            fields.push(Field::new(FILE_ROW, DataType::Int64, false));
        }
        Ok(Self {
            parts: Arc::clone(&context.parts),
            counters: Arc::clone(&context.counters),
            source: Arc::new(source),
            format,
            schema: Arc::new(Schema::new(fields)),
            own,
            rows,
        })
    }

    /// The table under the name that stands for the first place of a query.
    pub fn relation(self) -> (String, Arc<dyn TableProvider>) {
        (relation_name(0), Arc::new(self))
    }

    fn has(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok()
    }
}

/// What stands for the `n`-th place of a query.
pub(crate) fn relation_name(n: usize) -> String {
    format!("{RELATION}_{n}")
}

/// Columns of the first file; the document when the query asks for it.
async fn named_fields(source: &Source, format: &FileFormat, mentions: Mentions) -> Result<Vec<Field>> {
    let Some(first) = source.files.first() else {
        return Err(Error::BadData { message: format!("no file found in stage `{}`", source.stage.name) });
    };
    let schema = named::open(source, format, first).await?.schema;
    let mut fields: Vec<Field> =
        schema.fields().iter().map(|f| Field::new(f.name(), shown_type(f.data_type()), true)).collect();
    if mentions.positions > 1 {
        let message = format!("{} files have named columns, and $1 for the whole row", format.name());
        return Err(Error::Semantic { message });
    }
    if mentions.positions == 1 {
        fields.push(Field::new(DOCUMENT, DataType::LargeBinary, true));
    }
    Ok(fields)
}

/// The type in which a query sees a file's column: bytes are no VARIANT, and times are instants.
pub(crate) fn shown_type(found: &DataType) -> DataType {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => shown_type(value),
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        other => other.clone(),
    }
}

#[async_trait]
impl TableProvider for StageTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all).clone();
        let schema: SchemaRef = Arc::new(self.schema.project(&projection)?);
        if self.source.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        for found in &self.source.files {
            self.counters.add_planned(0, found.file.size);
        }
        let threads = state.config().target_partitions().max(1);
        if matches!(self.format.kind, Kind::Parquet(_)) && !self.has(DOCUMENT) {
            return self.scan_parquet(state, projection, limit, threads);
        }
        let partitions = threads.min(self.source.files.len());
        let streams: Vec<Arc<dyn PartitionStream>> = (0..partitions)
            .map(|n| {
                let part = FileStream {
                    parts: Arc::clone(&self.parts),
                    counters: Arc::clone(&self.counters),
                    source: Arc::clone(&self.source),
                    files: (n..self.source.files.len()).step_by(partitions).collect(),
                    format: self.format.clone(),
                    rows: self.rows.clone(),
                    full: Arc::clone(&self.schema),
                    own: self.own,
                    projection: projection.clone(),
                    schema: Arc::clone(&schema),
                    side_by_side: threads / partitions + 1,
                };
                Arc::new(part) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, streams, None, None, false, limit)?))
    }
}

/// Some of the files, one after the other, read on the CPU threads.
#[derive(Clone)]
struct FileStream {
    parts: Arc<Parts>,
    counters: Arc<Counters>,
    source: Arc<Source>,
    files: Vec<usize>,
    format: FileFormat,
    rows: Option<TextRows>,
    full: SchemaRef,
    own: usize,
    projection: Vec<usize>,
    schema: SchemaRef,
    side_by_side: usize,
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl PartitionStream for FileStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (out, batches) = mpsc::channel(BATCHES_IN_FLIGHT);
        let reader = self.clone();
        self.parts.runtime.spawn(async move {
            if let Err(error) = reader.read(&out).await {
                // Whoever asked may have gone.
                let _ = out.send(Err(error)).await;
            }
        });
        let batches = ReceiverStream::new(batches).map_err(|error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

impl FileStream {
    async fn read(&self, out: &mpsc::Sender<Result<RecordBatch>>) -> Result<()> {
        for file in &self.files {
            let found = &self.source.files[*file];
            let mut row = 0;
            match &self.rows {
                Some(rows) => {
                    let body = self.source.open(found, self.format.compression)?;
                    let mut reader = rows.read(&self.parts, body, self.side_by_side);
                    while let Some(piece) = reader.next().await.map_err(|e| in_file(e, &found.file.path))? {
                        if let Some((line, reason)) = piece.first_bad {
                            let message = format!("{reason} at file '{}', line {line}", found.file.path);
                            return Err(Error::BadData { message });
                        }
                        for batch in piece.batches {
                            let made = self.project(batch.columns(), batch.num_rows(), &found.file.path, &mut row)?;
                            if out.send(Ok(made)).await.is_err() {
                                return Ok(());
                            }
                        }
                    }
                }
                None => {
                    let mut opened = named::open(&self.source, &self.format, found).await?;
                    while let Some(batch) = opened.batches.next().await {
                        let batch = batch?;
                        let columns = self.by_name(&batch)?;
                        let made = self.project(&columns, batch.num_rows(), &found.file.path, &mut row)?;
                        if out.send(Ok(made)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
            self.counters.add_scanned_bytes(found.file.size);
        }
        Ok(())
    }

    /// The file's columns as the table has them; the document is made of the whole row.
    fn by_name(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.own);
        for (at, field) in self.full.fields().iter().take(self.own).enumerate() {
            let wanted = self.projection.contains(&at);
            columns.push(match batch.column_by_name(field.name()) {
                Some(found) if wanted => cast(found, field.data_type())?,
                None if field.name() == DOCUMENT && wanted => rows_as_variants(batch)?,
                _ => arrow::array::new_null_array(field.data_type(), batch.num_rows()),
            });
        }
        Ok(columns)
    }

    fn project(&self, own: &[ArrayRef], rows: usize, path: &str, first: &mut i64) -> Result<RecordBatch> {
        self.counters.add_scanned_rows(rows as u64);
        let start = *first;
        *first += rows as i64;
        let columns = self.projection.iter().map(|at| -> ArrayRef {
            match own.get(*at) {
                Some(column) => Arc::clone(column),
                None if self.full.field(*at).name() == FILE_NAME => {
                    Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(path, rows)))
                }
                None => Arc::new(Int64Array::from_iter_values(start..*first)),
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect(), &options)?)
    }
}

fn in_file(error: Error, path: &str) -> Error {
    match error {
        Error::BadData { message } => Error::BadData { message: format!("{message} at file '{path}'") },
        other => other,
    }
}
