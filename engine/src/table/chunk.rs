//! What planning knows of a chunk of segments, as columns: made once per chunk and kept as long as the chunk lives.

use basalt_meta::{Column, ColumnId, SegmentChunk, StatValue};
use datafusion::{
    arrow::{
        array::{ArrayRef, UInt64Array},
        datatypes::{DataType, TimeUnit, i256},
    },
    common::{Result, ScalarValue},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

/// Statistics of chunks by [`SegmentChunk::id`]. Entries of chunks that no snapshot holds any more are dropped.
#[derive(Debug, Default)]
pub(crate) struct ChunkCache {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<u64, (Weak<SegmentChunk>, Arc<ChunkStats>)>,
    /// Size at which dead entries are looked for.
    sweep_at: usize,
}

/// Columns of one chunk, made when first asked for.
#[derive(Debug, Default)]
pub(crate) struct ChunkStats {
    columns: Mutex<HashMap<ColumnId, Arc<ColumnBounds>>>,
}

/// Bounds of one column over the segments of a chunk, one entry per segment; NULL = unknown.
#[derive(Debug)]
pub(crate) struct ColumnBounds {
    pub min: Option<ArrayRef>,
    pub max: Option<ArrayRef>,
    pub nulls: ArrayRef,
    /// Type the bounds were made for.
    data_type: DataType,
}

impl ChunkCache {
    pub fn of(&self, chunk: &Arc<SegmentChunk>) -> Arc<ChunkStats> {
        let mut entries = self.entries.lock();
        if let Some((_, stats)) = entries.by_id.get(&chunk.id) {
            return stats.clone();
        }
        if entries.by_id.len() >= entries.sweep_at {
            entries.by_id.retain(|_, (chunk, _)| chunk.strong_count() > 0);
            entries.sweep_at = (entries.by_id.len() * 2).max(256);
        }
        let stats = Arc::new(ChunkStats::default());
        entries.by_id.insert(chunk.id, (Arc::downgrade(chunk), stats.clone()));
        stats
    }
}

impl ChunkStats {
    pub fn column(&self, chunk: &SegmentChunk, column: &Column) -> Arc<ColumnBounds> {
        let mut columns = self.columns.lock();
        if let Some(bounds) = columns.get(&column.id)
            && bounds.data_type == column.data_type
        {
            return bounds.clone();
        }
        let bounds = Arc::new(ColumnBounds::new(chunk, column));
        columns.insert(column.id, bounds.clone());
        bounds
    }
}

impl ColumnBounds {
    fn new(chunk: &SegmentChunk, column: &Column) -> Self {
        let mut min = Vec::with_capacity(chunk.segments.len());
        let mut max = Vec::with_capacity(chunk.segments.len());
        let mut nulls = Vec::with_capacity(chunk.segments.len());
        for view in &chunk.segments {
            let stats = view.segment.stats.iter().find(|s| s.column == column.id);
            let value = |bound: Option<&StatValue>| bound.and_then(|b| scalar(b, &column.data_type));
            min.push(value(stats.and_then(|s| s.min.as_ref())));
            max.push(value(stats.and_then(|s| s.max.as_ref())));
            nulls.push(stats.map(|s| s.nulls));
        }
        Self {
            min: bounds(min, &column.data_type).ok().flatten(),
            max: bounds(max, &column.data_type).ok().flatten(),
            nulls: Arc::new(UInt64Array::from(nulls)),
            data_type: column.data_type.clone(),
        }
    }
}

fn bounds(values: Vec<Option<ScalarValue>>, data_type: &DataType) -> Result<Option<ArrayRef>> {
    if values.iter().all(Option::is_none) {
        return Ok(None);
    }
    let unknown = ScalarValue::try_from(data_type)?;
    let values = values.into_iter().map(|v| v.unwrap_or_else(|| unknown.clone()));
    ScalarValue::iter_to_array(values).map(Some)
}

/// A stored bound as a value of the column's type; `None` where the type has no order we store.
pub(crate) fn scalar(bound: &StatValue, data_type: &DataType) -> Option<ScalarValue> {
    use ScalarValue as S;
    Some(match (bound, data_type) {
        (StatValue::Bool(v), DataType::Boolean) => S::Boolean(Some(*v)),
        (StatValue::Int(v), DataType::Int8) => S::Int8(Some(i8::try_from(*v).ok()?)),
        (StatValue::Int(v), DataType::Int16) => S::Int16(Some(i16::try_from(*v).ok()?)),
        (StatValue::Int(v), DataType::Int32) => S::Int32(Some(i32::try_from(*v).ok()?)),
        (StatValue::Int(v), DataType::Int64) => S::Int64(Some(*v)),
        (StatValue::UInt(v), DataType::UInt8) => S::UInt8(Some(u8::try_from(*v).ok()?)),
        (StatValue::UInt(v), DataType::UInt16) => S::UInt16(Some(u16::try_from(*v).ok()?)),
        (StatValue::UInt(v), DataType::UInt32) => S::UInt32(Some(u32::try_from(*v).ok()?)),
        (StatValue::UInt(v), DataType::UInt64) => S::UInt64(Some(*v)),
        (StatValue::Float(v), DataType::Float32) => S::Float32(Some(*v as f32)),
        (StatValue::Float(v), DataType::Float64) => S::Float64(Some(*v)),
        (StatValue::Decimal128(v), DataType::Decimal128(p, s)) => S::Decimal128(Some(*v), *p, *s),
        (StatValue::Decimal256(v), DataType::Decimal256(p, s)) => S::Decimal256(Some(i256::from_le_bytes(*v)), *p, *s),
        (StatValue::Utf8(v), DataType::Utf8) => S::Utf8(Some(v.clone())),
        (StatValue::Utf8(v), DataType::LargeUtf8) => S::LargeUtf8(Some(v.clone())),
        (StatValue::Utf8(v), DataType::Utf8View) => S::Utf8View(Some(v.clone())),
        (StatValue::Binary(v), DataType::Binary) => S::Binary(Some(v.clone())),
        (StatValue::Binary(v), DataType::LargeBinary) => S::LargeBinary(Some(v.clone())),
        (StatValue::Binary(v), DataType::BinaryView) => S::BinaryView(Some(v.clone())),
        (StatValue::Int(v), DataType::Date32) => S::Date32(Some(i32::try_from(*v).ok()?)),
        (StatValue::Int(v), DataType::Date64) => S::Date64(Some(*v)),
        (StatValue::Int(v), DataType::Time64(TimeUnit::Microsecond)) => S::Time64Microsecond(Some(*v)),
        (StatValue::Int(v), DataType::Time64(TimeUnit::Nanosecond)) => S::Time64Nanosecond(Some(*v)),
        (StatValue::Int(v), DataType::Timestamp(unit, zone)) => match unit {
            TimeUnit::Second => S::TimestampSecond(Some(*v), zone.clone()),
            TimeUnit::Millisecond => S::TimestampMillisecond(Some(*v), zone.clone()),
            TimeUnit::Microsecond => S::TimestampMicrosecond(Some(*v), zone.clone()),
            TimeUnit::Nanosecond => S::TimestampNanosecond(Some(*v), zone.clone()),
        },
        _ => return None,
    })
}
