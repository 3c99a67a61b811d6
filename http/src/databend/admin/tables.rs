//! Tables with their sizes, and what is known of their columns.

use crate::{
    app::App,
    auth::Caller,
    databend::{
        catalog::create_query,
        error::ProtocolError,
        lookup::{self, Row, failed, json},
    },
};
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use basalt_engine::Error;
use serde_json::{Value, json as value};
use std::collections::BTreeMap;

const ALL: &str = "SELECT * FROM system.tables ORDER BY database, name";

/// `GET /v1/tables`
pub async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let found = lookup::rows(&app, &caller.principal, ALL, &[]).await.map_err(failed)?;
    let (mut tables, mut warnings) = (Vec::new(), Vec::new());
    for row in found.iter() {
        let (database, name) = (row.text("database"), row.text("name"));
        let create = create_query(&app, &caller.principal, database, name).await.unwrap_or_else(|error| {
            warnings.push(format!("{database}.{name}: {error}"));
            String::new()
        });
        tables.push(described(row, create));
    }
    Ok(json(&value!({"tables": tables, "warnings": warnings})))
}

fn described(row: Row<'_>, create: String) -> Value {
    value!({
        "table": row.text("name"),
        "database": row.text("database"),
        "engine": row.text("engine"),
        "created_on": row.time("created_on"),
        "updated_on": row.time("updated_on"),
        "is_local": false,
        "rows": row.number("num_rows"),
        "data_bytes": row.number("data_size"),
        "compressed_data_bytes": row.number("data_compressed_size"),
        "index_bytes": row.number("index_size"),
        "number_of_blocks": row.number("number_of_blocks"),
        "number_of_segments": row.number("number_of_segments"),
        "table_id": row.number("table_id"),
        "create_query": create,
    })
}

/// `GET /v1/tables/stats`: sums by engine.
pub async fn stats(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let found = lookup::rows(&app, &caller.principal, ALL, &[]).await.map_err(failed)?;
    let mut sums: BTreeMap<&str, [u64; 7]> = BTreeMap::new();
    let columns =
        ["num_rows", "data_size", "data_compressed_size", "index_size", "number_of_blocks", "number_of_segments"];
    for row in found.iter() {
        let sum = sums.entry(row.text("engine")).or_default();
        sum[0] += 1;
        for (n, column) in columns.iter().enumerate() {
            sum[n + 1] += row.number(column);
        }
    }
    let keys = [
        "tables",
        "rows",
        "data_bytes",
        "compressed_data_bytes",
        "index_bytes",
        "number_of_blocks",
        "number_of_segments",
    ];
    let object = |sum: [u64; 7]| -> Value { keys.iter().map(|k| (*k).to_string()).zip(sum.map(Value::from)).collect() };
    let internal: Value = sums.into_iter().map(|(engine, sum)| (engine.to_string(), object(sum))).collect();
    let databases = lookup::rows(&app, &caller.principal, "SELECT count(*) FROM system.databases", &[]).await;
    let databases = databases.map_err(failed)?.first(0).and_then(|n| n.parse::<u64>().ok());
    Ok(json(&value!({"databases": databases, "internal": internal, "external": {}, "warnings": []})))
}

/// `GET /v1/databases/{database}/tables/{table}/stats`: its columns.
pub async fn columns(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((database, table)): Path<(String, String)>,
) -> Result<Response, ProtocolError> {
    let sql = "SELECT * FROM system.columns WHERE database = ? AND \"table\" = ?";
    let found = lookup::rows(&app, &caller.principal, sql, &[&database, &table]).await.map_err(failed)?;
    if found.is_empty() {
        return Err(failed(Error::UnknownTable { database, name: table }));
    }
    Ok(json(&found.objects()))
}

/// `GET /v1/databases/{database}/tables/{table}/clustering_information`: the sort key and the segments it orders.
pub async fn clustering(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((database, table)): Path<(String, String)>,
) -> Result<Response, ProtocolError> {
    let sql = "SELECT * FROM system.tables WHERE database = ? AND name = ?";
    let found = lookup::rows(&app, &caller.principal, sql, &[&database, &table]).await.map_err(failed)?;
    let Some(row) = found.iter().next() else {
        return Err(failed(Error::UnknownTable { database, name: table }));
    };
    Ok(json(&value!({
        "cluster_key": row.text("cluster_by"),
        "total_block_count": row.number("number_of_blocks"),
        "total_segment_count": row.number("number_of_segments"),
        "row_count": row.number("num_rows"),
    })))
}

/// `GET /v1/stream_status`, `GET /v1/stream_backlog`: there are no streams over tables.
pub async fn no_stream() -> ProtocolError {
    failed(Error::Unsupported { what: "streams over tables".into() })
}
