//! Any value as VARIANT.

use super::{CastRules, cast_array, native, texts};
use crate::types::{Special, timestamp_tz};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, LargeBinaryBuilder},
        datatypes::{
            DataType, Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
            TimeUnit, TimestampMicrosecondType, UInt64Type,
        },
    },
    common::Result,
};
use jsonb::{Date, Decimal128, Interval, Number, Object, Timestamp, TimestampTz, Value};
use std::{borrow::Cow, sync::Arc};

pub(super) fn cast(values: &ArrayRef, rules: CastRules) -> Result<ArrayRef> {
    if values.data_type().is_string() && rules.text_is_json {
        return texts::read(values, &DataType::LargeBinary, rules);
    }
    let column = Column::new(values, rules)?;
    let mut builder = LargeBinaryBuilder::new();
    for row in 0..values.len() {
        if values.is_null(row) {
            builder.append_null();
        } else {
            builder.append_value(column.value(row)?.to_vec());
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// A column whose type was looked at once.
enum Column {
    Null,
    Boolean(ArrayRef),
    Signed(ArrayRef),
    Unsigned(ArrayRef),
    Float(ArrayRef),
    Decimal(ArrayRef, u8),
    /// JSON numbers or values given by their JSON text.
    Json(ArrayRef),
    Text(ArrayRef),
    Binary(ArrayRef),
    Date(ArrayRef),
    Timestamp(ArrayRef),
    TimestampTz(Vec<Option<timestamp_tz::TimestampTz>>),
    Interval(ArrayRef),
    Variant(ArrayRef),
    List(ArrayRef, Box<Column>, ArrayRef),
    Map(ArrayRef, ArrayRef, Box<Column>, ArrayRef),
    Tuple(Vec<(String, ArrayRef, Column)>),
}

impl Column {
    fn new(values: &ArrayRef, rules: CastRules) -> Result<Self> {
        use DataType as D;
        match Special::of(values.data_type()) {
            Some(Special::Variant) => return Ok(Self::Variant(Arc::clone(values))),
            Some(Special::TimestampTz) => {
                return Ok(Self::TimestampTz(timestamp_tz::values(values).unwrap_or_default()));
            }
            Some(Special::Interval) => return Ok(Self::Interval(Arc::clone(values))),
            Some(Special::Geometry | Special::Geography) => return geojson(values),
            Some(Special::Bitmap) => return Ok(Self::Text(cast_array(values, &D::Utf8View, rules)?)),
            Some(Special::Vector(_)) | None => {}
        }
        Ok(match values.data_type() {
            D::Null => Self::Null,
            D::Boolean => Self::Boolean(Arc::clone(values)),
            other if other.is_unsigned_integer() => Self::Unsigned(native(values, &D::UInt64, rules)?),
            other if other.is_integer() => Self::Signed(native(values, &D::Int64, rules)?),
            other if other.is_floating() => Self::Float(native(values, &D::Float64, rules)?),
            D::Decimal128(_, scale) => Self::Decimal(Arc::clone(values), scale.max(&0).unsigned_abs()),
            D::Decimal256(..) => {
                let _ = values.as_primitive::<Decimal256Type>();
                Self::Json(native(values, &D::Utf8View, rules)?)
            }
            other if other.is_string() => Self::Text(native(values, &D::Utf8View, rules)?),
            D::Binary | D::BinaryView | D::FixedSizeBinary(_) => Self::Binary(native(values, &D::Binary, rules)?),
            D::Date32 => Self::Date(Arc::clone(values)),
            D::Timestamp(..) => Self::Timestamp(native(values, &D::Timestamp(TimeUnit::Microsecond, None), rules)?),
            D::List(_) => {
                let items = values.as_list::<i32>().values();
                Self::List(Arc::clone(values), Box::new(Self::new(items, rules)?), Arc::clone(items))
            }
            D::LargeList(_) => {
                let items = values.as_list::<i64>().values();
                Self::List(Arc::clone(values), Box::new(Self::new(items, rules)?), Arc::clone(items))
            }
            D::FixedSizeList(..) => {
                let items = values.as_fixed_size_list().values();
                Self::List(Arc::clone(values), Box::new(Self::new(items, rules)?), Arc::clone(items))
            }
            D::Map(..) => {
                let map = values.as_map();
                let keys = cast_array(map.keys(), &D::Utf8View, rules)?;
                let items = Box::new(Self::new(map.values(), rules)?);
                Self::Map(Arc::clone(values), keys, items, Arc::clone(map.values()))
            }
            D::Struct(fields) => {
                let columns = fields.iter().zip(values.as_struct().columns());
                let column = |(field, column): (&Arc<datafusion::arrow::datatypes::Field>, &ArrayRef)| {
                    Ok((field.name().clone(), Arc::clone(column), Self::new(column, rules)?))
                };
                Self::Tuple(columns.map(column).collect::<Result<_>>()?)
            }
            _ => Self::Text(cast_array(values, &D::Utf8View, rules)?),
        })
    }

    /// The value of a row that is not NULL.
    fn value(&self, row: usize) -> Result<Value<'_>> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Boolean(a) => Value::Bool(a.as_boolean().value(row)),
            Self::Signed(a) => Value::Number(Number::Int64(a.as_primitive::<Int64Type>().value(row))),
            Self::Unsigned(a) => Value::Number(Number::UInt64(a.as_primitive::<UInt64Type>().value(row))),
            Self::Float(a) => Value::Number(Number::Float64(a.as_primitive::<Float64Type>().value(row))),
            Self::Decimal(a, scale) => {
                let value = a.as_primitive::<Decimal128Type>().value(row);
                Value::Number(Number::Decimal128(Decimal128 { scale: *scale, value }))
            }
            Self::Json(a) => {
                let text = a.as_string_view().value(row);
                jsonb::parse_value(text.as_bytes()).unwrap_or(Value::String(Cow::Borrowed(text)))
            }
            Self::Text(a) => Value::String(Cow::Borrowed(a.as_string_view().value(row))),
            Self::Binary(a) => Value::Binary(a.as_binary::<i32>().value(row)),
            Self::Date(a) => Value::Date(Date { value: a.as_primitive::<Date32Type>().value(row) }),
            Self::Timestamp(a) => {
                Value::Timestamp(Timestamp { value: a.as_primitive::<TimestampMicrosecondType>().value(row) })
            }
            Self::TimestampTz(times) => match times[row] {
                Some(time) => Value::TimestampTz(TimestampTz { offset: time.offset, value: time.micros }),
                None => Value::Null,
            },
            Self::Interval(a) => {
                let value = a.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let micros = value.nanoseconds / 1000;
                Value::Interval(Interval { months: value.months, days: value.days, micros })
            }
            Self::Variant(a) => jsonb::from_slice(a.as_binary::<i64>().value(row)).map_err(|error| {
                super::external(crate::Error::Corrupt { message: format!("a VARIANT is damaged: {error}") })
            })?,
            Self::List(lists, items, nulls) => {
                let range = match lists.data_type() {
                    DataType::List(_) => {
                        let offsets = lists.as_list::<i32>().value_offsets();
                        offsets[row] as usize..offsets[row + 1] as usize
                    }
                    DataType::LargeList(_) => {
                        let offsets = lists.as_list::<i64>().value_offsets();
                        offsets[row] as usize..offsets[row + 1] as usize
                    }
                    _ => {
                        let size = lists.as_fixed_size_list().value_length() as usize;
                        row * size..(row + 1) * size
                    }
                };
                Value::Array(range.map(|at| items.or_null(nulls, at)).collect::<Result<_>>()?)
            }
            Self::Map(map, keys, items, nulls) => {
                let offsets = map.as_map().value_offsets();
                let mut object = Object::new();
                for at in offsets[row] as usize..offsets[row + 1] as usize {
                    object.insert(keys.as_string_view().value(at).to_owned(), items.or_null(nulls, at)?);
                }
                Value::Object(object)
            }
            Self::Tuple(fields) => {
                let mut object = Object::new();
                for (name, nulls, column) in fields {
                    object.insert(name.clone(), column.or_null(nulls, row)?);
                }
                Value::Object(object)
            }
        })
    }

    fn or_null(&self, nulls: &ArrayRef, row: usize) -> Result<Value<'_>> {
        if nulls.is_null(row) { Ok(Value::Null) } else { self.value(row) }
    }
}

fn geojson(values: &ArrayRef) -> Result<Column> {
    let bytes = crate::types::to_bytes(values);
    let text = |row| bytes.as_ref().map(|bytes| crate::types::geometry::format_geojson(bytes.value(row)));
    let texts = (0..values.len()).map(|row| if values.is_valid(row) { text(row) } else { None });
    Ok(Column::Json(Arc::new(texts.collect::<datafusion::arrow::array::StringViewArray>())))
}
