//! What the catalogue keeps of stages, their files, file formats and connections. Bodies are JSON, so that fields can be
//! added: a missing one has its default.

use crate::{Error, Result};
use basalt_meta::Entity;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// A stage. Without a URL its files are ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StageRecord {
    pub url: Option<String>,
    /// How to reach `url`; may hold secrets, so it is shown nowhere.
    pub connection: BTreeMap<String, String>,
    /// Options as the user wrote them, names in lower case.
    pub file_format: BTreeMap<String, String>,
    pub copy_options: BTreeMap<String, String>,
    pub comment: String,
    pub creator: String,
}

/// A named file format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FileFormatRecord {
    pub options: BTreeMap<String, String>,
    pub creator: String,
}

/// A named way to reach a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectionRecord {
    pub storage_type: String,
    pub options: BTreeMap<String, String>,
    pub creator: String,
}

/// A file of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFile {
    /// Within its stage.
    pub path: String,
    pub size: u64,
    pub md5: Option<String>,
    pub etag: Option<String>,
    /// Microseconds since 1970.
    pub last_modified: i64,
    pub creator: Option<String>,
}

/// The body of an entity.
pub(crate) fn decode<T: DeserializeOwned>(entity: &Entity) -> Result<T> {
    serde_json::from_slice(&entity.body)
        .map_err(|source| Error::internal(format!("stored {} `{}`", entity.kind, entity.name), source))
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|source| Error::internal("a record of the catalogue", source))
}
