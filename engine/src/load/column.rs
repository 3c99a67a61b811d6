//! One field of many records to one Arrow array of the wanted type. A text that is no value of the type becomes NULL,
//! and in strict loads makes its row bad.

use super::{
    json_text,
    records::{Cell, CellKind, Records},
    rules::{BinaryText, EmptyField},
    values::{self, DecimalError},
};
use crate::{
    Result,
    functions::{CastRules, cast_array},
    types::{Special, variant},
};
use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, BinaryBuilder, BinaryViewBuilder, BooleanArray, LargeBinaryBuilder,
        LargeStringBuilder, NullBufferBuilder, PrimitiveArray, StringBuilder, StringViewBuilder, new_null_array,
    },
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::*,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono_tz::Tz;
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// What to read from a field.
#[derive(Debug, Clone)]
pub(super) struct FieldTarget {
    pub name: String,
    pub data_type: DataType,
}

/// How texts that are no values are treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    pub strict: bool,
    pub empty_as_null: bool,
    pub empty: EmptyField,
    pub binary: BinaryText,
    /// Zone in which texts are times.
    pub zone: Tz,
    /// The fields come from JSON, so that a quoted text is a text.
    pub json: bool,
    pub bad_variant_as_null: bool,
}

impl Default for Conversion {
    fn default() -> Self {
        Self {
            strict: false,
            empty_as_null: false,
            empty: EmptyField::Stream,
            binary: BinaryText::Plain,
            zone: Tz::UTC,
            json: false,
            bad_variant_as_null: false,
        }
    }
}

/// Why rows are bad: the first reason found for each.
#[derive(Debug, Default)]
pub(super) struct BadRows {
    reasons: BTreeMap<usize, String>,
}

impl BadRows {
    pub fn add(&mut self, row: usize, reason: impl FnOnce() -> String) {
        self.reasons.entry(row).or_insert_with(reason);
    }

    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.reasons.iter().map(|(row, reason)| (*row, reason.as_str()))
    }

    /// Rows to keep.
    pub fn mask(&self, rows: usize) -> BooleanArray {
        let mut keep = vec![true; rows];
        self.reasons.keys().for_each(|row| keep[*row] = false);
        BooleanArray::from(keep)
    }
}

/// Reads one field of all records.
pub(super) fn read(
    records: &Records,
    field: usize,
    target: &FieldTarget,
    conversion: Conversion,
    bad: &mut BadRows,
) -> Result<ArrayRef> {
    let zone = conversion.zone;
    let micros = |text: &[u8]| match zone {
        Tz::UTC => values::timestamp_micros(text),
        zone => values::timestamp_micros_in(text, zone),
    };
    let mut column = Column { records, field, target, conversion, bad };
    Ok(match &target.data_type {
        DataType::Int8 => Arc::new(column.integers::<Int8Type>(|v| v.try_into().ok())),
        DataType::Int16 => Arc::new(column.integers::<Int16Type>(|v| v.try_into().ok())),
        DataType::Int32 => Arc::new(column.integers::<Int32Type>(|v| v.try_into().ok())),
        DataType::Int64 => Arc::new(column.integers::<Int64Type>(Some)),
        DataType::UInt8 => Arc::new(column.unsigned::<UInt8Type>(|v| v.try_into().ok())),
        DataType::UInt16 => Arc::new(column.unsigned::<UInt16Type>(|v| v.try_into().ok())),
        DataType::UInt32 => Arc::new(column.unsigned::<UInt32Type>(|v| v.try_into().ok())),
        DataType::UInt64 => Arc::new(column.unsigned::<UInt64Type>(Some)),
        DataType::Float32 => Arc::new(column.primitive::<Float32Type>(values::float32)),
        DataType::Float64 => Arc::new(column.primitive::<Float64Type>(values::float)),
        DataType::Date32 => Arc::new(column.primitive::<Date32Type>(values::date)),
        DataType::Decimal128(precision, scale) => Arc::new(column.decimals(*precision, *scale)?),
        DataType::Timestamp(TimeUnit::Microsecond, named) => {
            Arc::new(column.primitive::<TimestampMicrosecondType>(micros).with_timezone_opt(named.clone()))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, named) => {
            let nanos = |text: &[u8]| values::timestamp_nanos_in(text, zone);
            Arc::new(column.primitive::<TimestampNanosecondType>(nanos).with_timezone_opt(named.clone()))
        }
        DataType::Timestamp(TimeUnit::Millisecond, named) => {
            let millis = |text: &[u8]| micros(text).map(|v| v.div_euclid(1_000));
            Arc::new(column.primitive::<TimestampMillisecondType>(millis).with_timezone_opt(named.clone()))
        }
        DataType::Timestamp(TimeUnit::Second, named) => {
            let seconds = |text: &[u8]| micros(text).map(|v| v.div_euclid(1_000_000));
            Arc::new(column.primitive::<TimestampSecondType>(seconds).with_timezone_opt(named.clone()))
        }
        DataType::Boolean => Arc::new(column.booleans()),
        DataType::Utf8View => {
            let mut builder = StringViewBuilder::with_capacity(records.rows());
            column.texts(|text| builder.append_option(text));
            Arc::new(builder.finish())
        }
        DataType::Utf8 => {
            let mut builder = StringBuilder::new();
            column.texts(|text| builder.append_option(text));
            Arc::new(builder.finish())
        }
        DataType::LargeUtf8 => {
            let mut builder = LargeStringBuilder::new();
            column.texts(|text| builder.append_option(text));
            Arc::new(builder.finish())
        }
        DataType::Binary => {
            let mut builder = BinaryBuilder::new();
            column.bytes(|bytes| builder.append_option(bytes));
            Arc::new(builder.finish())
        }
        DataType::LargeBinary => column.variants(),
        DataType::BinaryView => {
            let mut builder = BinaryViewBuilder::new();
            column.texts(|text| builder.append_option(text));
            Arc::new(builder.finish())
        }
        DataType::Null => new_null_array(&DataType::Null, records.rows()),
        DataType::Interval(_) => column.by_own_cast()?,
        nested if nested.is_nested() => column.by_own_cast()?,
        _ => column.by_cast()?,
    })
}

