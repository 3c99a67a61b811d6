//! Pages as Arrow IPC streams, for clients that ask for them: one stream a page, LZ4 frames, the rest of the answer as
//! JSON in the schema's metadata. Types that Arrow lacks travel as the clients read them, named in the field's metadata.

use super::{error::ProtocolError, wire::ArrowFeatures};
use crate::encode::{self, Display};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, LargeListArray, MapArray, StructArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields, IntervalMonthDayNanoType, IntervalUnit, Schema, TimeUnit},
    datatypes::{Int32Type, TimestampMicrosecondType},
    error::ArrowError,
    ipc::{
        CompressionType,
        writer::{IpcWriteOptions, StreamWriter},
    },
    record_batch::RecordBatch,
};
use axum::http::{HeaderMap, header};
use basalt_engine::types::{Special, to_bytes};
use std::{collections::HashMap, sync::Arc};

pub const CONTENT_TYPE: &str = "application/vnd.apache.arrow.stream";
/// The newest version of the format spoken here.
pub const VERSION_MAX: u64 = 3;
/// Clients that ask for Arrow without a version, and mean the first: up to this one.
const UNVERSIONED: (&str, [u32; 3]) = ("databend-driver-python/", [0, 33, 7]);

/// What was agreed on when the query began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    pub version: u64,
    /// Decimals of at most 18 digits have 64 bits.
    pub decimal64: bool,
}

/// Whether a request asks for Arrow.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepts
        .flat_map(|text| text.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|k| k.trim() == CONTENT_TYPE))
}

/// The format of a query's pages; `None` is JSON.
pub fn agree(
    headers: &HeaderMap,
    version_max: Option<u64>,
    features: Option<&ArrowFeatures>,
) -> Result<Option<Agreed>, ProtocolError> {
    if !is_wanted(headers) {
        return Ok(None);
    }
    let version = match version_max {
        Some(version) if version > 0 => version.min(VERSION_MAX),
        _ if is_unversioned(headers) => 1,
        _ => return Err(ProtocolError::bad_request("Arrow needs arrow_result_version_max of 1 or more")),
    };
    let decimal64 = version >= 3 && features.is_none_or(|f| f.decimal64.unwrap_or(true));
    Ok(Some(Agreed { version, decimal64 }))
}

fn is_unversioned(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let Some(version) = agent.strip_prefix(UNVERSIONED.0) else { return false };
    let numbers: Vec<u32> = version.split(['.', '-', '+']).take(3).filter_map(|n| n.parse().ok()).collect();
    numbers.len() == 3 && numbers.as_slice() <= UNVERSIONED.1.as_slice()
}

