//! SQL text to statements: limits first (before anything recursive sees the text), then the grammar.
//!
//! Nothing here resolves a name or touches data.

use crate::Result;
use datafusion::sql::sqlparser::ast;

/// Bounds on SQL text, checked on tokens before parsing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SqlLimits {
    pub bytes: usize,
    pub depth: usize,
}

/// One statement, understood as far as grammar goes. Every kind is its own variant: nothing reaches the query library
/// by default.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Query(Box<ast::Query>),
}

/// Parses exactly one statement (a trailing `;` is fine).
pub(crate) fn parse(_sql: &str, _limits: SqlLimits) -> Result<Statement> {
    todo!()
}
