//! REPLACE INTO, and INSERT into several tables at once.

use super::{
    grammar::Grammar,
    statement::{InsertSource, Statement},
};
use crate::Result;
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, ObjectName, Query},
    parser::Parser,
    tokenizer::Token,
};

/// `REPLACE INTO t [(c)] ON (k) [DELETE WHEN e] …`.
#[derive(Debug, Clone)]
pub(crate) struct Replace {
    pub table: ObjectName,
    /// Empty: all columns in order.
    pub columns: Vec<Ident>,
    /// Rows that agree in these are replaced.
    pub on: Vec<Ident>,
    /// Rows of the source for which it holds only remove what they would replace.
    pub delete_when: Option<Expr>,
    pub source: InsertSource,
}

/// `INSERT [OVERWRITE] ALL | FIRST …`.
#[derive(Debug, Clone)]
pub(crate) struct InsertMany {
    pub overwrite: bool,
    pub branches: Vec<InsertBranch>,
    pub choice: BranchChoice,
    pub source: Box<Query>,
}

/// Which branches take a row whose condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BranchChoice {
    All,
    First,
}

/// One WHEN … THEN, ELSE, or the whole of an unconditional statement.
#[derive(Debug, Clone)]
pub(crate) struct InsertBranch {
    pub when: BranchCondition,
    pub targets: Vec<InsertTarget>,
}

/// When a branch takes a row.
#[derive(Debug, Clone)]
pub(crate) enum BranchCondition {
    Always,
    When(Box<Expr>),
    /// When no other does.
    Else,
}

/// `INTO t [(c)] [VALUES (…)]`.
#[derive(Debug, Clone)]
pub(crate) struct InsertTarget {
    pub table: ObjectName,
    pub columns: Vec<Ident>,
    /// Over the source's columns; empty: all of them in order.
    pub values: Vec<Expr>,
}

impl Grammar<'_> {
    pub(super) fn replace(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("into")?;
        let _ = self.accept("table");
        let table = self.name()?;
        let columns = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?,
            _ => Vec::new(),
        };
        self.expect("on")?;
        let _ = self.accept("conflict");
        let on = self.idents_in_parentheses()?;
        let delete_when = match self.accept_all(&["delete", "when"]) {
            true => Some(self.parser.parse_expr()?),
            false => None,
        };
        let source = InsertSource::Query(self.query()?);
        Ok(Statement::Replace(Box::new(Replace { table, columns, on, delete_when, source })))
    }

    pub(super) fn insert_many(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let overwrite = self.accept("overwrite");
        let choice = if self.accept("first") { BranchChoice::First } else { BranchChoice::All };
        let _ = self.accept("all");
        let mut branches = Vec::new();
        while self.accept("when") {
            let when = BranchCondition::When(Box::new(self.parser.parse_expr()?));
            self.expect("then")?;
            branches.push(InsertBranch { when, targets: self.insert_targets()? });
        }
        if branches.is_empty() {
            if choice == BranchChoice::First {
                return self.expected("WHEN");
            }
            branches.push(InsertBranch { when: BranchCondition::Always, targets: self.insert_targets()? });
        } else if self.accept("else") {
            branches.push(InsertBranch { when: BranchCondition::Else, targets: self.insert_targets()? });
        }
        let source = self.query()?;
        Ok(Statement::InsertMany(Box::new(InsertMany { overwrite, branches, choice, source })))
    }

    fn insert_targets(&mut self) -> Result<Vec<InsertTarget>> {
        let mut targets = Vec::new();
        while self.accept("into") {
            let table = self.name()?;
            let lists_columns = self.parser.peek_token_ref().token == Token::LParen
                && !self.second_is("select")
                && !self.second_is("with");
            let columns = if lists_columns { self.idents_in_parentheses()? } else { Vec::new() };
            let mut values = Vec::new();
            if self.accept("values") {
                self.parser.expect_token(&Token::LParen)?;
                values = self.parser.parse_comma_separated(Parser::parse_expr)?;
                self.parser.expect_token(&Token::RParen)?;
            }
            targets.push(InsertTarget { table, columns, values });
        }
        if targets.is_empty() {
            return self.expected("INTO");
        }
        Ok(targets)
    }
}
