//! The types of numbers within one expression.

use super::{literal_of, result_type, shape, smallest, whole};
use crate::functions::NEGATE;
use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema, Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, Operator, cast,
        expr::{AggregateFunction, Between, InList},
    },
};

/// Functions whose result has the type of their arguments, so that literals among these shrink.
const FOLLOWING: &[&str] = &[
    "array",
    "array_agg",
    "any_value",
    "arrow_typeof",
    "avg",
    "coalesce",
    "div",
    "first_value",
    "greatest",
    "if",
    "ifnull",
    "last_value",
    "least",
    "make_array",
    "max",
    "min",
    "named_struct",
    "nullif",
    "nvl",
    "nvl2",
    "row",
    "struct",
    "sum",
    "to_variant",
    "tuple",
    "typeof",
];

/// `expr` over columns of `schema`, with the types that numbers have here.
pub(crate) fn typed_expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !has_numbers(&expr)? || nests_lambdas(&expr)? {
        return Ok(Transformed::no(expr));
    }
    let typed = expr.transform_up(|expr| node(expr, schema))?;
    // A literal by itself, with or without a name.
    typed.transform_data(|expr| match expr {
        Expr::Alias(mut alias) => {
            let inner = shrunk(*alias.expr);
            alias.expr = Box::new(inner.data);
            Ok(Transformed::new_transformed(Expr::Alias(alias), inner.transformed))
        }
        expr => Ok(shrunk(expr)),
    })
}

