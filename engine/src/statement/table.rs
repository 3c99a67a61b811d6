//! CREATE, DROP, UNDROP, RENAME, TRUNCATE and the upkeep of tables.

use super::{
    Outcome, change, columns, columns::no_columns, commit, database::new_name, insert::Filler, refuse_in_transaction,
    rules, transaction,
};
use crate::{
    Error, Result,
    plan::{PlannedQuery, StatementContext},
    session::temporary,
    sql::{CreateTable, OptimizeAction, ident_name, name_parts},
    write::{Staged, publish, replaced_rows},
};
use arrow::datatypes::DataType;
use basalt_meta::{
    Column, ColumnId, Database, Edit, KeyModel, Operation, Precondition, Table, TableEngine, TableId, TableKind,
    TableSnapshot, Timestamp,
};
use datafusion::sql::sqlparser::ast::ObjectName;
use std::{collections::BTreeMap, sync::Arc};

/// Options that scripts written for the FUSE engine carry. They tune what this engine tunes by itself, so they are kept
/// and shown but change nothing.
const KNOWN_OPTIONS: &[&str] = &[
    "block_per_segment",
    "block_size_threshold",
    "bloom_index_columns",
    "compression",
    "data_retention_num_snapshots_to_keep",
    "data_retention_period_in_hours",
    "row_per_block",
    "storage_format",
];

/// The database of a new table and the table's name.
pub(super) fn new_table_name(context: &StatementContext, name: &ObjectName) -> Result<(Arc<Database>, String)> {
    let (database, table) = name_parts(name)?;
    let database = match database {
        Some(ident) => context.database(&ident_name(ident))?,
        None => context.database(&context.session.database)?,
    };
    if context.snapshot.database_by_id(database.id).is_none() {
        let message = format!("database `{}` belongs to the server: nothing can be created in it", database.name);
        return Err(Error::InvalidArgument { message });
    }
    Ok((database, new_name(table)?))
}

/// Options that are known; others are errors.
pub(super) fn check_options(options: &[(String, String)]) -> Result<()> {
    for (name, _) in options {
        if !KNOWN_OPTIONS.contains(&name.to_ascii_lowercase().as_str()) {
            let reason = format!("it is not known (known: {})", KNOWN_OPTIONS.join(", "));
            return Err(Error::TableOption { name: name.clone(), reason });
        }
    }
    Ok(())
}

pub(super) async fn create(context: &mut StatementContext, create: CreateTable) -> Result<Outcome> {
    refuse_in_transaction(context, "CREATE TABLE")?;
    let (database, name) = new_table_name(context, &create.name)?;
    let home = match create.temporary {
        true => Home::temporary(context, &database)?,
        false => Home { database, new: None },
    };
    let existing = context.snapshot.table(home.database.id, &name);
    if existing.is_some() && !create.or_replace {
        return if create.if_not_exists { Ok(Outcome::Done) } else { Err(Error::TableExists { name }) };
    }
    let planned = match &create.query {
        Some(query) => Some(context.plan_query(query).await?),
        None => None,
    };
    let mut table = describe(context, &create, home.database.id, name.clone(), planned.as_ref())?;
    let (mut edits, preconditions) = home.place(existing.as_ref(), name);
    edits.extend(identities(context, &create, &mut table)?);
    let table = Arc::new(table);
    edits.push(Edit::CreateTable(Table::clone(&table)));
    let done = match planned {
        None => commit(context, edits, preconditions).await.map(|_| ()),
        Some(planned) => create_filled(context, table, planned, edits, preconditions).await,
    };
    if create.temporary && done.is_ok() {
        context.parts.temporary.open(&context.session);
        context.session.temporary_tables = true;
    }
    match done {
        Err(Error::TableExists { .. }) if create.if_not_exists => Ok(Outcome::Done),
        other => other.map(|()| Outcome::Done),
    }
}

/// Where a new table will be.
struct Home {
    database: Arc<Database>,
    /// The database is made together with the table.
    new: Option<Database>,
}

impl Home {
    /// The session's own place for temporary tables of `database`.
    fn temporary(context: &StatementContext, database: &Database) -> Result<Self> {
        if context.session.id.is_empty() {
            let what = "temporary tables without a client session (send its cookie or header)";
            return Err(Error::Unsupported { what: what.into() });
        }
        if let Some(database) = temporary::home(&context.snapshot, &context.session, &database.name) {
            return Ok(Self { database, new: None });
        }
        let new = Database {
            id: basalt_meta::DatabaseId(context.parts.catalog.next_id()),
            name: temporary::database_name(&context.session, &database.name),
            comment: String::new(),
            created_at: context.parts.catalog.clock().now(),
            dropped: None,
        };
        Ok(Self { database: Arc::new(new.clone()), new: Some(new) })
    }

