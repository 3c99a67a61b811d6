//! Notations over JSON in terms of functions, while the query is still a tree of SQL: `v:a.b[0]`, functions in SELECT
//! that yield rows, lambdas over JSON arrays and objects, aggregates that gather JSON.

use crate::statement::select;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, JsonPath,
    JsonPathElem, ObjectName, ObjectNamePart, Subscript, Value,
};

/// Functions that exist only as a notation: for the list of functions.
pub(crate) const NAMES: &[&str] = &[
    "flatten",
    "json_array_agg",
    "json_array_apply",
    "json_array_elements",
    "json_array_filter",
    "json_array_map",
    "json_array_reduce",
    "json_array_transform",
    "json_each",
    "json_map_filter",
    "json_map_transform_keys",
    "json_map_transform_values",
    "json_object_agg",
    "json_path_query",
];

/// Puts what the library understands in the place of `expr`.
pub(super) fn translate(expr: &mut Expr) {
    match expr {
        Expr::JsonAccess { value, path } => {
            let root = std::mem::replace(value.as_mut(), select::null());
            *expr = access(root, path);
        }
        Expr::Function(function) => {
            let Some(name) = plain_name(function) else { return };
            let translated = match name.as_str() {
                "json_each" | "jsonb_each" => rows("__basalt_json_each", function),
                "json_array_elements" | "jsonb_array_elements" => rows("__basalt_json_items", function),
                "json_path_query" | "jsonb_path_query" => rows("__basalt_json_query", function),
                "json_array_agg" => array_aggregate(function),
                "json_object_agg" => object_aggregate(function),
                name => match lambda(name) {
                    Some((over, opened)) => over_opened(function, over, opened),
                    None => return,
                },
            };
            if let Some(translated) = translated {
                *expr = translated;
            }
        }
        _ => {}
    }
}

/// The function over arrays or maps that a function over JSON is, and what opens the JSON for it.
fn lambda(name: &str) -> Option<(&'static str, &'static str)> {
    const ITEMS: &str = "__basalt_json_items";
    const ENTRIES: &str = "__basalt_json_entries";
    Some(match name {
        "json_array_transform" | "json_array_apply" | "json_array_map" => ("array_transform", ITEMS),
        "json_array_filter" => ("array_filter", ITEMS),
        "json_array_reduce" => ("array_reduce", ITEMS),
        "json_map_filter" => ("map_filter", ENTRIES),
        "json_map_transform_keys" => ("map_transform_keys", ENTRIES),
        "json_map_transform_values" => ("map_transform_values", ENTRIES),
        _ => return None,
    })
}

fn plain_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Some(name.value.to_lowercase()),
        _ => None,
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(text))])
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn call(function: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(unnamed).collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: name(function),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn list(function: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

/// The arguments, where all are plain expressions.
fn arguments(function: &mut Function) -> Option<Vec<Expr>> {
    let list = list(function)?;
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// `v:a."b"[0]`: keys and positions as subscripts. A key of digits is a position (of a tuple's field).
fn access(root: Expr, path: &JsonPath) -> Expr {
    let index = |element: &JsonPathElem| match element {
        JsonPathElem::Dot { key, quoted: false } if key.bytes().all(|b| b.is_ascii_digit()) => {
            Expr::Value(Value::Number(key.clone(), false).into())
        }
        JsonPathElem::Dot { key, .. } => select::text(key),
        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => key.clone(),
    };
    let access_chain = path.path.iter().map(|e| AccessExpr::Subscript(Subscript::Index { index: index(e) })).collect();
    Expr::CompoundFieldAccess { root: Box::new(root), access_chain }
}

/// `f(v)` in SELECT yields a row for each item of what `opener(v)` answers.
fn rows(opener: &str, function: &mut Function) -> Option<Expr> {
    let args = arguments(function)?;
    Some(call("unnest", vec![call(opener, args)]))
}

/// `json_array_filter(v, x -> …)` is `to_variant(array_filter(items(v), x -> …))`.
fn over_opened(function: &mut Function, over: &str, opened: &str) -> Option<Expr> {
    let mut args = arguments(function)?;
    if args.len() != 2 {
        return None;
    }
    args[0] = call(opened, vec![std::mem::replace(&mut args[0], select::null())]);
    // What is carried from item to item must stay a VARIANT.
    if over == "array_reduce"
        && let Expr::Lambda(lambda) = &mut args[1]
    {
        let body = std::mem::replace(lambda.body.as_mut(), select::null());
        *lambda.body = call("to_variant", vec![body]);
    }
    Some(call("to_variant", vec![call(over, args)]))
}

/// `json_array_agg(x)` is the array of all `x` that are not NULL.
fn array_aggregate(function: &mut Function) -> Option<Expr> {
    let [value] = <[Expr; 1]>::try_from(arguments(function)?).ok()?;
    let mut gathered = function.clone();
    gathered.name = name("array_agg");
    let known = Expr::IsNotNull(Box::new(select::nested(value)));
    gathered.filter = Some(Box::new(select::and(gathered.filter.map(|f| *f), known)));
    Some(call("__basalt_json_array_of", vec![Expr::Function(gathered)]))
}

/// `json_object_agg(k, v)` is the object of all pairs without NULL.
fn object_aggregate(function: &mut Function) -> Option<Expr> {
    let [key, value] = <[Expr; 2]>::try_from(arguments(function)?).ok()?;
    let known = |expr: &Expr| Expr::IsNotNull(Box::new(select::nested(expr.clone())));
    let both = select::and(Some(known(&key)), known(&value));
    let pair = call("named_struct", vec![select::text("key"), key, select::text("value"), value]);
    let mut gathered = function.clone();
    gathered.name = name("array_agg");
    list(&mut gathered)?.args = vec![unnamed(pair)];
    gathered.filter = Some(Box::new(select::and(gathered.filter.map(|f| *f), both)));
    Some(call("__basalt_json_object_of", vec![Expr::Function(gathered)]))
}
