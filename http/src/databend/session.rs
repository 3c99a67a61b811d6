//! The session object: from the client's copy to the engine's [`Session`], and back.

use super::{
    error::ProtocolError,
    wire::{SessionBody, TxnState},
};
use crate::{app::App, encode::json_string};
use basalt_engine::{Error, Principal, Session, TransactionId, TransactionState, Variable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What only the server reads; travels as a JSON text inside the session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Internal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txn_id: Option<u64>,
    /// Name and value of each session variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    variables: Vec<(String, VariableBody)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_temp_table: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    last_node_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    last_query_ids: Vec<String>,
    /// Keys that others wrote: kept as they are.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The value of a session variable as text, and its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct VariableBody {
    #[serde(rename = "type")]
    data_type: String,
    value: Option<String>,
}

/// Parts of the client's object that the engine does not know and the client wants back.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    catalog: Option<String>,
    /// Settings we do not have: ignored with a warning, kept.
    unknown_settings: BTreeMap<String, String>,
    others: Map<String, Value>,
    /// Keys of `internal` that are not ours.
    internal: Map<String, Value>,
}

/// What a query request's session means.
#[derive(Debug)]
pub struct Opened {
    pub session: Session,
    pub echo: Echo,
    pub warnings: Vec<String>,
}

/// The engine's session for a request.
pub fn open(app: &App, principal: Principal, id: String, body: Option<SessionBody>) -> Result<Opened, ProtocolError> {
    let mut session = Session::new(principal);
    session.id = id;
    let Some(body) = body else { return Ok(Opened { session, echo: Echo::default(), warnings: Vec::new() }) };
    if let Some(database) = body.database.filter(|d| !d.is_empty()) {
        session.database = database;
    }
    let internal: Internal = match body.internal.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(text)
            .map_err(|e| ProtocolError::bad_request(format!("parse error: session.internal: {e}")))?,
        None => Internal::default(),
    };
    session.role = body.role.filter(|role| !role.is_empty());
    session.secondary_roles = body.secondary_roles;
    session.transaction = transaction(body.txn_state, internal.txn_id);
    session.temporary_tables = internal.has_temp_table;
    let variable =
        |(name, value): (String, VariableBody)| (name, Variable { data_type: value.data_type, text: value.value });
    session.variables = internal.variables.into_iter().map(variable).collect();
    session.last_query_ids = internal.last_query_ids;
    let (mut unknown_settings, mut warnings) = (BTreeMap::new(), Vec::new());
    for (name, value) in body.settings.unwrap_or_default() {
        if let Err(Error::UnknownSetting { .. }) = app.engine.setting(&session, &name) {
            warnings.push(format!("unknown setting `{name}` ignored"));
            unknown_settings.insert(name, value);
        } else {
            session.settings.insert(name, value);
        }
    }
    let mut others = body.others;
    // These two are ours: written anew each time.
    others.retain(|key, _| key != "need_sticky" && key != "need_keep_alive");
    let echo = Echo { catalog: body.catalog, unknown_settings, others, internal: internal.others };
    Ok(Opened { session, echo, warnings })
}

/// Without an id it is a transaction this server never gave out: the engine will not find it and say so.
fn transaction(state: Option<TxnState>, id: Option<u64>) -> TransactionState {
    let id = TransactionId(id.unwrap_or(0));
    match state.unwrap_or(TxnState::AutoCommit) {
        TxnState::AutoCommit => TransactionState::AutoCommit,
        TxnState::Active => TransactionState::Active(id),
        TxnState::Fail => TransactionState::Failed(id),
    }
}

/// A statement that could not start spoils its transaction.
pub fn after_failed_start(mut session: Session) -> Session {
    if let TransactionState::Active(id) = session.transaction {
        session.transaction = TransactionState::Failed(id);
    }
    session
}

/// Appends the session object. `query_id` is empty when the query never started.
pub fn write(out: &mut Vec<u8>, session: &Session, echo: &Echo, node_id: &str, query_id: &str) {
    let (state, txn_id) = match session.transaction {
        TransactionState::AutoCommit => ("AutoCommit", None),
        TransactionState::Active(id) => ("Active", Some(id.0)),
        TransactionState::Failed(id) => ("Fail", Some(id.0)),
    };
    out.extend_from_slice(b"{\"catalog\":");
    json_string(out, echo.catalog.as_deref().unwrap_or("default"));
    out.extend_from_slice(b",\"database\":");
    json_string(out, &session.database);
    out.extend_from_slice(b",\"role\":");
    json_string(out, session.role.as_deref().unwrap_or("account_admin"));
    if let Some(roles) = &session.secondary_roles {
        out.extend_from_slice(b",\"secondary_roles\":");
        write_value(out, roles);
    }
    out.extend_from_slice(b",\"settings\":{");
    let mut first = true;
    for (name, value) in session.settings.iter().chain(&echo.unknown_settings) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        json_string(out, name);
        out.push(b':');
        json_string(out, value);
    }
    out.extend_from_slice(b"},\"txn_state\":\"");
    out.extend_from_slice(state.as_bytes());
    out.extend_from_slice(b"\",\"need_sticky\":");
    out.extend_from_slice(if state == "Active" || session.temporary_tables { b"true" } else { b"false" });
    out.extend_from_slice(b",\"need_keep_alive\":");
    out.extend_from_slice(if session.temporary_tables { b"true" } else { b"false" });
    out.extend_from_slice(b",\"internal\":");
    write_internal(out, session, txn_id, node_id, query_id, &echo.internal);
    for (name, value) in &echo.others {
        out.push(b',');
        json_string(out, name);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

fn write_internal(
    out: &mut Vec<u8>,
    session: &Session,
    txn_id: Option<u64>,
    node_id: &str,
    query_id: &str,
    others: &Map<String, Value>,
) {
    let last_query_ids = if query_id.is_empty() { Vec::new() } else { vec![query_id.to_string()] };
    let body = |v: &Variable| VariableBody { data_type: v.data_type.clone(), value: v.text.clone() };
    let variables = session.variables.iter().map(|(name, v)| (name.clone(), body(v))).collect();
    let internal = Internal {
        txn_id,
        variables,
        has_temp_table: session.temporary_tables,
        last_node_id: node_id.into(),
        last_query_ids,
        others: others.clone(),
    };
    let mut text = Vec::with_capacity(128);
    write_value(&mut text, &internal);
    crate::encode::json_string_from_utf8(out, &text);
}

pub(super) fn write_value(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("plain data with text keys serialises into memory");
}
