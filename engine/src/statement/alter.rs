//! ALTER TABLE.

use super::{
    Outcome, access, change,
    columns::{self, check_default, define, find},
    commit,
    database::new_name,
    insert::{Filler, overwrite},
    refuse_in_transaction,
    rewrite::{check_no_nulls, check_not_arranging, is_widening, rewrite},
    rules,
    select::{everything, from_one, object_name, relation, select},
    table::{changed, check_options, renamed},
    transaction,
};
use crate::{
    Error, Result,
    plan::{ResolvedTable, StatementContext, sql_type},
    sql::{AlterAction, AlterTable, ColumnDefinition, ColumnPosition},
};
use basalt_meta::{Column, ColumnId, Edit, KeyModel, Operation, Precondition, Table};
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, ObjectName, TableVersion};

/// Under which name the rows of an older version are read.
const OLDER: &str = "__basalt_older";

/// How often a change that rewrites rows is tried when other commits change the table meanwhile.
const ATTEMPTS_MAX: usize = 10;

pub(super) async fn alter(context: &mut StatementContext, alter: AlterTable) -> Result<Outcome> {
    refuse_in_transaction(context, "ALTER TABLE")?;
    // Labels are for statements that change rows.
    context.settings.deduplicate_label = None;
    context.label = None;
    let mut attempt = 1;
    loop {
        match apply(context, &alter).await {
            Err(Error::UnknownTable { .. } | Error::UnknownDatabase { .. }) if alter.if_exists => {
                return Ok(Outcome::Done);
            }
            Err(Error::Conflict { .. }) if attempt < ATTEMPTS_MAX && !context.cancel.is_cancelled() => {
                attempt += 1;
                context.snapshot = context.parts.catalog.snapshot();
            }
            other => return other.map(|()| Outcome::Done),
        }
    }
}

async fn apply(context: &StatementContext, alter: &AlterTable) -> Result<()> {
    let resolved = change::target(context, &alter.name)?;
    let table = Table::clone(resolved.table.table());
    match &alter.action {
        AlterAction::RenameTo(new) => {
            let (edit, checks) = renamed(context, &table, new)?;
            commit(context, vec![edit], checks).await?;
            Ok(())
        }
        AlterAction::AddColumn { column, if_not_exists, position } => {
            add_column(context, &resolved, column, *if_not_exists, position).await
        }
        AlterAction::DropColumn { name, if_exists } => drop_column(context, table, name, *if_exists).await,
        AlterAction::RenameColumn { old, new } => rename_column(context, table, old, new).await,
        AlterAction::ModifyColumns(definitions) => modify(context, &resolved, definitions).await,
        AlterAction::SetDefault { name, default } => {
            let index = find(&table, name)?;
            set_column(context, table, index, |c| c.default = Some(default.clone())).await
        }
        AlterAction::DropDefault { name } => {
            let index = find(&table, name)?;
            set_column(context, table, index, |c| c.default = None).await
        }
        AlterAction::ColumnComment { name, comment } => {
            let index = find(&table, name)?;
            set_column(context, table, index, |c| c.comment = comment.clone()).await
        }
        AlterAction::DropNotNull { name } => {
            let index = find(&table, name)?;
            set_column(context, table, index, |c| c.nullable = true).await
        }
        AlterAction::SetNotNull { name } => set_not_null(context, &resolved, name).await,
        AlterAction::Comment(comment) => {
            let comment = comment.clone();
            commit_table(context, Table { comment, ..table }, Breaking::No).await
        }
        AlterAction::ClusterBy(key, texts) => {
            let sort_key = columns::key(&table.columns, key, "sort key")?;
            let cluster_by = texts.clone();
            let table = Table { sort_key, cluster_by, ..table };
            rules::check_cluster(context, &table)?;
            commit_table(context, table, Breaking::No).await
        }
        AlterAction::Recluster => crate::tasks::optimize(&context.parts, table.id).await.map(|_| ()),
        AlterAction::DropComputed { name } => {
            let mut table = table;
            let index = find(&table, name)?;
            if table.columns[index].computed.take().is_none() {
                return Err(Error::Semantic { message: format!("column `{}` is not computed", name.value) });
            }
            commit_table(context, table, Breaking::Yes).await
        }
        AlterAction::AddCheck { name, condition } => {
            rules::add_check(context, &resolved, name.as_ref(), condition).await
        }
        AlterAction::DropConstraint { name } => {
            let mut table = table;
            let before = table.checks.len();
            table.checks.retain(|check| !crate::sql::matches_name(name, &check.name));
            if table.checks.len() == before {
                return Err(Error::Semantic { message: format!("the table has no constraint `{}`", name.value) });
            }
            commit_table(context, table, Breaking::No).await
        }
        AlterAction::SwapWith(other) => swap(context, &resolved, other).await,
        AlterAction::DropClusterKey => {
            let sort_key = match &table.key_model {
                KeyModel::Unique { key } => key.clone(),
                KeyModel::Duplicate => Vec::new(),
            };
            commit_table(context, Table { sort_key, cluster_by: Vec::new(), ..table }, Breaking::No).await
        }
        AlterAction::SetOptions(changed) => {
            check_options(changed)?;
            let mut options = table.options.clone();
            options.extend(changed.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.clone())));
            commit_table(context, Table { options, ..table }, Breaking::No).await
        }
        AlterAction::UnsetOptions(names) => {
            let mut options = table.options.clone();
            for name in names {
                check_options(&[(name.clone(), String::new())])?;
                options.remove(name);
            }
            commit_table(context, Table { options, ..table }, Breaking::No).await
        }
        AlterAction::SetMaskingPolicy { column, policy, using } => {
            access::attach_masking(context, &table, column, policy, using).await
        }
        AlterAction::UnsetMaskingPolicy { column } => access::detach_masking(context, &table, column).await,
        AlterAction::AddRowAccessPolicy { policy, columns } => {
            access::attach_rows(context, &table, policy, columns).await
        }
        AlterAction::DropRowAccessPolicy { policy } => access::detach_rows(context, &table, policy.as_deref()).await,
        AlterAction::FlashbackTo(point) => flashback(context, &resolved, &alter.name, point).await,
    }
}

