//! Tables: all of a database, one, and those whose names have something in them.

use super::{CATALOG, keyword, require_database};
use crate::{
    app::App,
    auth::Caller,
    databend::{
        error::ProtocolError,
        lookup::{self, Row, failed, json},
    },
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use basalt_engine::{Error, Principal};
use serde_json::{Value, json as value};

/// `GET /v1/catalog/databases/{database}/tables`
pub async fn tables(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(database): Path<String>,
) -> Result<Response, ProtocolError> {
    require_database(&app, &caller.principal, &database).await?;
    let sql = "SELECT * FROM system.tables WHERE database = ? ORDER BY name";
    let found = lookup::rows(&app, &caller.principal, sql, &[&database]).await.map_err(failed)?;
    let tables: Vec<Value> = found.iter().map(short).collect();
    Ok(json(&value!({"tables": tables, "warnings": []})))
}

fn short(row: Row<'_>) -> Value {
    value!({
        "name": row.text("name"),
        "table_type": row.text("table_type"),
        "database": row.text("database"),
        "catalog": CATALOG,
        "owner": row.text("owner"),
        "engine": row.text("engine"),
        "cluster_by": row.text("cluster_by"),
        "create_time": row.time("created_on"),
        "num_rows": row.number("num_rows"),
        "data_size": row.number("data_size"),
        "data_compressed_size": row.number("data_compressed_size"),
        "index_size": row.number("index_size"),
    })
}

/// `GET /v1/catalog/databases/{database}/tables/{table}`
pub async fn table(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((database, table)): Path<(String, String)>,
) -> Result<Response, ProtocolError> {
    require_database(&app, &caller.principal, &database).await?;
    let sql = "SELECT * FROM system.tables WHERE database = ? AND name = ?";
    let found = lookup::rows(&app, &caller.principal, sql, &[&database, &table]).await.map_err(failed)?;
    let Some(row) = found.iter().next() else {
        return Err(failed(Error::UnknownTable { database, name: table }));
    };
    let (create_query, warning) = match create_query(&app, &caller.principal, &database, &table).await {
        Ok(text) => (text, None),
        Err(error) => (String::new(), Some(error.to_string())),
    };
    let details = value!({
        "name": row.text("name"),
        "database": row.text("database"),
        "catalog": CATALOG,
        "engine": row.text("engine"),
        "create_time": row.time("created_on"),
        "num_rows": row.number("num_rows"),
        "data_size": row.number("data_size"),
        "data_compressed_size": row.number("data_compressed_size"),
        "index_size": row.number("index_size"),
        "create_query": create_query,
    });
    Ok(json(&value!({"table": details, "warnings": Vec::from_iter(warning)})))
}

/// The statement that would make the table again.
pub(in crate::databend) async fn create_query(
    app: &App,
    principal: &Principal,
    database: &str,
    table: &str,
) -> Result<String, Error> {
    let name = [lookup::quoted(database), lookup::quoted(table)].join(".");
    let found = lookup::rows(app, principal, &["SHOW CREATE TABLE", &name].join(" "), &[]).await?;
    Ok(found.first(1).unwrap_or_default().to_string())
}

/// `POST /v1/catalog/search/tables`
pub async fn search(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ProtocolError> {
    let keyword = keyword(&app, body).await?;
    let sql = "SELECT * FROM system.tables ORDER BY database, name";
    let found = lookup::rows(&app, &caller.principal, sql, &[]).await.map_err(failed)?;
    let tables: Vec<Value> = found.iter().filter(|row| row.text("name").contains(&keyword)).map(long).collect();
    Ok(json(&value!({"tables": tables, "warnings": []})))
}

fn long(row: Row<'_>) -> Value {
    let mut table = short(row);
    let more = value!({
        "database_id": row.number("database_id"),
        "table_id": row.number("table_id"),
        "total_columns": row.number("total_columns"),
        "engine_full": row.text("engine_full"),
        "is_transient": !row.text("is_transient").is_empty(),
        "is_attach": !row.text("is_attach").is_empty(),
        "created_on": row.time("created_on"),
        "dropped_on": row.time("dropped_on"),
        "updated_on": row.time("updated_on"),
        "number_of_segments": row.number("number_of_segments"),
        "number_of_blocks": row.number("number_of_blocks"),
        "comment": row.text("comment"),
    });
    if let (Value::Object(table), Value::Object(more)) = (&mut table, more) {
        table.extend(more);
    }
    table
}
