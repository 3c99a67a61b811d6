//! What each statement needs besides SELECT on the tables its queries read.

use super::{
    Object, PUBLIC, Privilege as P, is_unlimited,
    login::{live_user, must_change},
};
use crate::{
    Error, Result, Role,
    plan::StatementContext,
    sql::{
        AccessStatement, CreateMode, MergeAction, ObjectStatement, ShowWhat, StageStatement, Statement, UserOptions,
        UserRef, ident_name, name_parts,
    },
};
use basalt_meta::EntityKind;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

/// Whether the user is still there and may run statements at all; puts the role in force into the session.
pub(crate) fn admit(context: &mut StatementContext, statement: &Statement) -> Result<()> {
    match context.session.principal.role {
        Role::Admin => return Ok(()),
        Role::Reader | Role::Writer => {
            context.session.role = Some(PUBLIC.to_owned());
            return Ok(());
        }
        Role::Granted(_) => {}
    }
    let rights = context.rights();
    let user = live_user(&rights, &context.session.principal)?;
    if must_change(&rights, &user, context.now().timestamp_micros())? && !changes_own_password(context, statement) {
        return Err(Error::MustChangePassword);
    }
    let current = context.authority()?.current.clone();
    context.session.role = Some(current);
    Ok(())
}

/// `ALTER USER` of oneself that only says who one is.
pub(crate) fn changes_own_password(context: &StatementContext, statement: &Statement) -> bool {
    let Statement::Access(statement) = statement else {
        return false;
    };
    let AccessStatement::AlterUser { user, authentication: Some(_), options } = statement.as_ref() else {
        return false;
    };
    let own = match user {
        UserRef::Current => true,
        UserRef::Named(name) => *name == context.session.principal.name,
    };
    own && *options == UserOptions::default()
}

/// Fails unless the session may run the statement.
pub(crate) fn check(context: &StatementContext, statement: &Statement) -> Result<()> {
    use Statement as S;
    if is_unlimited(&context.session) {
        return Ok(());
    }
    match statement {
        S::Explain { statement, .. } | S::WithSettings { statement, .. } | S::IgnoreResult(statement) => {
            check(context, statement)
        }
        S::Show(show) => match (&show.what, &show.database) {
            (ShowWhat::Users, _) => context.require(P::Grant, &Object::Global),
            (ShowWhat::Columns { table }, None) => seen_table(context, table),
            (ShowWhat::Columns { .. }, Some(database)) => seen_database(context, database),
            (_, Some(database)) => seen_database(context, database),
            (_, None) => Ok(()),
        },
        S::Use { database } | S::ShowCreateDatabase { name: database } => seen_database(context, database),
        S::ShowCreateTable { name } => on_table(context, name, P::Select),
        S::Describe { name } => seen_table(context, name),
        S::Set { global: true, .. } | S::Unset { global: true, .. } => context.require(P::Super, &Object::Global),

        S::CreateDatabase { name, or_replace, .. } => {
            context.require_create_any(&[P::CreateDatabase, P::Create], &Object::Global)?;
            if *or_replace { on_database(context, name, P::Drop) } else { Ok(()) }
        }
        S::DropDatabase { name, .. } => on_database(context, name, P::Drop),
        S::UndropDatabase { .. } => context.require(P::Drop, &Object::Global),
        S::CreateTable(create) => {
            create_in(context, &create.name)?;
            if let Some(like) = &create.like {
                on_table(context, like, P::Select)?;
            }
            if create.or_replace { on_table(context, &create.name, P::Drop) } else { Ok(()) }
        }
        S::CreateView(create) => {
            let exists = context.table(&create.name).is_ok();
            if exists && (create.or_replace || create.replace_only) {
                return on_table(context, &create.name, P::Alter);
            }
            create_in(context, &create.name)
        }
        // Attaching and detaching policies needs the policy as well: checked where it happens.
        S::AlterTable(alter) => on_table(context, &alter.name, P::Alter),
        S::RenameTables { pairs, .. } => pairs.iter().try_for_each(|(old, _)| on_table(context, old, P::Alter)),
        S::DropTable { name, .. } | S::DropView { name, .. } => on_table(context, name, P::Drop),
        S::UndropTable { name } => {
            let (database, _) = name_parts(name)?;
            let own = Ident::with_quote('"', &context.session.database);
            on_database(context, database.unwrap_or(&own), P::Drop)
        }
        S::TruncateTable { name } => on_table(context, name, P::Delete),
        S::OptimizeTable { name, .. } | S::AnalyzeTable { name } => on_table(context, name, P::Super),
        S::Vacuum { name: Some(name) } => on_table(context, name, P::Super),
        S::Vacuum { name: None } => context.require(P::Super, &Object::Global),

        S::Insert(insert) => {
            on_table(context, &insert.table, P::Insert)?;
            if insert.overwrite { on_table(context, &insert.table, P::Delete) } else { Ok(()) }
        }
        S::Update(update) => on_table(context, &update.table, P::Update),
        S::Delete(delete) => on_table(context, &delete.table, P::Delete),
        S::Merge(merge) => merge.clauses.iter().try_for_each(|clause| {
            let privilege = match clause.action {
                MergeAction::Update(_) | MergeAction::UpdateAll => P::Update,
                MergeAction::Delete => P::Delete,
                MergeAction::Insert { .. } | MergeAction::InsertAll => P::Insert,
            };
            on_table(context, &merge.table, privilege)
        }),

        S::Replace(replace) => {
            on_table(context, &replace.table, P::Insert)?;
            on_table(context, &replace.table, P::Delete)
        }
        S::InsertMany(insert) => insert.branches.iter().flat_map(|branch| &branch.targets).try_for_each(|target| {
            on_table(context, &target.table, P::Insert)?;
            if insert.overwrite { on_table(context, &target.table, P::Delete) } else { Ok(()) }
        }),
        S::Object(object) => on_object(context, object),

        S::Stage(stage) => on_stage(context, stage),
        // Checked where users, roles and policies are found.
        S::Access(_) => Ok(()),
        // Queries are checked table by table while they are planned.
        S::Query(_) => Ok(()),
        S::KillQuery { .. } => Ok(()),
        S::UseCatalog { .. } | S::Begin | S::Commit | S::Rollback => Ok(()),
        S::Set { global: false, .. } | S::Unset { global: false, .. } => Ok(()),
    }
}

