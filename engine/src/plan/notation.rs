//! Notations of aggregates and nested values in terms of functions, while the query is still a tree of SQL: names with
//! `_if` and `_distinct`, parameters before arguments, tuples, LIKE ANY, aggregates of arrays by name.

use super::dialect::plain_name;
use crate::{functions::is_aggregate, statement::select};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Value, ValueWithSpan,
};

/// Function that opens arrays of arrays, for `unnest`.
const OPENED: &str = "__basalt_opened";

/// Aggregates that are notations themselves.
const ALSO_AGGREGATES: &[&str] = &[
    "approx_count_distinct",
    "arg_max",
    "arg_min",
    "count_distinct",
    "group_concat",
    "hll",
    "list",
    "listagg",
    "max_by",
    "min_by",
    "std",
    "uniq",
    "variance_pop",
    "variance_samp",
];

/// Names that are listed as functions though they are only notations.
pub(crate) const NOTATIONS: &[&str] = &["array_aggregate", "group_concat", "hll", "list", "max_by", "min_by", "std"];

/// Puts what the library understands in the place of `expr`, whose parts were looked at before.
pub(super) fn translate(expr: &mut Expr) {
    match expr {
        Expr::Tuple(values) => *expr = call("tuple", std::mem::take(values)),
        Expr::Function(function) => {
            combined(function);
            parameters(function);
            renamed(function);
            several_distinct(function);
            joined_texts(function);
            array_aggregate(function);
            opened(function);
        }
        Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => like_any(expr),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escape(pattern, escape_char)
        }
        Expr::RLike { negated, expr: text, pattern, .. } => {
            let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            let (left, right) = (taken(text), taken(pattern));
            *expr = select::nested(select::binary(left, op, right));
        }
        Expr::InSubquery { expr: left, subquery, .. } => tuple_in_query(left, subquery),
        _ => {}
    }
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, select::null())
}

/// `name(arguments)`.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]);
}

fn list(function: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_known(name: &str) -> bool {
    is_aggregate(name) || ALSO_AGGREGATES.contains(&name)
}

/// `sum_if(x, c)` is `sum(x) FILTER (WHERE c)`, `sum_distinct(x)` is `sum(DISTINCT x)`; both can be combined.
fn combined(function: &mut Function) {
    let Some(name) = plain_name(function) else {
        return;
    };
    if is_known(&name) {
        return;
    }
    if let Some(base) = name.strip_suffix("_if")
        && (is_known(base) || base.strip_suffix("_distinct").is_some_and(is_known))
    {
        let Some(arguments) = list(function) else {
            return;
        };
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(condition))) = arguments.args.pop() else {
            return;
        };
        if arguments.args.is_empty() {
            arguments.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
        }
        let before = function.filter.take().map(|filter| *filter);
        function.filter = Some(Box::new(select::and(before, condition)));
        let base = base.to_owned();
        rename(function, &base);
        combined(function);
    } else if let Some(base) = name.strip_suffix("_distinct")
        && (is_known(base) || base.strip_suffix("_if").is_some_and(is_known))
    {
        let Some(arguments) = list(function) else {
            return;
        };
        arguments.duplicate_treatment = Some(DuplicateTreatment::Distinct);
        let base = base.to_owned();
        rename(function, &base);
        combined(function);
    }
}

/// `quantile_cont(0.5)(x)` is `quantile_cont(x, 0.5)`; the funnel's length goes first.
fn parameters(function: &mut Function) {
    let FunctionArguments::List(parameters) = std::mem::replace(&mut function.parameters, FunctionArguments::None)
    else {
        return;
    };
    let name = plain_name(function).unwrap_or_default();
    let Some(arguments) = list(function) else {
        return;
    };
    match name.as_str() {
        "window_funnel" | "windowfunnel" => {
            arguments.args.splice(0..0, parameters.args);
        }
        // How exact the estimate is.
        "approx_count_distinct" | "approx_distinct" | "hll" => {}
        _ => arguments.args.extend(parameters.args),
    }
}

fn renamed(function: &mut Function) {
    let name = match plain_name(function).as_deref() {
        Some("std" | "stddev") => "stddev_pop",
        Some("variance_pop") => "var_pop",
        Some("variance_samp") => "var_samp",
        Some("list") => "array_agg",
        Some("group_concat" | "listagg") => "string_agg",
        Some("min_by") => "arg_min",
        Some("max_by") => "arg_max",
        Some("hll") => "approx_distinct",
        _ => return,
    };
    rename(function, name);
}

/// `count(DISTINCT a, b)` counts the different tuples without a NULL.
fn several_distinct(function: &mut Function) {
    let name = plain_name(function);
    let always = matches!(name.as_deref(), Some("uniq" | "count_distinct"));
    if !always && name.as_deref() != Some("count") {
        return;
    }
    let Some(arguments) = list(function) else {
        return;
    };
    let distinct = always || arguments.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if !distinct || arguments.args.len() < 2 {
        return;
    }
    let Some(values) = arguments.args.iter().map(|a| argument(a).cloned()).collect::<Option<Vec<_>>>() else {
        return;
    };
    arguments.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    arguments.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(call("tuple", values.clone())))];
    let known = values.into_iter().map(|value| Expr::IsNotNull(Box::new(select::nested(value))));
    let before = function.filter.take().map(|filter| *filter);
    let filter = known.fold(before, |all, next| Some(select::and(all, next)));
    function.filter = filter.map(Box::new);
    rename(function, "count");
}

