//! Stages, file formats and connections by name.

use super::model::{ConnectionRecord, FileFormatRecord, StageRecord, decode};
use crate::{Error, Principal, Result, parts::Parts};
use basalt_meta::{Entity, EntityKind, Snapshot, Version};
use std::sync::Arc;

/// A stage that was found.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// As users write it.
    pub name: String,
    /// What the names of its files begin with in the catalogue.
    pub key: String,
    pub record: StageRecord,
    /// When it was written; `None` for a user's own stage, which always is.
    pub changed_at: Option<Version>,
}

/// The stage of this name; `~` is the principal's own. An unknown name is also looked for in another case.
pub(crate) fn find_stage(snapshot: &Snapshot, principal: &Principal, name: &str) -> Result<Stage> {
    if name == "~" {
        let key = stage_key(principal, name);
        return Ok(Stage { name: name.into(), key, record: StageRecord::default(), changed_at: None });
    }
    let entity = find(snapshot, EntityKind::Stage, name)?;
    Ok(Stage {
        name: entity.name.clone(),
        key: entity.name.clone(),
        record: decode(&entity)?,
        changed_at: Some(entity.changed_at),
    })
}

/// What the names of a stage's files begin with. No stage can be called `~…`.
pub(crate) fn stage_key(principal: &Principal, name: &str) -> String {
    if name == "~" { format!("~{}", principal.name.replace('/', "%2F")) } else { name.to_string() }
}

pub(crate) fn find_format(snapshot: &Snapshot, name: &str) -> Result<FileFormatRecord> {
    decode(&*find(snapshot, EntityKind::FileFormat, name)?)
}

pub(crate) fn find_connection(snapshot: &Snapshot, name: &str) -> Result<ConnectionRecord> {
    decode(&*find(snapshot, EntityKind::Connection, name)?)
}

fn find(snapshot: &Snapshot, kind: EntityKind, name: &str) -> Result<Arc<Entity>> {
    if let Some(found) = snapshot.entity(kind, name) {
        return Ok(found);
    }
    let mut alike = snapshot.entities(kind, "").filter(|e| e.name.eq_ignore_ascii_case(name));
    match (alike.next(), alike.next()) {
        (Some(found), None) => Ok(found.clone()),
        _ => Err(Error::UnknownEntity { kind, name: name.to_string() }),
    }
}

/// A new or changed entity.
pub(crate) fn entity(parts: &Parts, kind: EntityKind, name: &str, old: Option<&Entity>, body: Vec<u8>) -> Entity {
    let now = parts.catalog.clock().now();
    Entity {
        kind,
        name: name.to_string(),
        id: old.map_or_else(|| parts.catalog.next_id(), |e| e.id),
        created: old.map_or(now, |e| e.created),
        updated: now,
        changed_at: Version::default(),
        body,
    }
}
