//! What the notations over VARIANT mean: `v['a']`, `v:a`, `v.a`, `v->'a'`, `v #> '{a,0}'`, `v @> w`, `v ? 'a'`,
//! `v - 'a'`, `v || w`, and comparison by value.

use super::{call, compared};
use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::{Column, DFSchema, Result, TableReference, plan_err},
    functions::core::expr_fn::get_field,
    logical_expr::{
        Expr, ExprSchemable, GetFieldAccess, Operator, lit,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

use crate::types::Special;

/// Plans the notations of VARIANT; leaves those of other types to other planners.
#[derive(Debug)]
pub(in crate::functions) struct VariantPlanner;

fn is_variant(data_type: &DataType) -> bool {
    Special::of(data_type) == Some(Special::Variant)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

/// What an operator does over a VARIANT on its left.
fn operation(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Arrow => "get",
        BinaryOperator::LongArrow => "__basalt_json_get_text",
        BinaryOperator::HashArrow => "get_by_keypath",
        BinaryOperator::HashLongArrow => "get_by_keypath_string",
        BinaryOperator::HashMinus => "delete_by_keypath",
        BinaryOperator::AtQuestion => "json_path_exists",
        BinaryOperator::AtAt => "json_path_match",
        BinaryOperator::Question => "json_exists_key",
        BinaryOperator::QuestionPipe => "json_exists_any_keys",
        BinaryOperator::QuestionAnd => "json_exists_all_keys",
        _ => return None,
    })
}

/// Number of a VARIANT, for arithmetic.
fn number(side: Expr, kind: &DataType) -> Expr {
    if is_variant(kind) { call("__basalt_json_number", vec![side]) } else { side }
}

fn text(side: Expr, kind: &DataType) -> Expr {
    if is_variant(kind) { call("__basalt_json_text", vec![side]) } else { side }
}

impl ExprPlanner for VariantPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let (Ok(l), Ok(r)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        if let Some(function) = operation(&op)
            && (is_variant(&l) || is_text(&l))
        {
            return Ok(PlannerResult::Planned(call(function, vec![left, right])));
        }
        if !is_variant(&l) && !is_variant(&r) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        if let Some(op) = comparison(&op) {
            return Ok(PlannerResult::Planned(compared(left, op, right)));
        }
        let both = is_variant(&l) && is_variant(&r);
        Ok(match op {
            BinaryOperator::AtArrow => PlannerResult::Planned(call("json_contains_in_left", vec![left, right])),
            BinaryOperator::ArrowAt => PlannerResult::Planned(call("json_contains_in_right", vec![left, right])),
            BinaryOperator::StringConcat if both => PlannerResult::Planned(call("json_concat", vec![left, right])),
            BinaryOperator::Minus if is_variant(&l) && (is_text(&r) || r.is_integer()) => {
                PlannerResult::Planned(call("json_delete_key", vec![left, right]))
            }
            BinaryOperator::StringConcat => {
                PlannerResult::Original(RawBinaryExpr { op, left: text(left, &l), right: text(right, &r) })
            }
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => {
                PlannerResult::Original(RawBinaryExpr { op, left: number(left, &l), right: number(right, &r) })
            }
            _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr: of } = expr;
        if !of.get_type(schema).is_ok_and(|kind| is_variant(&kind)) {
            return Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr: of }));
        }
        match field_access {
            GetFieldAccess::NamedStructField { name } => {
                Ok(PlannerResult::Planned(call("get", vec![of, Expr::Literal(name, None)])))
            }
            GetFieldAccess::ListIndex { key } => Ok(PlannerResult::Planned(call("get", vec![of, *key]))),
            GetFieldAccess::ListRange { .. } => plan_err!("a VARIANT has no slices: json_array_slice takes them"),
        }
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let mut found = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let mut kind = field.data_type().clone();
        for name in nested_names {
            kind = match kind {
                DataType::Struct(fields) if Special::of(&DataType::Struct(fields.clone())).is_none() => {
                    let Some(inner) = fields.iter().find(|f| f.name() == name) else {
                        return plan_err!("`{}` has no field `{name}`", field.name());
                    };
                    found = get_field(found, name.as_str());
                    inner.data_type().clone()
                }
                kind if is_variant(&kind) => {
                    found = call("get", vec![found, lit(name.as_str())]);
                    kind
                }
                _ => return plan_err!("`{}` has no fields, so no `{name}`", field.name()),
            };
        }
        Ok(PlannerResult::Planned(found))
    }
}
