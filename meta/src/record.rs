//! Values: one version byte, the payload, and a CRC32C over key, version and payload. A value that does not check
//! out is reported with its kind and key and never used; the key is part of the sum, so a value that ended up
//! under another key is found too.
//!
//! Records are MessagePack maps by field name: a later release adds fields with `#[serde(default)]` and reads what
//! an earlier one wrote. Bytes that have a format of their own (Arrow IPC, roaring bitmaps) are stored as they are.

use crate::{Error, Result, keys::Key, model::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const CRC_BYTES: usize = 4;

/// Version byte of all values of this release.
const VALUE_VERSION: u8 = 1;

/// What may be stored as a MessagePack value.
pub(crate) trait Record: Serialize + DeserializeOwned {}

impl Record for Database {}
impl Record for Table {}
impl Record for Entity {}
impl Record for Segment {}
impl Record for SegmentDetail {}
impl Record for LabelRecord {}
impl Record for String {}
/// Counters: format, epoch, next id.
impl Record for u64 {}
impl Record for Version {}
/// Keys that say all by being there.
impl Record for () {}

/// A table's record and what the commit path must know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    pub(crate) table: Table,
    pub(crate) created: Version,
    /// Rows written with an older schema version can no longer be appended.
    pub(crate) breaking_version: u64,
    /// The oldest version that time travel reaches.
    pub(crate) floor: Version,
}

impl Record for TableRecord {}

/// The newest commit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommitSeq {
    pub(crate) version: Version,
    pub(crate) at: Timestamp,
}

impl Record for CommitSeq {}

/// A step of a table's history. The sums are those after the commit and are compared with what is found at start
/// and by time travel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct HistoryRow {
    pub(crate) operation: Operation,
    pub(crate) at: Timestamp,
    pub(crate) live_rows: u64,
    pub(crate) rows: u64,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) state_hash: u128,
    pub(crate) schema_version: u64,
    pub(crate) changed_at: Version,
}

impl Record for HistoryRow {}

/// The commits of one group with their times, both ascending.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommitTimes {
    pub(crate) commits: Vec<(Version, Timestamp)>,
}

impl Record for CommitTimes {}

/// Which segment an object belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObjectOwner {
    pub(crate) table: TableId,
    pub(crate) segment: SegmentId,
}

impl Record for ObjectOwner {}

/// Encodes a record for its key.
pub(crate) fn encode<R: Record>(key: &[u8], record: &R) -> Vec<u8> {
    let mut value = Vec::with_capacity(256);
    value.push(VALUE_VERSION);
    rmp_serde::encode::write_named(&mut value, record).expect("plain data into memory always encodes");
    seal(key, value)
}

/// Encodes bytes that have a format of their own.
pub(crate) fn encode_raw(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(1 + payload.len() + CRC_BYTES);
    value.push(VALUE_VERSION);
    value.extend_from_slice(payload);
    seal(key, value)
}

/// Reads a record back.
pub(crate) fn decode<R: Record>(key: &[u8], value: &[u8]) -> Result<R> {
    let payload = decode_raw(key, value)?;
    rmp_serde::from_slice(payload).map_err(|error| {
        tracing::error!(%error, "record checks out but does not decode");
        damaged(key)
    })
}

/// Checks a value and returns its payload.
pub(crate) fn decode_raw<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8]> {
    let Some((body, crc)) = value.split_last_chunk::<CRC_BYTES>() else { return Err(damaged(key)) };
    if u32::from_le_bytes(*crc) != checksum(key, body) {
        return Err(damaged(key));
    }
    let Some((&version, payload)) = body.split_first() else { return Err(damaged(key)) };
    if version > VALUE_VERSION {
        return Err(Error::NewerFormat { found: u32::from(version), supported: u32::from(VALUE_VERSION) });
    }
    Ok(payload)
}

/// The error for a value under `key` that cannot be used.
pub(crate) fn damaged(key: &[u8]) -> Error {
    match Key::decode(key) {
        Some(decoded) => Error::Damaged { kind: decoded.kind(), key: format!("{decoded:?}") },
        None => Error::Damaged { kind: "unknown", key: format!("{key:02x?}") },
    }
}

fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let crc = checksum(key, &value);
    value.extend_from_slice(&crc.to_le_bytes());
    value
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), body)
}

#[cfg(test)]
mod tests;
