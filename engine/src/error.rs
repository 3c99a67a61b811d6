//! What can go wrong, as the caller should understand it. Only `http` knows status codes, and each protocol its own
//! numbers; they are found from the variant (what happened) or from [`Error::kind`] (what to do about it).

use basalt_meta::EntityKind;
use std::sync::Arc;
use thiserror::Error;

/// What the caller should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Fix the request.
    InvalidInput,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    /// Re-read and try again.
    Conflict,
    /// Try later.
    ResourceExhausted,
    Unavailable,
    DeadlineExceeded,
    Cancelled,
    Unsupported,
    /// Stored data is damaged.
    Corrupt,
    Internal,
}

/// Failures of the engine's operations, one variant per situation.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{message}")]
    Syntax { message: String },
    /// The statement is understood but makes no sense (types, ambiguity, aggregates in the wrong place).
    #[error("{message}")]
    Semantic { message: String },
    #[error("unknown database `{name}`")]
    UnknownDatabase { name: String },
    #[error("unknown table `{database}`.`{name}`")]
    UnknownTable { database: String, name: String },
    #[error("unknown column `{name}`{hint}")]
    UnknownColumn { name: String, hint: String },
    #[error("unknown function `{name}`{hint}")]
    UnknownFunction { name: String, hint: String },
    /// A function was called with more or fewer arguments than it takes. Names both counts.
    #[error("{message}")]
    ArgumentCount { message: String },
    #[error("unknown setting `{name}`{hint}")]
    UnknownSetting { name: String, hint: String },
    #[error("wrong value for setting `{name}`: `{value}` ({expected})")]
    SettingValue { name: String, value: String, expected: String },
    #[error("database `{name}` exists already")]
    DatabaseExists { name: String },
    #[error("table `{name}` exists already")]
    TableExists { name: String },
    #[error("view `{name}` exists already")]
    ViewExists { name: String },
    #[error("unknown {kind} `{name}`")]
    UnknownEntity { kind: EntityKind, name: String },
    #[error("{kind} `{name}` exists already")]
    EntityExists { kind: EntityKind, name: String },
    /// A script that makes no sense, whatever the data: a name it does not have.
    #[error("{message}")]
    ScriptSemantic { message: String },
    /// A script that went wrong while it ran.
    #[error("{message}")]
    ScriptFailed { message: String },
    #[error("table engine `{name}` is not supported (there is one engine, FUSE)")]
    UnknownEngine { name: String },
    #[error("invalid table option `{name}`: {reason}")]
    TableOption { name: String, reason: String },
    /// A value could not be computed: overflow, bad cast, division by zero. Names the value.
    #[error("{message}")]
    Evaluation { message: String },
    /// Input data could not be read: names the row or line.
    #[error("{message}")]
    BadData { message: String },
    #[error("{message}")]
    InvalidArgument { message: String },
    #[error("unsupported: {what}")]
    Unsupported { what: String },
    #[error("authentication failed for user `{user}`")]
    Unauthenticated { user: String },
    #[error("too many failed logins; try again in {retry_after_secs} s")]
    TooManyFailedLogins { retry_after_secs: u64 },
    /// The password may be right, but the user may not come in (now, or from there).
    #[error("authentication failed for user `{user}`: {reason}")]
    LoginRefused { user: String, reason: String },
    #[error("the password must be changed before anything else: ALTER USER USER() IDENTIFIED BY '…'")]
    MustChangePassword,
    #[error("{message}")]
    InvalidPassword { message: String },
    #[error("role `{role}` cannot be used here: {reason}")]
    InvalidRole { role: String, reason: String },
    #[error("{message}")]
    IllegalName { kind: EntityKind, message: String },
    #[error("{message}")]
    IllegalGrant { message: String },
    /// A policy is still used by a user.
    #[error("{kind} `{name}` is used by user `{user}`")]
    PolicyUsed { kind: EntityKind, name: String, user: String },
    /// A policy is attached where it must not be, or is not where it should be.
    #[error("{message}")]
    PolicyAttached { message: String },
    /// A masking policy returns another type than it masks.
    #[error("{message}")]
    MaskType { message: String },
    /// A policy does not fit the column it is for.
    #[error("{message}")]
    PolicyMismatch { message: String },
    /// Says what was missing, on what, and for whom.
    #[error("permission denied: {message}")]
    PermissionDenied { message: String },
    #[error("write conflict: {message}; nothing was changed, the statement may be tried again")]
    Conflict { message: String },
    #[error("current transaction is aborted, commands ignored until ROLLBACK")]
    TransactionFailed,
    #[error("transaction is gone (timed out, or the server was restarted): id={id}")]
    TransactionGone { id: u64 },
    #[error("time travel point not found: {message}")]
    NoSuchVersion { message: String },
    #[error(
        "memory is exhausted (settings `memory_limit_bytes` of the server, `max_memory_usage` of the session): {message}"
    )]
    MemoryExhausted { message: String },
    #[error("too many {what}; try again later")]
    Busy { what: &'static str },
    #[error("no space left on the data directory")]
    NoSpace,
    #[error("query was cancelled: {reason}")]
    Cancelled { reason: String },
    #[error("{what} took longer than {limit_secs} s (setting `{setting}`)")]
    DeadlineExceeded { what: &'static str, limit_secs: u64, setting: &'static str },
    #[error("unknown query `{id}`")]
    UnknownQuery { id: String },
    #[error("query `{id}` belongs to another user")]
    ForeignQuery { id: String },
    #[error("query id `{id}` exists already and belongs to another user")]
    QueryIdTaken { id: String },
    #[error("query `{id}` is closed: {reason}")]
    QueryClosed { id: String, reason: String },
    #[error("invalid page number: requested {requested}, current page is {current}")]
    PageOutOfRange { requested: u64, current: u64 },
    #[error("stored data is damaged: {message}")]
    Corrupt { message: String },
    #[error("the server is shutting down")]
    ShuttingDown,
    /// Ours to fix. The source goes to the log; clients see the request id.
    #[error("internal error: {message}")]
    Internal {
        message: String,
        #[source]
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// A failure that is ours to fix.
    pub(crate) fn internal(message: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Internal { message: message.into(), source: Some(Arc::new(source)) }
    }

    /// What the caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        use ErrorKind::*;
        match self {
            Error::Syntax { .. }
            | Error::Semantic { .. }
            | Error::UnknownColumn { .. }
            | Error::UnknownFunction { .. }
            | Error::ArgumentCount { .. }
            | Error::UnknownSetting { .. }
            | Error::SettingValue { .. }
            | Error::Evaluation { .. }
            | Error::BadData { .. }
            | Error::InvalidArgument { .. }
            | Error::TableOption { .. }
            | Error::ScriptSemantic { .. }
            | Error::ScriptFailed { .. }
            | Error::TransactionFailed
            | Error::QueryIdTaken { .. }
            | Error::InvalidPassword { .. }
            | Error::InvalidRole { .. }
            | Error::IllegalName { .. }
            | Error::IllegalGrant { .. }
            | Error::PolicyUsed { .. }
            | Error::PolicyAttached { .. }
            | Error::PolicyMismatch { .. }
            | Error::MaskType { .. }
            | Error::QueryClosed { .. } => InvalidInput,
            Error::UnknownDatabase { .. }
            | Error::UnknownTable { .. }
            | Error::UnknownEntity { .. }
            | Error::NoSuchVersion { .. }
            | Error::UnknownQuery { .. }
            | Error::PageOutOfRange { .. }
            | Error::TransactionGone { .. } => NotFound,
            Error::DatabaseExists { .. }
            | Error::TableExists { .. }
            | Error::ViewExists { .. }
            | Error::EntityExists { .. } => AlreadyExists,
            Error::Unsupported { .. } | Error::UnknownEngine { .. } => Unsupported,
            Error::Unauthenticated { .. } | Error::LoginRefused { .. } => Unauthenticated,
            Error::PermissionDenied { .. } | Error::ForeignQuery { .. } | Error::MustChangePassword => PermissionDenied,
            Error::Conflict { .. } => Conflict,
            Error::MemoryExhausted { .. } | Error::Busy { .. } | Error::TooManyFailedLogins { .. } | Error::NoSpace => {
                ResourceExhausted
            }
            Error::Cancelled { .. } => Cancelled,
            Error::DeadlineExceeded { .. } => DeadlineExceeded,
            Error::Corrupt { .. } => Corrupt,
            Error::ShuttingDown => Unavailable,
            Error::Internal { .. } => Internal,
        }
    }
}

