//! What runs, what ran, and how the server is set.

use super::rows::{Cell, Kind, Rows, row};
use crate::{
    Result,
    access::{Object, Privilege},
    plan::StatementContext,
    query::{QueryState, QuerySummary},
    session::{Values, definitions, value_in_force},
};

/// Queries of the user; of everyone, for an admin.
fn visible(context: &StatementContext) -> Vec<QuerySummary> {
    let all = context.may(Privilege::Super, &Object::Global);
    let mut queries = context.parts.queries.summaries();
    queries.retain(|q| all || q.user == context.session.principal.name);
    queries
}

fn state(state: QueryState) -> &'static str {
    match state {
        QueryState::Starting => "Starting",
        QueryState::Running => "Running",
        QueryState::Succeeded => "Succeeded",
        QueryState::Failed => "Failed",
    }
}

pub(super) fn queries(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("query_id", Kind::Text),
        ("user", Kind::Text),
        ("session_id", Kind::Text),
        ("database", Kind::Text),
        ("sql", Kind::Text),
        ("state", Kind::Text),
        ("error", Kind::TextN),
        ("started_at", Kind::Time),
        ("elapsed_ms", Kind::Float),
        ("scanned_rows", Kind::U64),
        ("scanned_bytes", Kind::U64),
        ("result_rows", Kind::U64),
        ("result_bytes", Kind::U64),
        ("written_rows", Kind::U64),
        ("written_bytes", Kind::U64),
        ("spilled_files", Kind::U64),
        ("spilled_bytes", Kind::U64),
    ]);
    for query in visible(context) {
        let stats = query.stats;
        rows.push(row![
            query.id,
            query.user,
            query.session_id,
            query.database,
            query.sql,
            state(query.state),
            query.error,
            query.started_at,
            stats.running.as_secs_f64() * 1000.0,
            stats.scanned.rows,
            stats.scanned.bytes,
            stats.result.rows,
            stats.result.bytes,
            stats.written.rows,
            stats.written.bytes,
            stats.spilled_files,
            stats.spilled_bytes,
        ]);
    }
    Ok(rows)
}

pub(super) fn processes(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("id", Kind::Text),
        ("node", Kind::Text),
        ("type", Kind::Text),
        ("host", Kind::TextN),
        ("user", Kind::Text),
        ("command", Kind::Text),
        ("database", Kind::Text),
        ("extra_info", Kind::Text),
        ("memory_usage", Kind::I64),
        ("data_read_bytes", Kind::U64),
        ("data_write_bytes", Kind::U64),
        ("scan_progress_read_rows", Kind::U64),
        ("scan_progress_read_bytes", Kind::U64),
        ("mysql_connection_id", Kind::U64N),
        ("time", Kind::U64),
        ("status", Kind::Text),
        ("current_query_id", Kind::Text),
        ("query_hash", Kind::Text),
        ("query_parameterized_hash", Kind::Text),
        ("created_time", Kind::Time),
    ]);
    let running = |q: &QuerySummary| matches!(q.state, QueryState::Starting | QueryState::Running);
    for query in visible(context).into_iter().filter(running) {
        let stats = query.stats;
        rows.push(row![
            query.id.as_str(),
            "local",
            "HTTPQuery",
            Cell::Null,
            query.user,
            "Query",
            query.database,
            query.sql,
            0i64,
            stats.scanned.bytes,
            stats.written.bytes,
            stats.scanned.rows,
            stats.scanned.bytes,
            Cell::Null,
            stats.running.as_secs(),
            state(query.state),
            query.id.as_str(),
            "",
            "",
            query.started_at,
        ]);
    }
    Ok(rows)
}

pub(super) fn settings(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("value", Kind::Text),
        ("default", Kind::Text),
        ("range", Kind::Text),
        ("level", Kind::Text),
        ("description", Kind::Text),
        ("type", Kind::Text),
    ]);
    let globals = context.snapshot.settings();
    for definition in definitions() {
        let (range, kind) = match definition.values {
            Values::Number { min, max } => (format!("[{min}, {max}]"), "UInt64"),
            Values::OneOf(values) => (format!("[{}]", values.join(", ")), "String"),
            Values::TimeZone => ("IANA time zone".to_owned(), "String"),
            Values::Any => (String::new(), "String"),
        };
        let level = if context.session.settings.contains_key(definition.name) {
            "SESSION"
        } else if globals.iter().any(|(name, _)| name == definition.name) {
            "GLOBAL"
        } else {
            "DEFAULT"
        };
        let value = value_in_force(definition.name, &context.session.settings, &globals)?;
        rows.push(row![definition.name, value, definition.default, range, level, definition.description, kind,]);
    }
    Ok(rows)
}

pub(super) fn functions(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("is_aggregate", Kind::Bool),
        ("description", Kind::Text),
        ("syntax", Kind::Text),
        ("example", Kind::Text),
    ]);
    for function in context.parts.functions.list() {
        rows.push(row![function.name, function.is_aggregate, function.description, function.syntax, function.example,]);
    }
    Ok(rows)
}

pub(super) fn metrics(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("node", Kind::Text),
        ("metric", Kind::Text),
        ("kind", Kind::Text),
        ("labels", Kind::Text),
        ("value", Kind::Text),
    ]);
    let parts = &context.parts;
    let running = parts
        .queries
        .summaries()
        .iter()
        .filter(|q| matches!(q.state, QueryState::Starting | QueryState::Running))
        .count();
    let spill = parts.runtime.env().spilling_progress();
    let values: [(&str, u64); 6] = [
        ("basalt_queries_running", running as u64),
        ("basalt_loads_running", parts.loads.running() as u64),
        ("basalt_tasks_running", parts.tasks.running().len() as u64),
        ("basalt_query_memory_reserved_bytes", parts.runtime.memory_pool().reserved() as u64),
        ("basalt_spill_current_bytes", spill.current_bytes),
        ("basalt_catalog_version", context.snapshot.version().0),
    ];
    for (name, value) in values {
        rows.push(row!["local", name, "gauge", "{}", value.to_string()]);
    }
    Ok(rows)
}

pub(super) fn tasks(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("task_id", Kind::U64), ("name", Kind::Text), ("elapsed_ms", Kind::Float)]);
    for task in context.parts.tasks.running() {
        rows.push(row![task.id, task.name, task.started.elapsed().as_secs_f64() * 1000.0]);
    }
    Ok(rows)
}

pub(super) fn one(_context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("dummy", Kind::U8)]);
    rows.push(row![1u64]);
    Ok(rows)
}

pub(super) fn session_variables(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("name", Kind::Text), ("value", Kind::TextN), ("type", Kind::Text)]);
    for (name, variable) in &context.session.variables {
        rows.push(row![name.as_str(), variable.text.as_deref(), variable.data_type.as_str()]);
    }
    Ok(rows)
}
