//! DESC and SHOW CREATE: what a table is, as rows and as the statement that would make it.

use super::{Outcome, columns::of_result, select};
use crate::{
    Result,
    plan::{StatementContext, sql_type},
    sql::ident_name,
};
use basalt_meta::{Column, ColumnId, Database, KeyModel, Table, TableEngine, TableKind};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use std::fmt::Write;

pub(super) async fn describe(context: &StatementContext, name: &ObjectName) -> Result<Outcome> {
    let columns = columns(context, name).await?;
    let row = |c: &Column| {
        let default = c.default.clone().unwrap_or_else(|| "NULL".into());
        let nullable = if c.nullable { "YES" } else { "NO" };
        [c.name.clone(), sql_type(&c.data_type), nullable.to_string(), default, extra(c)].map(Some).to_vec()
    };
    Outcome::texts(&["Field", "Type", "Null", "Default", "Extra"], columns.iter().map(row).collect())
}

/// What DESC says besides: the formula of a computed column.
pub(crate) fn extra(column: &Column) -> String {
    match &column.computed {
        Some(computed) => {
            let kind = if computed.stored { "STORED" } else { "VIRTUAL" };
            format!("{kind} COMPUTED COLUMN `{}`", computed.expression)
        }
        None if column.identity.is_some() => "AUTOINCREMENT".to_string(),
        None => String::new(),
    }
}

/// The columns of a table, a view (as its query makes them now) or a system table.
async fn columns(context: &StatementContext, name: &ObjectName) -> Result<Vec<Column>> {
    if let Ok(resolved) = context.table(name)
        && resolved.table.table().kind == TableKind::Table
    {
        return Ok(resolved.table.table().columns.clone());
    }
    let from = select::from_one(select::relation(name.clone(), None));
    let planned = context.plan_query(&select::select(vec![select::everything()], vec![from], None)).await?;
    Ok(of_result(&planned.schema))
}

pub(super) fn create_database(context: &StatementContext, name: &Ident) -> Result<Outcome> {
    let database = context.database(&ident_name(name))?;
    let names = ["Database", "Create Database"];
    Outcome::texts(&names, vec![vec![Some(database.name.clone()), Some(database_text(&database))]])
}

fn database_text(database: &Database) -> String {
    format!("CREATE DATABASE {} ENGINE = DEFAULT", quoted(&database.name))
}

pub(super) fn create_table(context: &StatementContext, name: &ObjectName) -> Result<Outcome> {
    let resolved = context.table(name)?;
    let table = resolved.table.table();
    let (names, text) = match &table.kind {
        TableKind::Table => (["Table", "Create Table"], table_text(table)),
        TableKind::View { query, .. } => {
            let database = quoted(&resolved.database.name);
            (["View", "Create View"], format!("CREATE VIEW {database}.{} AS {query}", quoted(&table.name)))
        }
    };
    Outcome::texts(&names, vec![vec![Some(table.name.clone()), Some(text)]])
}

/// The statement that makes a table like this.
pub(super) fn table_text(table: &Table) -> String {
    let transient = if table.transient { "TRANSIENT " } else { "" };
    let mut out = format!("CREATE {transient}TABLE {} (\n", quoted(&table.name));
    let lines: Vec<String> = table.columns.iter().map(|c| format!("  {}", column_text(c))).collect();
    out.push_str(&lines.join(",\n"));
    if let KeyModel::Unique { key } = &table.key_model {
        let _ = write!(out, ",\n  UNIQUE KEY ({})", names(table, key));
    }
    for check in &table.checks {
        let _ = write!(out, ",\n  CONSTRAINT {} CHECK ({})", quoted(&check.name), check.condition);
    }
    let _ = write!(out, "\n) ENGINE={}", engine_name(table.engine));
    let implied = matches!(&table.key_model, KeyModel::Unique { key } if *key == table.sort_key);
    if !table.cluster_by.is_empty() {
        let _ = write!(out, " CLUSTER BY ({})", table.cluster_by.join(", "));
    } else if !table.sort_key.is_empty() && !implied {
        let _ = write!(out, " CLUSTER BY ({})", names(table, &table.sort_key));
    }
    if let Some(text) = &table.partition_by {
        let _ = write!(out, " PARTITION BY ({text})");
    }
    for (name, value) in &table.options {
        let _ = write!(out, " {}={}", name.to_uppercase(), text(value));
    }
    if !table.comment.is_empty() {
        let _ = write!(out, " COMMENT={}", text(&table.comment));
    }
    out
}

/// What SQL calls an engine.
pub(crate) fn engine_name(engine: TableEngine) -> &'static str {
    match engine {
        TableEngine::Fuse => "FUSE",
        TableEngine::Memory => "MEMORY",
        TableEngine::Null => "NULL",
    }
}

fn column_text(column: &Column) -> String {
    let mut out = format!("{} {}", quoted(&column.name), sql_type(&column.data_type));
    out.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    match &column.default {
        Some(_) if column.identity.is_some() => out.push_str(" AUTOINCREMENT"),
        Some(default) => {
            let _ = write!(out, " DEFAULT {default}");
        }
        None => {}
    }
    if let Some(computed) = &column.computed {
        let kind = if computed.stored { "STORED" } else { "VIRTUAL" };
        let _ = write!(out, " AS ({}) {kind}", computed.expression);
    }
    if !column.comment.is_empty() {
        let _ = write!(out, " COMMENT {}", text(&column.comment));
    }
    out
}

fn names(table: &Table, ids: &[ColumnId]) -> String {
    let names: Vec<String> = ids.iter().filter_map(|id| table.column_by_id(*id)).map(|c| quoted(&c.name)).collect();
    names.join(", ")
}

/// A name as SQL: bare where that reads back as the same name.
fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_reserved(name);
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn is_reserved(name: &str) -> bool {
    use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_IDENTIFIER};
    let upper = name.to_ascii_uppercase();
    // Words that begin a clause of CREATE TABLE or an expression would be read as that.
    let clause = ["PRIMARY", "UNIQUE", "CONSTRAINT", "INDEX", "CHECK", "FOREIGN", "SELECT", "FROM", "WHERE"];
    clause.contains(&upper.as_str())
        || ALL_KEYWORDS
            .binary_search(&upper.as_str())
            .is_ok_and(|n| RESERVED_FOR_IDENTIFIER.contains(&ALL_KEYWORDS_INDEX[n]))
}

/// A string literal.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}
