//! SET, UNSET, USE and KILL: what a statement changes around itself.

use super::Outcome;
use crate::{
    CloseReason, Error, Result, SessionEffect, SettingChange,
    access::{Object, Privilege},
    plan::StatementContext,
    session::{Definition, Settings, definition, known_value},
    sql::ident_name,
};
use basalt_meta::Edit;
use datafusion::sql::sqlparser::ast::Ident;

pub(super) async fn set(
    context: &mut StatementContext,
    settings: Vec<(String, String)>,
    global: bool,
) -> Result<(Outcome, Option<SessionEffect>)> {
    let known: Vec<(&Definition, String)> =
        settings.iter().map(|(name, value)| known_value(name, value)).collect::<Result<_>>()?;
    if global && known.iter().any(|(d, _)| d.name == "deduplicate_label") {
        return Err(Error::InvalidArgument { message: "deduplicate_label cannot be set for everyone".into() });
    }
    if global {
        super::refuse_in_transaction(context, "SET GLOBAL")?;
        let put = |(d, value): &(&Definition, String)| Edit::PutSetting { name: d.name.into(), value: value.clone() };
        super::commit(context, known.iter().map(put).collect(), Vec::new()).await?;
    }
    for (definition, value) in &known {
        if !definition.acts {
            context.counters.warn(format!("setting `{}` has no effect here", definition.name));
        }
        if global {
            context.session.settings.remove(definition.name);
        } else {
            context.session.settings.insert(definition.name.to_string(), value.clone());
        }
    }
    resolve(context);
    let change = |(d, value): (&Definition, String)| SettingChange { name: d.name.into(), value, global };
    let changes = known.into_iter().map(change).collect();
    Ok((Outcome::Done, Some(SessionEffect::ChangeSettings(changes))))
}

pub(super) async fn unset(
    context: &mut StatementContext,
    names: Vec<String>,
    global: bool,
) -> Result<(Outcome, Option<SessionEffect>)> {
    let known: Vec<&Definition> = names.iter().map(|name| definition(name)).collect::<Result<_>>()?;
    if global {
        super::refuse_in_transaction(context, "UNSET GLOBAL")?;
        let edits = known.iter().map(|d| Edit::DeleteSetting { name: d.name.into() }).collect();
        super::commit(context, edits, Vec::new()).await?;
    }
    for definition in &known {
        context.session.settings.remove(definition.name);
    }
    resolve(context);
    let change = |d: &Definition| SettingChange { name: d.name.into(), value: d.default.into(), global };
    let changes = known.into_iter().map(change).collect();
    Ok((Outcome::Done, Some(SessionEffect::ChangeSettings(changes))))
}

fn resolve(context: &mut StatementContext) {
    let globals = context.parts.catalog.snapshot().settings();
    context.settings = Settings::resolve(&context.session.settings, &globals);
}

pub(super) fn use_database(context: &mut StatementContext, name: &Ident) -> Result<(Outcome, Option<SessionEffect>)> {
    let database = context.database(&ident_name(name))?;
    context.session.database = database.name.clone();
    Ok((Outcome::Done, Some(SessionEffect::UseDatabase(database.name.clone()))))
}

/// There is one catalogue.
pub(super) fn use_catalog(name: &Ident) -> Result<(Outcome, Option<SessionEffect>)> {
    let name = ident_name(name);
    if name != "default" {
        return Err(Error::InvalidArgument { message: format!("unknown catalog `{name}` (there is one, `default`)") });
    }
    Ok((Outcome::Done, Some(SessionEffect::UseCatalog(name))))
}

/// Stops a query: one's own, or anyone's for an admin.
pub(super) fn kill(context: &StatementContext, id: &str) -> Result<Outcome> {
    let unknown = || Error::UnknownQuery { id: id.to_string() };
    let handle = context.parts.queries.find(id).ok_or_else(unknown)?;
    if handle.principal().name != context.session.principal.name && !context.may(Privilege::Super, &Object::Global) {
        return Err(unknown());
    }
    handle.close(CloseReason::Killed);
    Ok(Outcome::Done)
}
