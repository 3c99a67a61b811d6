//! LATERAL subqueries without tables of their own (`LATERAL (SELECT t.a + 1)`, `unnest(t.a)`): they are expressions over
//! the row beside them, so they are computed on top of the left side, and the join is gone. Others are left to the query
//! library.

use datafusion::{
    common::{
        Column, JoinType, Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, Unnest},
};
use std::sync::Arc;

/// `plan` with such joins inlined.
pub(super) fn inline(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => match inlined(&join)? {
            Some(inlined) => Ok(Transformed::yes(inlined)),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn inlined(join: &Join) -> Result<Option<LogicalPlan>> {
    if !join.on.is_empty() || !is_lateral(&join.right) {
        return Ok(None);
    }
    let Some(plan) = over(&join.right, &join.left)? else {
        return Ok(None);
    };
    let mut builder = LogicalPlanBuilder::from(plan);
    if let Some(filter) = &join.filter {
        builder = builder.filter(filter.clone())?;
    }
    let columns = join.schema.columns().into_iter().map(Expr::Column);
    Ok(Some(builder.project(columns.collect::<Vec<_>>())?.build()?))
}

fn is_lateral(right: &LogicalPlan) -> bool {
    match right {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_lateral(&alias.input),
        _ => false,
    }
}

/// The subquery's rows beside those of `left`; `None` when it reads something itself.
fn over(right: &LogicalPlan, left: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
    let beside = |exprs: Vec<Expr>, input: LogicalPlan| {
        let mut all: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
        all.extend(exprs);
        LogicalPlanBuilder::from(input).project(all)?.build()
    };
    match right {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(Some(left.as_ref().clone())),
        LogicalPlan::Subquery(subquery) => over(&subquery.subquery, left),
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let Some(input) = over(input, left)? else {
                return Ok(None);
            };
            let exprs = expr.iter().map(|e| own(e.clone())).collect::<Result<Vec<_>>>()?;
            beside(exprs, input).map(Some)
        }
        LogicalPlan::Filter(filter) => {
            let Some(input) = over(&filter.input, left)? else {
                return Ok(None);
            };
            let condition = own(filter.predicate.clone())?;
            Ok(Some(LogicalPlanBuilder::from(input).filter(condition)?.build()?))
        }
        LogicalPlan::Unnest(Unnest { input, exec_columns, options, .. }) => {
            let Some(input) = over(input, left)? else {
                return Ok(None);
            };
            let builder = LogicalPlanBuilder::from(input);
            Ok(Some(builder.unnest_columns_with_options(exec_columns.clone(), options.clone())?.build()?))
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, schema, .. }) => {
            let Some(plan) = over(input, left)? else {
                return Ok(None);
            };
            let inner = input.schema().columns();
            let renamed = inner.into_iter().zip(schema.columns()).map(|(from, to)| {
                let Column { relation, name, .. } = to;
                Expr::Column(from).alias_qualified(relation, name)
            });
            beside(renamed.collect(), plan).map(Some)
        }
        _ => Ok(None),
    }
}

/// Columns of the row beside it as columns.
fn own(expr: Expr) -> Result<Expr> {
    expr.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })
    .data()
}
