//! What there is, as the web console asks for it: databases, tables, their columns, and searches by a part of a name.

mod tables;

use super::{
    error::ProtocolError,
    lookup::{self, failed, json},
    wire::{FieldsQuery, KeywordBody},
};
use crate::{app::App, auth::Caller, body};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use basalt_engine::{Error, Principal};
use serde_json::{Value, json as value};
pub(super) use tables::create_query;
pub use tables::{search as search_tables, table, tables};

/// Name of the one catalogue there is.
const CATALOG: &str = "default";

/// `GET /v1/catalog/databases`
pub async fn databases(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ProtocolError> {
    let found = all_databases(&app, &caller.principal).await?;
    Ok(json(&value!({"databases": found, "warnings": []})))
}

async fn all_databases(app: &App, principal: &Principal) -> Result<Vec<Value>, ProtocolError> {
    let found = lookup::rows(app, principal, "SELECT * FROM system.databases ORDER BY name", &[]).await;
    Ok(found.map_err(failed)?.iter().map(|row| value!({"name": row.text("name")})).collect())
}

/// `POST /v1/catalog/search/databases`
pub async fn search_databases(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ProtocolError> {
    let keyword = keyword(&app, body).await?;
    let mut found = all_databases(&app, &caller.principal).await?;
    found.retain(|database| database["name"].as_str().is_some_and(|name| name.contains(&keyword)));
    Ok(json(&value!({"databases": found, "warnings": []})))
}

/// The keyword of a search.
async fn keyword(app: &App, body: Body) -> Result<String, ProtocolError> {
    let bytes = body::collect(body, &app.limits).await?;
    let body: KeywordBody =
        serde_json::from_slice(&bytes).map_err(|e| ProtocolError::bad_request(format!("parse error: {e}")))?;
    Ok(body.keyword)
}

/// `GET /v1/catalog/stats`
pub async fn stats(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let count = async |sql: &'static str| -> Result<u64, ProtocolError> {
        let found = lookup::rows(&app, &caller.principal, sql, &[]).await.map_err(failed)?;
        Ok(found.first(0).and_then(|n| n.parse().ok()).unwrap_or_default())
    };
    let tables = count("SELECT count(*) FROM system.tables").await?;
    let databases = count("SELECT count(*) FROM system.databases").await?;
    Ok(json(&value!({"tables": tables, "databases": databases})))
}

/// `GET /v1/catalog/databases/{database}/tables/{table}/fields`
///
/// Columns as a query over the table yields them; so those of a view are up to date whether or not `resolve_view` asks
/// for it.
pub async fn fields(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((database, table)): Path<(String, String)>,
    Query(options): Query<FieldsQuery>,
) -> Result<Response, ProtocolError> {
    if let Some(catalog) = options.catalog.filter(|catalog| catalog != CATALOG) {
        return Err(ProtocolError::new(StatusCode::NOT_FOUND, format!("unknown catalog `{catalog}`")));
    }
    require_database(&app, &caller.principal, &database).await?;
    let name = [lookup::quoted(&database), lookup::quoted(&table)].join(".");
    let empty = ["SELECT * FROM", &name, "LIMIT 0"].join(" ");
    let shown = lookup::rows(&app, &caller.principal, &empty, &[]).await.map_err(failed)?;
    let sql = "SELECT * FROM system.columns WHERE database = ? AND \"table\" = ?";
    let known = lookup::rows(&app, &caller.principal, sql, &[&database, &table]).await.map_err(failed)?;
    let fields: Vec<Value> = shown
        .columns()
        .map(|(name, data_type, nullable)| {
            let column = known.iter().find(|row| row.text("name") == name);
            let default = column.map(|row| row.text("default_expression")).filter(|text| !text.is_empty());
            value!({"name": name, "type": data_type, "nullable": nullable, "default": default, "extra": null})
        })
        .collect();
    Ok(json(&value!({"fields": fields, "warnings": []})))
}

/// `GET /v1/catalog/databases/{database}/streams`: there are no streams over tables.
pub async fn streams(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(database): Path<String>,
) -> Result<Response, ProtocolError> {
    require_database(&app, &caller.principal, &database).await?;
    Ok(json(&value!({"streams": [], "warnings": []})))
}

async fn require_database(app: &App, principal: &Principal, database: &str) -> Result<(), ProtocolError> {
    let sql = "SELECT name FROM system.databases WHERE name = ?";
    if lookup::rows(app, principal, sql, &[database]).await.map_err(failed)?.is_empty() {
        return Err(failed(Error::UnknownDatabase { name: database.to_string() }));
    }
    Ok(())
}