/// Whether rows written under the old record may still be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaking {
    No,
    Yes,
}

/// Commits a changed record whose rows stay as they are.
async fn commit_table(context: &StatementContext, table: Table, breaking: Breaking) -> Result<()> {
    commit_checked(context, table, breaking, Vec::new()).await
}

async fn commit_checked(
    context: &StatementContext,
    table: Table,
    breaking: Breaking,
    mut preconditions: Vec<Precondition>,
) -> Result<()> {
    preconditions.push(Precondition::TableSchema { table: table.id, schema_version: table.schema_version });
    let edit = Edit::AlterTable { table: changed(context, table), breaking: breaking == Breaking::Yes };
    commit(context, vec![edit], preconditions).await?;
    Ok(())
}

/// Changes one column's record; its default must still fit.
async fn set_column(
    context: &StatementContext,
    mut table: Table,
    index: usize,
    change: impl FnOnce(&mut Column),
) -> Result<()> {
    change(&mut table.columns[index]);
    check_default(context, &table.columns[index])?;
    commit_table(context, table, Breaking::No).await
}

async fn add_column(
    context: &StatementContext,
    resolved: &ResolvedTable,
    definition: &ColumnDefinition,
    if_not_exists: bool,
    position: &ColumnPosition,
) -> Result<()> {
    let mut table = Table::clone(resolved.table.table());
    if find(&table, &definition.name).is_ok() {
        if if_not_exists {
            return Ok(());
        }
        return Err(Error::Semantic { message: format!("column `{}` exists already", definition.name.value) });
    }
    let id = ColumnId(table.last_column.0 + 1);
    let column = define(context, definition, id)?;
    let has_rows = resolved.table.rows() > 0;
    if definition.identity.is_some() {
        return Err(Error::Unsupported { what: "adding an AUTOINCREMENT column to a table".into() });
    }
    if has_rows && !column.nullable && column.default.is_none() && column.computed.is_none() {
        let message = format!("column `{}` is NOT NULL without a default, and the table has rows", column.name);
        return Err(Error::Semantic { message });
    }
    let index = match position {
        ColumnPosition::Last => table.columns.len(),
        ColumnPosition::First => 0,
        ColumnPosition::After(other) => find(&table, other)? + 1,
    };
    // Rows that exist get the default, as new ones do; without one they read as NULL and stay as they are. Rows that are
    // on their way without the column would miss the default too, so they may not be added any more.
    let has_values = column.default.is_some() || column.computed.is_some();
    let writes = has_rows && has_values;
    let breaking = if column.nullable && !has_values { Breaking::No } else { Breaking::Yes };
    table.columns.insert(index, column);
    table.last_column = id;
    columns::check_names(context, &table.columns)?;
    rules::check_table(context, &table)?;
    if writes { rewrite(context, resolved, table).await } else { commit_table(context, table, breaking).await }
}

async fn drop_column(context: &StatementContext, mut table: Table, name: &Ident, if_exists: bool) -> Result<()> {
    let index = match find(&table, name) {
        Err(_) if if_exists => return Ok(()),
        other => other?,
    };
    check_not_arranging(context, &table, &table.columns[index], "dropped")?;
    access::check_unprotected(context, &table, &table.columns[index])?;
    if table.columns.len() == 1 {
        return Err(Error::Semantic { message: "a table keeps at least one column".into() });
    }
    table.columns.remove(index);
    commit_table(context, table, Breaking::Yes).await
}

async fn rename_column(context: &StatementContext, mut table: Table, old: &Ident, new: &Ident) -> Result<()> {
    let index = find(&table, old)?;
    let name = new_name(new)?;
    let partition_only = Table { key_model: KeyModel::Duplicate, ..table.clone() };
    check_not_arranging(context, &partition_only, &table.columns[index], "renamed")?;
    table.columns[index].name = name;
    columns::check_names(context, &table.columns)?;
    commit_table(context, table, Breaking::No).await
}

