//! Answers made of the server's own tables: a statement runs as the caller, who therefore sees what he may see, and its
//! rows come back as text by the names of their columns.

use super::{error::ProtocolError, types};
use crate::{app::App, encode};
use arrow::datatypes::SchemaRef;
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{CloseReason, Error, Parameters, Principal, QueryRequest, Session};
use serde_json::Value;
use std::time::Duration;

/// Longest time such a statement may take.
const WAIT: Duration = Duration::from_secs(60);

/// The rows of a statement.
pub struct Found {
    schema: SchemaRef,
    rows: Vec<Vec<Option<String>>>,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    schema: &'a SchemaRef,
    cells: &'a [Option<String>],
}

/// Runs `sql` with `parameters` for its question marks. Times are in UTC.
pub async fn rows(app: &App, principal: &Principal, sql: &str, parameters: &[&str]) -> Result<Found, Error> {
    let mut session = Session::new(principal.clone());
    session.settings.insert("timezone".into(), "UTC".into());
    let mut request = QueryRequest::new(sql, session);
    if !parameters.is_empty() {
        let values = parameters.iter().map(|text| Value::String((*text).to_string())).collect();
        request.parameters = Some(Parameters::Positional(values));
    }
    let query = app.engine.query(request).await?;
    let mut rows = Vec::new();
    for number in 0.. {
        let page = match query.page(number, WAIT).await? {
            Some(page) => page,
            None => {
                query.close(CloseReason::Cancelled);
                let (what, setting) = ("a look into the server's tables", "query_time_max");
                return Err(Error::DeadlineExceeded { what, limit_secs: WAIT.as_secs(), setting });
            }
        };
        let mut text = b"[".to_vec();
        let written = encode::rows_as_text_arrays(&mut text, &page.batches, &encode::Display::default());
        written.map_err(|error| Error::Evaluation { message: error.to_string() })?;
        text.push(b']');
        let cells: Vec<Vec<Option<String>>> =
            serde_json::from_slice(&text).map_err(|error| Error::Evaluation { message: error.to_string() })?;
        rows.extend(cells);
        if !page.more {
            break;
        }
    }
    query.close(CloseReason::Finalized);
    let schema = query.schema().unwrap_or_else(|| std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    Ok(Found { schema, rows })
}

impl Found {
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { schema: &self.schema, cells })
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first row's cell in the column at `index`.
    pub fn first(&self, index: usize) -> Option<&str> {
        self.rows.first()?.get(index)?.as_deref()
    }

    /// Columns: name, type as clients know it, whether it may be NULL.
    pub fn columns(&self) -> impl Iterator<Item = (&str, String, bool)> {
        self.schema.fields().iter().map(|field| (field.name().as_str(), types::inner(field), field.is_nullable()))
    }

    /// Every row as an object, cells by the types of their columns.
    pub fn objects(&self) -> Value {
        self.iter().map(Row::object).collect()
    }
}

impl<'a> Row<'a> {
    /// A cell; `None` when it is NULL or there is no such column.
    pub fn get(self, name: &str) -> Option<&'a str> {
        let at = self.schema.fields().iter().position(|f| f.name().eq_ignore_ascii_case(name))?;
        self.cells.get(at)?.as_deref()
    }

    pub fn text(self, name: &str) -> &'a str {
        self.get(name).unwrap_or_default()
    }

    pub fn number(self, name: &str) -> u64 {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// `2024-02-29 01:02:03.000004` as `2024-02-29T01:02:03.000004Z`; NULL is null.
    pub fn time(self, name: &str) -> Value {
        self.get(name).map_or(Value::Null, |text| Value::String(rfc3339(text)))
    }

    /// A time as whole seconds since 1970.
    pub fn seconds(self, name: &str) -> Option<u64> {
        let time = chrono::NaiveDateTime::parse_from_str(self.get(name)?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        u64::try_from(time.and_utc().timestamp()).ok()
    }

    fn object(self) -> Value {
        let cells = self.schema.fields().iter().zip(self.cells).map(|(field, cell)| {
            let name = types::inner(field);
            let name = name.trim_end_matches(" NULL");
            let value = match cell {
                None => Value::Null,
                Some(text) if name == "Boolean" => Value::Bool(text == "1"),
                Some(text) if name == "Timestamp" => Value::String(rfc3339(text)),
                Some(text) if name.starts_with("UInt") || name.starts_with("Int") => number(text),
                Some(text) => Value::String(text.clone()),
            };
            (field.name().clone(), value)
        });
        Value::Object(cells.collect())
    }
}

fn number(text: &str) -> Value {
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).unwrap_or(Value::Null)
}

fn rfc3339(text: &str) -> String {
    text.replacen(' ', "T", 1) + "Z"
}

/// `"name"`, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `'text'`, whatever is in it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A failure of such a call, by its status.
pub fn failed(error: Error) -> ProtocolError {
    super::error::of_files(&error)
}

pub fn json(value: &Value) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's \\ done"), "'it\\'s \\\\ done'");
        assert_eq!(rfc3339("2024-02-29 01:02:03.000004"), "2024-02-29T01:02:03.000004Z");
    }
}
