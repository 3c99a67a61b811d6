//! One column's cells as text: the array's type is looked at once, then every cell is one match away from its bytes.

use super::{BinaryFormat, Display, EncodeError, float, json, temporal, temporal::Zone};
use arrow::{array::*, buffer::NullBuffer, datatypes::*};
use basalt_engine::types::{
    Special,
    geometry::{self, GeometryFormat},
    to_bytes, variant,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes that should have been UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// A column ready to be written cell by cell.
pub(super) struct Cells<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
    display: &'a Display,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F16(&'a Float16Array),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a Decimal256Array, i8),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Days(&'a [i32]),
    DayMillis(&'a [i64]),
    /// Values, and microseconds per unit as multiplier and divisor.
    Instant {
        values: &'a [i64],
        times: i64,
        over: i64,
        zone: Zone,
    },
    Time {
        values: Vec<i64>,
    },
    Span {
        values: &'a [i64],
        times: i64,
        over: i64,
    },
    /// JSONB.
    Variant(&'a LargeBinaryArray),
    /// Sets, which have no text here.
    Bitmap,
    /// EWKB.
    Shape(BinaryArray),
    ZonedInstant {
        micros: &'a [i64],
        offsets: &'a [i32],
    },
    Vector {
        length: usize,
        numbers: &'a [f32],
    },
    Months(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    List {
        ranges: Ranges<'a>,
        items: Box<Cells<'a>>,
    },
    Map {
        ranges: Ranges<'a>,
        keys: Box<Cells<'a>>,
        items: Box<Cells<'a>>,
    },
    Struct(Vec<Cells<'a>>),
    Dictionary {
        keys: Vec<usize>,
        items: Box<Cells<'a>>,
    },
}

/// Where the items of each row lie.
enum Ranges<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
}

impl Ranges<'_> {
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Ranges::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Ranges::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Ranges::Fixed(size) => row * size..(row + 1) * size,
        }
    }
}

impl<'a> Cells<'a> {
    pub(super) fn new(array: &'a dyn Array, display: &'a Display) -> Result<Self, EncodeError> {
        Ok(Self { nulls: array.logical_nulls(), values: values(array, display)?, display })
    }

    /// Appends the cell as a JSON value: a string or null.
    pub(super) fn json(&self, row: usize, out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Result<(), NotUtf8> {
        if self.is_null(row) {
            let null: &[u8] = if self.display.null_as_text { b"\"NULL\"" } else { b"null" };
            out.extend_from_slice(null);
            return Ok(());
        }
        match &self.values {
            Values::Utf8(a) => json::string(out, a.value(row)),
            Values::LargeUtf8(a) => json::string(out, a.value(row)),
            Values::Utf8View(a) => json::string(out, a.value(row)),
            Values::Dictionary { keys, items } => items.json(keys[row], out, scratch)?,
            Values::List { .. } | Values::Map { .. } | Values::Struct(_) | Values::Variant(_) | Values::Shape(_) => {
                scratch.clear();
                self.text(row, scratch)?;
                json::string_from_utf8(out, scratch);
            }
            _ => {
                let text = self.bytes(row).filter(|_| !matches!(self.display.binary, BinaryFormat::Hex));
                if let Some(bytes) = text {
                    scratch.clear();
                    binary(scratch, bytes, self.display.binary)?;
                    json::string_from_utf8(out, scratch);
                    return Ok(());
                }
                // Numbers, dates and the like hold nothing that JSON would escape.
                out.push(b'"');
                self.text(row, out)?;
                out.push(b'"');
            }
        }
        Ok(())
    }

    fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }

