//! TIMESTAMP_TZ: an instant and the offset in which it is shown: `2024-02-29 01:02:03.000004 +0800`.

use super::{Special, not_a};
use crate::{Result, functions::instant_of_text};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, StructArray, TimestampMicrosecondArray},
    buffer::NullBuffer,
    datatypes::{DataType, Int32Type, TimestampMicrosecondType},
};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use std::sync::Arc;

const HOURS_MAX: i32 = 14;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampTz {
    /// Microseconds since 1970, UTC.
    pub micros: i64,
    /// Seconds east.
    pub offset: i32,
}

impl TimestampTz {
    /// The instant as the clocks of `zone` show it.
    pub fn in_zone(micros: i64, zone: Tz) -> Self {
        let utc = DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
        Self { micros, offset: zone.offset_from_utc_datetime(&utc).fix().local_minus_utc() }
    }

    /// Microseconds that a clock at the offset shows.
    pub fn wall_micros(self) -> i64 {
        self.micros.saturating_add(i64::from(self.offset) * 1_000_000)
    }
}

/// Reads a time with its offset; without one it is a time in `zone`.
pub fn parse(text: &str, zone: Tz) -> Result<TimestampTz> {
    let wrong = || not_a("TIMESTAMP_TZ", text);
    let trimmed = text.trim();
    let Some((wall, offset)) = split_offset(trimmed) else {
        let micros = instant_of_text(trimmed, zone).map_err(|_| wrong())?.timestamp_micros();
        return Ok(TimestampTz::in_zone(micros, zone));
    };
    let offset = offset.ok_or_else(wrong)?;
    let wall = instant_of_text(wall.trim_end(), Tz::UTC).map_err(|_| wrong())?.timestamp_micros();
    let micros = wall.checked_sub(i64::from(offset) * 1_000_000).ok_or_else(wrong)?;
    Ok(TimestampTz { micros, offset })
}

/// The time and its offset, if the text ends with one; the inner `None` is an offset that does not exist.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    if let Some(wall) = text.strip_suffix(['Z', 'z']) {
        return Some((wall, Some(0)));
    }
    // The date has two signs of its own.
    let at = 10 + text.get(10..)?.rfind(['+', '-'])?;
    let (wall, offset) = text.split_at(at);
    Some((wall, seconds_of(offset)))
}

/// `+08`, `+0800`, `+08:00`.
fn seconds_of(text: &str) -> Option<i32> {
    let (sign, digits) = text.split_at_checked(1)?;
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 1 | 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = if digits.len() == 4 { digits.split_at(2) } else { (digits.as_str(), "0") };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = hours <= HOURS_MAX && minutes < 60;
    let seconds = hours * 3600 + minutes * 60;
    fits.then_some(if sign == "-" { -seconds } else { seconds })
}

pub fn format(value: TimestampTz) -> String {
    let wall = DateTime::from_timestamp_micros(value.wall_micros()).unwrap_or_default();
    let minutes = value.offset.unsigned_abs() / 60;
    let sign = if value.offset < 0 { '-' } else { '+' };
    format!("{} {sign}{:02}{:02}", wall.format("%Y-%m-%d %H:%M:%S%.6f"), minutes / 60, minutes % 60)
}

/// A column of values.
pub fn array(values: impl IntoIterator<Item = Option<TimestampTz>>) -> ArrayRef {
    let (mut instants, mut offsets, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        valid.push(value.is_some());
        let value = value.unwrap_or(TimestampTz { micros: 0, offset: 0 });
        instants.push(value.micros);
        offsets.push(value.offset);
    }
    let DataType::Struct(fields) = Special::TimestampTz.arrow() else {
        unreachable!("TIMESTAMP_TZ is a struct");
    };
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(TimestampMicrosecondArray::from(instants)), Arc::new(Int32Array::from(offsets))];
    Arc::new(StructArray::new(fields, columns, nulls))
}

/// The values of a column.
pub fn values(array: &dyn Array) -> Option<Vec<Option<TimestampTz>>> {
    let tuple = array.as_struct_opt()?;
    let [instants, offsets] = tuple.columns() else { return None };
    let instants = instants.as_primitive_opt::<TimestampMicrosecondType>()?;
    let offsets = offsets.as_primitive_opt::<Int32Type>()?;
    let value = |row| TimestampTz { micros: instants.value(row), offset: offsets.value(row) };
    Some((0..tuple.len()).map(|row| tuple.is_valid(row).then(|| value(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_kept_and_zones_fill_in() {
        let tokyo = chrono_tz::Asia::Tokyo;
        for (text, shown) in [
            ("2024-02-29 01:02:03.000004 +0800", "2024-02-29 01:02:03.000004 +0800"),
            ("2024-02-29T01:02:03-05:30", "2024-02-29 01:02:03.000000 -0530"),
            ("2024-02-29 01:02:03Z", "2024-02-29 01:02:03.000000 +0000"),
            ("2024-02-29 01:02:03", "2024-02-29 01:02:03.000000 +0900"),
            ("2024-02-29", "2024-02-29 00:00:00.000000 +0900"),
        ] {
            assert_eq!(format(parse(text, tokyo).unwrap()), shown, "{text}");
        }
        assert_eq!(parse("2024-02-29 08:00:00 +0800", tokyo).unwrap().micros, 1_709_164_800_000_000);
        for text in ["", "x", "2024-02-30", "2024-02-29 01:02:03 +25", "2024-02-29 01:02:03 +080"] {
            assert!(parse(text, tokyo).is_err(), "{text}");
        }
    }
}
