//! Values of one type as another: what CAST, TRY_CAST, `::`, the conversion functions and values on their way into
//! columns mean, wherever Arrow's own casts mean something else or nothing. One entry: [`cast_array`].
//!
//! Text is the middle between types that have nothing else in common. Times are read and shown in a zone. Fractions
//! are rounded to whole numbers, half away from zero.

mod from_variant;
mod into_text;
mod into_variant;
mod nested;
mod nested_text;
mod number;
mod plan;
mod texts;

pub(crate) use plan::{cast_expression, functions, has_own_cast, replace_casts};

use super::zone::{from_wall, instants_of_texts, to_wall};
use crate::{
    plan::sql_type,
    types::{Special, shown, timestamp_tz},
};
use chrono_tz::Tz;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, new_null_array},
        compute::{CastOptions, can_cast_types, cast_with_options},
        datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
        util::display::{ArrayFormatter, FormatOptions},
    },
    common::{DataFusionError, Result},
};
use std::sync::Arc;

/// How values are converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CastRules {
    /// Zone of times without one.
    pub zone: Tz,
    /// A value that cannot be converted becomes NULL; otherwise it is an error.
    pub or_null: bool,
    /// Texts that become VARIANT are JSON; otherwise they become JSON strings.
    pub text_is_json: bool,
}

impl CastRules {
    pub fn new(zone: Tz) -> Self {
        Self { zone, or_null: false, text_is_json: true }
    }

    pub fn or_null(self) -> Self {
        Self { or_null: true, ..self }
    }
}

/// Whether the conversion is ours rather than Arrow's.
pub(crate) fn is_ours(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    if from == to {
        return false;
    }
    if is_special(from) || is_special(to) {
        return true;
    }
    match (from, to) {
        (_, D::List(_) | D::LargeList(_) | D::FixedSizeList(..) | D::Map(..) | D::Struct(_)) => true,
        (D::List(_) | D::LargeList(_) | D::FixedSizeList(..) | D::Map(..) | D::Struct(_), _) => true,
        (from, to) if to.is_integer() => {
            from.is_floating() || from.is_decimal() || matches!(from, D::Timestamp(_, None))
        }
        (from, D::Timestamp(_, None)) => from.is_integer() || from.is_string(),
        (from, D::Date32) => from.is_integer() && *from != D::Int32,
        (D::Timestamp(_, None) | D::Date32 | D::Float32 | D::Float64, to) => to.is_string(),
        _ => false,
    }
}

fn is_special(data_type: &DataType) -> bool {
    Special::of(data_type).is_some()
}

/// `values` as `to`.
pub(crate) fn cast_array(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    use DataType as D;
    let from = values.data_type();
    if from == to {
        return Ok(Arc::clone(values));
    }
    if *from == D::Null {
        return Ok(new_null_array(to, values.len()));
    }
    if let D::Dictionary(_, inner) = from {
        let plain = native(values, inner, rules)?;
        return cast_array(&plain, to, rules);
    }
    match (Special::of(from), Special::of(to)) {
        (Some(Special::Variant), _) => return from_variant::cast(values, to, rules),
        (_, Some(Special::Variant)) => return into_variant::cast(values, rules),
        (Some(Special::TimestampTz), _) => {
            if let Some(array) = from_timestamp_tz(values, to, rules)? {
                return Ok(array);
            }
        }
        (None, Some(Special::TimestampTz)) if matches!(from, D::Timestamp(..) | D::Date32 | D::Date64) => {
            return into_timestamp_tz(values, rules);
        }
        (None, Some(special)) if is_binary(from) => return texts::from_binary(values, special, rules),
        (Some(special), None) if is_binary(to) => return texts::into_binary(values, special, to, rules),
        (None, Some(special)) if from.is_integer() => return number::into_special(values, special, rules),
        (Some(Special::Geometry), Some(Special::Geography)) | (Some(Special::Geography), Some(Special::Geometry)) => {
            let bytes = cast_array(values, &D::Binary, rules)?;
            return cast_array(&bytes, to, rules);
        }
        (Some(_), Some(_)) if !matches!(Special::of(from), Some(Special::Vector(_))) => return impossible(from, to),
        _ => {}
    }
    if to.is_string() {
        return into_text::cast(values, to, rules);
    }
    if from.is_string() {
        return from_text(values, to, rules);
    }
    if to.is_nested() || from.is_nested() {
        return nested::cast(values, to, rules);
    }
    if to.is_integer() && (from.is_floating() || from.is_decimal()) {
        return number::round(values, to, rules);
    }
    match (from, to) {
        (D::Timestamp(_, None), to) if to.is_integer() => {
            let micros = native(values, &D::Timestamp(TimeUnit::Microsecond, None), rules)?;
            native(&native(&micros, &D::Int64, rules)?, to, rules)
        }
        (from, D::Timestamp(unit, None)) if from.is_integer() => {
            let micros = number::into_micros(values, rules)?;
            native(&micros, &D::Timestamp(*unit, None), rules)
        }
        (D::Timestamp(_, None), D::Date32 | D::Date64) => native(&to_wall(values, rules.zone)?, to, rules),
        (D::Date32 | D::Date64, D::Timestamp(_, None)) => from_wall(&native(values, to, rules)?, rules.zone),
        (from, D::Date32) if from.is_integer() => native(&native(values, &D::Int32, rules)?, to, rules),
        _ => native(values, to, rules),
    }
}

