//! A statement over a stream of bytes: `INSERT INTO t [(columns)] [VALUES (?, …)] FROM @placeholder FILE_FORMAT = (…)`.

use crate::{ByteStream, Error, Result, Session, parts::Parts};
use std::sync::Arc;

/// A load by statement.
#[derive(Debug, Clone)]
pub struct StreamingLoad {
    pub session: Session,
    pub sql: String,
    /// What stands for the stream in the statement, without the `@`.
    pub placeholder: &'static str,
    /// Idempotency key: a second load with it changes nothing.
    pub label: Option<String>,
    pub query_id: String,
}

/// What a load by statement did.
#[derive(Debug, Clone)]
pub struct StreamingLoaded {
    pub rows: u64,
    pub bytes: u64,
    /// The session after it.
    pub session: Session,
}

pub(crate) async fn streaming_load(
    _parts: &Arc<Parts>,
    request: StreamingLoad,
    _body: ByteStream,
) -> Result<StreamingLoaded> {
    Err(Error::Unsupported { what: format!("loading a stream by statement (`{}`)", request.sql) })
}