    fn bytes(&self, row: usize) -> Option<&'a [u8]> {
        match &self.values {
            Values::Binary(a) => Some(a.value(row)),
            Values::BinaryView(a) => Some(a.value(row)),
            Values::FixedBinary(a) => Some(a.value(row)),
            _ => None,
        }
    }

    /// Appends the cell inside a nested value: texts, dates and intervals are quoted, NULL is a bare word.
    fn nested(&self, row: usize, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
        if self.is_null(row) {
            out.extend_from_slice(b"NULL");
            return Ok(());
        }
        match &self.values {
            Values::Utf8(a) => quoted(out, a.value(row)),
            Values::LargeUtf8(a) => quoted(out, a.value(row)),
            Values::Utf8View(a) => quoted(out, a.value(row)),
            Values::Dictionary { keys, items } => items.nested(keys[row], out)?,
            _ if self.bytes(row).is_some() => {
                binary(out, self.bytes(row).unwrap_or_default(), BinaryFormat::Hex)?;
            }
            _ if self.is_quoted() => {
                out.push(b'"');
                self.text(row, out)?;
                out.push(b'"');
            }
            _ => self.text(row, out)?,
        }
        Ok(())
    }

    /// Whether the cell stands in quotes inside a nested value, though it is no text.
    fn is_quoted(&self) -> bool {
        matches!(
            self.values,
            Values::Days(_)
                | Values::DayMillis(_)
                | Values::Instant { .. }
                | Values::Time { .. }
                | Values::Span { .. }
                | Values::Months(_)
                | Values::DayTime(_)
                | Values::MonthDayNano(_)
                | Values::Bitmap
                | Values::ZonedInstant { .. }
        ) || (matches!(self.values, Values::Shape(_)) && self.display.geometry != GeometryFormat::GeoJson)
    }

    /// Appends the bare text of a value that is not NULL.
    pub(super) fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
        match &self.values {
            Values::Null => out.extend_from_slice(b"NULL"),
            Values::Boolean(a) => out.push(if a.value(row) { b'1' } else { b'0' }),
            Values::I8(v) => integer(out, v[row]),
            Values::I16(v) => integer(out, v[row]),
            Values::I32(v) => integer(out, v[row]),
            Values::I64(v) => integer(out, v[row]),
            Values::U8(v) => integer(out, v[row]),
            Values::U16(v) => integer(out, v[row]),
            Values::U32(v) => integer(out, v[row]),
            Values::U64(v) => integer(out, v[row]),
            Values::F16(a) => float::f32(out, a.value(row).to_f32()),
            Values::F32(v) => float::f32(out, v[row]),
            Values::F64(v) => float::f64(out, v[row]),
            Values::Decimal32(v, scale) => decimal(out, i128::from(v[row]), *scale),
            Values::Decimal64(v, scale) => decimal(out, i128::from(v[row]), *scale),
            Values::Decimal128(v, scale) => decimal(out, v[row], *scale),
            Values::Decimal256(a, scale) => decimal_digits(out, &a.value(row).to_string(), *scale),
            Values::Utf8(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::LargeUtf8(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::Utf8View(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::Binary(_) | Values::BinaryView(_) | Values::FixedBinary(_) => {
                binary(out, self.bytes(row).unwrap_or_default(), self.display.binary)?;
            }
            Values::Days(v) if self.display.epoch_numbers => integer(out, v[row]),
            Values::Days(v) => temporal::date(out, i64::from(v[row])),
            Values::DayMillis(v) => temporal::date(out, v[row].div_euclid(86_400_000)),
            Values::Instant { values, times, over, zone } => {
                let micros = scaled(values[row], *times, *over);
                if self.display.epoch_numbers { integer(out, micros) } else { zone.instant(out, micros) }
            }
            Values::Variant(a) => out.extend_from_slice(variant::to_text(a.value(row)).as_bytes()),
            Values::Bitmap => out.extend_from_slice(b"<bitmap binary>"),
            Values::Shape(a) => {
                out.extend_from_slice(geometry::format(a.value(row), self.display.geometry).as_bytes());
            }
            Values::ZonedInstant { micros, offsets } if self.display.epoch_numbers => {
                integer(out, micros[row]);
                out.push(b' ');
                integer(out, offsets[row]);
            }
            Values::ZonedInstant { micros, offsets } => {
                temporal::instant_at(out, micros[row], offsets[row]);
            }
            Values::Vector { length, numbers } => {
                between(out, b'[', b']', row * length..(row + 1) * length, |out, at| {
                    vector_number(out, numbers[at]);
                    Ok(())
                })?;
            }
            Values::Time { values } => temporal::time(out, values[row].unsigned_abs()),
            Values::Span { values, times, over } => temporal::interval(out, 0, 0, scaled(values[row], *times, *over)),
            Values::Months(v) => temporal::interval(out, i64::from(v[row]), 0, 0),
            Values::DayTime(v) => {
                temporal::interval(out, 0, i64::from(v[row].days), i64::from(v[row].milliseconds) * 1000);
            }
            Values::MonthDayNano(v) => {
                temporal::interval(out, i64::from(v[row].months), i64::from(v[row].days), v[row].nanoseconds / 1000);
            }
            Values::List { ranges, items } => {
                between(out, b'[', b']', ranges.of(row), |out, i| items.nested(i, out))?;
            }
            Values::Map { ranges, keys, items } => between(out, b'{', b'}', ranges.of(row), |out, i| {
                keys.nested(i, out)?;
                out.push(b':');
                items.nested(i, out)
            })?,
            Values::Struct(fields) => between(out, b'(', b')', 0..fields.len(), |out, i| fields[i].nested(row, out))?,
            Values::Dictionary { keys, items } => items.text(keys[row], out)?,
        }
        Ok(())
    }
}

fn between(
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    range: std::ops::Range<usize>,
    mut item: impl FnMut(&mut Vec<u8>, usize) -> Result<(), NotUtf8>,
) -> Result<(), NotUtf8> {
    out.push(open);
    for i in range.clone() {
        if i > range.start {
            out.push(b',');
        }
        item(out, i)?;
    }
    out.push(close);
    Ok(())
}

/// Text inside a nested value: in quotes, with a backslash before a quote and nothing else changed. Lossy, but what
/// the clients' parsers and the published suites expect.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\\\"");
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A number of a vector: whole ones without a fraction.
fn vector_number(out: &mut Vec<u8>, number: f32) {
    let start = out.len();
    float::f32(out, number);
    if out[start..].ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn scaled(value: i64, times: i64, over: i64) -> i64 {
    value.saturating_mul(times).div_euclid(over)
}

fn decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    decimal_digits(out, itoa::Buffer::new().format(value), scale);
}

/// Puts the point into the digits of an unscaled value.
fn decimal_digits(out: &mut Vec<u8>, digits: &str, scale: i8) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    out.extend_from_slice(sign.as_bytes());
    let fraction = usize::from(scale.max(0).unsigned_abs());
    let whole = digits.len().saturating_sub(fraction);
    if whole == 0 {
        out.push(b'0');
    }
    out.extend_from_slice(&digits.as_bytes()[..whole]);
    if scale < 0 && digits != "0" {
        out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
    }
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    out.resize(out.len() + fraction.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(&digits.as_bytes()[whole..]);
}

fn binary(out: &mut Vec<u8>, bytes: &[u8], format: BinaryFormat) -> Result<(), NotUtf8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match format {
        BinaryFormat::Hex => {
            out.extend(bytes.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]))
        }
        BinaryFormat::Base64 => out.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        BinaryFormat::Utf8 => out.extend_from_slice(std::str::from_utf8(bytes).map_err(|_| NotUtf8)?.as_bytes()),
        BinaryFormat::Utf8Lossy => out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
    }
    Ok(())
}