    /// The edits that make room for a table, and what must hold for them.
    fn place(&self, existing: Option<&TableSnapshot>, name: String) -> (Vec<Edit>, Vec<Precondition>) {
        match &self.new {
            Some(new) => (
                vec![Edit::CreateDatabase(new.clone())],
                vec![Precondition::DatabaseNameFree { name: new.name.clone() }],
            ),
            None => replacing(existing, &self.database, name),
        }
    }
}

fn replacing(existing: Option<&TableSnapshot>, database: &Database, name: String) -> (Vec<Edit>, Vec<Precondition>) {
    let live = Precondition::DatabaseLive { database: database.id };
    match existing {
        Some(old) => {
            let (table, schema_version) = (old.table().id, old.table().schema_version);
            (vec![Edit::DropTable { table }], vec![live, Precondition::TableSchema { table, schema_version }])
        }
        None => (Vec::new(), vec![live, Precondition::TableNameFree { database: database.id, name }]),
    }
}

/// The table appears together with its rows, or not at all.
async fn create_filled(
    context: &StatementContext,
    table: Arc<Table>,
    planned: PlannedQuery,
    edits: Vec<Edit>,
    preconditions: Vec<Precondition>,
) -> Result<()> {
    let unpublished = context.snapshot.unpublished(Arc::clone(&table));
    let places = (0..table.columns.len()).map(Some).collect();
    let mut filler = Filler::open(context, unpublished.clone(), places, Operation::Append)?;
    let filled = filler.planned(planned).await;
    let (staged, _) = filler.finish(filled).await?;
    // The catalogue checks preconditions before edits, and the table is one of the edits.
    let (edits, preconditions) = super::with_rights(context, edits, preconditions)?;
    let staged = Staged { edits, preconditions, ..staged };
    // Rows of equal key within the query: publishing looks only at tables that exist.
    let replaced = match staged.is_unique() {
        true => replaced_rows(&context.parts, &unpublished, &staged.written).await?,
        false => Vec::new(),
    };
    publish(&context.parts, vec![staged], replaced, Vec::new()).await?;
    Ok(())
}

/// The record of a new table.
fn describe(
    context: &StatementContext,
    create: &CreateTable,
    database: basalt_meta::DatabaseId,
    name: String,
    planned: Option<&PlannedQuery>,
) -> Result<Table> {
    let now = context.parts.catalog.clock().now();
    let mut table = match &create.like {
        Some(like) => like_table(context, like)?,
        None => Table { columns: new_columns(context, create, planned)?, ..empty(now) },
    };
    check_options(&create.options)?;
    table.id = TableId(context.parts.catalog.next_id());
    table.database = database;
    table.name = name;
    table.last_column = table.columns.iter().map(|c| c.id).max().unwrap_or(table.last_column).max(table.last_column);
    table.created_at = now;
    table.updated_at = now;
    table.schema_version = 1;
    table.options.extend(create.options.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.clone())));
    if let Some(comment) = &create.comment {
        table.comment = comment.clone();
    }
    table.transient |= create.transient;
    if create.engine != TableEngine::Fuse {
        table.engine = create.engine;
    }
    table.checks.extend(rules::named_checks(&table.name, &create.checks)?);
    if !create.unique_key.is_empty() {
        let key = columns::key(&table.columns, &create.unique_key, "unique key")?;
        table.sort_key = key.clone();
        table.key_model = KeyModel::Unique { key };
    }
    if !create.sort_key.is_empty() {
        table.sort_key = columns::key(&table.columns, &create.sort_key, "sort key")?;
        table.cluster_by = create.cluster_by.clone();
    }
    rules::check_new(context, &table)?;
    if let Some(text) = &create.partition_by {
        check_partition(context, &table, text)?;
        table.partition_by = Some(text.clone());
    }
    Ok(table)
}

/// The sequences of AUTOINCREMENT columns, made together with their table. The columns' defaults take numbers of them.
fn identities(context: &StatementContext, create: &CreateTable, table: &mut Table) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for (definition, column) in create.columns.iter().zip(&mut table.columns) {
        let Some((start, step)) = definition.identity else { continue };
        if !column.data_type.is_numeric() || column.default.is_some() {
            let message = format!("AUTOINCREMENT column `{}` needs a numeric type and no default", column.name);
            return Err(Error::Semantic { message });
        }
        let name = format!("__basalt_identity_{}_{}", table.id.0, column.id.0);
        edits.push(super::object::new_sequence(context, &name, start, step)?);
        column.default = Some(format!("nextval('{name}')"));
        column.identity = Some(name);
    }
    Ok(edits)
}

