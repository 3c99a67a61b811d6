//! Variables in a query: `:name` of the script that runs, `$name` of the session. Plain values become literals; values
//! that no literal writes come from a function made for them.

use super::{StatementContext, arrow_type, explain, sql_type};
use crate::{Error, Result, Variable, functions::constant_function, sql::parse_type, statement::select};
use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    logical_expr::ScalarUDF,
    sql::sqlparser::ast::{
        Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, ObjectName,
        ObjectNamePart, UnaryOperator, Value,
    },
};
use std::sync::Arc;

/// Begins the names of functions that answer a variable's value.
const SCRIPT: &str = "__basalt_script:";
const SESSION: &str = "__basalt_session:";

impl Variable {
    /// The variable that keeps `value`. Only values of types that have one text can be kept.
    pub(crate) fn new(value: &ScalarValue) -> Result<Self> {
        let data_type = value.data_type();
        if data_type.is_nested() || data_type.is_binary() {
            let what = format!("session variables of type {}", sql_type(&data_type));
            return Err(Error::Unsupported { what });
        }
        let text = match value.cast_to(&DataType::Utf8).map_err(explain)? {
            ScalarValue::Utf8(text) if !value.is_null() => text,
            _ => None,
        };
        let data_type = if data_type == DataType::Null { DataType::Utf8View } else { data_type };
        Ok(Self { data_type: sql_type(&data_type), text })
    }

    /// The value it keeps.
    pub(crate) fn scalar(&self) -> Result<ScalarValue> {
        let data_type = arrow_type(&parse_type(&self.data_type)?)?;
        ScalarValue::Utf8(self.text.clone()).cast_to(&data_type).map_err(explain)
    }
}

/// What stands in the place of a placeholder; `None` when it names no variable.
pub(super) fn placeholder(context: &StatementContext, placeholder: &str) -> Option<Result<Expr>> {
    if let Some(name) = placeholder.strip_prefix(':') {
        let name = name.to_lowercase();
        let value = context.variables.get(&name)?;
        return Some(Ok(literal(value).unwrap_or_else(|| call(SCRIPT, &name))));
    }
    let name = placeholder.strip_prefix('$').filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))?;
    let name = name.to_lowercase();
    Some(match context.session.variables.get(&name) {
        Some(variable) => match variable.scalar() {
            Ok(value) => Ok(literal(&value).unwrap_or_else(|| call(SESSION, &name))),
            Err(error) => Err(error),
        },
        None => Err(Error::Semantic { message: format!("session variable `{name}` is not set") }),
    })
}

/// `getvariable('name')`: NULL where there is no such variable. `None` when `expr` is another.
pub(super) fn asked(context: &StatementContext, expr: &Expr) -> Option<Result<Expr>> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return None;
    };
    if !ident.value.eq_ignore_ascii_case("getvariable") {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(name)))] = list.args.as_slice() else {
        let message = "getvariable takes the name of one variable as a text".to_string();
        return Some(Err(Error::Semantic { message }));
    };
    let Value::SingleQuotedString(name) = &name.value else {
        return None;
    };
    let name = name.to_lowercase();
    match context.session.variables.contains_key(&name) {
        true => placeholder(context, &["$", &name].concat()),
        false => Some(Ok(select::null())),
    }
}

/// The function that answers a variable, if `name` is one's.
pub(super) fn function(context: &StatementContext, name: &str) -> Option<Arc<ScalarUDF>> {
    let value = if let Some(variable) = name.strip_prefix(SCRIPT) {
        context.variables.get(variable)?.clone()
    } else {
        let variable = name.strip_prefix(SESSION)?;
        context.session.variables.get(variable)?.scalar().ok()?
    };
    Some(constant_function(name, value))
}

/// The value as a literal of SQL, where there is one of its type.
fn literal(value: &ScalarValue) -> Option<Expr> {
    use ScalarValue as S;
    let number = |text: String| match text.strip_prefix('-') {
        Some(positive) => Expr::Nested(Box::new(Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(Expr::Value(Value::Number(positive.to_owned(), false).with_empty_span())),
        })),
        None => Expr::Value(Value::Number(text, false).with_empty_span()),
    };
    Some(match value {
        S::Null => select::null(),
        S::Boolean(Some(value)) => select::boolean(*value),
        S::Utf8(Some(text)) | S::LargeUtf8(Some(text)) | S::Utf8View(Some(text)) => select::text(text),
        S::Int64(Some(n)) => number(n.to_string()),
        S::UInt64(Some(n)) => number(n.to_string()),
        S::Int32(Some(n)) => number(n.to_string()),
        S::UInt32(Some(n)) => number(n.to_string()),
        S::Int16(Some(n)) => number(n.to_string()),
        S::UInt16(Some(n)) => number(n.to_string()),
        S::Int8(Some(n)) => number(n.to_string()),
        S::UInt8(Some(n)) => number(n.to_string()),
        _ => return None,
    })
}

fn call(prefix: &str, name: &str) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![select::exact(&[prefix, name].concat())]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: Vec::new(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
