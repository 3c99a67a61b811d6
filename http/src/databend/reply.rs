//! The answer to a statement, a page or a final call: one JSON object, written straight into one buffer. Rows go from
//! Arrow arrays to text without anything in between.

use super::{
    arrow_body::{self, Agreed},
    error,
    session::{self, Echo},
    types,
};
use crate::{
    app::App,
    encode::{self, BinaryFormat, Display, EncodeError, json_string},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::types::geometry::GeometryFormat;
use basalt_engine::{Error, Progress, QueryHandle, QueryState, QueryStats, ResultPage, Session, SessionEffect};
use std::sync::Arc;

/// Where the client goes from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Page(u64),
    Final,
    Nowhere,
}

/// What an answer says besides what the query itself knows.
pub struct Reply<'a> {
    pub query: &'a QueryHandle,
    /// The session after the statement, as the engine sees it.
    pub state: &'a Session,
    /// The session object to send, already written; `None` = unchanged.
    pub session: Option<&'a [u8]>,
    pub error: Option<&'a Error>,
    pub warnings: Vec<String>,
    pub page: Option<&'a ResultPage>,
    pub next: Next,
    /// Rows as Arrow, where there are any.
    pub arrow: Option<Agreed>,
}

/// Where an answer's rows and their types are.
#[derive(Clone, Copy)]
enum Rows<'a> {
    Here(Option<&'a ResultPage>),
    /// Around the answer.
    InArrow,
}

/// Cells, columns and bytes of a page beyond which it is encoded off the I/O threads.
const INLINE_CELLS_MAX: usize = 20_000;

impl Reply<'_> {
    /// Whether encoding the rows takes long enough to matter to other connections of the same thread.
    pub fn is_large(page: Option<&Arc<ResultPage>>) -> bool {
        page.is_some_and(|page| {
            let columns = page.batches.first().map_or(0, |b| b.num_columns());
            page.rows.saturating_mul(columns) > INLINE_CELLS_MAX
        })
    }

    /// The whole answer.
    pub fn response(&self, app: &App) -> Response {
        let texts = SettingTexts::read(app, self.state);
        if let Some(mut response) = self.arrow_response(app, &texts) {
            self.add_headers(response.headers_mut());
            return response;
        }
        let body = match self.body(app, &texts, Rows::Here(self.page), self.error) {
            Ok(body) => body,
            Err(problem) => {
                let error = Error::Evaluation { message: problem.to_string() };
                self.body(app, &texts, Rows::Here(None), Some(&error)).unwrap_or_default()
            }
        };
        let mut response = json_response(body);
        self.add_headers(response.headers_mut());
        response
    }

    /// Rows as Arrow, the rest of the answer beside them. Nothing when there are no rows: that is told as JSON.
    fn arrow_response(&self, app: &App, texts: &SettingTexts) -> Option<Response> {
        let (agreed, page) = (self.arrow?, self.page.filter(|page| page.rows > 0 && self.error.is_none())?);
        let has_columns = page.batches.first().is_some_and(|b| b.num_columns() > 0);
        let answer = self.body(app, texts, Rows::InArrow, None).ok().filter(|_| has_columns)?;
        match arrow_body::write(&page.batches, agreed, &texts.display(), &answer) {
            Ok(bytes) => Some(([(header::CONTENT_TYPE, arrow_body::CONTENT_TYPE)], Body::from(bytes)).into_response()),
            Err(error) => {
                tracing::error!(%error, query_id = self.query.id(), "a page cannot be written as Arrow");
                None
            }
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        let state = if self.error.is_some() { "Failed" } else { state_name(self.query.state()) };
        add_query_headers(headers, self.query.id(), state);
        headers.insert("x-databend-query-page-rows", HeaderValue::from(self.page.map_or(0, |p| p.rows)));
    }

    fn body(
        &self,
        app: &App,
        texts: &SettingTexts,
        rows: Rows<'_>,
        error: Option<&Error>,
    ) -> Result<Vec<u8>, EncodeError> {
        let id = self.query.id();
        let page = if let Rows::Here(page) = rows { page } else { None };
        let memory: usize = page.map_or(0, |p| p.batches.iter().map(|b| b.get_array_memory_size()).sum());
        let mut out = Vec::with_capacity(2048 + memory.min(8 << 20));
        out.extend_from_slice(b"{\"id\":");
        json_string(&mut out, id);
        out.extend_from_slice(b",\"session_id\":");
        json_string(&mut out, &self.state.id);
        out.extend_from_slice(b",\"node_id\":");
        json_string(&mut out, &app.node_id);
        out.extend_from_slice(b",\"state\":");
        json_string(&mut out, if error.is_some() { "Failed" } else { state_name(self.query.state()) });
        out.extend_from_slice(b",\"session\":");
        out.extend_from_slice(self.session.unwrap_or(b"null"));
        out.extend_from_slice(b",\"error\":");
        write_error(&mut out, error);
        out.extend_from_slice(b",\"warnings\":");
        session::write_value(&mut out, &self.warnings);
        if let Some(has) = self.query.has_result_set() {
            out.extend_from_slice(if has { b",\"has_result_set\":true" } else { b",\"has_result_set\":false" });
        }
        match rows {
            Rows::InArrow => out.extend_from_slice(b",\"schema\":[]"),
            Rows::Here(_) => self.schema(&mut out),
        }
        out.extend_from_slice(b",\"data\":[");
        if let Rows::Here(Some(page)) = rows {
            encode::rows_as_text_arrays(&mut out, &page.batches, &texts.display())?;
        }
        out.extend_from_slice(b"],\"affect\":");
        write_affect(&mut out, self.query.effect());
        out.extend_from_slice(b",\"result_timeout_secs\":");
        number(&mut out, self.query.result_timeout().as_secs());
        if self.query.schema().is_some() {
            texts.write(&mut out, self.arrow);
        }
        out.extend_from_slice(b",\"stats\":");
        write_stats(&mut out, &self.query.stats());
        self.uris(&mut out, id);
        out.push(b'}');
        Ok(out)
    }

    fn schema(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"schema\":[");
        for (i, field) in self.query.schema().iter().flat_map(|s| s.fields().iter()).enumerate() {
            out.extend_from_slice(if i == 0 { b"{\"name\":" } else { b",{\"name\":" });
            json_string(out, field.name());
            out.extend_from_slice(b",\"type\":");
            json_string(out, &types::column_type(field));
            out.push(b'}');
        }
        out.push(b']');
    }

    fn uris(&self, out: &mut Vec<u8>, id: &str) {
        // Ids are checked when a query starts: nothing in them needs escaping in a path or in JSON.
        let mut uri = |key: &str, tail: &str| {
            out.extend_from_slice(format!(",\"{key}\":\"/v1/query/{id}{tail}\"").as_bytes());
        };
        uri("stats_uri", "");
        uri("final_uri", "/final");
        match self.next {
            Next::Page(n) => uri("next_uri", &format!("/page/{n}")),
            Next::Final => uri("next_uri", "/final"),
            Next::Nowhere => out.extend_from_slice(b",\"next_uri\":null"),
        }
        out.extend_from_slice(format!(",\"kill_uri\":\"/v1/query/{id}/kill\"").as_bytes());
    }
}