fn empty(now: Timestamp) -> Table {
    Table {
        id: TableId(0),
        database: basalt_meta::DatabaseId(0),
        name: String::new(),
        kind: TableKind::Table,
        columns: Vec::new(),
        last_column: ColumnId(0),
        key_model: KeyModel::Duplicate,
        sort_key: Vec::new(),
        partition_by: None,
        options: BTreeMap::new(),
        comment: String::new(),
        engine: Default::default(),
        transient: false,
        cluster_by: Vec::new(),
        checks: Vec::new(),
        schema_version: 1,
        created_at: now,
        updated_at: now,
        dropped: None,
    }
}

/// The record of a new view, columns and query still to be set.
pub(super) fn empty_view(context: &StatementContext, kind: TableKind) -> Table {
    let now = context.parts.catalog.clock().now();
    Table { id: TableId(context.parts.catalog.next_id()), kind, ..empty(now) }
}

fn like_table(context: &StatementContext, like: &ObjectName) -> Result<Table> {
    let source = change::target(context, like)?;
    let mut table = Table::clone(source.table.table());
    // Numbers of the original are its own.
    for column in &mut table.columns {
        if column.identity.take().is_some() {
            column.default = None;
        }
    }
    Ok(table)
}

fn new_columns(
    context: &StatementContext,
    create: &CreateTable,
    planned: Option<&PlannedQuery>,
) -> Result<Vec<Column>> {
    let Some(planned) = planned else {
        return defined(context, create);
    };
    if create.columns.is_empty() {
        return columns::of_query(&planned.schema);
    }
    let found = planned.schema.fields().len();
    if found != create.columns.len() {
        let message = format!("the query has {found} columns, the table {}", create.columns.len());
        return Err(Error::Semantic { message });
    }
    defined(context, create)
}

fn defined(context: &StatementContext, create: &CreateTable) -> Result<Vec<Column>> {
    let max = context.parts.settings.columns_max;
    if create.columns.len() > max {
        let message = format!("a table has at most {max} columns, not {}", create.columns.len());
        return Err(Error::InvalidArgument { message });
    }
    create.columns.iter().zip(1u32..).map(|(c, id)| columns::define(context, c, ColumnId(id))).collect()
}

/// A partition expression must make one value of a type that has a text.
fn check_partition(context: &StatementContext, table: &Table, text: &str) -> Result<()> {
    let schema = context.user_schema(table);
    let expression = context.expression(text, &schema)?;
    let data_type = expression.data_type(&schema).map_err(crate::plan::explain)?;
    if data_type.is_nested() || data_type == DataType::Null {
        return Err(Error::Semantic { message: format!("the partition expression `{text}` makes no single value") });
    }
    if context.expression(text, &no_columns()).is_ok() {
        return Err(Error::Semantic { message: format!("the partition expression `{text}` uses no column") });
    }
    Ok(())
}

/// A table (not a view) by name; `None` when it may be missing and is.
fn existing(context: &StatementContext, name: &ObjectName, if_exists: bool) -> Result<Option<TableSnapshot>> {
    match context.table(name) {
        Err(Error::UnknownTable { .. } | Error::UnknownDatabase { .. }) if if_exists => Ok(None),
        other => Ok(Some(other?.table)),
    }
}

pub(super) async fn drop(context: &mut StatementContext, name: &ObjectName, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP TABLE")?;
    let Some(found) = existing(context, name, if_exists)? else {
        return Ok(Outcome::Done);
    };
    let table = found.table();
    if matches!(table.kind, TableKind::View { .. }) {
        return Err(Error::Semantic { message: format!("`{}` is a view: use DROP VIEW", table.name) });
    }
    let home = context.snapshot.database_by_id(table.database);
    let is_temporary = home.is_some_and(|home| temporary::is_hidden(&home.name));
    let mut edits = vec![Edit::DropTable { table: table.id }];
    if is_temporary {
        edits.push(Edit::PurgeTables { tables: vec![table.id] });
    }
    commit(context, edits, Vec::new()).await?;
    if is_temporary {
        let left = temporary::tables_of(&context.parts.catalog.snapshot(), &context.session);
        context.session.temporary_tables = !left.is_empty();
    }
    Ok(Outcome::Done)
}