/// What the catalogue refuses, as the user of a statement or load should understand it.
impl From<basalt_meta::Error> for Error {
    fn from(error: basalt_meta::Error) -> Self {
        use basalt_meta::Error as Meta;
        match error {
            Meta::DatabaseExists { name } => Error::DatabaseExists { name },
            Meta::TableExists { name } => Error::TableExists { name },
            Meta::Conflict { table, reason } => Error::Conflict { message: format!("table `{table}`: {reason}") },
            Meta::EntityExists { kind, name } => Error::EntityExists { kind, name },
            Meta::NoEntity { kind, name } => Error::UnknownEntity { kind, name },
            Meta::EntityChanged { .. } => Error::Conflict { message: error.to_string() },
            Meta::NoDatabase { .. } | Meta::NoTable { .. } => Error::Conflict { message: error.to_string() },
            Meta::LabelUsed { record } => {
                Error::Conflict { message: format!("label `{}` was used by another load", record.label.name) }
            }
            Meta::HistoryGone { .. } | Meta::NotYet { .. } => Error::NoSuchVersion { message: error.to_string() },
            Meta::Damaged { .. } | Meta::CommitsMissing { .. } => Error::Corrupt { message: error.to_string() },
            Meta::Closed => Error::ShuttingDown,
            Meta::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => Error::NoSpace,
            Meta::Locked { .. } | Meta::NewerFormat { .. } | Meta::NetworkFileSystem { .. } => {
                Error::InvalidArgument { message: error.to_string() }
            }
            other => Error::internal(format!("the catalogue failed: {other}"), other),
        }
    }
}

/// What happened to bytes, as the user of a statement or load should understand it.
impl From<basalt_storage::Error> for Error {
    fn from(error: basalt_storage::Error) -> Self {
        use basalt_storage::Error as Storage;
        match error {
            Storage::Meta(inner) => inner.into(),
            Storage::NoSpace => Error::NoSpace,
            Storage::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => Error::NoSpace,
            Storage::Damaged { .. } | Storage::Missing { .. } => Error::Corrupt { message: error.to_string() },
            Storage::UnsupportedType { column, data_type } => {
                Error::Unsupported { what: format!("column `{column}` of type {data_type}") }
            }
            Storage::Cancelled => Error::Cancelled { reason: "background work was stopped".into() },
            other => Error::internal(format!("storage failed: {other}"), other),
        }
    }
}

impl From<datafusion::common::DataFusionError> for Error {
    fn from(error: datafusion::common::DataFusionError) -> Self {
        crate::plan::explain(error)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        crate::plan::explain(error.into())
    }
}