/// Whether a function with a lambda stands within another: the inner one's variables would keep the types they had before
/// the literals around it shrank.
fn nests_lambdas(expr: &Expr) -> Result<bool> {
    let mut found = 0;
    expr.apply(|e| {
        found += usize::from(matches!(e, Expr::HigherOrderFunction(_)));
        Ok(if found > 1 { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found > 1)
}

fn has_numbers(expr: &Expr) -> Result<bool> {
    let mut found = false;
    expr.apply(|e| {
        found |= match e {
            Expr::Literal(value, _) => matches!(value, ScalarValue::Int64(Some(_)) | ScalarValue::UInt64(Some(_))),
            Expr::BinaryExpr(binary) => is_arithmetic(binary.op),
            Expr::Negative(_) => true,
            Expr::ScalarFunction(function) => function.func.name() == NEGATE,
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn is_arithmetic(op: Operator) -> bool {
    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

fn node(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if is_arithmetic(binary.op) => arithmetic(binary, schema),
        Expr::BinaryExpr(binary) if binary.op.supports_propagation() => comparison(binary, schema),
        Expr::InList(InList { expr, list, negated }) => {
            let like = expr.get_type(schema)?;
            let list = list.into_iter().map(|item| beside(item, &like)).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let like = expr.get_type(schema)?;
            let (low, high) = (Box::new(beside(*low, &like)), Box::new(beside(*high, &like)));
            Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
        }
        Expr::Negative(inner) => negative(*inner, schema),
        Expr::ScalarFunction(mut function) if function.func.name() == NEGATE && function.args.len() == 1 => {
            negative(function.args.remove(0), schema)
        }
        Expr::ScalarFunction(function) if function.func.name() == "div" && function.args.len() == 2 => {
            let folded = match function.args.as_slice() {
                [Expr::Literal(left, None), Expr::Literal(right, None)] => fold(Operator::IntegerDivide, left, right),
                _ => None,
            };
            if let Some(folded) = folded {
                return Ok(Transformed::yes(Expr::Literal(folded, None)));
            }
            let mut function = function;
            let changed = shrink_all(&mut function.args);
            Ok(Transformed::new_transformed(Expr::ScalarFunction(function), changed))
        }
        Expr::Case(mut case) => {
            let mut changed = false;
            let mut shrink = |expr: &mut Box<Expr>| {
                let shrunk = shrunk(std::mem::take(expr.as_mut()));
                changed |= shrunk.transformed;
                **expr = shrunk.data;
            };
            case.when_then_expr.iter_mut().for_each(|(_, then)| shrink(then));
            case.else_expr.iter_mut().for_each(shrink);
            Ok(Transformed::new_transformed(Expr::Case(case), changed))
        }
        Expr::ScalarFunction(mut function) if FOLLOWING.contains(&function.func.name()) => {
            let changed = shrink_all(&mut function.args);
            Ok(Transformed::new_transformed(Expr::ScalarFunction(function), changed))
        }
        Expr::AggregateFunction(function) if FOLLOWING.contains(&function.func.name()) => aggregate(function),
        other => Ok(Transformed::no(other)),
    }
}

/// The negative of an unsigned number needs one bit more.
fn negative(inner: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::Literal(value, None) = &inner
        && let Some(negative) = whole(value).and_then(|v| smallest(-v))
    {
        return Ok(Transformed::yes(Expr::Literal(negative, None)));
    }
    let inner = match shape(&inner.get_type(schema)?) {
        Some((width, false)) => retyped(inner, &super::integer(super::wider(width), true)),
        _ => inner,
    };
    Ok(Transformed::yes(Expr::Negative(Box::new(inner))))
}

/// Literals of an aggregate shrink. Below a sum, arithmetic is of 64 bits at once: the sum is, and the library knows
/// `sum(x + 1)` by that form.
fn aggregate(mut function: AggregateFunction) -> Result<Transformed<Expr>> {
    let mut changed = shrink_all(&mut function.params.args);
    if matches!(function.func.name(), "sum" | "avg")
        && let [Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right })] =
            function.params.args.as_mut_slice()
    {
        for side in [left, right] {
            let wide = match side.as_ref() {
                Expr::Cast(inner) => shape(inner.field.data_type()).map(|(_, signed)| super::integer(64, signed)),
                Expr::Literal(value, None) => shape(&value.data_type()).map(|(_, signed)| super::integer(64, signed)),
                _ => None,
            };
            if let Some(wide) = wide {
                let inner = match std::mem::take(side.as_mut()) {
                    Expr::Cast(inner) => *inner.expr,
                    other => other,
                };
                **side = retyped(inner, &wide);
                changed = true;
            }
        }
    }
    Ok(Transformed::new_transformed(Expr::AggregateFunction(function), changed))
}

fn shrink_all(args: &mut [Expr]) -> bool {
    let mut changed = false;
    for arg in args {
        let shrunk = shrunk(std::mem::take(arg));
        changed |= shrunk.transformed;
        *arg = shrunk.data;
    }
    changed
}

/// A literal as small as it can be.
fn shrunk(expr: Expr) -> Transformed<Expr> {
    match &expr {
        Expr::Literal(value @ (ScalarValue::Int64(_) | ScalarValue::UInt64(_)), None) => {
            match whole(value).and_then(smallest) {
                Some(small) => Transformed::yes(Expr::Literal(small, None)),
                None => Transformed::no(expr),
            }
        }
        _ => Transformed::no(expr),
    }
}

/// A literal beside values of a type: of that type if it fits and they are whole numbers; else as small as it can be
/// beside numbers; else as it was.
fn beside(expr: Expr, like: &DataType) -> Expr {
    let Expr::Literal(value, None) = &expr else { return expr };
    let Some(number) = whole(value) else { return expr };
    if let Some(same) = literal_of(number, like) {
        return Expr::Literal(same, None);
    }
    match like.is_numeric() {
        true => smallest(number).map_or(expr, |small| Expr::Literal(small, None)),
        false => expr,
    }
}

fn comparison(binary: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let BinaryExpr { left, op, right } = binary;
    let is_number = |e: &Expr| matches!(e, Expr::Literal(value, None) if whole(value).is_some());
    let (left, right) = match (is_number(&left), is_number(&right)) {
        (true, true) => (shrunk(*left).data, shrunk(*right).data),
        (true, false) => {
            let like = right.get_type(schema)?;
            (beside(*left, &like), *right)
        }
        (false, true) => {
            let like = left.get_type(schema)?;
            let right = beside(*right, &like);
            (*left, right)
        }
        (false, false) => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
    };
    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })))
}

/// An expression of whole numbers in another type of such; literals at once.
fn retyped(expr: Expr, to: &DataType) -> Expr {
    if let Expr::Literal(value, None) = &expr
        && let Some(same) = whole(value).and_then(|number| literal_of(number, to))
    {
        return Expr::Literal(same, None);
    }
    cast(expr, to.clone())
}

fn arithmetic(binary: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let BinaryExpr { left, op, right } = binary;
    let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
    if !left_type.is_numeric() || !right_type.is_numeric() {
        return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
    }
    let (left, right) = (shrunk(*left).data, shrunk(*right).data);
    let (left_type, right_type) = (left.get_type(schema)?, right.get_type(schema)?);
    if let (Expr::Literal(l, None), Expr::Literal(r, None)) = (&left, &right)
        && let Some(folded) = fold(op, l, r)
    {
        return Ok(Transformed::yes(Expr::Literal(folded, None)));
    }
    let plain = |left, right| Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) });
    let floats = left_type.is_floating() || right_type.is_floating();
    Ok(Transformed::yes(match (op, result_type(op, &left_type, &right_type)) {
        // The remainder is computed in the wider of both types; it fits the divisor's.
        (Operator::Modulo, Some(to)) => {
            let common = wide_enough(&left_type, &right_type);
            let rest = plain(retyped(left, &common), retyped(right, &common));
            if common == to { rest } else { cast(rest, to) }
        }
        (_, Some(to)) => plain(retyped(left, &to), retyped(right, &to)),
        (Operator::Divide, None) if left_type.is_integer() && right_type.is_integer() || floats => {
            plain(cast(left, DataType::Float64), cast(right, DataType::Float64))
        }
        (_, None) if floats => plain(float(left, &left_type), float(right, &right_type)),
        _ => plain(left, right),
    }))
}

fn float(expr: Expr, data_type: &DataType) -> Expr {
    if *data_type == DataType::Float64 { expr } else { cast(expr, DataType::Float64) }
}

/// A type that holds the values of both, as far as there is one.
fn wide_enough(left: &DataType, right: &DataType) -> DataType {
    match (shape(left), shape(right)) {
        (Some((lw, ls)), Some((rw, rs))) if ls == rs => super::integer(lw.max(rw), ls),
        (Some((lw, ls)), Some((rw, _))) => {
            let unsigned = if ls { rw } else { lw };
            let signed = if ls { lw } else { rw };
            super::integer(signed.max(super::wider(unsigned)), true)
        }
        _ => left.clone(),
    }
}

/// The value of an operation on two whole literals, unless it needs the checks that run time has.
fn fold(op: Operator, left: &ScalarValue, right: &ScalarValue) -> Option<ScalarValue> {
    let (left, right) = (whole(left)?, whole(right)?);
    smallest(match op {
        Operator::Plus => left.checked_add(right)?,
        Operator::Minus => left.checked_sub(right)?,
        Operator::Multiply => left.checked_mul(right)?,
        Operator::Modulo => left.checked_rem(right)?,
        Operator::IntegerDivide => left.checked_div(right)?,
        _ => return None,
    })
}
