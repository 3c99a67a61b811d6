//! What clients send, as they spell it. Unknown keys are ignored everywhere.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// Body of `POST /v1/query`.
#[derive(Debug, Deserialize)]
pub struct QueryBody<'a> {
    #[serde(borrow)]
    pub sql: Cow<'a, str>,
    pub session: Option<SessionBody>,
    #[serde(default)]
    pub pagination: Pagination,
    pub stage_attachment: Option<AttachmentBody>,
    pub arrow_result_version_max: Option<u64>,
    pub arrow_features: Option<ArrowFeatures>,
    pub params: Option<Value>,
}

/// What a client can read beside the basics.
#[derive(Debug, Deserialize)]
pub struct ArrowFeatures {
    pub decimal64: Option<bool>,
}

/// A file of a stage that holds the rows of the statement. Values should be texts; numbers and booleans are taken, too.
#[derive(Debug, Deserialize)]
pub struct AttachmentBody {
    pub location: String,
    pub file_format_options: Option<BTreeMap<String, Value>>,
    pub copy_options: Option<BTreeMap<String, Value>>,
}

/// Query of `/v1/presigned/…`.
#[derive(Debug, Deserialize)]
pub struct PresignedQuery {
    pub user: String,
    pub role: String,
    pub expires: i64,
    pub content_type: Option<String>,
    pub signature: String,
}

/// How the client wants its pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Pagination {
    #[serde(deserialize_with = "or_default_wait")]
    pub wait_time_secs: u64,
    pub max_rows_in_buffer: Option<usize>,
    pub max_rows_per_page: Option<usize>,
}

impl Default for Pagination {
    fn default() -> Self {
        Self { wait_time_secs: DEFAULT_WAIT_SECS, max_rows_in_buffer: None, max_rows_per_page: None }
    }
}

const DEFAULT_WAIT_SECS: u64 = 10;

fn or_default_wait<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.unwrap_or(DEFAULT_WAIT_SECS))
}

/// The session object that the server writes and the client carries. `others` are keys we do not know: they go back
/// as they came.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SessionBody {
    pub catalog: Option<String>,
    pub database: Option<String>,
    pub role: Option<String>,
    pub secondary_roles: Option<Vec<String>>,
    pub settings: Option<BTreeMap<String, String>>,
    pub txn_state: Option<TxnState>,
    pub internal: Option<String>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// Transaction state by its wire names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TxnState {
    AutoCommit,
    Active,
    Fail,
}

/// Body of `POST /v1/session/login`.
#[derive(Debug, Default, Deserialize)]
pub struct LoginBody {
    pub database: Option<String>,
    pub role: Option<String>,
    pub settings: Option<BTreeMap<String, String>>,
}

/// Query of `POST /v1/session/login`.
#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    pub disable_session_token: bool,
}

/// Body of `POST /v1/session/refresh`.
#[derive(Debug, Default, Deserialize)]
pub struct RefreshBody {
    pub session_token: Option<String>,
}

/// Body of `POST /v1/session/heartbeat`.
#[derive(Debug, Default, Deserialize)]
pub struct HeartbeatBody {
    #[serde(default)]
    pub node_to_queries: BTreeMap<String, Vec<String>>,
}

/// Body of a search.
#[derive(Debug, Deserialize)]
pub struct KeywordBody {
    pub keyword: String,
}

/// Query of `…/fields`.
#[derive(Debug, Default, Deserialize)]
pub struct FieldsQuery {
    pub catalog: Option<String>,
}

/// Body of `POST /v1/users`.
#[derive(Debug, Deserialize)]
pub struct UserBody {
    pub name: String,
    pub hostname: Option<String>,
    pub auth_type: Option<String>,
    pub auth_string: Option<String>,
    pub default_role: Option<String>,
    pub roles: Option<Vec<String>>,
    pub grant_all: Option<bool>,
}
