//! CREATE, DROP and UNDROP of databases.

use super::{Outcome, commit, refuse_in_transaction};
use crate::{Error, Result, plan::StatementContext, sql::ident_name};
use basalt_meta::{Database, DatabaseId, Edit, Precondition};
use datafusion::sql::sqlparser::ast::Ident;
use std::sync::Arc;

/// Databases that always exist.
const RESERVED: [&str; 3] = ["system", "information_schema", "default"];

/// Longest name of a database, table or column, bytes.
const NAME_BYTES_MAX: usize = 255;

pub(super) async fn create(
    context: &mut StatementContext,
    name: &Ident,
    if_not_exists: bool,
    or_replace: bool,
    comment: Option<String>,
) -> Result<Outcome> {
    refuse_in_transaction(context, "CREATE DATABASE")?;
    let name = new_name(name)?;
    let existing = context.snapshot.database(&name);
    if RESERVED[..2].contains(&name.as_str()) || (existing.is_some() && !or_replace) {
        return if if_not_exists { Ok(Outcome::Done) } else { Err(Error::DatabaseExists { name }) };
    }
    let database = Database {
        id: DatabaseId(context.parts.catalog.next_id()),
        name: name.clone(),
        comment: comment.unwrap_or_default(),
        created_at: context.parts.catalog.clock().now(),
        dropped: None,
    };
    let mut edits = Vec::new();
    let preconditions = match existing {
        Some(old) => {
            edits.push(Edit::DropDatabase { database: old.id });
            vec![Precondition::DatabaseLive { database: old.id }]
        }
        None => vec![Precondition::DatabaseNameFree { name }],
    };
    edits.push(Edit::CreateDatabase(database));
    match commit(context, edits, preconditions).await {
        Err(Error::DatabaseExists { .. }) if if_not_exists => Ok(Outcome::Done),
        other => other.map(|_| Outcome::Done),
    }
}

pub(super) async fn drop(context: &mut StatementContext, name: &Ident, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP DATABASE")?;
    let database = match context.database(&ident_name(name)) {
        Err(Error::UnknownDatabase { .. }) if if_exists => return Ok(Outcome::Done),
        other => other?,
    };
    if RESERVED.contains(&database.name.as_str()) {
        return Err(Error::InvalidArgument { message: format!("database `{}` cannot be dropped", database.name) });
    }
    let database = database.id;
    commit(context, vec![Edit::DropDatabase { database }], vec![Precondition::DatabaseLive { database }]).await?;
    Ok(Outcome::Done)
}

/// Brings back the database of this name that was dropped last.
pub(super) async fn undrop(context: &mut StatementContext, name: &Ident) -> Result<Outcome> {
    refuse_in_transaction(context, "UNDROP DATABASE")?;
    let name = ident_name(name);
    if context.snapshot.database(&name).is_some() {
        return Err(Error::DatabaseExists { name });
    }
    let dropped: Vec<Arc<Database>> = context.snapshot.dropped_databases();
    let found = dropped.iter().find(|d| d.name == name).ok_or(Error::UnknownDatabase { name })?;
    let edits = vec![Edit::UndropDatabase { database: found.id }];
    commit(context, edits, vec![Precondition::DatabaseNameFree { name: found.name.clone() }]).await?;
    Ok(Outcome::Done)
}

/// The name a statement gives to something new.
pub(super) fn new_name(ident: &Ident) -> Result<String> {
    let name = ident_name(ident);
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "is longer than 255 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else if name.starts_with("__basalt_") {
        "begins with `__basalt_`, which is reserved"
    } else {
        return Ok(name);
    };
    let shown: String = name.chars().take(40).collect();
    Err(Error::InvalidArgument { message: format!("name `{}` {fault}", shown.escape_debug()) })
}
