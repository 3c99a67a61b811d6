//! `[a, b]`, `{k: v}`, `x[i]`, `t.1`, `t:name`: what the notations of nested values mean, by the types of their parts.

use super::tuple;
use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, Result, ScalarValue},
    functions::core::expr_fn::get_field,
    logical_expr::{
        Expr, ExprSchemable, GetFieldAccess, ScalarUDF,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};
use std::sync::{Arc, LazyLock};

/// Plans the notations of arrays, maps and tuples; leaves those of other types to other planners.
#[derive(Debug)]
pub(in crate::functions) struct NestedPlanner;

fn function(name: &str) -> Arc<ScalarUDF> {
    static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(super::functions);
    let found = FUNCTIONS.iter().find(|f| f.name() == name);
    found.expect("the planner asks for functions of this folder").clone()
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function(name), args))
}

impl ExprPlanner for NestedPlanner {
    fn plan_array_literal(&self, exprs: Vec<Expr>, _schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(call("array", exprs)))
    }

    fn plan_make_map(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(call("make_map", args)))
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, is_named_struct: bool) -> Result<PlannerResult<Vec<Expr>>> {
        if is_named_struct {
            return Ok(PlannerResult::Original(args));
        }
        Ok(PlannerResult::Planned(call("tuple", args)))
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr: of } = expr;
        let kind = of.get_type(schema)?;
        let planned = match (&kind, field_access) {
            (DataType::Map(_, _), GetFieldAccess::NamedStructField { name }) => {
                call("array_get", vec![of, Expr::Literal(name, None)])
            }
            (DataType::Map(_, _), GetFieldAccess::ListIndex { key }) => call("array_get", vec![of, *key]),
            (DataType::List(_) | DataType::LargeList(_), GetFieldAccess::ListIndex { key }) => {
                call("array_get", vec![of, *key])
            }
            (DataType::List(_) | DataType::LargeList(_), GetFieldAccess::ListRange { start, stop, .. }) => {
                call("array_slice", vec![of, *start, *stop])
            }
            (kind, GetFieldAccess::ListIndex { key }) if tuple::is_tuple(kind) => match position(&key) {
                Some(position) => get_field(of, tuple::field_at(kind, position)?),
                None => return datafusion::common::plan_err!("a tuple is asked for a field by a number"),
            },
            (kind, GetFieldAccess::NamedStructField { name }) if tuple::is_tuple(kind) => get_field(of, name),
            (_, field_access) => return Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr: of })),
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let path = match (&op, &right) {
            (BinaryOperator::Custom(op), Expr::Literal(ScalarValue::Utf8(Some(path)), _)) if op == ":" => path.clone(),
            (BinaryOperator::StringConcat, _)
                if matches!(left.get_type(schema)?, DataType::List(_))
                    && matches!(right.get_type(schema)?, DataType::List(_)) =>
            {
                return Ok(PlannerResult::Planned(call("array_concat", vec![left, right])));
            }
            _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        let mut found = left.clone();
        for name in path.split('.') {
            let kind = found.get_type(schema)?;
            found = match kind {
                DataType::Map(_, _) => call("array_get", vec![found, Expr::Literal(name.into(), None)]),
                kind if tuple::is_tuple(&kind) => get_field(found, name),
                _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
            };
        }
        Ok(PlannerResult::Planned(found))
    }
}

fn position(key: &Expr) -> Option<i64> {
    match key {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(position)) => position,
            _ => None,
        },
        Expr::Alias(alias) => position(&alias.expr),
        Expr::Cast(cast) => position(&cast.expr),
        _ => None,
    }
}