/// Microseconds of one unit, as multiplier and divisor.
fn unit_micros(unit: TimeUnit) -> (i64, i64) {
    match unit {
        TimeUnit::Second => (1_000_000, 1),
        TimeUnit::Millisecond => (1000, 1),
        TimeUnit::Microsecond => (1, 1),
        TimeUnit::Nanosecond => (1, 1000),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

/// The 64-bit values behind any of the types that share them.
fn longs(array: &dyn Array) -> &[i64] {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => primitive::<TimestampSecondType>(array),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(array),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive::<TimestampNanosecondType>(array),
        DataType::Duration(TimeUnit::Second) => primitive::<DurationSecondType>(array),
        DataType::Duration(TimeUnit::Millisecond) => primitive::<DurationMillisecondType>(array),
        DataType::Duration(TimeUnit::Microsecond) => primitive::<DurationMicrosecondType>(array),
        _ => primitive::<DurationNanosecondType>(array),
    }
}

fn day_times(array: &dyn Array) -> Vec<i64> {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            primitive::<Time32SecondType>(array).iter().map(|v| i64::from(*v) * 1_000_000).collect()
        }
        DataType::Time32(_) => primitive::<Time32MillisecondType>(array).iter().map(|v| i64::from(*v) * 1000).collect(),
        DataType::Time64(TimeUnit::Microsecond) => primitive::<Time64MicrosecondType>(array).to_vec(),
        _ => primitive::<Time64NanosecondType>(array).iter().map(|v| v / 1000).collect(),
    }
}

/// The values of types that Arrow has no type for.
fn special(array: &dyn Array) -> Option<Values<'_>> {
    Some(match Special::of(array.data_type())? {
        Special::Variant => Values::Variant(array.as_binary()),
        Special::Bitmap => Values::Bitmap,
        Special::Geometry | Special::Geography => Values::Shape(to_bytes(array)?),
        Special::TimestampTz => match array.as_struct().columns() {
            [instants, offsets] => Values::ZonedInstant {
                micros: primitive::<TimestampMicrosecondType>(instants),
                offsets: primitive::<Int32Type>(offsets),
            },
            _ => return None,
        },
        Special::Vector(length) => {
            Values::Vector { length, numbers: primitive::<Float32Type>(array.as_fixed_size_list().values()) }
        }
        Special::Interval => return None,
    })
}