/// Rights on stages and connections are asked for where they are found; those on tables are not.
fn on_stage(context: &StatementContext, statement: &StageStatement) -> Result<()> {
    use StageStatement as S;
    match statement {
        S::CopyIntoTable(copy) => on_table(context, &copy.table, P::Insert),
        S::CreateFileFormat { .. } => context.require_create(P::Create, &Object::Global),
        S::CopyIntoLocation(_)
        | S::CreateStage { .. }
        | S::AlterStage { .. }
        | S::DropStage { .. }
        | S::DescribeStage { .. }
        | S::DropFileFormat { .. }
        | S::DescribeFileFormat { .. }
        | S::CreateConnection { .. }
        | S::DropConnection { .. }
        | S::DescribeConnection { .. }
        | S::List { .. }
        | S::Remove { .. }
        | S::Presign { .. } => Ok(()),
    }
}

fn create_in(context: &StatementContext, name: &ObjectName) -> Result<()> {
    let (database, _) = name_parts(name)?;
    let found = match database {
        Some(ident) => context.database(&ident_name(ident)),
        None => context.database(&context.session.database),
    };
    match found {
        Ok(database) => context.require_create(P::Create, &Object::database(&database)),
        // It is said where the statement runs.
        Err(_) => Ok(()),
    }
}

fn on_database(context: &StatementContext, name: &Ident, privilege: P) -> Result<()> {
    match context.database(&ident_name(name)) {
        Ok(database) => context.require(privilege, &Object::database(&database)),
        Err(_) => Ok(()),
    }
}

fn seen_database(context: &StatementContext, name: &Ident) -> Result<()> {
    let Ok(database) = context.database(&ident_name(name)) else {
        return Ok(());
    };
    if context.snapshot.database_by_id(database.id).is_none() {
        return Ok(());
    }
    let object = Object::database(&database);
    if context.sees(&object) { Ok(()) } else { Err(unseen(context, &object)) }
}

/// Fails unless the session may do this with a table. That there is no such table is said only to who may look into its
/// database.
fn on_table(context: &StatementContext, name: &ObjectName, privilege: P) -> Result<()> {
    match context.table(name) {
        Ok(found) => context.require(privilege, &Object::table(&found)),
        Err(_) => {
            let (database, table) = name_parts(name)?;
            let own = Ident::with_quote('"', &context.session.database);
            missing_table(context, &ident_name(database.unwrap_or(&own)), &table.value, privilege)
        }
    }
}