/// The answer to a statement that did not even start.
pub fn failed_start(state: &Session, echo: &Echo, warnings: &[String], error: &Error) -> Response {
    let mut out = b"{\"id\":\"\",\"session_id\":".to_vec();
    json_string(&mut out, &state.id);
    out.extend_from_slice(b",\"node_id\":\"\",\"state\":\"Failed\",\"session\":");
    session::write(&mut out, state, echo, "", "");
    out.extend_from_slice(b",\"error\":");
    write_error(&mut out, Some(error));
    out.extend_from_slice(b",\"warnings\":");
    session::write_value(&mut out, &warnings);
    out.extend_from_slice(b",\"schema\":[],\"data\":[],\"affect\":null,\"result_timeout_secs\":0,\"stats\":");
    write_stats(&mut out, &QueryStats::default());
    out.extend_from_slice(b",\"stats_uri\":null,\"final_uri\":null,\"next_uri\":null,\"kill_uri\":null}");
    let mut response = json_response(out);
    response.headers_mut().insert("x-databend-query-state", HeaderValue::from_static("Failed"));
    response
}

/// The answer of the state endpoint: no rows, no session; older clients expect their keys all the same.
pub fn state_only(query: &QueryHandle) -> Response {
    let mut out = b"{\"id\":".to_vec();
    json_string(&mut out, query.id());
    out.extend_from_slice(b",\"session_id\":");
    json_string(&mut out, &query.session().id);
    out.extend_from_slice(b",\"session\":{},\"schema\":[],\"data\":[],\"next_uri\":null");
    out.extend_from_slice(b",\"state\":");
    json_string(&mut out, state_name(query.state()));
    out.extend_from_slice(b",\"error\":");
    write_error(&mut out, query.error().as_ref());
    out.extend_from_slice(b",\"warnings\":");
    session::write_value(&mut out, &query.warnings());
    out.extend_from_slice(b",\"stats\":");
    write_stats(&mut out, &query.stats());
    out.push(b'}');
    let mut response = json_response(out);
    add_query_headers(response.headers_mut(), query.id(), state_name(query.state()));
    response
}

fn add_query_headers(headers: &mut HeaderMap, id: &str, state: &'static str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-databend-query-id", id);
    }
    headers.insert("x-databend-query-state", HeaderValue::from_static(state));
}

