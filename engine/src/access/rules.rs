//! Masking and row access policies as the catalogue keeps them, and what they are attached to. How they change a query
//! is in `plan/guard.rs`.

use super::{Kept, body};
use crate::{Error, Result};
use basalt_meta::{EntityKind, Snapshot, TableId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An expression over arguments, and the columns that are given as arguments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RuleRecord {
    /// Names and types, both as text.
    pub arguments: Vec<(String, String)>,
    pub returns: String,
    /// As the author wrote it.
    pub body: String,
    pub comment: String,
    pub attachments: Vec<Attachment>,
}

/// One use of a policy: columns by id, in the order of the arguments. A masking policy masks the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub table: u64,
    pub columns: Vec<u32>,
}

/// The kinds of rules.
const KINDS: [EntityKind; 2] = [EntityKind::MaskingPolicy, EntityKind::RowAccessPolicy];

/// The uses of policies of a kind on a table.
pub(crate) fn attached(
    snapshot: &Snapshot,
    kind: EntityKind,
    table: TableId,
) -> Result<Vec<(Kept<RuleRecord>, Attachment)>> {
    let mut found = Vec::new();
    for entity in snapshot.entities(kind, "") {
        let rule: RuleRecord = body(entity)?;
        for attachment in rule.attachments.iter().filter(|a| a.table == table.0) {
            found.push((Kept { entity: Arc::clone(entity), body: rule.clone() }, attachment.clone()));
        }
    }
    Ok(found)
}

/// The policy that uses a column of a table, if one does.
pub(crate) fn attachments_of(snapshot: &Snapshot, table: TableId, column: u32) -> Result<Option<Kept<RuleRecord>>> {
    for kind in KINDS {
        for (rule, attachment) in attached(snapshot, kind, table)? {
            if attachment.columns.contains(&column) {
                return Ok(Some(rule));
            }
        }
    }
    Ok(None)
}

impl Kept<RuleRecord> {
    /// That a column or table must be freed of the policy first.
    pub fn in_the_way(&self, what: &str) -> Error {
        let message = format!("{what} is protected by {} `{}`: detach it first", self.entity.kind, self.entity.name);
        Error::PolicyAttached { message }
    }
}
