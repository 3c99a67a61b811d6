//! Stages, file formats and connections.

use super::rows::{Kind, Rows, row};
use crate::{
    Result,
    access::Object,
    plan::StatementContext,
    stage::{ConnectionRecord, FileFormatRecord, StageRecord, decode},
};
use basalt_meta::EntityKind;

/// Connection options whose values are shown; all others may be secrets.
const SHOWN: &[&str] = &["endpoint_url", "region", "enable_virtual_host_style", "allow_anonymous"];

pub(super) fn stages(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("stage_type", Kind::Text),
        ("url", Kind::TextN),
        ("endpoint", Kind::TextN),
        ("storage_type", Kind::TextN),
        ("storage_params", Kind::TextN),
        ("has_credentials", Kind::Bool),
        ("has_encryption_key", Kind::Bool),
        ("file_format_options", Kind::Text),
        ("creator", Kind::TextN),
        ("owner", Kind::TextN),
        ("comment", Kind::Text),
        ("created_on", Kind::Time),
    ]);
    for entity in context.snapshot.entities(EntityKind::Stage, "") {
        if !context.sees(&Object::entity(EntityKind::Stage, entity.name.clone())) {
            continue;
        }
        let record: StageRecord = decode(entity)?;
        let external = record.url.is_some();
        let params = external.then(|| shown(&record.connection));
        rows.push(row![
            entity.name.as_str(),
            if external { "External" } else { "Internal" },
            record.url.clone(),
            record.connection.get("endpoint_url").cloned(),
            record.url.as_deref().and_then(|u| u.split("://").next()).map(str::to_string),
            params,
            record.connection.keys().any(|name| !SHOWN.contains(&name.as_str())),
            false,
            json(&record.file_format),
            Some(record.creator.clone()),
            None::<String>,
            record.comment.as_str(),
            entity.created,
        ]);
    }
    Ok(rows)
}

pub(super) fn file_formats(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("name", Kind::Text),
        ("format_options", Kind::Text),
        ("creator", Kind::Text),
        ("created_on", Kind::Time),
    ]);
    for entity in context.snapshot.entities(EntityKind::FileFormat, "") {
        let record: FileFormatRecord = decode(entity)?;
        rows.push(row![entity.name.as_str(), json(&record.options), record.creator.as_str(), entity.created]);
    }
    Ok(rows)
}

pub(super) fn connections(context: &StatementContext) -> Result<Rows> {
    let mut rows = Rows::new(&[("name", Kind::Text), ("storage_type", Kind::Text), ("storage_params", Kind::Text)]);
    for entity in context.snapshot.entities(EntityKind::Connection, "") {
        if !context.sees(&Object::entity(EntityKind::Connection, entity.name.clone())) {
            continue;
        }
        let record: ConnectionRecord = decode(entity)?;
        rows.push(row![entity.name.as_str(), record.storage_type.as_str(), shown(&record.options)]);
    }
    Ok(rows)
}

fn json(options: &crate::sql::Options) -> String {
    serde_json::Value::from_iter(options.iter().map(|(k, v)| (k.clone(), v.clone()))).to_string()
}

/// Options without what may be secret.
fn shown(options: &crate::sql::Options) -> String {
    let masked = |(name, value): (&String, &String)| {
        let open = SHOWN.contains(&name.as_str());
        (name.clone(), if open { value.clone() } else { "******".to_string() })
    };
    serde_json::Value::from_iter(options.iter().map(masked)).to_string()
}
