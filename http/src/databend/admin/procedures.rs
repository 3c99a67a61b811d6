//! Procedures: all of them, and one by its number or by its name and the types of its arguments.

use crate::{
    app::App,
    auth::Caller,
    databend::{
        error::ProtocolError,
        lookup::{self, Found, Row, failed, json},
    },
};
use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use basalt_engine::{EntityKind, Error, Principal};
use serde::Deserialize;
use serde_json::{Map, Value, json as value};

/// Types of the arguments, with commas between them.
#[derive(Debug, Default, Deserialize)]
pub struct Arguments {
    args: Option<String>,
}

/// `GET /v1/procedures`
pub async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let found = all(&app, &caller.principal).await?;
    Ok(json(&found.iter().map(described).collect()))
}

async fn all(app: &App, principal: &Principal) -> Result<Found, ProtocolError> {
    lookup::rows(app, principal, "SELECT * FROM system.procedures ORDER BY name, procedure_id", &[])
        .await
        .map_err(failed)
}

fn described(row: Row<'_>) -> Value {
    value!({
        "name": row.text("name"),
        "procedure_id": row.number("procedure_id"),
        "arguments": row.text("arguments"),
        "comment": row.text("comment"),
        "description": row.text("description"),
        "created_on": row.time("created_on"),
    })
}

/// `GET /v1/procedures/{id}` and `GET /v1/procedures/{name}?args=INT32,STRING`
pub async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(arguments): Query<Arguments>,
) -> Result<Response, ProtocolError> {
    let types = arguments.args.unwrap_or_default();
    let wanted: Vec<String> = types.split(',').map(normal).filter(|t| !t.is_empty()).collect();
    let found = all(&app, &caller.principal).await?;
    let unknown = || failed(Error::UnknownEntity { kind: EntityKind::Procedure, name: name.clone() });
    let row = match name.parse::<u64>() {
        Ok(id) => found.iter().find(|row| row.number("procedure_id") == id),
        Err(_) => found.iter().find(|row| {
            let known = argument_types(row.text("arguments"));
            row.text("name") == name && known.iter().map(|t| normal(t)).eq(wanted.iter().cloned())
        }),
    };
    let row = row.ok_or_else(unknown)?;
    let signature = [lookup::quoted(row.text("name")), argument_types(row.text("arguments")).join(", ")];
    let describe = ["DESCRIBE PROCEDURE ", &signature[0], "(", &signature[1], ")"].concat();
    let properties = lookup::rows(&app, &caller.principal, &describe, &[]).await.map_err(failed)?;
    let mut answer = Map::new();
    for property in properties.iter() {
        answer.insert(property.text("Property").to_string(), property.text("Value").into());
    }
    Ok(json(&Value::Object(answer)))
}

/// The same below a tenant.
pub async fn one_of_tenant(
    state: State<App>,
    caller: Extension<Caller>,
    Path((_, name)): Path<(String, String)>,
    arguments: Query<Arguments>,
) -> Result<Response, ProtocolError> {
    one(state, caller, Path(name), arguments).await
}

/// The types between the first parentheses of `name(Int32, String) RETURN (Int32)`.
fn argument_types(signature: &str) -> Vec<&str> {
    let inside = signature.find('(').map_or("", |start| &signature[start + 1..]);
    let (mut depth, mut start, mut types) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                types.push(inside[start..at].trim());
                start = at + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    types.retain(|name| !name.is_empty());
    types
}

/// One spelling of a type: SQL's names and the wire's mean the same.
fn normal(name: &str) -> String {
    let name = name.trim().to_ascii_uppercase();
    let name = name.strip_suffix(" NULL").unwrap_or(&name);
    match name {
        "TINYINT" => "INT8",
        "SMALLINT" => "INT16",
        "INT" | "INTEGER" => "INT32",
        "BIGINT" => "INT64",
        "TINYINT UNSIGNED" => "UINT8",
        "SMALLINT UNSIGNED" => "UINT16",
        "INT UNSIGNED" | "INTEGER UNSIGNED" => "UINT32",
        "BIGINT UNSIGNED" => "UINT64",
        "FLOAT" => "FLOAT32",
        "DOUBLE" => "FLOAT64",
        "VARCHAR" | "TEXT" | "CHAR" => "STRING",
        "DATETIME" => "TIMESTAMP",
        "JSON" => "VARIANT",
        "BOOL" => "BOOLEAN",
        other => other,
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read() {
        assert_eq!(argument_types("p(Int32, Decimal(10, 2)) RETURN (Int32)"), ["Int32", "Decimal(10, 2)"]);
        assert!(argument_types("p() RETURN (Int32)").is_empty());
        assert_eq!(normal("int"), normal("INT32"));
        assert_eq!(normal(" varchar "), "STRING");
    }
}
