//! Functions and operators that are other expressions in disguise, while the query is still a tree of SQL: conditions
//! become CASE (and so are only computed where needed), names of operators the operators, bare units of time texts.
//!
//! Conversions and aggregates are in `dialect`; functions with rows of their own in `functions`.

use crate::statement::select;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CaseWhen, CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, ObjectNamePart, TrimWhereField, UnaryOperator, Value, helpers::attached_token::AttachedToken,
};

/// The functions of this file, how they are written and what they are, for the list of functions and for complaints.
pub(crate) const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("add", "add(a, b)", "The sum: a + b."),
    ("assume_not_null", "assume_not_null(x)", "The value itself; that it is not NULL is the user's promise."),
    ("bit_and", "bit_and(a, b)", "The bits that both numbers have."),
    ("bit_or", "bit_or(a, b)", "The bits that one of the numbers has."),
    ("bit_xor", "bit_xor(a, b)", "The bits that only one of the numbers has."),
    (
        "decode",
        "decode(x, a, result, [b, result, ...] [default])",
        "The result behind the value that equals x (NULL equals NULL).",
    ),
    ("div0", "div0(a, b)", "The quotient, 0 when b is 0."),
    ("divide", "divide(a, b)", "The quotient: a / b."),
    ("divnull", "divnull(a, b)", "The quotient, NULL when b is 0."),
    ("eq", "eq(a, b)", "Whether a = b."),
    ("greatest", "greatest(a, ...)", "The greatest value; NULL when one is NULL."),
    ("greatest_ignore_nulls", "greatest_ignore_nulls(a, ...)", "The greatest value that is not NULL."),
    ("gt", "gt(a, b)", "Whether a > b."),
    ("gte", "gte(a, b)", "Whether a >= b."),
    (
        "if",
        "if(condition, result, [condition, result, ...] otherwise)",
        "The result behind the first condition that holds.",
    ),
    ("iff", "iff(condition, result, otherwise)", "One of two results."),
    ("ifnull", "ifnull(x, otherwise)", "x, or another value when it is NULL."),
    ("is_distinct_from", "is_distinct_from(a, b)", "Whether two values differ, NULL being a value."),
    ("is_not_null", "is_not_null(x)", "Whether a value is there."),
    ("is_null", "is_null(x)", "Whether no value is there."),
    ("isnull", "isnull(x)", "Whether no value is there."),
    ("least", "least(a, ...)", "The least value; NULL when one is NULL."),
    ("least_ignore_nulls", "least_ignore_nulls(a, ...)", "The least value that is not NULL."),
    ("lt", "lt(a, b)", "Whether a < b."),
    ("lte", "lte(a, b)", "Whether a <= b."),
    ("minus", "minus(a[, b])", "The difference a - b, or -a."),
    ("mod", "mod(a, b)", "The rest of the division: a % b."),
    ("modulo", "modulo(a, b)", "The rest of the division: a % b."),
    ("multiply", "multiply(a, b)", "The product: a * b."),
    ("neg", "neg(a)", "-a."),
    ("negate", "negate(a)", "-a."),
    ("noteq", "noteq(a, b)", "Whether a <> b."),
    ("nvl", "nvl(x, otherwise)", "x, or another value when it is NULL."),
    ("nvl2", "nvl2(x, present, absent)", "One result when x is a value, another when it is NULL."),
    ("plus", "plus(a, b)", "The sum: a + b."),
    ("subtract", "subtract(a, b)", "The difference: a - b."),
    ("today", "today()", "The day it is in the session's zone."),
    ("tomorrow", "tomorrow()", "The day behind today."),
    ("trunc", "trunc(x[, places]) or trunc(time, unit)", "`truncate` of a number, `date_trunc` of a time."),
    ("yesterday", "yesterday()", "The day before today."),
    ("zeroifnull", "zeroifnull(x)", "x, or 0 when it is NULL."),
];

/// How a function of this file is written.
pub(super) fn syntax(name: &str) -> Option<&'static str> {
    let at = FUNCTIONS.binary_search_by_key(&name, |f| f.0).ok()?;
    Some(FUNCTIONS[at].1)
}

/// Functions whose argument at a place is a unit of time, which may be written without quotes.
const UNITS: &[(&str, usize)] = &[
    ("date_add", 0),
    ("date_between", 0),
    ("date_diff", 0),
    ("date_part", 0),
    ("date_sub", 0),
    ("date_trunc", 0),
    ("dateadd", 0),
    ("datediff", 0),
    ("datepart", 0),
    ("datesub", 0),
    ("last_day", 1),
    ("next_day", 1),
    ("previous_day", 1),
    ("time_slice", 2),
    ("timestamp_add", 0),
    ("timestamp_sub", 0),
    ("timestampadd", 0),
    ("timestampdiff", 0),
    ("trunc", 1),
];

/// Puts the expression that is meant in the place of `expr`, whose parts were looked at before.
pub(super) fn translate(expr: &mut Expr) {
    let taken = std::mem::replace(expr, select::null());
    *expr = translated(taken);
}

