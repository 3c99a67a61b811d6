//! The last look at a parsed statement: chains balanced, and what a query may not contain refused by name.

use super::{
    balance::balance,
    limits::Shape,
    objects::{ObjectStatement, VariableValues},
    replace::BranchCondition,
    statement::{InsertSource, MergeAction, Statement},
};
use crate::{Error, Result};
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SetExpr, TableFactor, Visit, VisitMut, Visitor};
use std::ops::ControlFlow;

/// Tables in one FROM.
const FROM_MAX: usize = 256;

/// Balances and checks everything the library parsed inside `statement`.
pub(super) fn finish(statement: &mut Statement, shape: Shape) -> Result<()> {
    match statement {
        Statement::Query(query) => tree(query.as_mut(), shape),
        Statement::Explain { statement, .. }
        | Statement::WithSettings { statement, .. }
        | Statement::IgnoreResult(statement) => finish(statement, shape),
        Statement::CreateTable(create) => create.query.as_deref_mut().map_or(Ok(()), |query| tree(query, shape)),
        Statement::CreateView(view) => tree(view.query.as_mut(), shape),
        Statement::Insert(insert) => match &mut insert.source {
            InsertSource::Query(query) => tree(query.as_mut(), shape),
            InsertSource::Literals(_) => Ok(()),
            InsertSource::Files(files) => tree(&mut files.values, shape),
        },
        Statement::Update(update) => {
            tree(&mut update.assignments, shape)?;
            tree(&mut update.from, shape)?;
            tree(&mut update.selection, shape)
        }
        Statement::Delete(delete) => {
            tree(&mut delete.using, shape)?;
            tree(&mut delete.selection, shape)
        }
        Statement::Merge(merge) => {
            tree(&mut merge.source, shape)?;
            tree(&mut merge.on, shape)?;
            for clause in &mut merge.clauses {
                tree(&mut clause.condition, shape)?;
                match &mut clause.action {
                    MergeAction::Update(assignments) => tree(assignments, shape)?,
                    MergeAction::Insert { values, .. } => tree(values, shape)?,
                    MergeAction::UpdateAll | MergeAction::InsertAll | MergeAction::Delete => {}
                }
            }
            Ok(())
        }
        Statement::Replace(replace) => {
            tree(&mut replace.delete_when, shape)?;
            match &mut replace.source {
                InsertSource::Query(query) => tree(query.as_mut(), shape),
                InsertSource::Files(files) => tree(&mut files.values, shape),
                InsertSource::Literals(_) => Ok(()),
            }
        }
        Statement::InsertMany(insert) => {
            for branch in &mut insert.branches {
                if let BranchCondition::When(condition) = &mut branch.when {
                    tree(condition.as_mut(), shape)?;
                }
                for target in &mut branch.targets {
                    tree(&mut target.values, shape)?;
                }
            }
            tree(insert.source.as_mut(), shape)
        }
        Statement::Object(object) => match object.as_mut() {
            ObjectStatement::Call { arguments, .. } => tree(arguments, shape),
            ObjectStatement::ExecuteImmediate { text } => tree(text, shape),
            ObjectStatement::SetVariables { values: VariableValues::Expressions(values), .. } => tree(values, shape),
            ObjectStatement::SetVariables { values: VariableValues::Query(query), .. } => tree(query.as_mut(), shape),
            _ => Ok(()),
        },
        Statement::Access(statement) => match statement.as_mut() {
            super::AccessStatement::Show(show) => match &mut show.filter {
                Some(super::ShowFilter::Where(expr)) => tree(expr.as_mut(), shape),
                _ => Ok(()),
            },
            _ => Ok(()),
        },
        Statement::Show(show) => match &mut show.filter {
            Some(super::ShowFilter::Where(expr)) => tree(expr.as_mut(), shape),
            _ => Ok(()),
        },
        Statement::Stage(stage) => match stage.as_mut() {
            super::StageStatement::CopyIntoTable(copy) => match &mut copy.source {
                super::CopySource::Query(query) => tree(query.as_mut(), shape),
                super::CopySource::Location(_) => Ok(()),
            },
            super::StageStatement::CopyIntoLocation(copy) => {
                tree(copy.query.as_mut(), shape)?;
                tree(&mut copy.partition_by, shape)
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(super) fn finish_expression(expr: &mut Expr, shape: Shape) -> Result<()> {
    tree(expr, shape)
}

fn tree<T: Visit + VisitMut>(tree: &mut T, shape: Shape) -> Result<()> {
    if shape.terms > 16 || shape.arms > 2 {
        balance(tree);
    }
    match Visit::visit(tree, &mut Checker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Checker;

impl Visitor for Checker {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if !query.locks.is_empty() {
            return unsupported("FOR UPDATE and FOR SHARE");
        }
        if query.format_clause.is_some() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return unsupported("FORMAT, FOR XML, FOR JSON and pipe operators in a query");
        }
        check_body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            return unsupported("SELECT INTO (use CREATE TABLE … AS)");
        }
        if select.from.len() > FROM_MAX {
            let message = format!("more than {FROM_MAX} tables in FROM");
            return ControlFlow::Break(Box::new(Error::Syntax { message }));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { with_hints, .. } if !with_hints.is_empty() => unsupported("table hints"),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Statements that change data may not hide in a query. Balanced before, so the recursion is shallow.
fn check_body(body: &SetExpr) -> ControlFlow<Box<Error>> {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            unsupported("INSERT, UPDATE, DELETE and MERGE inside a query")
        }
        SetExpr::SetOperation { left, right, .. } => {
            check_body(left)?;
            check_body(right)
        }
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => ControlFlow::Continue(()),
    }
}

fn unsupported(what: &str) -> ControlFlow<Box<Error>> {
    ControlFlow::Break(Box::new(Error::Unsupported { what: what.into() }))
}