fn from_text(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    match to {
        DataType::Timestamp(unit, None) => instants_of_texts(values, *unit, rules.zone, rules.or_null),
        _ if is_special(to) => texts::read(values, to, rules),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Map(..)
        | DataType::Struct(_) => nested_text::read(values, to, rules),
        _ => native(values, to, rules),
    }
}

/// Arrow's cast, with errors that name the value.
fn native(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef> {
    let from = values.data_type();
    if from == to {
        return Ok(Arc::clone(values));
    }
    if !can_cast_types(from, to) {
        return impossible(from, to);
    }
    let safe = CastOptions { safe: true, ..CastOptions::default() };
    let cast = cast_with_options(values, to, &safe)?;
    if rules.or_null || cast.null_count() == values.logical_null_count() {
        return Ok(cast);
    }
    let nulls = values.logical_nulls();
    let was_null = |row: usize| nulls.as_ref().is_some_and(|n| n.is_null(row));
    match (0..cast.len()).find(|row| cast.is_null(*row) && !was_null(*row)) {
        Some(row) => Err(cannot(&text_of(values, row), to)),
        None => Ok(cast),
    }
}

fn text_of(values: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(values.as_ref(), &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => "?".into(),
    }
}

/// The error of a value that is none of the wanted type.
fn cannot(text: &str, to: &DataType) -> DataFusionError {
    let message = format!("cannot convert '{}' to {}", shown(text), sql_type(to));
    external(crate::Error::Evaluation { message })
}

fn external(error: crate::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn impossible<T>(from: &DataType, to: &DataType) -> Result<T> {
    let message = format!("{} cannot be converted to {}", sql_type(from), sql_type(to));
    Err(external(crate::Error::Semantic { message }))
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// TIMESTAMP_TZ as a time or a date; `None` for other types.
fn from_timestamp_tz(values: &ArrayRef, to: &DataType, rules: CastRules) -> Result<Option<ArrayRef>> {
    let Some(found) = timestamp_tz::values(values) else { return Ok(None) };
    let micros = |wall: bool| -> ArrayRef {
        let micros = found.iter().map(|v| v.map(|v| if wall { v.wall_micros() } else { v.micros }));
        Arc::new(micros.collect::<datafusion::arrow::array::TimestampMicrosecondArray>())
    };
    Ok(match to {
        DataType::Timestamp(_, None) => Some(native(&micros(false), to, rules)?),
        DataType::Date32 | DataType::Date64 => Some(native(&micros(true), to, rules)?),
        to if to.is_integer() => Some(native(&native(&micros(false), &DataType::Int64, rules)?, to, rules)?),
        _ => None,
    })
}

fn into_timestamp_tz(values: &ArrayRef, rules: CastRules) -> Result<ArrayRef> {
    let instants = cast_array(values, &DataType::Timestamp(TimeUnit::Microsecond, None), rules)?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let value = |micros: Option<i64>| micros.map(|m| timestamp_tz::TimestampTz::in_zone(m, rules.zone));
    Ok(timestamp_tz::array(instants.iter().map(value)))
}

#[cfg(test)]
mod tests;
