//! Instants and walls: TIMESTAMP values are instants in UTC; their text and their parts are those that a clock on a wall
//! in the session's zone shows. Planning puts these functions into plans of sessions that are not in UTC.
//!
//! A wall time that a change of clocks skips is taken with the offset before it, one that it repeats is the earlier.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Int64Array},
        compute::{CastOptions, cast, cast_with_options, kernels::cast_utils::string_to_datetime},
        datatypes::{DataType, Field, FieldRef, Int64Type, TimeUnit},
        error::ArrowError,
    },
    common::{Result, ScalarValue, exec_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::sync::Arc;

/// Which way a [`zone_function`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ZoneStep {
    /// Text to an instant; bad text is an error, or NULL.
    Read { unit: TimeUnit, or_null: bool },
    /// An instant to what the wall shows.
    ToWall,
    /// What the wall shows to an instant.
    FromWall,
}

/// The function for one step in one zone.
pub(crate) fn zone_function(step: ZoneStep, zone: Tz) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(self::step(step, zone)))
}

/// Name of the function that goes to the wall.
pub(crate) const TO_WALL: &str = "__basalt_wall_time";

/// What the walls of `zone` show at instants, as if it were UTC.
pub(crate) fn to_wall(instants: &ArrayRef, zone: Tz) -> Result<ArrayRef> {
    if zone == Tz::UTC {
        return Ok(Arc::clone(instants));
    }
    step(ZoneStep::ToWall, zone).compute(instants)
}

/// The instants at which the walls of `zone` show times.
pub(crate) fn from_wall(times: &ArrayRef, zone: Tz) -> Result<ArrayRef> {
    if zone == Tz::UTC {
        return Ok(Arc::clone(times));
    }
    step(ZoneStep::FromWall, zone).compute(times)
}

fn step(step: ZoneStep, zone: Tz) -> ZoneFunction {
    ZoneFunction { step, zone, signature: Signature::any(1, Volatility::Immutable) }
}

/// The instant a text means; without an offset in it, in `zone`.
pub(crate) fn instant_of_text(text: &str, zone: Tz) -> Result<DateTime<Utc>, ArrowError> {
    let utc = string_to_datetime(&Utc, text)?;
    let east = FixedOffset::east_opt(3600).expect("an hour is an offset");
    let has_offset = string_to_datetime(&east, text)? == utc;
    Ok(if has_offset { utc } else { instant(utc.naive_utc(), zone) })
}

/// Texts as instants of type Timestamp(`unit`), read in `zone`. Bad texts are NULL, or an error.
pub(crate) fn instants_of_texts(texts: &ArrayRef, unit: TimeUnit, zone: Tz, or_null: bool) -> Result<ArrayRef> {
    let texts = cast(texts, &DataType::Utf8View)?;
    let mut instants = Vec::with_capacity(texts.len());
    for text in texts.as_string_view() {
        let Some(text) = text else {
            instants.push(None);
            continue;
        };
        match instant_of_text(text, zone).and_then(|instant| count(instant, unit, text)) {
            Ok(count) => instants.push(Some(count)),
            Err(_) if or_null => instants.push(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(cast(&Int64Array::from(instants), &DataType::Timestamp(unit, None))?)
}

/// `values` as `to` with times in `zone`: texts without an offset, dates and the parts of times are those of its wall
/// clocks. What has no value of the type is NULL.
pub(crate) fn cast_in_zone(values: &ArrayRef, to: &DataType, zone: Tz) -> Result<ArrayRef> {
    let step = |step| ZoneFunction { step, zone, signature: Signature::any(1, Volatility::Immutable) };
    let is_time = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, None));
    if super::cast::has_own_cast(values.data_type(), to) {
        return super::cast::cast_array(values, to, super::cast::CastRules::new(zone).or_null());
    }
    match (values.data_type(), to) {
        _ if zone == Tz::UTC || values.data_type() == to => cast_or_null(values, to),
        (from, DataType::Timestamp(unit, None)) if from.is_string() => instants_of_texts(values, *unit, zone, true),
        (DataType::Date32 | DataType::Date64, to) if is_time(to) => {
            step(ZoneStep::FromWall).compute(&cast_or_null(values, to)?)
        }
        (from, to) if is_time(from) && (to.is_string() || matches!(to, DataType::Date32 | DataType::Date64)) => {
            cast_or_null(&step(ZoneStep::ToWall).compute(values)?, to)
        }
        _ => cast_or_null(values, to),
    }
}

fn cast_or_null(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(values, to, &CastOptions { safe: true, ..CastOptions::default() })?)
}