/// `string_agg(x[, separator])`: without a separator none; `WITHIN GROUP (ORDER BY y)` orders; what is no text becomes one.
fn joined_texts(function: &mut Function) {
    if plain_name(function).as_deref() != Some("string_agg") {
        return;
    }
    let order = std::mem::take(&mut function.within_group);
    let Some(arguments) = list(function) else {
        return;
    };
    if arguments.args.len() == 1 {
        arguments.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(select::text(""))));
    }
    if !order.is_empty() {
        arguments.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    // A DISTINCT must be ordered by the very expression it takes.
    if arguments.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return;
    }
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = arguments.args.first_mut()
        && !matches!(value, Expr::Cast { .. })
    {
        let inner = Box::new(taken(value));
        *value = Expr::Cast {
            kind: CastKind::Cast,
            expr: inner,
            data_type: DataType::Varchar(None),
            array: false,
            format: None,
        };
    }
}

/// `array_aggregate(a, 'sum')` is `array_sum(a)`.
fn array_aggregate(function: &mut Function) {
    if plain_name(function).as_deref() != Some("array_aggregate") {
        return;
    }
    let Some(arguments) = list(function).filter(|list| list.args.len() == 2) else {
        return;
    };
    let Some(Expr::Value(value)) = argument(&arguments.args[1]) else {
        return;
    };
    let Some(name) = value.value.clone().into_string() else {
        return;
    };
    arguments.args.pop();
    rename(function, &format!("array_{}", name.to_lowercase()));
}

/// `unnest` opens arrays of arrays completely.
fn opened(function: &mut Function) {
    if !matches!(plain_name(function).as_deref(), Some("unnest" | "explode")) {
        return;
    }
    let Some(arguments) = list(function).filter(|list| list.args.len() == 1) else {
        return;
    };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(array))) = arguments.args.first_mut() {
        open(array);
        rename(function, "unnest");
    }
}

/// Puts the opening of arrays around `array`.
pub(super) fn open(array: &mut Expr) {
    let done = matches!(array, Expr::Function(function) if plain_name(function).as_deref() == Some(OPENED));
    if !done {
        let inner = taken(array);
        *array = call(OPENED, vec![inner]);
    }
}

/// `x LIKE ANY ('a%', 'b%')` is one LIKE or the other.
fn like_any(expr: &mut Expr) {
    let (Expr::Like { negated, expr: value, pattern, escape_char, .. }
    | Expr::ILike { negated, expr: value, pattern, escape_char, .. }) = expr.clone()
    else {
        return;
    };
    let insensitive = matches!(expr, Expr::ILike { .. });
    let patterns = match *pattern {
        Expr::Function(mut function) if plain_name(&function).as_deref() == Some("tuple") => {
            let Some(arguments) = list(&mut function) else {
                return;
            };
            arguments.args.iter().filter_map(|a| argument(a).cloned()).collect()
        }
        Expr::Nested(one) => vec![*one],
        one @ Expr::Value(_) => vec![one],
        _ => return,
    };
    let like = |pattern: Expr| {
        let (expr, pattern, escape_char) = (value.clone(), Box::new(pattern), escape_char.clone());
        if insensitive {
            Expr::ILike { negated: false, any: false, expr, pattern, escape_char }
        } else {
            Expr::Like { negated: false, any: false, expr, pattern, escape_char }
        }
    };
    let any = patterns.into_iter().map(like).reduce(|left, right| select::binary(left, BinaryOperator::Or, right));
    if let Some(any) = any {
        let any = select::nested(any);
        *expr = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any };
    }
}

/// A pattern with an escape character of its own as one with backslashes.
fn escape(pattern: &mut Expr, escape_char: &mut Option<ValueWithSpan>) {
    let Some(Value::SingleQuotedString(escape)) = escape_char.as_ref().map(|v| &v.value) else {
        return;
    };
    let mut chars = escape.chars();
    let (Some(escape), None) = (chars.next(), chars.next()) else {
        return;
    };
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern else {
        return;
    };
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == escape {
            plain.push('\\');
            plain.extend(chars.next());
        } else {
            if c == '\\' {
                plain.push('\\');
            }
            plain.push(c);
        }
    }
    *text = plain;
    *escape_char = None;
}

/// `(a, b) IN (SELECT x, y …)`: the rows of the query become tuples too.
fn tuple_in_query(left: &Expr, subquery: &mut Box<Query>) {
    let Expr::Function(function) = left else {
        return;
    };
    let FunctionArguments::List(arguments) = &function.args else {
        return;
    };
    let count = arguments.args.len();
    if plain_name(function).as_deref() != Some("tuple") || count < 2 {
        return;
    }
    let names: Vec<String> = (0..count).map(|at| format!("__basalt_part_{at}")).collect();
    let columns = names.iter().map(|n| TableAliasColumnDef { name: select::exact(n), data_type: None }).collect();
    let alias = TableAlias { explicit: true, name: select::exact("__basalt_parts"), columns, at: None };
    let empty = Box::new(select::select(Vec::new(), Vec::new(), None));
    let inner = std::mem::replace(subquery, empty);
    let parts = TableFactor::Derived { lateral: false, subquery: inner, alias: Some(alias), sample: None };
    let tuple = call("tuple", names.iter().map(|n| select::column(n)).collect());
    **subquery = select::select(vec![SelectItem::UnnamedExpr(tuple)], vec![select::from_one(parts)], None);
}