async fn set_not_null(context: &StatementContext, resolved: &ResolvedTable, name: &Ident) -> Result<()> {
    let mut table = Table::clone(resolved.table.table());
    let index = find(&table, name)?;
    check_no_nulls(context, resolved, &table.columns[index]).await?;
    table.columns[index].nullable = false;
    let unchanged = Precondition::TableUnchanged { table: table.id, since: resolved.table.version() };
    commit_checked(context, table, Breaking::Yes, vec![unchanged]).await
}

/// New types and properties. Rows are written anew only when their values change.
async fn modify(context: &StatementContext, resolved: &ResolvedTable, definitions: &[ColumnDefinition]) -> Result<()> {
    let before = resolved.table.table();
    let mut table = Table::clone(before);
    let (mut rewrites, mut breaking, mut narrowed) = (false, Breaking::No, false);
    for definition in definitions {
        let index = find(&table, &definition.name)?;
        let old = table.columns[index].clone();
        let new = modified(context, definition, &old)?;
        if new.data_type != old.data_type {
            access::check_unprotected(context, before, &old)?;
            check_not_arranging(context, before, &old, "given another type")?;
            if !is_widening(&old.data_type, &new.data_type) {
                (rewrites, breaking) = (true, Breaking::Yes);
            }
        }
        if old.nullable && !new.nullable {
            check_no_nulls(context, resolved, &old).await?;
            (narrowed, breaking) = (true, Breaking::Yes);
        }
        table.columns[index] = new;
    }
    if rewrites && resolved.table.segments() > 0 {
        return rewrite(context, resolved, table).await;
    }
    let mut preconditions = Vec::new();
    if rewrites || narrowed {
        preconditions.push(Precondition::TableUnchanged { table: table.id, since: resolved.table.version() });
    }
    commit_checked(context, table, breaking, preconditions).await
}

fn modified(context: &StatementContext, definition: &ColumnDefinition, old: &Column) -> Result<Column> {
    let defined = define(context, definition, old.id)?;
    let new = Column {
        id: old.id,
        name: old.name.clone(),
        physical_name: old.physical_name.clone(),
        nullable: definition.nullable.unwrap_or(old.nullable),
        default: definition.default.clone().or_else(|| old.default.clone()),
        comment: definition.comment.clone().unwrap_or_else(|| old.comment.clone()),
        data_type: defined.data_type,
        computed: old.computed.clone(),
        identity: old.identity.clone(),
    };
    if !arrow::compute::can_cast_types(&old.data_type, &new.data_type) {
        let (from, to) = (sql_type(&old.data_type), sql_type(&new.data_type));
        return Err(Error::Semantic { message: format!("column `{}` of type {from} cannot become {to}", old.name) });
    }
    check_default(context, &new)?;
    Ok(new)
}

/// Puts the rows of an older version in the place of the present ones.
async fn flashback(
    context: &StatementContext,
    resolved: &ResolvedTable,
    name: &ObjectName,
    point: &Expr,
) -> Result<()> {
    // The stored rows, not what policies show of them.
    let old = context.table_at(name, &TableVersion::Function(point.clone()))?;
    let from = relation(object_name(&[OLDER]), None);
    let query: ast::Query = select(vec![everything()], vec![from_one(from)], None);
    let planned = context.plan_query_over(&query, vec![(OLDER.to_string(), context.provider(&old)?)]).await?;
    let table = resolved.table.table();
    let places = places_by_name(table, &planned.schema);
    let mut filler = Filler::open(context, resolved.table.clone(), places, Operation::Overwrite)?;
    let filled = filler.planned(planned).await;
    let (mut staged, _) = filler.finish(filled).await?;
    overwrite(context, &resolved.table, &mut staged);
    transaction::keep(context, staged).await
}

/// Columns the older version did not have get their defaults.
fn places_by_name(table: &Table, found: &arrow::datatypes::Schema) -> Vec<Option<usize>> {
    table.columns.iter().map(|c| found.index_of(&c.name).ok()).collect()
}

/// Gives two tables of a database each other's names.
async fn swap(context: &StatementContext, resolved: &ResolvedTable, other: &ObjectName) -> Result<()> {
    let (one, two) = (resolved.table.table(), change::target(context, other)?.table);
    let two = two.table();
    if one.database != two.database {
        return Err(Error::Unsupported { what: "swapping tables of different databases".into() });
    }
    if one.id == two.id {
        return Err(Error::Semantic { message: format!("table `{}` cannot be swapped with itself", one.name) });
    }
    let unchanged = |table: &Table| Precondition::TableSchema { table: table.id, schema_version: table.schema_version };
    let named = |table: &Table, name: String| Table { name, ..table.clone() };
    // By way of a name nobody has: no two tables share one at any step.
    let parked = ["__basalt_swap_", &context.parts.catalog.next_id().to_string()].concat();
    let first = changed(context, named(one, parked));
    let last = changed(context, named(&first, two.name.clone()));
    let edits = vec![
        Edit::AlterTable { table: first, breaking: false },
        Edit::AlterTable { table: changed(context, named(two, one.name.clone())), breaking: false },
        Edit::AlterTable { table: last, breaking: false },
    ];
    commit(context, edits, vec![unchanged(one), unchanged(two)]).await?;
    Ok(())
}
