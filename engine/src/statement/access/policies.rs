//! CREATE, ALTER, DROP and DESC of policies.

use super::{Onto, check_name, entity_kind, onto_existing};
use crate::{
    Error, IpRange, Result,
    access::{
        ATTRIBUTES, Kept, NetworkPolicy, Object, PasswordPolicy, Privilege, RuleRecord, UserRecord, Work, all, find,
        get,
    },
    plan::{StatementContext, arrow_type, sql_type, with_arguments},
    sql::{Creation, NetworkRules, NewPolicy, PasswordChanges, PolicyKind, Rule},
    statement::{
        Outcome,
        select::{boolean, column_of, exact, from_one, named, object_name, relation, select},
    },
};
use arrow::datatypes::{Field, Schema};
use basalt_meta::EntityKind;
use datafusion::{arrow::datatypes::DataType, datasource::MemTable};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Under which name a new rule sees its arguments.
const ARGUMENTS: &str = "__basalt_arguments";

pub(super) async fn create(
    context: &StatementContext,
    name: &str,
    creation: Creation,
    policy: &NewPolicy,
    work: &mut Work,
) -> Result<()> {
    match policy {
        NewPolicy::Network(rules) => {
            context.require(Privilege::Super, &Object::Global)?;
            let mut made = NetworkPolicy::default();
            apply_network(&mut made, rules)?;
            put(context, EntityKind::NetworkPolicy, name, creation, &made, work)
        }
        NewPolicy::Password(changes) => {
            context.require(Privilege::Super, &Object::Global)?;
            let mut made = PasswordPolicy::default();
            apply_password(&mut made, changes)?;
            put(context, EntityKind::PasswordPolicy, name, creation, &made, work)
        }
        NewPolicy::Masking(rule) => {
            context.require_create(Privilege::CreateMaskingPolicy, &Object::Global)?;
            create_rule(context, EntityKind::MaskingPolicy, name, creation, rule, work).await
        }
        NewPolicy::RowAccess(rule) => {
            context.require_create(Privilege::CreateRowAccessPolicy, &Object::Global)?;
            create_rule(context, EntityKind::RowAccessPolicy, name, creation, rule, work).await
        }
    }
}

fn put<T: Serialize + DeserializeOwned>(
    context: &StatementContext,
    kind: EntityKind,
    name: &str,
    creation: Creation,
    made: &T,
    work: &mut Work,
) -> Result<()> {
    check_name(kind, name)?;
    let existing = context.snapshot.entity(kind, name);
    let exists = || Error::EntityExists { kind, name: name.to_owned() };
    match onto_existing(existing, creation, exists)? {
        None => Ok(()),
        Some(Onto::Nothing) => work.add(context, kind, name, made),
        Some(Onto::Old(old)) => work.change(context, &old, made),
    }
}

fn apply_network(policy: &mut NetworkPolicy, rules: &NetworkRules) -> Result<()> {
    let ranges = |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<IpRange>>>();
    if let Some(allowed) = &rules.allowed {
        policy.allowed = ranges(allowed)?;
    }
    if let Some(blocked) = &rules.blocked {
        policy.blocked = ranges(blocked)?;
    }
    if let Some(comment) = &rules.comment {
        policy.comment.clone_from(comment);
    }
    Ok(())
}

fn apply_password(policy: &mut PasswordPolicy, changes: &PasswordChanges) -> Result<()> {
    for (name, value) in &changes.set {
        policy.set(name, *value)?;
    }
    for name in &changes.unset {
        policy.unset(name)?;
    }
    if let Some(comment) = &changes.comment {
        policy.comment.clone_from(comment);
    }
    policy.check_consistency()
}

pub(super) fn alter_network(
    context: &StatementContext,
    name: &str,
    if_exists: bool,
    changes: &NetworkRules,
    work: &mut Work,
) -> Result<()> {
    context.require(Privilege::Super, &Object::Global)?;
    let Some(mut found) = existing::<NetworkPolicy>(context, EntityKind::NetworkPolicy, name, if_exists)? else {
        return Ok(());
    };
    apply_network(&mut found.body, changes)?;
    work.change(context, &found.entity, &found.body)
}

