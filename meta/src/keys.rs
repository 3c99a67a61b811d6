//! Every key of the catalogue in one enum: which column family it lies in, its tag, its fields in their order, and
//! the codec. Numbers are big-endian, so keys sort as their fields do; a text field is always the last one.
//!
//! A tag that is no longer written goes to [`RETIRED_TAGS`] and is never given out again.

use crate::{DatabaseId, EntityKind, Label, SegmentId, TableId, Timestamp, Version};

/// Tags that earlier formats used. None so far.
#[cfg_attr(not(test), expect(dead_code, reason = "a list for people and for the test below"))]
pub(crate) const RETIRED_TAGS: &[u8] = &[];

/// The column families. Few: all share one log, and every family has its own memtables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Format, epoch, commit sequence: a handful of rows. RocksDB's own default family.
    Sys,
    /// Databases, tables, settings, labels, entities.
    Catalog,
    /// Segments, their details, deletion vectors, the garbage queue.
    Segments,
    /// Bytes of inline segments.
    Inline,
    /// Histories and commit times.
    Versions,
}

impl Family {
    pub(crate) const ALL: [Family; 5] =
        [Family::Sys, Family::Catalog, Family::Segments, Family::Inline, Family::Versions];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::Sys => "default",
            Family::Catalog => "cat",
            Family::Segments => "seg",
            Family::Inline => "inl",
            Family::Versions => "ver",
        }
    }
}

/// A key. The order of the fields is their order in the encoded key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Number of the format the directory is written in.
    Format,
    /// How often the directory was opened.
    Epoch,
    /// Number and time of the newest commit; rewritten by every group.
    CommitSeq,
    /// Ids below this one may have been handed out.
    NextId,
    Database(DatabaseId),
    Table(TableId),
    Setting(String),
    Label(Label),
    /// Finished labels by age.
    LabelByTime(Timestamp, Label),
    Entity(EntityKind, String),
    /// A live segment.
    Segment(TableId, SegmentId),
    SegmentDetail(TableId, SegmentId),
    /// A deletion vector, by the commit that set it.
    Deletions(TableId, SegmentId, Version),
    /// Removed segments in order of removal, over all tables.
    Garbage(Version, TableId, SegmentId),
    /// Which segment an object belongs to.
    ObjectPath(String),
    /// A removed segment, by the commit that removed it.
    Removed(TableId, Version, SegmentId),
    /// The commit that removed a segment.
    RemovedAt(TableId, SegmentId),
    InlineRows(TableId, SegmentId),
    History(TableId, Version),
    /// A table's record as it was from this commit on.
    Definition(TableId, Version),
    /// Commit times of one group, by time and number of its first commit.
    CommitTimes(Timestamp, Version),
}

