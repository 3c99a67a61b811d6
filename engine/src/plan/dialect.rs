//! Users' functions and notations in terms of those the query library knows, while the query is still a tree of SQL:
//! conversions by function name, filtered aggregates under names of their own, `= ANY`, numbers with exponents.

use super::json_notation;
use crate::{functions::NEGATE, statement::select};
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr,
    OrderByOptions, Query, TableAlias, TableAliasColumnDef, TableFactor, TimezoneInfo, UnaryOperator, Value,
};

/// Functions that exist only as another notation: for the list of functions.
pub(crate) const NOTATIONS: &[&str] = &[
    "approx_count_distinct",
    "arg_max",
    "arg_min",
    "avg_if",
    "count_distinct",
    "count_if",
    "listagg",
    "max_if",
    "min_if",
    "sum_if",
    "to_binary",
    "to_bitmap",
    "to_boolean",
    "to_datetime",
    "to_decimal",
    "to_float32",
    "to_float64",
    "to_int16",
    "to_int32",
    "to_int64",
    "to_int8",
    "to_interval",
    "to_string",
    "to_text",
    "to_timestamp_tz",
    "to_uint16",
    "to_uint32",
    "to_uint64",
    "to_uint8",
    "to_varchar",
    "to_vector",
    "uniq",
];

/// Name of the subquery of ANY and ALL.
pub(super) const SET: &str = "__basalt_set";

/// Puts what the library understands in the place of `expr`, whose parts were looked at before.
pub(super) fn translate(expr: &mut Expr) {
    super::meaning::translate(expr);
    json_notation::translate(expr);
    super::notation::translate(expr);
    match expr {
        Expr::Value(value) => {
            if let Value::Number(text, _) = &value.value
                && text.bytes().any(|b| b.eq_ignore_ascii_case(&b'e'))
            {
                let text = select::text(text);
                *expr = cast(CastKind::Cast, text, ast::DataType::Double(ExactNumberInfo::None));
            }
        }
        Expr::AnyOp { .. } | Expr::AllOp { .. } => quantified(expr),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } if !is_number(inner) => {
            let inner = std::mem::replace(inner.as_mut(), select::null());
            *expr = select::call(NEGATE, vec![inner]);
        }
        Expr::Function(function) => {
            filtered_aggregate(function);
            renamed(function);
            ordered_value(function);
            if let Some(conversion) = conversion(function) {
                *expr = conversion;
            }
        }
        _ => {}
    }
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

fn cast(kind: CastKind, expr: Expr, data_type: ast::DataType) -> Expr {
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn plain_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Some(name.value.to_lowercase()),
        _ => None,
    }
}

fn set_name(function: &mut Function, name: &str) {
    function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]);
}