fn json_response(body: Vec<u8>) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

fn state_name(state: QueryState) -> &'static str {
    match state {
        QueryState::Starting => "Starting",
        QueryState::Running => "Running",
        QueryState::Succeeded => "Succeeded",
        QueryState::Failed => "Failed",
    }
}

fn write_error(out: &mut Vec<u8>, error: Option<&Error>) {
    let Some(error) = error else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"code\":");
    number(out, u64::from(error::code(error)));
    out.extend_from_slice(b",\"message\":");
    json_string(out, &error.to_string());
    out.push(b'}');
}

fn write_affect(out: &mut Vec<u8>, effect: Option<SessionEffect>) {
    let value = match effect {
        None => return out.extend_from_slice(b"null"),
        Some(SessionEffect::UseDatabase(name)) => serde_json::json!({"type": "UseDB", "name": name}),
        Some(SessionEffect::UseCatalog(name)) => serde_json::json!({"type": "UseCatalog", "name": name}),
        Some(SessionEffect::ChangeSettings(changes)) => serde_json::json!({
            "type": "ChangeSettings",
            "keys": changes.iter().map(|c| &c.name).collect::<Vec<_>>(),
            "values": changes.iter().map(|c| &c.value).collect::<Vec<_>>(),
            "is_globals": changes.iter().map(|c| c.global).collect::<Vec<_>>(),
        }),
    };
    session::write_value(out, &value);
}

fn write_stats(out: &mut Vec<u8>, stats: &QueryStats) {
    let mut progress = |key: &str, p: Progress| {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"{\"rows\":");
        number(out, p.rows);
        out.extend_from_slice(b",\"bytes\":");
        number(out, p.bytes);
        out.push(b'}');
    };
    progress("{\"scan_progress\":", stats.scanned);
    progress(",\"write_progress\":", stats.written);
    progress(",\"result_progress\":", stats.result);
    progress(",\"total_scan\":", stats.total_scan);
    out.extend_from_slice(b",\"spill_progress\":{\"file_nums\":");
    number(out, stats.spilled_files);
    out.extend_from_slice(b",\"bytes\":");
    number(out, stats.spilled_bytes);
    out.extend_from_slice(b"},\"running_time_ms\":");
    number(out, u64::try_from(stats.running.as_millis()).unwrap_or(u64::MAX));
    out.push(b'}');
}

fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// The settings that clients parse cells by.
struct SettingTexts {
    timezone: String,
    geometry: String,
    binary: String,
    mode: String,
    null_as_text: bool,
}

impl SettingTexts {
    fn read(app: &App, session: &Session) -> Self {
        let or = |name: &str, default: &str| app.engine.setting(session, name).unwrap_or_else(|_| default.to_string());
        Self {
            timezone: or("timezone", "UTC"),
            geometry: or("geometry_output_format", "GeoJSON"),
            binary: or("binary_output_format", "HEX"),
            mode: or("http_json_result_mode", "display"),
            null_as_text: or("format_null_as_str", "0") == "1",
        }
    }

    fn display(&self) -> Display {
        let epoch_numbers = self.mode.eq_ignore_ascii_case("driver");
        let binary = match self.binary.to_ascii_uppercase().as_str() {
            _ if epoch_numbers => BinaryFormat::Hex,
            "BASE64" => BinaryFormat::Base64,
            "UTF-8" | "UTF8" => BinaryFormat::Utf8,
            "UTF-8-LOSSY" | "UTF8-LOSSY" => BinaryFormat::Utf8Lossy,
            _ => BinaryFormat::Hex,
        };
        let timezone = self.timezone.parse().unwrap_or(chrono_tz::UTC);
        let geometry = GeometryFormat::named(&self.geometry).unwrap_or_default();
        Display { timezone, binary, null_as_text: self.null_as_text, epoch_numbers, geometry }
    }

    fn write(&self, out: &mut Vec<u8>, arrow: Option<Agreed>) {
        out.extend_from_slice(b",\"settings\":{\"timezone\":");
        json_string(out, &self.timezone);
        out.extend_from_slice(b",\"geometry_output_format\":");
        json_string(out, &self.geometry);
        out.extend_from_slice(b",\"binary_output_format\":");
        json_string(out, &self.binary);
        out.extend_from_slice(b",\"http_json_result_mode\":");
        json_string(out, &self.mode);
        if let Some(agreed) = arrow.filter(|agreed| agreed.version > 1) {
            out.extend_from_slice(b",\"arrow_result_version\":");
            number(out, agreed.version);
            if agreed.decimal64 {
                out.extend_from_slice(b",\"arrow_features\":{\"decimal64\":true}");
            }
        }
        out.push(b'}');
    }
}