impl Key {
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Key::Format => 0x01,
            Key::Epoch => 0x02,
            Key::CommitSeq => 0x03,
            Key::NextId => 0x04,
            Key::Database(..) => 0x10,
            Key::Table(..) => 0x11,
            Key::Setting(..) => 0x12,
            Key::Label(..) => 0x13,
            Key::LabelByTime(..) => 0x14,
            Key::Entity(..) => 0x15,
            Key::Segment(..) => 0x20,
            Key::SegmentDetail(..) => 0x21,
            Key::Deletions(..) => 0x22,
            Key::Garbage(..) => 0x23,
            Key::ObjectPath(..) => 0x24,
            Key::Removed(..) => 0x25,
            Key::RemovedAt(..) => 0x26,
            Key::InlineRows(..) => 0x30,
            Key::History(..) => 0x40,
            Key::Definition(..) => 0x41,
            Key::CommitTimes(..) => 0x42,
        }
    }

    pub(crate) fn family(&self) -> Family {
        match self.tag() >> 4 {
            0 => Family::Sys,
            1 => Family::Catalog,
            2 => Family::Segments,
            3 => Family::Inline,
            _ => Family::Versions,
        }
    }

    /// What the key's value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Key::Format => "format",
            Key::Epoch => "epoch",
            Key::CommitSeq => "commit sequence",
            Key::NextId => "next id",
            Key::Database(..) => "database",
            Key::Table(..) => "table",
            Key::Setting(..) => "setting",
            Key::Label(..) => "label",
            Key::LabelByTime(..) => "label by time",
            Key::Entity(..) => "entity",
            Key::Segment(..) => "segment",
            Key::SegmentDetail(..) => "segment detail",
            Key::Deletions(..) => "deletion vector",
            Key::Garbage(..) => "garbage",
            Key::ObjectPath(..) => "object path",
            Key::Removed(..) => "removed segment",
            Key::RemovedAt(..) => "removal",
            Key::InlineRows(..) => "inline rows",
            Key::History(..) => "history",
            Key::Definition(..) => "table definition",
            Key::CommitTimes(..) => "commit times",
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let out = Writer::new(self.tag());
        match self {
            Key::Format | Key::Epoch | Key::CommitSeq | Key::NextId => out,
            Key::Database(database) => out.u64(database.0),
            Key::Table(table) => out.u64(table.0),
            Key::Setting(name) => out.text(name),
            Key::Label(label) => out.u64(label.database.0).text(&label.name),
            Key::LabelByTime(at, label) => out.time(*at).u64(label.database.0).text(&label.name),
            Key::Entity(kind, name) => out.byte(*kind as u8).text(name),
            Key::Segment(table, segment)
            | Key::SegmentDetail(table, segment)
            | Key::RemovedAt(table, segment)
            | Key::InlineRows(table, segment) => out.u64(table.0).segment(*segment),
            Key::Deletions(table, segment, version) => out.u64(table.0).segment(*segment).u64(version.0),
            Key::Garbage(version, table, segment) => out.u64(version.0).u64(table.0).segment(*segment),
            Key::ObjectPath(path) => out.text(path),
            Key::Removed(table, version, segment) => out.u64(table.0).u64(version.0).segment(*segment),
            Key::History(table, version) | Key::Definition(table, version) => out.u64(table.0).u64(version.0),
            Key::CommitTimes(at, version) => out.time(*at).u64(version.0),
        }
        .0
    }

    /// The key these bytes are, or none if they are no key of ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Key> {
        let (&tag, rest) = bytes.split_first()?;
        let mut fields = Reader(rest);
        let key = match tag {
            0x01 => Key::Format,
            0x02 => Key::Epoch,
            0x03 => Key::CommitSeq,
            0x04 => Key::NextId,
            0x10 => Key::Database(DatabaseId(fields.u64()?)),
            0x11 => Key::Table(fields.table()?),
            0x12 => Key::Setting(fields.text()?),
            0x13 => Key::Label(fields.label()?),
            0x14 => Key::LabelByTime(fields.time()?, fields.label()?),
            0x15 => Key::Entity(EntityKind::from_number(fields.byte()?)?, fields.text()?),
            0x20 => Key::Segment(fields.table()?, fields.segment()?),
            0x21 => Key::SegmentDetail(fields.table()?, fields.segment()?),
            0x22 => Key::Deletions(fields.table()?, fields.segment()?, fields.version()?),
            0x23 => Key::Garbage(fields.version()?, fields.table()?, fields.segment()?),
            0x24 => Key::ObjectPath(fields.text()?),
            0x25 => Key::Removed(fields.table()?, fields.version()?, fields.segment()?),
            0x26 => Key::RemovedAt(fields.table()?, fields.segment()?),
            0x30 => Key::InlineRows(fields.table()?, fields.segment()?),
            0x40 => Key::History(fields.table()?, fields.version()?),
            0x41 => Key::Definition(fields.table()?, fields.version()?),
            0x42 => Key::CommitTimes(fields.time()?, fields.version()?),
            _ => return None,
        };
        fields.0.is_empty().then_some(key)
    }
}

/// Beginnings shared by ranges of keys.
pub(crate) mod prefix {
    use super::{Key, Writer};
    use crate::{SegmentId, TableId};

    /// All keys with the tag of `like`.
    pub(crate) fn of_kind(like: &Key) -> Vec<u8> {
        vec![like.tag()]
    }

    /// All keys with the tag of `like` (whose first field is a table) of this table.
    pub(crate) fn of_table(like: &Key, table: TableId) -> Vec<u8> {
        Writer::new(like.tag()).u64(table.0).0
    }

    /// All deletion vectors of a segment.
    pub(crate) fn deletions_of(table: TableId, segment: SegmentId) -> Vec<u8> {
        let like = Key::Deletions(table, segment, crate::Version(0));
        Writer::new(like.tag()).u64(table.0).segment(segment).0
    }

    /// The first key behind all keys that begin with `prefix`; none when there is no such key.
    pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
        let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Some(end)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(tag: u8) -> Self {
        let mut bytes = Vec::with_capacity(40);
        bytes.push(tag);
        Self(bytes)
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn segment(mut self, id: SegmentId) -> Self {
        self.0.extend_from_slice(&id.0.to_be_bytes());
        self
    }

    /// Sign bit flipped, so that times before 1970 sort first.
    fn time(self, at: Timestamp) -> Self {
        self.u64((at.0 as u64) ^ (1 << 63))
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn table(&mut self) -> Option<TableId> {
        self.u64().map(TableId)
    }

    fn version(&mut self) -> Option<Version> {
        self.u64().map(Version)
    }

    fn segment(&mut self) -> Option<SegmentId> {
        let (bytes, rest) = self.0.split_first_chunk::<16>()?;
        self.0 = rest;
        Some(SegmentId(u128::from_be_bytes(*bytes)))
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.u64().map(|bits| Timestamp((bits ^ (1 << 63)) as i64))
    }

    fn label(&mut self) -> Option<Label> {
        Some(Label { database: DatabaseId(self.u64()?), name: self.text()? })
    }

    fn text(&mut self) -> Option<String> {
        let text = std::str::from_utf8(std::mem::take(&mut self.0)).ok()?;
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