fn arguments(function: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

fn argument_expr(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// `count_if(c)` becomes `count(*) filter (where c)`, `sum_if(x, c)` becomes `sum(x) filter (where c)`.
fn filtered_aggregate(function: &mut Function) {
    let base = match plain_name(function).as_deref() {
        Some("count_if") => "count",
        Some("sum_if") => "sum",
        Some("avg_if") => "avg",
        Some("min_if") => "min",
        Some("max_if") => "max",
        _ => return,
    };
    let filtered = function.filter.is_some();
    let Some(list) = arguments(function) else {
        return;
    };
    let wanted = if base == "count" { 1 } else { 2 };
    if list.args.len() != wanted || filtered {
        return;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(condition))) = list.args.pop() else {
        return;
    };
    if list.args.is_empty() {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    }
    function.filter = Some(Box::new(condition));
    set_name(function, base);
}

/// Functions the library has under another name.
fn renamed(function: &mut Function) {
    match plain_name(function).as_deref() {
        Some("listagg") => set_name(function, "string_agg"),
        Some("approx_count_distinct") => set_name(function, "approx_distinct"),
        Some("uniq" | "count_distinct") => {
            let Some(list) = arguments(function).filter(|list| list.args.len() == 1) else {
                return;
            };
            list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
            set_name(function, "count");
        }
        _ => {}
    }
}

/// `arg_min(a, v)` becomes `first_value(a order by v) filter (where a is not null and v is not null)`.
fn ordered_value(function: &mut Function) {
    let ascending = match plain_name(function).as_deref() {
        Some("arg_min") => true,
        Some("arg_max") => false,
        _ => return,
    };
    let filter = function.filter.take();
    let Some(list) = arguments(function).filter(|list| list.args.len() == 2 && list.clauses.is_empty()) else {
        function.filter = filter;
        return;
    };
    let (Some(value), Some(order)) = (argument_expr(&list.args[0]).cloned(), argument_expr(&list.args[1]).cloned())
    else {
        function.filter = filter;
        return;
    };
    list.args.truncate(1);
    let options = OrderByOptions { asc: Some(ascending), nulls_first: None };
    let by = OrderByExpr { expr: order.clone(), options, with_fill: None };
    list.clauses.push(FunctionArgumentClause::OrderBy(vec![by]));
    let known = |expr: Expr| Expr::IsNotNull(Box::new(select::nested(expr)));
    let both = select::and(Some(known(value)), known(order));
    function.filter = Some(Box::new(select::and(filter.map(|f| *f), both)));
    set_name(function, "first_value");
}

/// `to_int32(x)` and its like are casts.
fn conversion(function: &mut Function) -> Option<Expr> {
    let name = plain_name(function)?;
    if name == "sign" {
        let list = arguments(function)?;
        argument_expr(list.args.first().filter(|_| list.args.len() == 1)?)?;
        set_name(function, "signum");
        return Some(cast(CastKind::Cast, Expr::Function(function.clone()), ast::DataType::TinyInt(None)));
    }
    let (kind, target) = match name.strip_prefix("try_") {
        Some(target) => (CastKind::TryCast, target),
        None => (CastKind::Cast, name.as_str()),
    };
    let list = arguments(function)?;
    let exprs: Vec<&Expr> = list.args.iter().map(argument_expr).collect::<Option<_>>()?;
    let data_type = match (target, exprs.as_slice()) {
        ("to_decimal", [_, precision, scale]) => decimal(precision, Some(scale))?,
        ("to_decimal", [_, precision]) => decimal(precision, None)?,
        ("to_vector", [value]) => vector(value)?,
        (target, [_]) => target_type(target)?,
        _ => return None,
    };
    Some(cast(kind, exprs.first().copied()?.clone(), data_type))
}

/// The type a conversion function is named after.
fn target_type(function: &str) -> Option<ast::DataType> {
    use ast::DataType as Sql;
    Some(match function {
        "to_string" | "to_varchar" | "to_text" => Sql::Varchar(None),
        "to_boolean" => Sql::Boolean,
        "to_int8" => Sql::TinyInt(None),
        "to_int16" => Sql::SmallInt(None),
        "to_int32" => Sql::Int(None),
        "to_int64" => Sql::BigInt(None),
        "to_uint8" => Sql::UInt8,
        "to_uint16" => Sql::UInt16,
        "to_uint32" => Sql::UInt32,
        "to_uint64" => Sql::UInt64,
        "to_float32" => Sql::Float32,
        "to_float64" => Sql::Float64,
        "to_decimal" => Sql::Decimal(ExactNumberInfo::None),
        "to_binary" => Sql::Bytea,
        "to_date" => Sql::Date,
        "to_datetime" | "to_timestamp" => Sql::Timestamp(None, TimezoneInfo::None),
        "to_timestamp_tz" => Sql::Timestamp(None, TimezoneInfo::Tz),
        "to_interval" => Sql::Interval { fields: None, precision: None },
        "to_bitmap" => custom("bitmap", Vec::new()),
        _ => return None,
    })
}

fn custom(name: &str, arguments: Vec<String>) -> ast::DataType {
    ast::DataType::Custom(ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]), arguments)
}

fn whole_number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn decimal(precision: &Expr, scale: Option<&&Expr>) -> Option<ast::DataType> {
    let scale = scale.map_or(Some(0), |scale| whole_number(scale))?;
    let info = ExactNumberInfo::PrecisionAndScale(whole_number(precision)?, i64::try_from(scale).ok()?);
    Some(ast::DataType::Decimal(info))
}

/// A vector of as many numbers as its text or array shows.
fn vector(value: &Expr) -> Option<ast::DataType> {
    let length = match value {
        Expr::Array(array) => array.elem.len(),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.split(',').count(),
            _ => return None,
        },
        _ => return None,
    };
    Some(custom("vector", vec![length.to_string()]))
}

/// `x = ANY (q)` is `x IN (q)`, `x <> ALL (q)` is `x NOT IN (q)`. In the others the subquery gets a name of its own: the
/// library would take its columns for those outside when they are called alike.
fn quantified(expr: &mut Expr) {
    let any = matches!(expr, Expr::AnyOp { .. });
    let (Expr::AnyOp { left, compare_op, right, .. } | Expr::AllOp { left, compare_op, right }) = expr else {
        return;
    };
    let Expr::Subquery(subquery) = right.as_mut() else {
        return;
    };
    let membership = if any { BinaryOperator::Eq } else { BinaryOperator::NotEq };
    if *compare_op != membership {
        **subquery = under_own_name(std::mem::replace(subquery.as_mut(), select::select(Vec::new(), Vec::new(), None)));
        return;
    }
    let left = std::mem::replace(left.as_mut(), select::null());
    let subquery = std::mem::replace(subquery.as_mut(), select::select(Vec::new(), Vec::new(), None));
    *expr = Expr::InSubquery { expr: Box::new(left), subquery: Box::new(subquery), negated: !any };
}

/// `SELECT * FROM (query) AS __basalt_set (__basalt_member)`.
fn under_own_name(query: Query) -> Query {
    let member = TableAliasColumnDef { name: select::exact("__basalt_member"), data_type: None };
    let alias = TableAlias { explicit: true, name: select::exact(SET), columns: vec![member], at: None };
    let set = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    select::select(vec![select::everything()], vec![select::from_one(set)], None)
}