fn count(instant: DateTime<Utc>, unit: TimeUnit, text: &str) -> Result<i64, ArrowError> {
    match unit {
        TimeUnit::Second => Ok(instant.timestamp()),
        TimeUnit::Millisecond => Ok(instant.timestamp_millis()),
        TimeUnit::Microsecond => Ok(instant.timestamp_micros()),
        TimeUnit::Nanosecond => instant
            .timestamp_nanos_opt()
            .ok_or_else(|| ArrowError::ParseError(format!("'{text}' is out of range for nanoseconds"))),
    }
}

/// The instant at which a clock on a wall in `zone` shows this.
pub(crate) fn instant(wall: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall).earliest() {
        Some(instant) => instant.to_utc(),
        None => {
            let before = zone.offset_from_utc_datetime(&(wall - TimeDelta::days(1))).fix();
            (wall - TimeDelta::seconds(i64::from(before.local_minus_utc()))).and_utc()
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ZoneFunction {
    step: ZoneStep,
    zone: Tz,
    signature: Signature,
}

impl ZoneFunction {
    fn compute(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if let ZoneStep::Read { unit, or_null } = self.step {
            return instants_of_texts(array, unit, self.zone, or_null);
        }
        let DataType::Timestamp(unit, _) = array.data_type() else {
            return exec_err!("{} takes a timestamp, not {}", self.name(), array.data_type());
        };
        let per_second = match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        };
        let counts = cast(array, &DataType::Int64)?;
        let shifted = counts.as_primitive::<Int64Type>().try_unary::<_, Int64Type, ArrowError>(|value| {
            let wrong = || ArrowError::ComputeError(format!("timestamp {value} is out of range"));
            let seconds = value.div_euclid(per_second);
            let at = DateTime::from_timestamp(seconds, 0).ok_or_else(wrong)?.naive_utc();
            let shift = match self.step {
                ZoneStep::FromWall => instant(at, self.zone).timestamp() - seconds,
                _ => i64::from(self.zone.offset_from_utc_datetime(&at).fix().local_minus_utc()),
            };
            value.checked_add(shift * per_second).ok_or_else(wrong)
        })?;
        Ok(cast(&shifted, array.data_type())?)
    }
}

impl ScalarUDFImpl for ZoneFunction {
    fn name(&self) -> &str {
        match self.step {
            ZoneStep::Read { .. } => "__basalt_read_time",
            ZoneStep::ToWall => TO_WALL,
            ZoneStep::FromWall => "__basalt_instant",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.step {
            ZoneStep::Read { unit, .. } => DataType::Timestamp(unit, None),
            _ => arguments[0].clone(),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let argument = &args.arg_fields[0];
        let may_fail = matches!(self.step, ZoneStep::Read { or_null: true, .. });
        let data_type = self.return_type(&[argument.data_type().clone()])?;
        Ok(Arc::new(Field::new(self.name(), data_type, argument.is_nullable() || may_fail)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.compute(array)?)),
            ColumnarValue::Scalar(value) => {
                let result = self.compute(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_in_the_zone_unless_they_say_where() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let cases = [
            ("2024-07-01 12:00:00", "2024-07-01 10:00:00 UTC"),
            ("2024-01-01", "2023-12-31 23:00:00 UTC"),
            ("2024-07-01T12:00:00Z", "2024-07-01 12:00:00 UTC"),
            ("2024-07-01 12:00:00+09:00", "2024-07-01 03:00:00 UTC"),
            // Repeated: the earlier. Skipped: as if the clock had not been changed yet.
            ("2024-10-27 02:30:00", "2024-10-27 00:30:00 UTC"),
            ("2024-03-31 02:30:00", "2024-03-31 01:30:00 UTC"),
        ];
        for (text, wanted) in cases {
            assert_eq!(instant_of_text(text, berlin).unwrap().to_string(), wanted, "{text}");
        }
        assert!(instant_of_text("yesterday", berlin).is_err());
    }
}