pub(super) fn alter_password(
    context: &StatementContext,
    name: &str,
    if_exists: bool,
    changes: &PasswordChanges,
    work: &mut Work,
) -> Result<()> {
    context.require(Privilege::Super, &Object::Global)?;
    let Some(mut found) = existing::<PasswordPolicy>(context, EntityKind::PasswordPolicy, name, if_exists)? else {
        return Ok(());
    };
    apply_password(&mut found.body, changes)?;
    work.change(context, &found.entity, &found.body)
}

fn existing<T: DeserializeOwned>(
    context: &StatementContext,
    kind: EntityKind,
    name: &str,
    if_exists: bool,
) -> Result<Option<Kept<T>>> {
    match find(&context.snapshot, kind, name)? {
        Some(found) => Ok(Some(found)),
        None if if_exists => Ok(None),
        None => Err(Error::UnknownEntity { kind, name: name.to_owned() }),
    }
}

pub(super) fn drop(
    context: &StatementContext,
    kind: PolicyKind,
    name: &str,
    if_exists: bool,
    work: &mut Work,
) -> Result<()> {
    let entities = entity_kind(kind);
    match kind {
        PolicyKind::Network | PolicyKind::Password => {
            context.require(Privilege::Super, &Object::Global)?;
            let Some(entity) = context.snapshot.entity(entities, name) else {
                return if if_exists { Ok(()) } else { Err(unknown(entities, name)) };
            };
            for user in all::<UserRecord>(&context.snapshot, EntityKind::User)? {
                let used = match kind {
                    PolicyKind::Network => &user.body.network_policy,
                    _ => &user.body.password_policy,
                };
                if used.as_deref() == Some(name) {
                    let (name, user) = (name.to_owned(), user.entity.name.clone());
                    return Err(Error::PolicyUsed { kind: entities, name, user });
                }
            }
            work.remove(&entity);
            Ok(())
        }
        PolicyKind::Masking | PolicyKind::RowAccess => {
            let Some(found) = existing::<RuleRecord>(context, entities, name, if_exists)? else {
                return Ok(());
            };
            super::attach::require_policy(context, entities, name)?;
            check_unattached(context, &found)?;
            work.remove(&found.entity);
            Ok(())
        }
    }
}

fn unknown(kind: EntityKind, name: &str) -> Error {
    Error::UnknownEntity { kind, name: name.to_owned() }
}

/// Dropped tables do not hold a policy, but one that comes back needs it: it is refused while it can.
fn check_unattached(context: &StatementContext, rule: &Kept<RuleRecord>) -> Result<()> {
    let live = |table: u64| context.snapshot.table_by_id(basalt_meta::TableId(table));
    let Some(table) = rule.body.attachments.iter().find_map(|a| live(a.table)) else {
        return Ok(());
    };
    let (kind, name) = (rule.entity.kind, &rule.entity.name);
    let message = format!("{kind} `{name}` is attached to table `{}`: detach it first", table.table().name);
    Err(Error::PolicyAttached { message })
}

async fn create_rule(
    context: &StatementContext,
    kind: EntityKind,
    name: &str,
    creation: Creation,
    rule: &Rule,
    work: &mut Work,
) -> Result<()> {
    let other = match kind {
        EntityKind::MaskingPolicy => EntityKind::RowAccessPolicy,
        _ => EntityKind::MaskingPolicy,
    };
    if context.snapshot.entity(other, name).is_some() {
        return Err(Error::EntityExists { kind: other, name: name.to_owned() });
    }
    let record = described(context, kind, rule).await?;
    if creation == Creation::OrReplace
        && let Some(old) = find::<RuleRecord>(&context.snapshot, kind, name)?
    {
        super::attach::require_policy(context, kind, name)?;
        check_unattached(context, &old)?;
    }
    put(context, kind, name, creation, &record, work)
}

