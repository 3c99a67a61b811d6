//! What each kind of statement does, given its context: one file per family. SELECT is planned in `plan`; everything
//! else is here.

use crate::{Result, plan::StatementContext, sql::Statement, SessionEffect};
use datafusion::{arrow::datatypes::SchemaRef, execution::SendableRecordBatchStream};

/// How a statement ended (or how its rows will come).
pub(crate) enum Outcome {
    /// Rows follow.
    Rows { schema: SchemaRef, stream: SendableRecordBatchStream },
    /// No result set.
    Done,
}

/// Runs one statement. Changes of the session are made on `context.session`; `effect` says what they were.
pub(crate) async fn execute(_context: &mut StatementContext, _statement: Statement) -> Result<(Outcome, Option<SessionEffect>)> {
    todo!()
}

/// Open SQL transactions by id.
#[derive(Debug, Default)]
pub(crate) struct Transactions {}

/// One open transaction: its snapshot and its staged writes.
#[derive(Debug)]
pub(crate) struct Transaction {}