struct Column<'a, 'b> {
    records: &'a Records<'a>,
    field: usize,
    target: &'a FieldTarget,
    conversion: Conversion,
    bad: &'b mut BadRows,
}

impl Column<'_, '_> {
    fn integers<T: ArrowPrimitiveType>(&mut self, narrow: impl Fn(i64) -> Option<T::Native>) -> PrimitiveArray<T> {
        self.primitive(|text| values::integer(text).and_then(&narrow))
    }

    fn unsigned<T: ArrowPrimitiveType>(&mut self, narrow: impl Fn(u64) -> Option<T::Native>) -> PrimitiveArray<T> {
        self.primitive(|text| values::unsigned(text).and_then(&narrow))
    }

    fn primitive<T: ArrowPrimitiveType>(&mut self, parse: impl Fn(&[u8]) -> Option<T::Native>) -> PrimitiveArray<T> {
        let rows = self.records.rows();
        let mut array = Vec::with_capacity(rows);
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            let cell = self.records.cell(row, self.field);
            let value = parse(self.records.bytes(cell)).or_else(|| self.whole_number(cell, &parse));
            match value {
                Some(value) => {
                    array.push(value);
                    nulls.append_non_null();
                }
                None => {
                    self.no_value(row, cell, None);
                    array.push(T::Native::default());
                    nulls.append_null();
                }
            }
        }
        PrimitiveArray::new(ScalarBuffer::from(array), nulls.finish())
    }

    /// A JSON number like `1.0` or `1e3` where a whole number is wanted.
    #[cold]
    fn whole_number<V>(&self, cell: Cell, parse: &impl Fn(&[u8]) -> Option<V>) -> Option<V> {
        if cell.kind() != CellKind::Number {
            return None;
        }
        let value = values::float(self.records.bytes(cell)).filter(|v| v.fract() == 0.0 && v.abs() < 1e19)?;
        parse(format!("{value:.0}").as_bytes())
    }

    fn decimals(&mut self, precision: u8, scale: i8) -> Result<PrimitiveArray<Decimal128Type>> {
        let rows = self.records.rows();
        let mut array = Vec::with_capacity(rows);
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            let cell = self.records.cell(row, self.field);
            match values::decimal(self.records.bytes(cell), precision, scale) {
                Ok(value) => {
                    array.push(value);
                    nulls.append_non_null();
                }
                Err(why) => {
                    self.no_value(row, cell, Some(why));
                    array.push(0);
                    nulls.append_null();
                }
            }
        }
        let array = PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(array), nulls.finish());
        Ok(array.with_precision_and_scale(precision, scale)?)
    }

    fn booleans(&mut self) -> BooleanArray {
        let rows = self.records.rows();
        let mut nulls = NullBufferBuilder::new(rows);
        let values = BooleanBuffer::collect_bool(rows, |row| {
            let cell = self.records.cell(row, self.field);
            let value = values::boolean(self.records.bytes(cell));
            match value {
                Some(_) => nulls.append_non_null(),
                None => {
                    self.no_value(row, cell, None);
                    nulls.append_null();
                }
            }
            value.unwrap_or_default()
        });
        BooleanArray::new(values, nulls.finish())
    }

    fn texts(&mut self, mut append: impl FnMut(Option<&str>)) {
        let mut compact = String::new();
        for row in 0..self.records.rows() {
            let cell = self.records.cell(row, self.field);
            let text = self.records.str(cell);
            match cell.kind() {
                CellKind::Null | CellKind::Missing => append(None),
                CellKind::Text if text.is_empty() && self.conversion.empty_as_null => append(None),
                CellKind::Nested => {
                    compact.clear();
                    json_text::compact(text, &mut compact);
                    append(Some(&compact));
                }
                CellKind::Text | CellKind::Quoted | CellKind::Number => append(Some(text)),
            }
        }
    }

    /// Bytes as the dialect spells them.
    fn bytes(&mut self, mut append: impl FnMut(Option<&[u8]>)) {
        for row in 0..self.records.rows() {
            let cell = self.records.cell(row, self.field);
            let text = self.records.str(cell);
            let null = match cell.kind() {
                CellKind::Null | CellKind::Missing => true,
                CellKind::Text => text.is_empty() && self.conversion.empty_as_null,
                _ => false,
            };
            let bytes: Option<Cow<'_, [u8]>> = match self.conversion.binary {
                _ if null => None,
                BinaryText::Plain => Some(Cow::Borrowed(text.as_bytes())),
                BinaryText::Hex => hex::decode(text).ok().map(Cow::Owned),
                BinaryText::Base64 => STANDARD.decode(text).ok().map(Cow::Owned),
            };
            if bytes.is_none() && !null {
                self.no_value(row, cell, None);
            }
            append(bytes.as_deref());
        }
    }

    /// VARIANT: JSON text in its binary form.
    fn variants(&mut self) -> ArrayRef {
        let mut builder = LargeBinaryBuilder::new();
        for row in 0..self.records.rows() {
            let cell = self.records.cell(row, self.field);
            let text = self.records.str(cell);
            let parsed = match cell.kind() {
                CellKind::Null | CellKind::Missing => None,
                CellKind::Quoted if self.conversion.json => Some(jsonb::Value::String(Cow::Borrowed(text)).to_vec()),
                _ if text.is_empty() => None,
                _ => match variant::from_text(text) {
                    Ok(value) => Some(value),
                    Err(_) if self.conversion.bad_variant_as_null => Some(jsonb::Value::Null.to_vec()),
                    Err(_) => {
                        self.no_value(row, cell, None);
                        None
                    }
                },
            };
            builder.append_option(parsed);
        }
        Arc::new(builder.finish())
    }

    /// Documents, sets, shapes, lists and the like: from their text, strings within JSON as JSON strings.
    fn by_own_cast(&mut self) -> Result<ArrayRef> {
        let json = Special::of(&self.target.data_type) == Some(Special::Variant);
        let rows = self.records.rows();
        let mut builder = StringBuilder::new();
        for row in 0..rows {
            let cell = self.records.cell(row, self.field);
            let text = self.records.str(cell);
            match cell.kind() {
                CellKind::Null | CellKind::Missing => builder.append_null(),
                CellKind::Text if text.is_empty() => builder.append_null(),
                CellKind::Quoted if json && crate::types::variant::from_text(text).is_err() => {
                    builder.append_value(serde_json::Value::String(text.to_owned()).to_string());
                }
                _ => builder.append_value(text),
            }
        }
        let texts: ArrayRef = Arc::new(builder.finish());
        let rules = CastRules::new(chrono_tz::Tz::UTC).or_null();
        let array = cast_array(&texts, &self.target.data_type, rules).map_err(crate::plan::explain)?;
        for row in 0..rows {
            if array.is_null(row) && texts.is_valid(row) {
                self.no_value(row, self.records.cell(row, self.field), None);
            }
        }
        Ok(array)
    }

    /// Types without a reader of their own: what Arrow casts from text.
    fn by_cast(&mut self) -> Result<ArrayRef> {
        let mut builder = StringBuilder::new();
        self.texts(|text| builder.append_option(text));
        let texts = builder.finish();
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let array = cast_with_options(&texts, &self.target.data_type, &options)?;
        for row in 0..texts.len() {
            if array.is_null(row) && texts.is_valid(row) {
                self.no_value(row, self.records.cell(row, self.field), None);
            }
        }
        Ok(array)
    }

    /// A text without a value: NULL, unless the load is strict and the text was meant to be one.
    #[cold]
    fn no_value(&mut self, row: usize, cell: Cell, why: Option<DecimalError>) {
        let text = self.records.str(cell);
        let meant = match cell.kind() {
            CellKind::Null | CellKind::Missing => false,
            CellKind::Text if text.is_empty() && self.conversion.empty == EmptyField::Stream => {
                !self.conversion.empty_as_null
            }
            CellKind::Text | CellKind::Quoted if text.is_empty() => self.conversion.empty == EmptyField::Stream,
            _ => true,
        };
        if !self.conversion.strict || !meant {
            return;
        }
        let target = self.target;
        self.bad.add(row, || {
            let subject = if why == Some(DecimalError::OutOfRange) { "Decimal" } else { "Value" };
            let shown: String = text.chars().take(200).collect();
            format!(
                "{subject} '{shown}' is out of range. The type of '{}' is {}",
                target.name,
                type_name(&target.data_type)
            )
        });
    }
}

/// A type as users write it.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::UInt8 => "TINYINT UNSIGNED".into(),
        DataType::UInt16 => "SMALLINT UNSIGNED".into(),
        DataType::UInt32 => "INT UNSIGNED".into(),
        DataType::UInt64 => "BIGINT UNSIGNED".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("DECIMAL({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(..) => "TIMESTAMP".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Binary | DataType::BinaryView => "VARBINARY".into(),
        other => crate::plan::sql_type(other),
    }
}
