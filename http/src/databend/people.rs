//! Users and roles over HTTP, and the nodes there are (this one). Users are made by the same statements that people write.

use super::{
    error::ProtocolError,
    lookup::{self, failed, json},
    wire::UserBody,
};
use crate::{app::App, auth::Caller, body};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use basalt_engine::Error;
use serde_json::{Value, json as value};

/// `GET /v1/users`
pub async fn users(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let sql = "SELECT * FROM system.users ORDER BY name";
    let found = lookup::rows(&app, &caller.principal, sql, &[]).await.map_err(failed)?;
    let users: Vec<Value> = found
        .iter()
        .map(|row| {
            value!({
                "name": row.text("name"),
                "hostname": row.text("hostname"),
                "auth_type": row.text("auth_type"),
                "default_role": row.text("default_role"),
                "grant_roles": names(row.text("roles")),
                "disabled": row.text("disabled") == "1",
                "network_policy": row.get("network_policy"),
                "password_policy": row.get("password_policy"),
                "must_change_password": row.get("must_change_password").map(|text| text == "1"),
            })
        })
        .collect();
    Ok(json(&value!({"users": users})))
}

fn names(list: &str) -> Vec<&str> {
    list.trim_matches(['[', ']'])
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|n| !n.is_empty())
        .collect()
}

/// `POST /v1/users`: makes a user or replaces it, with its roles.
pub async fn create_user(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ProtocolError> {
    let bytes = body::collect(body, &app.limits).await?;
    let user: UserBody =
        serde_json::from_slice(&bytes).map_err(|e| ProtocolError::bad_request(format!("parse error: {e}")))?;
    if let Some(host) = user.hostname.as_deref().filter(|host| !host.is_empty() && *host != "%") {
        let what = format!("users bound to a host (`{host}`): use a network policy");
        return Err(failed(Error::Unsupported { what }));
    }
    for statement in statements(&user)? {
        lookup::rows(&app, &caller.principal, &statement, &[]).await.map_err(failed)?;
    }
    Ok(json(&Value::Null))
}

fn statements(user: &UserBody) -> Result<Vec<String>, ProtocolError> {
    let name = lookup::literal(&user.name);
    let mut create = vec!["CREATE OR REPLACE USER".to_string(), name.clone(), "IDENTIFIED".into()];
    let kind = user.auth_type.as_deref().unwrap_or("sha256_password");
    if !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(ProtocolError::bad_request(format!("unknown auth_type `{kind}`")));
    }
    create.extend(["WITH".to_string(), kind.to_string()]);
    if let Some(secret) = &user.auth_string {
        create.extend(["BY".to_string(), lookup::literal(secret)]);
    }
    if let Some(role) = &user.default_role {
        create.extend(["WITH DEFAULT_ROLE =".to_string(), lookup::literal(role)]);
    }
    let mut statements = vec![create.join(" ")];
    for role in user.roles.iter().flatten() {
        statements.push(["GRANT ROLE", &lookup::quoted(role), "TO USER", &name].join(" "));
    }
    if user.grant_all == Some(true) {
        statements.push(["GRANT ALL ON *.* TO USER", &name].join(" "));
    }
    Ok(statements)
}

/// `GET /v1/roles`: those of the caller.
pub async fn roles(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Response, ProtocolError> {
    let granted = app.engine.roles(&caller.principal).map_err(failed)?;
    let default = granted.first().map_or("public", String::as_str);
    let roles: Vec<Value> = granted
        .iter()
        .map(|name| value!({"name": name, "is_current": name.as_str() == default, "is_default": name.as_str() == default}))
        .collect();
    Ok(json(&value!({"roles": roles})))
}

/// `GET /v1/discovery_nodes`: the address by which the client knows this node.
pub async fn nodes(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("127.0.0.1:8000");
    json(&value!([{"address": host}]))
}