/// The rows as one stream; `answer` is everything else, as JSON.
pub fn write(batches: &[RecordBatch], agreed: Agreed, display: &Display, answer: &[u8]) -> Result<Vec<u8>, ArrowError> {
    let converted = batches.iter().filter(|b| b.num_rows() > 0).map(|batch| {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns: Vec<(FieldRef, ArrayRef)> =
            columns.map(|(field, array)| convert(field, array, agreed, display)).collect::<Result<_, _>>()?;
        Ok(columns.into_iter().unzip())
    });
    let converted: Vec<(Vec<FieldRef>, Vec<ArrayRef>)> = converted.collect::<Result<_, ArrowError>>()?;
    let fields = converted.first().map(|(fields, _)| fields.clone()).unwrap_or_default();
    let metadata = HashMap::from([("response_header".to_string(), String::from_utf8_lossy(answer).into_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::with_capacity(64 << 10), &schema, options)?;
    for (_, columns) in converted {
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    writer.into_inner()
}

/// A column as clients read it.
fn convert(
    field: &Field,
    array: &ArrayRef,
    agreed: Agreed,
    display: &Display,
) -> Result<(FieldRef, ArrayRef), ArrowError> {
    let (extension, array) = match Special::of(array.data_type()) {
        Some(special) => special_column(special, array, agreed, display)?,
        None => plain_column(array, agreed, display)?,
    };
    let mut metadata = HashMap::new();
    if let Some(name) = extension {
        metadata.insert("Extension".to_string(), name.to_string());
    }
    let field = Field::new(field.name(), array.data_type().clone(), field.is_nullable()).with_metadata(metadata);
    Ok((Arc::new(field), array))
}

type Converted = (Option<&'static str>, ArrayRef);

fn special_column(
    special: Special,
    array: &ArrayRef,
    agreed: Agreed,
    display: &Display,
) -> Result<Converted, ArrowError> {
    Ok(match special {
        Special::Variant if agreed.version == 1 => (Some("Variant"), Arc::clone(array)),
        Special::Variant => (Some("Variant"), texts(array, display)?),
        Special::Bitmap => {
            let bytes = to_bytes(array.as_ref()).map(|bytes| Arc::new(bytes) as ArrayRef);
            (Some("Bitmap"), cast(&bytes.unwrap_or_else(|| Arc::clone(array)), &DataType::LargeBinary)?)
        }
        Special::Geometry => (Some("Geometry"), cast(&texts(array, display)?, &DataType::LargeBinary)?),
        Special::Geography => (Some("Geography"), cast(&texts(array, display)?, &DataType::LargeBinary)?),
        Special::TimestampTz => (Some("TimestampTz"), zoned_instants(array)?),
        Special::Interval => (Some("Interval"), intervals(array)?),
        Special::Vector(_) => (Some("Vector"), Arc::clone(array)),
    })
}

fn plain_column(array: &ArrayRef, agreed: Agreed, display: &Display) -> Result<Converted, ArrowError> {
    use DataType as D;
    let as_type = |wanted: D| Ok::<Converted, ArrowError>((None, cast(array, &wanted)?));
    match array.data_type() {
        D::Decimal128(p, s) if *p <= 18 && agreed.decimal64 => as_type(D::Decimal64(*p, *s)),
        D::Decimal32(p, s) | D::Decimal64(p, s) if !agreed.decimal64 => as_type(D::Decimal128(*p, *s)),
        D::Decimal32(p, s) => as_type(D::Decimal64(*p, *s)),
        D::Binary | D::BinaryView | D::FixedSizeBinary(_) => as_type(D::LargeBinary),
        D::Timestamp(_, _) => as_type(D::Timestamp(TimeUnit::Microsecond, None)),
        D::Date64 => as_type(D::Date32),
        D::Float16 => as_type(D::Float32),
        D::Dictionary(_, values) => {
            let plain = cast(array, values)?;
            plain_column(&plain, agreed, display)
        }
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) if item.data_type() == &D::Null => {
            let empty = BooleanArray::from(vec![false; array.len()]);
            let empty = BooleanArray::new(empty.values().clone(), array.nulls().cloned());
            Ok((Some("EmptyArray"), Arc::new(empty)))
        }
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
            let large = cast(array, &D::LargeList(Arc::clone(item)))?;
            let list = large.as_list::<i64>();
            let (field, values) = convert(item, list.values(), agreed, display)?;
            let list = LargeListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?;
            Ok((None, Arc::new(list)))
        }
        D::Map(entries, ordered) => map(array.as_map(), entries, *ordered, agreed, display),
        D::Struct(fields) => {
            let (fields, columns) = columns(fields, array.as_struct(), agreed, display)?;
            Ok((None, Arc::new(StructArray::try_new(fields, columns, array.nulls().cloned())?)))
        }
        D::Time32(_) | D::Time64(_) | D::Duration(_) => Ok((None, texts(array, display)?)),
        _ => Ok((None, Arc::clone(array))),
    }
}

fn map(
    map: &MapArray,
    entries: &FieldRef,
    ordered: bool,
    agreed: Agreed,
    display: &Display,
) -> Result<Converted, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Ok((None, Arc::new(map.clone())));
    };
    if fields.first().is_some_and(|key| key.data_type() == &DataType::Null) {
        let empty = BooleanArray::from(vec![false; map.len()]);
        return Ok((Some("EmptyMap"), Arc::new(BooleanArray::new(empty.values().clone(), map.nulls().cloned()))));
    }
    let (fields, columns) = columns(fields, map.entries(), agreed, display)?;
    let inner = StructArray::try_new(fields.clone(), columns, map.entries().nulls().cloned())?;
    let entries = Arc::new(Field::new(entries.name(), DataType::Struct(fields), false));
    Ok((None, Arc::new(MapArray::try_new(entries, map.offsets().clone(), inner, map.nulls().cloned(), ordered)?)))
}

fn columns(
    fields: &Fields,
    parts: &StructArray,
    agreed: Agreed,
    display: &Display,
) -> Result<(Fields, Vec<ArrayRef>), ArrowError> {
    let converted = fields.iter().zip(parts.columns()).map(|(field, array)| convert(field, array, agreed, display));
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) =
        converted.collect::<Result<Vec<_>, ArrowError>>()?.into_iter().unzip();
    Ok((fields.into(), columns))
}

fn texts(array: &ArrayRef, display: &Display) -> Result<ArrayRef, ArrowError> {
    let texts = encode::column_as_texts(array, display);
    Ok(Arc::new(texts.map_err(|error| ArrowError::CastError(error.to_string()))?))
}

/// Seconds of the offset above 64 bits of microseconds.
fn zoned_instants(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let parts = array.as_struct();
    let instants = parts.column(0).as_primitive::<TimestampMicrosecondType>();
    let offsets = parts.column(1).as_primitive::<Int32Type>();
    let value = |row: usize| {
        let bits = (i128::from(offsets.value(row)) << 64) | i128::from(instants.value(row) as u64);
        array.is_valid(row).then_some(bits)
    };
    bits((0..array.len()).map(value))
}

/// Months above days (32 bits) above microseconds (64 bits).
fn intervals(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let array = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let spans = array.as_primitive::<IntervalMonthDayNanoType>();
    let value = |row: usize| {
        let span = spans.value(row);
        let micros = (span.nanoseconds / 1000) as u64;
        let bits = (i128::from(span.months) << 96) | (i128::from(span.days as u32) << 64) | i128::from(micros);
        spans.is_valid(row).then_some(bits)
    };
    bits((0..spans.len()).map(value))
}

fn bits(values: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(Decimal128Array::from_iter(values).with_precision_and_scale(38, 0)?))
}
