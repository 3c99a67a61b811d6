//! CREATE, ALTER and DESC of functions written in SQL. How a call is replaced by the body is in `plan/functions.rs`.

use super::{super::Outcome, put};
use crate::{
    Error, Result,
    plan::{FunctionBody, Returns, StatementContext},
    sql::{CreateMode, FunctionDefinition, FunctionReturns, ident_name, parse_expression, parse_query},
};
use basalt_meta::EntityKind;
use datafusion::sql::sqlparser::ast::Ident;

const KIND: EntityKind = EntityKind::Function;

pub(super) async fn create(
    context: &mut StatementContext,
    name: &Ident,
    create: CreateMode,
    function: FunctionDefinition,
) -> Result<Outcome> {
    let name = super::super::database::new_name(name)?;
    if context.parts.functions.list().iter().any(|known| known.name == name) {
        let message = format!("function `{name}` is one of the server's own and cannot be replaced");
        return Err(Error::Semantic { message });
    }
    let body = checked(context, function)?;
    put(context, KIND, name, create, &body).await
}

pub(super) async fn alter(
    context: &mut StatementContext,
    name: &Ident,
    function: FunctionDefinition,
) -> Result<Outcome> {
    let name = ident_name(name);
    if context.snapshot.entity(KIND, &name).is_none() {
        return Err(Error::UnknownEntity { kind: KIND, name });
    }
    let body = checked(context, function)?;
    put(context, KIND, name, CreateMode::OrReplace, &body).await
}

/// The record of a function whose body can be read. What it refers to is looked up when it is called.
fn checked(context: &StatementContext, function: FunctionDefinition) -> Result<FunctionBody> {
    let limits = context.sql_limits();
    let mut parameters: Vec<(String, Option<String>)> = Vec::with_capacity(function.parameters.len());
    for (name, data_type) in &function.parameters {
        let name = ident_name(name);
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(Error::Semantic { message: format!("parameter `{name}` appears twice") });
        }
        parameters.push((name, data_type.clone()));
    }
    let is_query = matches!(function.returns, FunctionReturns::Table(_));
    let first = function.body.trim_start().to_ascii_lowercase();
    if is_query || first.starts_with("select") || first.starts_with("with") {
        parse_query(&function.body, limits)?;
    } else {
        parse_expression(&function.body, limits)?;
    }
    let returns = match function.returns {
        FunctionReturns::Unsaid => Returns::Unsaid,
        FunctionReturns::Value(data_type) => Returns::Value(data_type),
        FunctionReturns::Table(columns) => {
            Returns::Table(columns.iter().map(|(name, data_type)| (ident_name(name), data_type.clone())).collect())
        }
    };
    Ok(FunctionBody { parameters, returns, body: function.body, comment: function.comment })
}

pub(super) fn describe(context: &StatementContext, name: &Ident) -> Result<Outcome> {
    let name = ident_name(name);
    let entity = context.snapshot.entity(KIND, &name);
    let entity = entity.ok_or(Error::UnknownEntity { kind: KIND, name })?;
    let body = FunctionBody::of(&entity)?;
    let row = |property: &str, value: String| vec![Some(property.to_string()), Some(value)];
    let rows = vec![
        row("signature", signature(&body)),
        row("returns", returns(&body)),
        row("language", "SQL".into()),
        row("body", body.body.trim().to_string()),
    ];
    Outcome::texts(&["Property", "Value"], rows)
}

/// `(x INT, y)`.
pub(crate) fn signature(body: &FunctionBody) -> String {
    let parameter = |(name, data_type): &(String, Option<String>)| match data_type {
        Some(data_type) => [name, data_type.as_str()].join(" "),
        None => name.clone(),
    };
    let parameters: Vec<String> = body.parameters.iter().map(parameter).collect();
    ["(", &parameters.join(", "), ")"].concat()
}

pub(crate) fn returns(body: &FunctionBody) -> String {
    match &body.returns {
        Returns::Unsaid => String::new(),
        Returns::Value(data_type) => data_type.clone(),
        Returns::Table(columns) => {
            let columns: Vec<String> =
                columns.iter().map(|(name, data_type)| [name.as_str(), data_type].join(" ")).collect();
            ["TABLE (", &columns.join(", "), ")"].concat()
        }
    }
}