/// A table that does not exist, in a database that the session may not see, is refused as if it were there.
pub(crate) fn missing_table(context: &StatementContext, database: &str, table: &str, privilege: P) -> Result<()> {
    if is_unlimited(&context.session) {
        return Ok(());
    }
    let Ok(found) = context.database(database) else {
        return Ok(());
    };
    if context.snapshot.database_by_id(found.id).is_none() || context.sees(&Object::database(&found)) {
        return Ok(());
    }
    let object = Object::Table {
        database: found.id,
        database_name: found.name.clone(),
        id: basalt_meta::TableId(0),
        name: table.to_owned(),
    };
    Err(context.denied(context.authority()?, &[privilege], &object))
}

fn seen_table(context: &StatementContext, name: &ObjectName) -> Result<()> {
    let Ok(found) = context.table(name) else {
        return on_table(context, name, P::Select);
    };
    let object = Object::table(&found);
    if context.sees(&object) { Ok(()) } else { Err(unseen(context, &object)) }
}

fn unseen(context: &StatementContext, object: &Object) -> Error {
    let user = &context.session.principal.name;
    Error::PermissionDenied { message: format!("user '{user}'@'%' has no privilege on {object}") }
}

/// Functions, sequences and procedures.
fn on_object(context: &StatementContext, statement: &ObjectStatement) -> Result<()> {
    use EntityKind::{Function, Sequence};
    use ObjectStatement as S;
    let named = |kind, name: &Ident| Object::entity(kind, ident_name(name));
    match statement {
        S::CreateFunction { name, create, .. } => {
            context.require_create(P::Create, &Object::Global)?;
            replaced(context, Function, name, *create)
        }
        S::CreateSequence { name, create, .. } => {
            context.require_create(P::CreateSequence, &Object::Global)?;
            replaced(context, Sequence, name, *create)
        }
        S::CreateProcedure { name, create, .. } => {
            context.require_create(P::CreateProcedure, &Object::Global)?;
            procedures(context, name)
                .filter(|_| *create == CreateMode::OrReplace)
                .try_for_each(|object| own(context, P::Drop, &object))
        }
        S::AlterFunction { name, .. } => own(context, P::Alter, &named(Function, name)),
        S::DropFunction { name, .. } => own(context, P::Drop, &named(Function, name)),
        S::DropSequence { name, .. } => own(context, P::Drop, &named(Sequence, name)),
        S::DropProcedure { name, .. } => {
            procedures(context, name).try_for_each(|object| own(context, P::Drop, &object))
        }
        S::DescribeSequence { name } => context.require(P::Usage, &named(Sequence, name)),
        S::DescribeFunction { name } => context.require(P::Usage, &named(Function, name)),
        S::DescribeProcedure { name, .. } | S::Call { name, .. } => {
            procedures(context, name).try_for_each(|object| context.require(P::Usage, &object))
        }
        // What a script runs is checked statement by statement.
        S::ExecuteImmediate { .. } | S::SetVariables { .. } | S::UnsetVariables { .. } => Ok(()),
    }
}

fn replaced(context: &StatementContext, kind: EntityKind, name: &Ident, create: CreateMode) -> Result<()> {
    let object = Object::entity(kind, ident_name(name));
    let exists = context.snapshot.entity(kind, &ident_name(name)).is_some();
    if create == CreateMode::OrReplace && exists { own(context, P::Drop, &object) } else { Ok(()) }
}

/// What the owner does, or who may do it to everything. What does not exist is said where the statement runs.
fn own(context: &StatementContext, privilege: P, object: &Object) -> Result<()> {
    let Object::Entity { kind, name } = object else {
        return Ok(());
    };
    if context.rights().entity(*kind, name).is_none() || context.may(privilege, &Object::Global) {
        return Ok(());
    }
    context.require(P::Ownership, object)
}

/// The procedures of a name, whatever they take.
fn procedures(context: &StatementContext, name: &Ident) -> impl Iterator<Item = Object> {
    let name = ident_name(name);
    let begin = [name.as_str(), "("].concat();
    let kind = EntityKind::Procedure;
    let found: Vec<Object> = context
        .snapshot
        .entities(kind, &name)
        .filter(|entity| entity.name == name || entity.name.starts_with(&begin))
        .map(|entity| Object::entity(kind, entity.name.clone()))
        .collect();
    found.into_iter()
}
