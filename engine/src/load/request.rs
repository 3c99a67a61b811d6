//! What a load is asked to do and what it reports.

use crate::Session;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Uncompressed bytes of a load. An error ends the load and nothing stays.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// One load into one table.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    pub session: Session,
    pub database: String,
    pub table: String,
    /// Idempotency key within the database; one is made when absent.
    pub label: Option<String>,
    pub format: LoadFormat,
    /// Fields of the input in order and how table columns are made of them; `None` = the table's columns in order
    /// (CSV) or by name (JSON).
    pub columns: Option<Vec<ColumnMapping>>,
    /// SQL condition over target and temporary columns; rows that fail it are left out, not counted as bad.
    pub filter: Option<String>,
    /// Share of bad rows (of those not left out by `filter`) that is tolerated, 0 to 1.
    pub max_filter_ratio: f64,
    /// A value that cannot be converted makes its row bad (true) or becomes NULL (false).
    pub strict: bool,
    pub timeout: Option<Duration>,
}

/// One entry of a column list.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnMapping {
    /// A field of the input: a table column, or (when the table has none of that name) a temporary one.
    Field(String),
    /// A table column computed by a SQL expression over the fields.
    Expression { column: String, sql: String },
}

/// The input's format.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadFormat {
    Csv(CsvOptions),
    Json(JsonOptions),
    Parquet,
    ArrowStream,
}

/// CSV dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    pub column_separator: Vec<u8>,
    pub row_delimiter: Vec<u8>,
    /// Quote character: separators and delimiters inside are data, doubled = one.
    pub enclose: Option<u8>,
    pub escape: Option<u8>,
    pub skip_header: usize,
    pub trim_space: bool,
    /// Unquoted text that means NULL.
    pub null_text: String,
    /// An empty unquoted field is NULL (rather than an empty string; other types always read it as NULL or bad).
    pub empty_as_null: bool,
}

/// How rows are found in JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonOptions {
    /// Paths whose values become the fields in order.
    pub paths: Option<Vec<String>>,
    /// Path of the object or array that holds the rows.
    pub root: Option<String>,
    /// The body is one array whose elements are the rows.
    pub strip_outer_array: bool,
}

impl JsonOptions {
    /// Whether the rows are elements of the body itself. With a root, the array to strip is the one found there.
    pub(crate) fn body_is_array(&self) -> bool {
        self.strip_outer_array && self.root.is_none()
    }
}

/// How a load ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LoadOutcome {
    Loaded,
    /// The label belongs to a load that finished before; nothing was loaded now.
    LabelFinished,
    /// The label belongs to a load that is still running; nothing was loaded now.
    LabelRunning,
    /// More rows were bad than `max_filter_ratio` allows; nothing was loaded, and the label is free again.
    TooManyFiltered,
}

/// What a load did. For a repeated label, what the first one did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    pub load_id: u64,
    pub label: String,
    pub outcome: LoadOutcome,
    pub rows_total: u64,
    pub rows_loaded: u64,
    pub rows_filtered: u64,
    pub rows_unselected: u64,
    pub bytes: u64,
    pub total_ms: u64,
    pub plan_ms: u64,
    pub read_ms: u64,
    pub write_ms: u64,
    pub commit_ms: u64,
    /// Name of the log of bad rows, when there were any (`Engine::rejected_rows`).
    pub rejected_log: Option<String>,
}

impl LoadReport {
    /// What a statement that changed rows under a label leaves for a load with the same label.
    pub(crate) fn of_statement(load_id: u64, label: String, rows: u64) -> Self {
        Self { load_id, rows_total: rows, rows_loaded: rows, ..Self::empty(label) }
    }

    /// A report in which nothing has happened yet.
    pub(super) fn empty(label: String) -> Self {
        Self {
            load_id: 0,
            label,
            outcome: LoadOutcome::Loaded,
            rows_total: 0,
            rows_loaded: 0,
            rows_filtered: 0,
            rows_unselected: 0,
            bytes: 0,
            total_ms: 0,
            plan_ms: 0,
            read_ms: 0,
            write_ms: 0,
            commit_ms: 0,
            rejected_log: None,
        }
    }
}
