//! Named things besides databases and tables: stages, users, sequences… The catalogue keeps their names and versions;
//! what a body says is its writer's affair.

use crate::{Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an entity is. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum EntityKind {
    Stage = 1,
    /// A file of a stage: `stage/path`.
    StageFile = 2,
    FileFormat = 3,
    Connection = 4,
    /// A file that was copied into a table, so that it is not copied twice.
    CopiedFile = 5,
    Sequence = 10,
    Function = 11,
    Procedure = 12,
    Tag = 13,
    Stream = 14,
    User = 20,
    Role = 21,
    /// Who owns what.
    Ownership = 22,
    NetworkPolicy = 23,
    PasswordPolicy = 24,
    MaskingPolicy = 25,
    RowAccessPolicy = 26,
}

impl EntityKind {
    pub const ALL: [EntityKind; 17] = [
        EntityKind::Stage,
        EntityKind::StageFile,
        EntityKind::FileFormat,
        EntityKind::Connection,
        EntityKind::CopiedFile,
        EntityKind::Sequence,
        EntityKind::Function,
        EntityKind::Procedure,
        EntityKind::Tag,
        EntityKind::Stream,
        EntityKind::User,
        EntityKind::Role,
        EntityKind::Ownership,
        EntityKind::NetworkPolicy,
        EntityKind::PasswordPolicy,
        EntityKind::MaskingPolicy,
        EntityKind::RowAccessPolicy,
    ];

    /// The word for it in messages.
    pub fn noun(self) -> &'static str {
        match self {
            EntityKind::Stage => "stage",
            EntityKind::StageFile => "stage file",
            EntityKind::FileFormat => "file format",
            EntityKind::Connection => "connection",
            EntityKind::CopiedFile => "copied file",
            EntityKind::Sequence => "sequence",
            EntityKind::Function => "function",
            EntityKind::Procedure => "procedure",
            EntityKind::Tag => "tag",
            EntityKind::Stream => "stream",
            EntityKind::User => "user",
            EntityKind::Role => "role",
            EntityKind::Ownership => "ownership",
            EntityKind::NetworkPolicy => "network policy",
            EntityKind::PasswordPolicy => "password policy",
            EntityKind::MaskingPolicy => "masking policy",
            EntityKind::RowAccessPolicy => "row access policy",
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

/// One named thing at one version. Kind and name are its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub kind: EntityKind,
    pub name: String,
    /// Unlike the name never given again.
    pub id: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// The commit that wrote it; filled in by the commit.
    pub changed_at: Version,
    /// Encoded by its writer.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}
