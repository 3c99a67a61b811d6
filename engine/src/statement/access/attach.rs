//! ALTER TABLE … SET MASKING POLICY and ADD ROW ACCESS POLICY: policies meet columns.

use crate::{
    Error, Result,
    access::{
        Attachment, Kept, Object, Privilege, RuleRecord, Work, attached, attachments_of, find, get, is_unlimited,
    },
    plan::{StatementContext, sql_type},
    statement::{columns::find as column_index, commit},
};
use basalt_meta::{Column, EntityKind, Table};
use datafusion::sql::sqlparser::ast::Ident;

/// Fails unless the session may attach, detach, describe and drop a policy.
pub(super) fn require_policy(context: &StatementContext, kind: EntityKind, name: &str) -> Result<()> {
    if is_unlimited(&context.session) {
        return Ok(());
    }
    let (authority, object) = (context.authority()?, Object::entity(kind, name));
    let global = match kind {
        EntityKind::MaskingPolicy => Privilege::ApplyMaskingPolicy,
        _ => Privilege::ApplyRowAccessPolicy,
    };
    if authority.may(global, &Object::Global) || authority.may(Privilege::Apply, &object) {
        return Ok(());
    }
    Err(context.denied(authority, &[Privilege::Apply, global], &object))
}

/// The first of `columns` is masked; without `USING` it is the only one.
pub(crate) async fn attach_masking(
    context: &StatementContext,
    table: &Table,
    column: &Ident,
    policy: &str,
    using: &[Ident],
) -> Result<()> {
    let rule = get::<RuleRecord>(&context.snapshot, EntityKind::MaskingPolicy, policy)?;
    require_policy(context, EntityKind::MaskingPolicy, policy)?;
    let masked = &table.columns[column_index(table, column)?];
    let columns = match using {
        [] => vec![masked],
        using => columns_of(table, using)?,
    };
    if columns.first().is_none_or(|first| first.id != masked.id) {
        let message = format!("USING begins with the masked column `{}`", masked.name);
        return Err(Error::PolicyMismatch { message });
    }
    attach(context, table, rule, &columns).await
}

pub(crate) async fn attach_rows(
    context: &StatementContext,
    table: &Table,
    policy: &str,
    columns: &[Ident],
) -> Result<()> {
    let rule = get::<RuleRecord>(&context.snapshot, EntityKind::RowAccessPolicy, policy)?;
    require_policy(context, EntityKind::RowAccessPolicy, policy)?;
    let columns = columns_of(table, columns)?;
    check_fit(&rule, &columns)?;
    if let Some((other, _)) = attached(&context.snapshot, EntityKind::RowAccessPolicy, table.id)?.first() {
        return Err(other.in_the_way(&format!("table `{}`", table.name)));
    }
    attach(context, table, rule, &columns).await
}

async fn attach(
    context: &StatementContext,
    table: &Table,
    mut rule: Kept<RuleRecord>,
    columns: &[&Column],
) -> Result<()> {
    check_fit(&rule, columns)?;
    // Columns a mask only looks at may be looked at by others too.
    let bound = if rule.entity.kind == EntityKind::MaskingPolicy { &columns[..1] } else { columns };
    for column in bound {
        if let Some(other) = attachments_of(&context.snapshot, table.id, column.id.0)? {
            return Err(other.in_the_way(&format!("column `{}`", column.name)));
        }
    }
    let columns = columns.iter().map(|c| c.id.0).collect();
    rule.body.attachments.push(Attachment { table: table.id.0, columns });
    change(context, &rule).await
}

async fn change(context: &StatementContext, rule: &Kept<RuleRecord>) -> Result<()> {
    let mut work = Work::default();
    work.change(context, &rule.entity, &rule.body)?;
    commit(context, work.edits, work.preconditions).await.map(|_| ())
}

fn columns_of<'t>(table: &'t Table, names: &[Ident]) -> Result<Vec<&'t Column>> {
    names.iter().map(|name| Ok(&table.columns[column_index(table, name)?])).collect()
}

/// As many columns as arguments, of the same types.
fn check_fit(rule: &Kept<RuleRecord>, columns: &[&Column]) -> Result<()> {
    let (kind, name, arguments) = (rule.entity.kind, &rule.entity.name, &rule.body.arguments);
    if arguments.len() != columns.len() {
        let message = format!("{kind} `{name}` takes {} columns, not {}", arguments.len(), columns.len());
        return Err(Error::PolicyMismatch { message });
    }
    for ((argument, wanted), column) in arguments.iter().zip(columns) {
        let found = sql_type(&column.data_type);
        if *wanted != found {
            let message =
                format!("argument `{argument}` of {kind} `{name}` is {wanted}, column `{}` is {found}", column.name);
            return Err(Error::PolicyMismatch { message });
        }
    }
    Ok(())
}

pub(crate) async fn detach_masking(context: &StatementContext, table: &Table, column: &Ident) -> Result<()> {
    let column = &table.columns[column_index(table, column)?];
    for (mut rule, attachment) in attached(&context.snapshot, EntityKind::MaskingPolicy, table.id)? {
        if attachment.columns.first() == Some(&column.id.0) {
            require_policy(context, EntityKind::MaskingPolicy, &rule.entity.name)?;
            rule.body.attachments.retain(|a| *a != attachment);
            return change(context, &rule).await;
        }
    }
    Ok(())
}

/// Without a name: whatever is attached.
pub(crate) async fn detach_rows(context: &StatementContext, table: &Table, policy: Option<&str>) -> Result<()> {
    if let Some(name) = policy {
        let unknown = || Error::UnknownEntity { kind: EntityKind::RowAccessPolicy, name: name.to_owned() };
        find::<RuleRecord>(&context.snapshot, EntityKind::RowAccessPolicy, name)?.ok_or_else(unknown)?;
    }
    let mut found = attached(&context.snapshot, EntityKind::RowAccessPolicy, table.id)?;
    found.retain(|(rule, _)| policy.is_none_or(|name| rule.entity.name == name));
    if let (Some(name), true) = (policy, found.is_empty()) {
        let message = format!("row access policy `{name}` is not attached to table `{}`", table.name);
        return Err(Error::PolicyAttached { message });
    }
    for (mut rule, attachment) in found {
        require_policy(context, EntityKind::RowAccessPolicy, &rule.entity.name)?;
        rule.body.attachments.retain(|a| *a != attachment);
        change(context, &rule).await?;
    }
    Ok(())
}

/// Fails when a column is protected: its type and its being there belong to the policy.
pub(crate) fn check_unprotected(context: &StatementContext, table: &Table, column: &Column) -> Result<()> {
    match attachments_of(&context.snapshot, table.id, column.id.0)? {
        Some(rule) => Err(rule.in_the_way(&format!("column `{}`", column.name))),
        None => Ok(()),
    }
}

pub(crate) fn has_row_policy(context: &StatementContext, table: &Table) -> Result<bool> {
    Ok(!attached(&context.rights(), EntityKind::RowAccessPolicy, table.id)?.is_empty())
}