/// The rule's record: its expression is planned once over columns of its arguments' types.
async fn described(context: &StatementContext, kind: EntityKind, rule: &Rule) -> Result<RuleRecord> {
    let mut fields: Vec<Field> = Vec::new();
    for (name, data_type) in &rule.arguments {
        if fields.iter().any(|f| f.name() == name) {
            return Err(Error::Semantic { message: format!("argument `{name}` is named twice") });
        }
        fields.push(Field::new(name, arrow_type(data_type)?, true));
    }
    let returns = arrow_type(&rule.returns)?;
    if kind == EntityKind::RowAccessPolicy && returns != DataType::Boolean {
        let message = format!("a row access policy returns BOOLEAN, not {}", sql_type(&returns));
        return Err(Error::PolicyMismatch { message });
    }
    if kind == EntityKind::MaskingPolicy && returns != *fields[0].data_type() {
        let message = format!(
            "a masking policy returns the type of its first argument, {}, not {}",
            sql_type(fields[0].data_type()),
            sql_type(&returns)
        );
        return Err(Error::MaskType { message });
    }
    let arguments = fields.iter().map(|f| (f.name().clone(), sql_type(f.data_type()))).collect();
    let known: Vec<String> = fields.iter().map(|f| f.name().clone()).collect();
    let body = with_arguments(&rule.body, context.sql_limits(), |name| {
        known.iter().any(|k| k == name).then(|| column_of(&exact(ARGUMENTS), name))
    })?;
    let table = MemTable::try_new(Arc::new(Schema::new(fields)), vec![Vec::new()]).map_err(crate::plan::explain)?;
    let from = vec![from_one(relation(object_name(&[ARGUMENTS]), None))];
    // Planned where it will stand: some expressions are possible in a condition only.
    let query = match kind {
        EntityKind::RowAccessPolicy => select(vec![named(boolean(true), "value")], from, Some(body)),
        _ => select(vec![named(body, "value")], from, None),
    };
    let planned = context.plan_query_over(&query, vec![(ARGUMENTS.to_owned(), Arc::new(table))]).await?;
    let found = planned.schema.field(0).data_type();
    if *found != DataType::Null && !arrow::compute::can_cast_types(found, &returns) {
        let message = format!("the expression yields {}, not {}", sql_type(found), sql_type(&returns));
        return Err(Error::PolicyMismatch { message });
    }
    Ok(RuleRecord {
        arguments,
        returns: sql_type(&returns),
        body: rule.body.clone(),
        comment: rule.comment.clone().unwrap_or_default(),
        attachments: Vec::new(),
    })
}

/// `(val VARCHAR, num INT)`
pub(super) fn signature(rule: &RuleRecord) -> String {
    let arguments: Vec<String> = rule.arguments.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    format!("({})", arguments.join(", "))
}

pub(super) fn describe(context: &StatementContext, kind: PolicyKind, name: &str) -> Result<Outcome> {
    let entities = entity_kind(kind);
    match kind {
        PolicyKind::Network => {
            let policy = get::<NetworkPolicy>(&context.snapshot, entities, name)?.body;
            let list = |ranges: &[IpRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let row = [name.to_owned(), list(&policy.allowed), list(&policy.blocked), policy.comment.clone()];
            let names = ["Name", "Allowed Ip List", "Blocked Ip List", "Comment"];
            Outcome::texts(&names, vec![row.map(Some).to_vec()])
        }
        PolicyKind::Password => {
            let policy = get::<PasswordPolicy>(&context.snapshot, entities, name)?.body;
            let row = |name: &str, value: String, default: Option<String>, meaning: &str| {
                vec![Some(name.to_owned()), Some(value), default, Some(meaning.to_owned())]
            };
            let mut rows = vec![
                row("NAME", name.to_owned(), None, "Name of the policy"),
                row("COMMENT", policy.comment.clone(), None, "What was said about it"),
            ];
            for attribute in &ATTRIBUTES {
                let value = policy.value(attribute.name).to_string();
                rows.push(row(attribute.name, value, Some(attribute.default.to_string()), attribute.meaning));
            }
            Outcome::texts(&["Property", "Value", "Default", "Description"], rows)
        }
        PolicyKind::Masking | PolicyKind::RowAccess => {
            let found = get::<RuleRecord>(&context.snapshot, entities, name)?;
            super::attach::require_policy(context, entities, name)?;
            let created = chrono::DateTime::from_timestamp_micros(found.entity.created.0).unwrap_or_default();
            let row = [
                name.to_owned(),
                created.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
                signature(&found.body),
                found.body.returns.clone(),
                found.body.body.clone(),
                found.body.comment.clone(),
            ];
            let names = ["Name", "Created On", "Signature", "Return Type", "Body", "Comment"];
            Outcome::texts(&names, vec![row.map(Some).to_vec()])
        }
    }
}
