//! EXISTS where a value is wanted: the query library joins it only where it is a condition, so in a list of values it
//! becomes a count.

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    functions_aggregate::expr_fn::count,
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, Subquery, col, expr::Exists, expr_rewriter::NamePreserver, lit,
    },
};
use std::sync::Arc;

const ROWS: &str = "__basalt_rows";

/// `plan` with every EXISTS among the values of a projection as a comparison of a count.
pub(super) fn as_counts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let counted = plan.transform_up_with_subqueries(|plan| {
        if !matches!(plan, LogicalPlan::Projection(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let counted = expr.transform_up(counted)?;
            Ok(if counted.transformed { Transformed::yes(name.restore(counted.data)) } else { counted })
        })
    });
    counted.data()
}

fn counted(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::Exists(Exists { subquery, negated }) = expr else { return Ok(Transformed::no(expr)) };
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    let mut rows = LogicalPlanBuilder::from(subquery);
    if outer_ref_columns.is_empty() {
        rows = rows.limit(0, Some(1))?;
    }
    let rows = rows.aggregate(Vec::<Expr>::new(), vec![count(lit(1i64)).alias(ROWS)])?;
    let answer = if negated { col(ROWS).eq(lit(0i64)) } else { col(ROWS).gt(lit(0i64)) };
    let plan = Arc::new(rows.project(vec![answer])?.build()?);
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: plan, outer_ref_columns, spans })))
}