fn translated(expr: Expr) -> Expr {
    match expr {
        Expr::Ceil { expr, field } => rounding("ceil", *expr, field),
        Expr::Floor { expr, field } => rounding("floor", *expr, field),
        Expr::Position { expr, r#in } => call("position", vec![*expr, *r#in]),
        Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let mut arguments = vec![*expr, *from];
            arguments.extend(substring_for.map(|e| *e));
            call("substr", arguments)
        }
        Expr::Trim { expr, trim_where, trim_what: Some(what), trim_characters: None } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "trim_leading",
                Some(TrimWhereField::Trailing) => "trim_trailing",
                Some(TrimWhereField::Both) | None => "trim_both",
            };
            call(name, vec![*expr, *what])
        }
        Expr::Extract { field, expr, .. } => call("date_part", vec![select::text(&field.to_string()), *expr]),
        Expr::BinaryOp { left, op: BinaryOperator::MyIntegerDivide | BinaryOperator::DuckIntegerDivide, right } => {
            call("div", vec![*left, *right])
        }
        Expr::Function(function) => named(function),
        other => other,
    }
}

fn rounding(name: &str, expr: Expr, field: CeilFloorKind) -> Expr {
    match field {
        CeilFloorKind::Scale(places) => call(name, vec![expr, Expr::Value(places)]),
        CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => call(name, vec![expr]),
        CeilFloorKind::DateTimeField(unit) => {
            // The start of a unit is its floor; there is no ceiling of times.
            let name = if name == "floor" { "date_trunc" } else { "ceil" };
            call(name, vec![select::text(&unit.to_string()), expr])
        }
    }
}

/// `name(arguments)`.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn operation(op: BinaryOperator, left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(select::nested(left)), op, right: Box::new(select::nested(right)) }
}

fn case(conditions: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let conditions = conditions.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect();
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: Some(Box::new(otherwise)),
    }
}

fn is_null(expr: &Expr) -> Expr {
    Expr::IsNull(Box::new(select::nested(expr.clone())))
}

fn number(text: &str) -> Expr {
    Expr::Value(Value::Number(text.to_owned(), false).into())
}

/// The arguments of a plain call: no DISTINCT, no FILTER, no window, nothing named.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let plain = list.duplicate_treatment.is_none()
        && list.clauses.is_empty()
        && function.filter.is_none()
        && function.over.is_none()
        && function.within_group.is_empty();
    if !plain {
        return None;
    }
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}

fn named(function: Function) -> Expr {
    let name = match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => name.value.to_lowercase(),
        _ => return Expr::Function(function),
    };
    let is_ours = FUNCTIONS.binary_search_by_key(&name.as_str(), |f| f.0).is_ok();
    let has_unit = UNITS.binary_search_by_key(&name.as_str(), |u| u.0).ok();
    let is_other = OTHERS.contains(&name.as_str());
    if !is_ours && has_unit.is_none() && !is_other {
        return Expr::Function(function);
    }
    let Some(mut arguments) = plain_arguments(&function) else {
        return Expr::Function(function);
    };
    if let Some(at) = has_unit
        && let Some(argument) = arguments.get_mut(UNITS[at].1)
        && let Expr::Identifier(unit) = argument
        && unit.quote_style.is_none()
    {
        *argument = select::text(&unit.value);
    }
    match condition(&name, &mut arguments)
        .or_else(|| operator(&name, &mut arguments))
        .or_else(|| time(&name, &mut arguments))
    {
        Some(meant) => meant,
        // The library may have a function of this name, which means something else.
        None if is_ours && !AGGREGATES.contains(&name.as_str()) => call(&format!("{MISCOUNTED}{name}"), arguments),
        None => call(&name, arguments),
    }
}

/// Names that aggregates have, too.
const AGGREGATES: &[&str] = &["bit_and", "bit_or", "bit_xor"];

/// Before the name of a function of this file that was called with a wrong number of arguments.
pub(super) const MISCOUNTED: &str = "__basalt_arguments_of_";

/// Functions that are only renamed here for some of their forms.
const OTHERS: &[&str] = &[
    "convert_timezone",
    "str_to_date",
    "str_to_timestamp",
    "to_char",
    "to_date",
    "to_datetime",
    "to_string",
    "to_timestamp",
    "try_to_date",
    "try_to_datetime",
    "try_to_timestamp",
];