/// Brings back the table of this name that was dropped last.
pub(super) async fn undrop(context: &mut StatementContext, name: &ObjectName) -> Result<Outcome> {
    refuse_in_transaction(context, "UNDROP TABLE")?;
    let (database, table) = name_parts(name)?;
    let database = match database {
        Some(ident) => context.database(&ident_name(ident))?,
        None => context.database(&context.session.database)?,
    };
    let table = ident_name(table);
    if context.snapshot.table(database.id, &table).is_some() {
        return Err(Error::TableExists { name: table });
    }
    let dropped = context.snapshot.dropped_tables(database.id);
    let unknown = || Error::UnknownTable { database: database.name.clone(), name: table.clone() };
    let found = dropped.iter().find(|t| t.name == table).ok_or_else(unknown)?;
    let free = Precondition::TableNameFree { database: database.id, name: found.name.clone() };
    commit(context, vec![Edit::UndropTable { table: found.id }], vec![free]).await?;
    Ok(Outcome::Done)
}

pub(super) async fn rename(
    context: &mut StatementContext,
    pairs: Vec<(ObjectName, ObjectName)>,
    if_exists: bool,
) -> Result<Outcome> {
    refuse_in_transaction(context, "RENAME TABLE")?;
    let (mut edits, mut preconditions) = (Vec::new(), Vec::new());
    for (old, new) in &pairs {
        let Some(found) = existing(context, old, if_exists)? else {
            continue;
        };
        let (edit, checks) = renamed(context, found.table(), new)?;
        edits.push(edit);
        preconditions.extend(checks);
    }
    if !edits.is_empty() {
        commit(context, edits, preconditions).await?;
    }
    Ok(Outcome::Done)
}

/// The edit that gives a table another name in its database.
pub(super) fn renamed(
    context: &StatementContext,
    table: &Table,
    new: &ObjectName,
) -> Result<(Edit, Vec<Precondition>)> {
    let (database, ident) = name_parts(new)?;
    let shown = context.snapshot.database_by_id(table.database);
    let shown = shown.as_ref().and_then(|home| temporary::shown_name(home).map(str::to_owned));
    let same = |found: &Database| match &shown {
        Some(shown) => found.name == *shown,
        None => found.id == table.database,
    };
    if let Some(database) = database
        && !same(&*context.database(&ident_name(database))?)
    {
        return Err(Error::Unsupported { what: "moving a table to another database".into() });
    }
    let name = new_name(ident)?;
    let checks = vec![
        Precondition::TableSchema { table: table.id, schema_version: table.schema_version },
        Precondition::TableNameFree { database: table.database, name: name.clone() },
    ];
    let table = changed(context, Table { name, ..table.clone() });
    Ok((Edit::AlterTable { table, breaking: false }, checks))
}

/// The record after an ALTER.
pub(super) fn changed(context: &StatementContext, table: Table) -> Table {
    let updated_at = context.parts.catalog.clock().now();
    Table { schema_version: table.schema_version + 1, updated_at, ..table }
}

pub(super) async fn truncate(context: &StatementContext, name: &ObjectName) -> Result<Outcome> {
    let resolved = change::target(context, name)?;
    let mut edits = change::delete_all(context, &resolved.table, Operation::Truncate);
    // Files that were copied into the table may be copied again.
    edits.0.extend(super::stage::forget_copied(context, resolved.table.table()));
    if !edits.0.is_empty() {
        transaction::keep(context, change::staged(resolved.table, Operation::Truncate, edits)).await?;
    }
    Ok(Outcome::Done)
}

pub(super) async fn optimize(context: &StatementContext, name: &ObjectName, action: OptimizeAction) -> Result<Outcome> {
    refuse_in_transaction(context, "OPTIMIZE TABLE")?;
    let resolved = change::target(context, name)?;
    if matches!(action, OptimizeAction::Compact | OptimizeAction::All) {
        crate::tasks::optimize(&context.parts, resolved.table.table().id).await?;
    }
    if matches!(action, OptimizeAction::Purge | OptimizeAction::All) {
        purge(context).await?;
    }
    Ok(Outcome::Done)
}

/// Removes what was replaced longer ago than the retention: the same round that runs in the background.
async fn purge(context: &StatementContext) -> Result<()> {
    let keep_micros = i64::try_from(context.parts.settings.retention.as_micros()).unwrap_or(i64::MAX);
    let collected = context.parts.storage.collect_garbage(keep_micros).await?;
    tracing::info!(query_id = %context.query_id, segments = collected.segments, size_bytes = collected.bytes, "garbage removed");
    Ok(())
}

/// Statistics of every segment are exact and made when it is written, so there is nothing to compute: the statement
/// checks the name and succeeds.
pub(super) fn analyze(context: &StatementContext, name: &ObjectName) -> Result<Outcome> {
    change::target(context, name)?;
    Ok(Outcome::Done)
}

pub(super) async fn vacuum(context: &StatementContext, name: Option<&ObjectName>) -> Result<Outcome> {
    refuse_in_transaction(context, "VACUUM")?;
    if let Some(name) = name {
        change::target(context, name)?;
    }
    purge(context).await?;
    Ok(Outcome::Done)
}
