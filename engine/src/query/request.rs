//! What a caller asks for.

use crate::{Presigner, Session};
use std::{collections::BTreeMap, time::Duration};

/// One statement and the context it runs in.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// The client's id for this query; one is made when absent. A second request of the same user with the id of a
    /// living query gets that query, whatever its text.
    pub id: Option<String>,
    pub sql: String,
    pub session: Session,
    pub parameters: Option<Parameters>,
    /// Rows of a page, at most.
    pub page_rows: usize,
    /// Bytes of a page in memory, at most (a single row may exceed it).
    pub page_bytes: usize,
    /// Rows that may wait for the client before the executor pauses.
    pub buffer_rows: usize,
    /// How long an untouched result is kept; `None` = the engine's setting.
    pub result_timeout: Option<Duration>,
    /// The rows of an `INSERT INTO t VALUES` without rows: a file that was put into a stage before.
    pub stage_attachment: Option<StageAttachment>,
    /// Makes the URLs of PRESIGN statements; without it they are refused.
    pub presigner: Option<Presigner>,
    /// Idempotency key of a statement that writes: a second one with it changes nothing.
    pub label: Option<String>,
}

/// A staged file as the rows of a statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageAttachment {
    /// `@stage/path`.
    pub location: String,
    pub file_format_options: BTreeMap<String, String>,
    pub copy_options: BTreeMap<String, String>,
}

/// Values for placeholders.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameters {
    /// For `?`, in order.
    Positional(Vec<serde_json::Value>),
    /// For `:name`.
    Named(serde_json::Map<String, serde_json::Value>),
}

impl QueryRequest {
    /// A request with the defaults of a paging client.
    pub fn new(sql: impl Into<String>, session: Session) -> Self {
        Self {
            id: None,
            sql: sql.into(),
            session,
            parameters: None,
            page_rows: 10_000,
            page_bytes: 4 << 20,
            buffer_rows: 5_000_000,
            result_timeout: None,
            stage_attachment: None,
            presigner: None,
            label: None,
        }
    }
}