fn values<'a>(array: &'a dyn Array, display: &'a Display) -> Result<Values<'a>, EncodeError> {
    use DataType as D;
    let nested = |array: &'a dyn Array| Cells::new(array, display).map(Box::new);
    if let Some(values) = special(array) {
        return Ok(values);
    }
    Ok(match array.data_type() {
        D::Null => Values::Null,
        D::Boolean => Values::Boolean(array.as_boolean()),
        D::Int8 => Values::I8(primitive::<Int8Type>(array)),
        D::Int16 => Values::I16(primitive::<Int16Type>(array)),
        D::Int32 => Values::I32(primitive::<Int32Type>(array)),
        D::Int64 => Values::I64(primitive::<Int64Type>(array)),
        D::UInt8 => Values::U8(primitive::<UInt8Type>(array)),
        D::UInt16 => Values::U16(primitive::<UInt16Type>(array)),
        D::UInt32 => Values::U32(primitive::<UInt32Type>(array)),
        D::UInt64 => Values::U64(primitive::<UInt64Type>(array)),
        D::Float16 => Values::F16(array.as_primitive()),
        D::Float32 => Values::F32(primitive::<Float32Type>(array)),
        D::Float64 => Values::F64(primitive::<Float64Type>(array)),
        D::Decimal32(_, scale) => Values::Decimal32(primitive::<Decimal32Type>(array), *scale),
        D::Decimal64(_, scale) => Values::Decimal64(primitive::<Decimal64Type>(array), *scale),
        D::Decimal128(_, scale) => Values::Decimal128(primitive::<Decimal128Type>(array), *scale),
        D::Decimal256(_, scale) => Values::Decimal256(array.as_primitive(), *scale),
        D::Utf8 => Values::Utf8(array.as_string()),
        D::LargeUtf8 => Values::LargeUtf8(array.as_string()),
        D::Utf8View => Values::Utf8View(array.as_string_view()),
        D::Binary => Values::Binary(array.as_binary()),
        D::BinaryView => Values::BinaryView(array.as_binary_view()),
        D::FixedSizeBinary(_) => Values::FixedBinary(array.as_fixed_size_binary()),
        D::Date32 => Values::Days(primitive::<Date32Type>(array)),
        D::Date64 => Values::DayMillis(primitive::<Date64Type>(array)),
        D::Timestamp(unit, _) => {
            let (times, over) = unit_micros(*unit);
            Values::Instant { values: longs(array), times, over, zone: Zone::new(display.timezone) }
        }
        D::Time32(_) | D::Time64(_) => Values::Time { values: day_times(array) },
        D::Duration(unit) => {
            let (times, over) = unit_micros(*unit);
            Values::Span { values: longs(array), times, over }
        }
        D::Interval(IntervalUnit::YearMonth) => Values::Months(primitive::<IntervalYearMonthType>(array)),
        D::Interval(IntervalUnit::DayTime) => Values::DayTime(primitive::<IntervalDayTimeType>(array)),
        D::Interval(IntervalUnit::MonthDayNano) => Values::MonthDayNano(primitive::<IntervalMonthDayNanoType>(array)),
        D::List(_) => {
            let list = array.as_list::<i32>();
            Values::List { ranges: Ranges::Small(list.value_offsets()), items: nested(list.values())? }
        }
        D::LargeList(_) => {
            let list = array.as_list::<i64>();
            Values::List { ranges: Ranges::Large(list.value_offsets()), items: nested(list.values())? }
        }
        D::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or_default();
            Values::List { ranges: Ranges::Fixed(size), items: nested(list.values())? }
        }
        D::Map(_, _) => {
            let map = array.as_map();
            let (keys, items) = (nested(map.keys())?, nested(map.values())?);
            Values::Map { ranges: Ranges::Small(map.value_offsets()), keys, items }
        }
        D::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            Values::Struct(columns.map(|c| Cells::new(c, display)).collect::<Result<_, _>>()?)
        }
        D::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            Values::Dictionary { keys: dictionary.normalized_keys(), items: nested(dictionary.values())? }
        }
        other => return Err(EncodeError::Type(other.clone())),
    })
}
