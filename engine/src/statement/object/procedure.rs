//! Procedures: scripts that are kept. Several may share a name when they take arguments of other types; the catalogue
//! knows each by name and types.

use super::{
    super::{Outcome, columns},
    delete, put, rows, script,
};
use crate::{
    Error, Result,
    plan::{StatementContext, sql_type},
    sql::{CreateMode, ProcedureDefinition, ident_name, parse_script, parse_type},
};
use arrow::{compute::can_cast_types, datatypes::DataType};
use basalt_meta::{Entity, EntityKind};
use datafusion::{
    common::ScalarValue,
    sql::sqlparser::ast::{Expr, Ident},
};
use serde::{Deserialize, Serialize};

const KIND: EntityKind = EntityKind::Procedure;

/// A procedure as the catalogue keeps it. Types are SQL text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcedureBody {
    pub name: String,
    pub parameters: Vec<(String, String)>,
    pub returns: Vec<String>,
    pub body: String,
    #[serde(default)]
    pub comment: String,
}

impl ProcedureBody {
    pub fn of(entity: &Entity) -> Result<Self> {
        serde_json::from_slice(&entity.body)
            .map_err(|source| Error::internal(format!("procedure `{}` cannot be read", entity.name), source))
    }

    /// `p(Int32,String) RETURN (Int32)`.
    pub fn signature(&self) -> Result<String> {
        let types: Vec<String> = self.parameters.iter().map(|(_, text)| shown(text)).collect::<Result<_>>()?;
        let returns: Vec<String> = self.returns.iter().map(|text| shown(text)).collect::<Result<_>>()?;
        Ok([&self.name, "(", &types.join(","), ") RETURN (", &returns.join(","), ")"].concat())
    }
}

pub(super) async fn create(
    context: &mut StatementContext,
    name: &Ident,
    create: CreateMode,
    procedure: ProcedureDefinition,
) -> Result<Outcome> {
    let name = super::super::database::new_name(name)?;
    parse_script(&procedure.body, context.sql_limits())?;
    let typed = |(name, text): &(Ident, String)| Ok((ident_name(name), normal(text)?));
    let body = ProcedureBody {
        parameters: procedure.parameters.iter().map(typed).collect::<Result<_>>()?,
        returns: procedure.returns.iter().map(|text| normal(text)).collect::<Result<_>>()?,
        body: procedure.body,
        comment: procedure.comment,
        name: name.clone(),
    };
    let types: Vec<String> = body.parameters.iter().map(|(_, data_type)| data_type.clone()).collect();
    put(context, KIND, key(&name, &types), create, &body).await
}

/// A type under its one name.
fn normal(text: &str) -> Result<String> {
    Ok(sql_type(&arrow_of(text)?))
}

/// A type as lists of procedures show it.
fn shown(text: &str) -> Result<String> {
    Ok(crate::system::type_text(&arrow_of(text)?, false))
}

fn arrow_of(text: &str) -> Result<DataType> {
    columns::column_type(&parse_type(text)?)
}

fn key(name: &str, types: &[String]) -> String {
    [name, "(", &types.join(","), ")"].concat()
}

fn key_of(name: &Ident, arguments: &[String]) -> Result<String> {
    let types: Vec<String> = arguments.iter().map(|text| normal(text)).collect::<Result<_>>()?;
    Ok(key(&ident_name(name), &types))
}

pub(super) async fn drop(
    context: &mut StatementContext,
    name: &Ident,
    arguments: &[String],
    if_exists: bool,
) -> Result<Outcome> {
    let key = key_of(name, arguments)?;
    delete(context, KIND, key, if_exists).await
}

pub(super) fn describe(context: &StatementContext, name: &Ident, arguments: &[String]) -> Result<Outcome> {
    let key = key_of(name, arguments)?;
    let entity = context.snapshot.entity(KIND, &key).ok_or(Error::UnknownEntity { kind: KIND, name: key })?;
    let body = ProcedureBody::of(&entity)?;
    let names: Vec<&str> = body.parameters.iter().map(|(name, _)| name.as_str()).collect();
    let returns: Vec<String> = body.returns.iter().map(|text| shown(text)).collect::<Result<_>>()?;
    let row = |property: &str, value: String| vec![Some(property.to_string()), Some(value)];
    let rows = vec![
        row("signature", ["(", &names.join(","), ")"].concat()),
        row("returns", ["(", &returns.join(","), ")"].concat()),
        row("language", "SQL".into()),
        row("body", body.body.trim().to_string()),
    ];
    Outcome::texts(&["Property", "Value"], rows)
}

pub(super) async fn call(context: &mut StatementContext, name: &Ident, arguments: &[Expr]) -> Result<Outcome> {
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        values.push(rows::value_of(context, argument).await?);
    }
    let (body, types) = found(context, name, &values)?;
    let bound = body.parameters.iter().zip(values).zip(&types).map(|(((name, _), value), data_type)| {
        let value = value.cast_to(data_type).map_err(crate::plan::explain)?;
        Ok((name.clone(), value))
    });
    let bound = bound.collect::<Result<Vec<_>>>()?;
    let script = parse_script(&body.body, context.sql_limits())?;
    Box::pin(script::run(context, &script, bound)).await
}

/// The procedure that takes these values: the one whose types they have, or one they can be converted to.
fn found(context: &StatementContext, name: &Ident, values: &[ScalarValue]) -> Result<(ProcedureBody, Vec<DataType>)> {
    let name = ident_name(name);
    let mut convertible = None;
    for entity in context.snapshot.entities(KIND, &[name.as_str(), "("].concat()) {
        let body = ProcedureBody::of(entity)?;
        if body.parameters.len() != values.len() {
            continue;
        }
        let types: Vec<DataType> = body.parameters.iter().map(|(_, text)| arrow_of(text)).collect::<Result<_>>()?;
        if values.iter().zip(&types).all(|(value, wanted)| value.data_type() == *wanted) {
            return Ok((body, types));
        }
        if values.iter().zip(&types).all(|(value, wanted)| can_become(&value.data_type(), wanted)) {
            convertible.get_or_insert((body, types));
        }
    }
    convertible.ok_or_else(|| {
        let types: Vec<String> = values.iter().map(|value| sql_type(&value.data_type())).collect();
        Error::UnknownEntity { kind: KIND, name: key(&name, &types) }
    })
}

/// Conversions that calls make by themselves: within numbers, within texts, and of NULL.
fn can_become(found: &DataType, wanted: &DataType) -> bool {
    let alike = (found.is_numeric() && wanted.is_numeric())
        || (found.is_string() && (wanted.is_string() || wanted.is_temporal()))
        || (found.is_temporal() && wanted.is_temporal())
        || *found == DataType::Null;
    alike && can_cast_types(found, wanted)
}
