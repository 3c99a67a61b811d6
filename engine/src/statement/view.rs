//! CREATE, ALTER and DROP of views. A view is kept as the text its author wrote, checked when it is made.

use super::{
    Outcome, columns, commit, refuse_in_transaction,
    table::{changed, empty_view, new_table_name},
};
use crate::{
    Error, Result,
    plan::StatementContext,
    sql::{CreateView, ident_name},
};
use basalt_meta::{Column, Edit, Precondition, Table, TableKind};
use datafusion::sql::sqlparser::ast::ObjectName;

pub(super) async fn create(context: &mut StatementContext, create: CreateView) -> Result<Outcome> {
    refuse_in_transaction(context, if create.replace_only { "ALTER VIEW" } else { "CREATE VIEW" })?;
    let (database, name) = new_table_name(context, &create.name)?;
    let existing = context.snapshot.table(database.id, &name);
    if let Some(old) = &existing {
        if !matches!(old.table().kind, TableKind::View { .. }) {
            return Err(Error::TableExists { name });
        }
        if create.if_not_exists {
            return Ok(Outcome::Done);
        }
        if !create.or_replace {
            return Err(Error::ViewExists { name });
        }
    } else if create.replace_only {
        return Err(Error::UnknownTable { database: database.name.clone(), name });
    }
    let columns = view_columns(context, &create).await?;
    let kind = TableKind::View { query: create.text, database: context.session.database.clone() };
    let comment = create.comment.unwrap_or_default();
    let (edit, precondition) = match existing {
        Some(old) => {
            let old = old.table();
            let check = Precondition::TableSchema { table: old.id, schema_version: old.schema_version };
            let table = changed(context, Table { kind, columns, comment, ..Table::clone(old) });
            (Edit::AlterTable { table, breaking: false }, check)
        }
        None => {
            let check = Precondition::TableNameFree { database: database.id, name: name.clone() };
            let table = Table { database: database.id, name, columns, comment, ..empty_view(context, kind) };
            (Edit::CreateTable(table), check)
        }
    };
    let live = Precondition::DatabaseLive { database: database.id };
    match commit(context, vec![edit], vec![live, precondition]).await {
        Err(Error::TableExists { .. }) if create.if_not_exists => Ok(Outcome::Done),
        other => other.map(|_| Outcome::Done),
    }
}

/// The view's columns: the query is planned once, so that a view that cannot work is refused now.
async fn view_columns(context: &StatementContext, create: &CreateView) -> Result<Vec<Column>> {
    let planned = context.plan_query(&create.query).await?;
    let mut columns = columns::of_result(&planned.schema);
    if !create.columns.is_empty() {
        if create.columns.len() != columns.len() {
            let (given, found) = (create.columns.len(), columns.len());
            return Err(Error::Semantic { message: format!("the view has {given} columns, its query {found}") });
        }
        for (column, ident) in columns.iter_mut().zip(&create.columns) {
            column.name = ident_name(ident);
        }
    }
    columns::check_names(context, &columns)?;
    Ok(columns)
}

pub(super) async fn drop(context: &mut StatementContext, name: &ObjectName, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP VIEW")?;
    let found = match context.table(name) {
        Err(Error::UnknownTable { .. } | Error::UnknownDatabase { .. }) if if_exists => return Ok(Outcome::Done),
        other => other?,
    };
    let table = found.table.table();
    if !matches!(table.kind, TableKind::View { .. }) {
        return Err(Error::Semantic { message: format!("`{}` is a table: use DROP TABLE", table.name) });
    }
    commit(context, vec![Edit::DropTable { table: table.id }], Vec::new()).await?;
    Ok(Outcome::Done)
}
