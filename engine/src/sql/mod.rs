//! SQL text to statements: limits first (before anything recursive sees the text), then the grammar.
//!
//! Nothing here resolves a name or touches data.

mod access;
mod alter;
mod balance;
mod check;
mod create;
mod dialect;
mod dml;
mod grammar;
mod hints;
mod limits;
mod locations;
mod names;
mod nested;
mod objects;
mod path;
mod replace;
mod scan;
mod script;
mod show;
mod stage;
mod statement;
#[cfg(test)]
mod tests;
mod types;
mod values;

pub(crate) use access::*;
pub(crate) use hints::ASOF_MARK;
pub(crate) use limits::SqlLimits;
pub(crate) use names::{ident_name, last_name, matches_name, name_parts};
pub(crate) use objects::*;
pub(crate) use replace::*;
pub(crate) use script::*;
pub(crate) use stage::*;
pub(crate) use statement::*;
pub(crate) use types::parse_type;
pub(crate) use values::{Literal, LiteralRows};

use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast,
    parser::{Parser, ParserError},
    tokenizer::{TokenWithSpan, Tokenizer, TokenizerError},
};
use dialect::BasaltDialect;
use grammar::Grammar;
use hints::Aside;
use limits::{Shape, measure, place};
use std::thread;

/// Stack of the thread that parses what is nested deeply or chained long. Untouched pages cost nothing.
const DEEP_STACK_BYTES: usize = 64 << 20;

/// Scripts nest blocks besides parentheses: they are parsed where there is room.
const SCRIPT_DEPTH: usize = 64;

/// Parses exactly one statement (a trailing `;` is fine).
pub(crate) fn parse(sql: &str, limits: SqlLimits) -> Result<Statement> {
    limits::check_bytes(sql, limits)?;
    if let Some((head, rows)) = values::split_insert(sql) {
        let (mut tokens, _) = tokens_of(head, limits)?;
        let aside = Aside::take(&mut tokens)?;
        return Ok(aside.apply(grammar(head, tokens, limits).literal_insert(rows)?));
    }
    limits::check_size(sql, limits)?;
    let sql = &*locations::quote_locations(sql);
    let (mut tokens, shape) = tokens_of(sql, limits)?;
    let aside = Aside::take(&mut tokens)?;
    on_fitting_stack(shape, || {
        let mut statement = grammar(sql, tokens, limits).only_statement()?;
        check::finish(&mut statement, shape)?;
        Ok(aside.apply(statement))
    })
}

/// Parses one scalar expression: a column's default, a partition expression, a load's mapping or filter.
pub(crate) fn parse_expression(sql: &str, limits: SqlLimits) -> Result<ast::Expr> {
    limits::check_size(sql, limits)?;
    let (tokens, shape) = tokens_of(sql, limits)?;
    on_fitting_stack(shape, || {
        let mut expr = grammar(sql, tokens, limits).only_expression()?;
        check::finish_expression(&mut expr, shape)?;
        Ok(expr)
    })
}

/// Parses a script: `[DECLARE …] BEGIN … END`.
pub(crate) fn parse_script(sql: &str, limits: SqlLimits) -> Result<Script> {
    limits::check_size(sql, limits)?;
    let (tokens, shape) = tokens_of(sql, limits)?;
    let scripted = Shape { depth: shape.depth.max(SCRIPT_DEPTH), ..shape };
    on_fitting_stack(scripted, || grammar(sql, tokens, limits).only_script(shape))
}

/// Parses a SELECT, as the text of a view.
pub(crate) fn parse_query(sql: &str, limits: SqlLimits) -> Result<Box<ast::Query>> {
    match parse(sql, limits)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::Syntax { message: "expected a query".into() }),
    }
}

fn tokens_of(sql: &str, limits: SqlLimits) -> Result<(Vec<TokenWithSpan>, Shape)> {
    let tokens = Tokenizer::new(&BasaltDialect, sql).tokenize_with_location()?;
    let shape = measure(&tokens, limits)?;
    Ok((tokens, shape))
}

fn grammar(sql: &str, tokens: Vec<TokenWithSpan>, limits: SqlLimits) -> Grammar<'_> {
    // `measure` has bounded the depth; the library's own counter moves several steps per level.
    let parser = Parser::new(&BasaltDialect).with_recursion_limit(limits.depth * 8 + 64);
    let parser = parser.with_tokens_with_locations(types::fold_types(tokens));
    Grammar::new(parser, sql)
}

/// Runs `work` here when the tree is small, else on a thread with a stack that holds it.
fn on_fitting_stack<T: Send>(shape: Shape, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    if shape.depth <= 24 && shape.terms <= 256 && shape.arms <= 32 {
        return work();
    }
    thread::scope(|scope| {
        let spawned =
            thread::Builder::new().name("sql-parser".into()).stack_size(DEEP_STACK_BYTES).spawn_scoped(scope, work);
        match spawned {
            Ok(thread) => thread.join().unwrap_or_else(|_| {
                Err(Error::Internal { message: "the parser failed on this text".into(), source: None })
            }),
            Err(_) => Err(Error::Busy { what: "parser threads" }),
        }
    })
}

impl From<ParserError> for Error {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
                Error::Syntax { message: friendly(&message) }
            }
            ParserError::RecursionLimitExceeded => Error::Syntax { message: "SQL is nested too deeply".into() },
        }
    }
}

impl From<TokenizerError> for Error {
    fn from(error: TokenizerError) -> Self {
        Error::Syntax { message: format!("{}{}", lower_first(&error.message), place(error.location)) }
    }
}

/// `Expected: x, found: y at Line: 1, Column: 2` in the house's spelling.
fn friendly(message: &str) -> String {
    let message = lower_first(message);
    message
        .replacen("expected: ", "expected ", 1)
        .replacen(", found: EOF", ", found the end of the text", 1)
        .replacen(", found: ", ", found ", 1)
        .replace(" at Line: ", " at line ")
        .replace(", Column: ", ", column ")
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
