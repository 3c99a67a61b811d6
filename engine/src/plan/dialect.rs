//! Users' functions and notations in terms of those the query library knows, while the query is still a tree of SQL:
//! conversions by function name, filtered aggregates under names of their own, `= ANY`, numbers with exponents.

use super::json_notation;
use crate::statement::select;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr,
    OrderByOptions, Query, TableAlias, TableAliasColumnDef, TableFactor, TimezoneInfo, Value,
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
    "to_boolean",
    "to_datetime",
    "to_float32",
    "to_float64",
    "to_int16",
    "to_int32",
    "to_int64",
    "to_int8",
    "to_string",
    "to_uint16",
    "to_uint32",
    "to_uint64",
    "to_uint8",
    "to_varchar",
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
    use ast::DataType as Sql;
    let name = plain_name(function)?;
    let (kind, target) = match name.strip_prefix("try_") {
        Some(target) => (CastKind::TryCast, target),
        None => (CastKind::Cast, name.as_str()),
    };
    let data_type = match target {
        "to_string" | "to_varchar" => Sql::Varchar(None),
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
        "to_datetime" | "to_timestamp" => Sql::Timestamp(None, TimezoneInfo::None),
        _ => return None,
    };
    let list = arguments(function)?;
    let [argument] = list.args.as_slice() else {
        return None;
    };
    let inner = argument_expr(argument)?.clone();
    let inner = match target {
        // Numbers count seconds: that is the function's to know, not the cast's.
        "to_datetime" | "to_timestamp" if !is_text(&inner) && kind == CastKind::Cast => {
            set_name(function, "to_timestamp");
            Expr::Function(function.clone())
        }
        _ => inner,
    };
    Some(cast(kind, inner, data_type))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
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