fn condition(name: &str, arguments: &mut Vec<Expr>) -> Option<Expr> {
    let count = arguments.len();
    let mut taken = || std::mem::take(arguments).into_iter();
    Some(match (name, count) {
        ("if", 3..) | ("iff", 3) if count % 2 == 1 => {
            let mut rest = taken();
            let mut conditions = Vec::new();
            while rest.len() > 1 {
                conditions.push((rest.next()?, rest.next()?));
            }
            case(conditions, rest.next()?)
        }
        ("decode", 3..) => {
            let mut rest = taken();
            let value = rest.next()?;
            let mut conditions = Vec::new();
            while rest.len() > 1 {
                let (candidate, result) = (rest.next()?, rest.next()?);
                let same = Expr::IsNotDistinctFrom(
                    Box::new(select::nested(value.clone())),
                    Box::new(select::nested(candidate)),
                );
                conditions.push((same, result));
            }
            case(conditions, rest.next().unwrap_or_else(select::null))
        }
        ("ifnull" | "nvl", 2) => call("coalesce", taken().collect()),
        ("zeroifnull", 1) => call("coalesce", taken().chain([number("0")]).collect()),
        ("nvl2", 3) => {
            let mut rest = taken();
            let missing = is_null(&rest.next()?);
            let present = rest.next()?;
            case(vec![(missing, rest.next()?)], present)
        }
        ("is_null" | "isnull", 1) => select::nested(is_null(&taken().next()?)),
        ("is_not_null", 1) => select::nested(Expr::IsNotNull(Box::new(select::nested(taken().next()?)))),
        ("is_distinct_from", 2) => {
            let mut rest = taken();
            let (left, right) = (select::nested(rest.next()?), select::nested(rest.next()?));
            select::nested(Expr::IsDistinctFrom(Box::new(left), Box::new(right)))
        }
        ("assume_not_null", 1) => select::nested(taken().next()?),
        ("greatest" | "least", 1..) => {
            let arguments: Vec<Expr> = taken().collect();
            let missing = arguments.iter().map(is_null).reduce(|a, b| operation(BinaryOperator::Or, a, b))?;
            case(vec![(missing, select::null())], call(name, arguments))
        }
        ("greatest_ignore_nulls", 1..) => call("greatest", taken().collect()),
        ("least_ignore_nulls", 1..) => call("least", taken().collect()),
        _ => return None,
    })
}

fn operator(name: &str, arguments: &mut Vec<Expr>) -> Option<Expr> {
    use BinaryOperator::*;
    if let ("minus" | "neg" | "negate", 1) = (name, arguments.len()) {
        let operand = Box::new(select::nested(arguments.pop()?));
        return Some(select::nested(Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand }));
    }
    if arguments.len() != 2 {
        return None;
    }
    let op = match name {
        "plus" | "add" => Plus,
        "minus" | "subtract" => Minus,
        "multiply" => Multiply,
        "divide" | "div0" | "divnull" => Divide,
        "mod" | "modulo" => Modulo,
        "eq" => Eq,
        "noteq" => NotEq,
        "gt" => Gt,
        "gte" => GtEq,
        "lt" => Lt,
        "lte" => LtEq,
        "bit_and" => return Some(call("bitwise_and", std::mem::take(arguments))),
        "bit_or" => return Some(call("bitwise_or", std::mem::take(arguments))),
        "bit_xor" => return Some(call("bitwise_xor", std::mem::take(arguments))),
        _ => return None,
    };
    let (right, left) = (arguments.pop()?, arguments.pop()?);
    if matches!(name, "div0" | "divnull") {
        let zero = operation(Eq, right.clone(), number("0"));
        let instead = if name == "div0" { number("0") } else { select::null() };
        return Some(case(vec![(zero, instead)], operation(op, left, right)));
    }
    Some(select::nested(operation(op, left, right)))
}

fn time(name: &str, arguments: &mut Vec<Expr>) -> Option<Expr> {
    if let ("date_add" | "date_sub", [_, Expr::Interval(_)]) = (name, arguments.as_slice()) {
        let op = if name == "date_add" { BinaryOperator::Plus } else { BinaryOperator::Minus };
        let (right, left) = (arguments.pop()?, arguments.pop()?);
        return Some(select::nested(operation(op, left, right)));
    }
    if let ("trunc", [_, unit]) = (name, arguments.as_slice())
        && is_text(unit)
    {
        arguments.swap(0, 1);
        return Some(call("date_trunc", std::mem::take(arguments)));
    }
    let name = match (name, arguments.as_slice()) {
        ("today", []) => "current_date",
        ("yesterday", []) => return Some(call("add_days", vec![call("current_date", Vec::new()), number("-1")])),
        ("tomorrow", []) => return Some(call("add_days", vec![call("current_date", Vec::new()), number("1")])),
        ("trunc", [_] | [_, _]) => "truncate",
        ("convert_timezone", [_, _, _]) => "convert_timezone_from",
        ("str_to_date", [_]) => "to_date",
        ("str_to_timestamp", [_]) => "to_timestamp",
        ("to_string" | "to_char", [_, pattern]) if !is_number(pattern) => "date_format",
        ("to_date", [_, pattern]) if !is_number(pattern) => "str_to_date",
        ("try_to_date", [_, pattern]) if !is_number(pattern) => "try_str_to_date",
        ("to_timestamp" | "to_datetime", [_, pattern]) if !is_number(pattern) => "str_to_timestamp",
        ("try_to_timestamp" | "try_to_datetime", [_, pattern]) if !is_number(pattern) => "try_str_to_timestamp",
        _ => return None,
    };
    Some(call(name, std::mem::take(arguments)))
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(_, _)))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, UNITS};

    #[test]
    fn the_tables_are_sorted() {
        assert!(FUNCTIONS.is_sorted_by_key(|f| f.0));
        assert!(UNITS.is_sorted_by_key(|u| u.0));
    }
}
