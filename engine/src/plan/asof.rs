//! ASOF joins: each row with the nearest row of the other side. The grammar marks the join's condition; here the marked
//! join becomes a plain one in which every row of the right side holds from its own time to that of the next row with
//! the same keys.

use crate::{Error, sql::ASOF_MARK};
use datafusion::{
    arrow::datatypes::DataType,
    common::{
        Column, DataFusionError, Result,
        tree_node::{Transformed, TransformedResult},
    },
    functions_window::expr_fn::{lag, lead},
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder, Operator,
        ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr,
        utils::{conjunction, split_conjunction_owned},
    },
};
use std::sync::{Arc, LazyLock};

/// Column of the right side that says when the next row begins.
const NEXT: &str = "__basalt_next";

/// The mark itself: a condition that no plan keeps.
pub(super) fn mark() -> Arc<ScalarUDF> {
    static MARK: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::from(Mark { signature: Signature::nullary(Volatility::Volatile) })));
    MARK.clone()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mark {
    signature: Signature,
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &str {
        ASOF_MARK
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(refused("the condition of an ASOF JOIN joins conditions with AND only"))
    }
}

fn refused(message: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::Semantic { message: message.to_owned() }))
}

fn is_mark(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == ASOF_MARK)
}

/// `plan` with plain joins in the place of marked ones.
pub(super) fn resolve(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(mut join) => {
            let conditions = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
            let count = conditions.len();
            let conditions: Vec<Expr> = conditions.into_iter().filter(|c| !is_mark(c)).collect();
            if conditions.len() == count {
                join.filter = conjunction(conditions);
                return Ok(Transformed::no(LogicalPlan::Join(join)));
            }
            Ok(Transformed::yes(nearest(join, conditions)?))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn nearest(join: Join, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    let Join { left, right, join_type, .. } = join;
    let is_left = |expr: &Expr| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.iter().all(|c| left.schema().has_column(c))
    };
    let is_right = |expr: &Expr| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.iter().all(|c| right.schema().has_column(c))
    };
    let mut keys = Vec::new();
    let mut nearness = None;
    let mut kept = Vec::new();
    for condition in conditions {
        if let Expr::BinaryExpr(BinaryExpr { left: l, op, right: r }) = &condition {
            let sides = match (is_left(l), is_right(r), is_left(r), is_right(l)) {
                (true, true, _, _) => Some((l.as_ref().clone(), *op, r.as_ref().clone())),
                (_, _, true, true) => op.swap().map(|op| (r.as_ref().clone(), op, l.as_ref().clone())),
                _ => None,
            };
            match sides {
                Some((_, Operator::Eq, key)) => keys.push(key),
                Some((_, op, _)) if is_inequality(op) && nearness.is_some() => {
                    return Err(refused("an ASOF JOIN has one condition with <, <=, > or >="));
                }
                Some((of_left, op, of_right)) if is_inequality(op) => nearness = Some((of_left, op, of_right)),
                _ => {}
            }
        }
        kept.push(condition);
    }
    let Some((of_left, op, of_right)) = nearness else {
        return Err(refused("an ASOF JOIN needs a condition with <, <=, > or >= between its sides"));
    };
    // Looking back, the row after ends a row's time; looking ahead, the row before begins it.
    let (neighbour, within) = match op {
        Operator::GtEq => (lead(of_right.clone(), Some(1), None), Operator::Lt),
        Operator::Gt => (lead(of_right.clone(), Some(1), None), Operator::LtEq),
        Operator::LtEq => (lag(of_right.clone(), Some(1), None), Operator::Gt),
        _ => (lag(of_right.clone(), Some(1), None), Operator::GtEq),
    };
    let neighbour = neighbour.partition_by(keys).order_by(vec![of_right.sort(true, false)]).build()?.alias(NEXT);
    let right_columns = right.schema().columns();
    let mut columns: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    columns.extend(right_columns.into_iter().map(Expr::Column));
    let right = LogicalPlanBuilder::from(Arc::unwrap_or_clone(right)).window(vec![neighbour])?.build()?;
    // Without a neighbour the comparison is NULL, and the row's time has no end.
    let next = Expr::Column(Column::from_name(NEXT));
    kept.push(Expr::IsNotFalse(Box::new(binary_expr(of_left, within, next))));
    let joined = LogicalPlanBuilder::from(Arc::unwrap_or_clone(left)).join_on(right, join_type, kept)?;
    joined.project(columns)?.build()
}

fn is_inequality(op: Operator) -> bool {
    matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}
