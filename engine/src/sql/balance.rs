//! Rebuilds long chains as balanced trees right after parsing: `a OR b OR c …` and `q UNION ALL q …` mean the same in
//! any grouping, and a tree of 5,000 conditions is then 13 levels deep instead of 5,000.

#![expect(clippy::vec_box, reason = "terms are moved from one tree into another in the boxes they have")]

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, SetOperator, SetQuantifier, Value, VisitMut, VisitorMut,
};
use std::{convert::Infallible, mem, ops::ControlFlow};

/// Balances every chain in `tree`.
pub(super) fn balance<T: VisitMut>(tree: &mut T) {
    let ControlFlow::Continue(()) = VisitMut::visit(tree, &mut Balancer);
}

struct Balancer;

impl VisitorMut for Balancer {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if is_union_all(&query.body) {
            let mut arms = Vec::new();
            flatten_union(mem::replace(&mut query.body, empty_body()), &mut arms);
            query.body = join_arms(arms);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        let op = match expr {
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), left, .. } if continues(left, op) => {
                op.clone()
            }
            _ => return ControlFlow::Continue(()),
        };
        let mut terms = Vec::new();
        flatten_terms(mem::replace(expr, null()), &op, &mut terms);
        *expr = *join_terms(terms, &op);
        ControlFlow::Continue(())
    }
}

fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

fn empty_body() -> Box<SetExpr> {
    let values =
        datafusion::sql::sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() };
    Box::new(SetExpr::Values(values))
}

fn continues(expr: &Expr, op: &BinaryOperator) -> bool {
    matches!(expr, Expr::BinaryOp { op: other, .. } if other == op)
}

/// Collects the terms of a left-deep chain, first to last, without recursion.
fn flatten_terms(expr: Expr, op: &BinaryOperator, terms: &mut Vec<Box<Expr>>) {
    let mut rest = Box::new(expr);
    loop {
        match *rest {
            Expr::BinaryOp { left, op: found, right } if &found == op => {
                terms.push(right);
                rest = left;
            }
            other => {
                terms.push(Box::new(other));
                break;
            }
        }
    }
    terms.reverse();
}

fn join_terms(mut terms: Vec<Box<Expr>>, op: &BinaryOperator) -> Box<Expr> {
    while terms.len() > 1 {
        let mut joined = Vec::with_capacity(terms.len().div_ceil(2));
        let mut pairs = terms.into_iter();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => Box::new(Expr::BinaryOp { left, op: op.clone(), right }),
                None => left,
            });
        }
        terms = joined;
    }
    terms.pop().expect("a chain has at least two terms")
}

fn is_union_all(body: &SetExpr) -> bool {
    matches!(
        body,
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, .. }
            if matches!(**left, SetExpr::SetOperation { .. })
    )
}

fn flatten_union(body: Box<SetExpr>, arms: &mut Vec<Box<SetExpr>>) {
    let mut rest = body;
    loop {
        match *rest {
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } => {
                arms.push(right);
                rest = left;
            }
            other => {
                arms.push(Box::new(other));
                break;
            }
        }
    }
    arms.reverse();
}

fn join_arms(mut arms: Vec<Box<SetExpr>>) -> Box<SetExpr> {
    while arms.len() > 1 {
        let mut joined = Vec::with_capacity(arms.len().div_ceil(2));
        let mut pairs = arms.into_iter();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => Box::new(SetExpr::SetOperation {
                    left,
                    op: SetOperator::Union,
                    set_quantifier: SetQuantifier::All,
                    right,
                }),
                None => left,
            });
        }
        arms = joined;
    }
    arms.pop().expect("a chain has at least two arms")
}
