//! Times between zones, and between times and numbers of seconds.

use super::wall;
use crate::functions::{
    row::{
        Clock,
        Kind::{Date, Text, Time},
        function,
    },
    zone::instant,
};
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::{
    arrow::datatypes::DataType,
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(&["to_unix_timestamp"], &[Time], "to_unix_timestamp(time)", "Seconds since 1970-01-01 00:00:00 UTC.", "to_unix_timestamp('2023-11-12 09:38:18')")
            .int(DataType::Int64, |row| Ok(row.micros(0).div_euclid(1_000_000))),
        function(&["date"], &[Date], "date(time)", "The day of a time.", "date('2024-06-04 10:00:00')").date(|row| Ok(row.days(0))),
        // In the session's zone the answer shows what a clock in the other zone shows.
        function(
            &["convert_timezone"],
            &[Text, Time],
            "convert_timezone([source, ]target, time)",
            "What clocks in the target zone show at a time. With a source zone, the time is what clocks there show.",
            "convert_timezone('Asia/Tokyo', '2024-11-01 11:36:10')",
        )
        .clock(Clock::Makes)
        .time(|row| {
            let zone = zone(row.text(0))?;
            let at = wall(row.micros(1))?;
            let offset = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
            Ok(row.micros(1) + i64::from(offset) * 1_000_000)
        }),
        function(
            &["convert_timezone_from"],
            &[Text, Text, Time],
            "convert_timezone_from(source, target, time)",
            "What clocks in the target zone show when those in the source zone show a time: convert_timezone with three arguments.",
            "convert_timezone_from('UTC', 'Asia/Tokyo', '2024-11-01 11:36:10')",
        )
        .clock(Clock::Wall)
        .time(|row| {
            let (source, target) = (zone(row.text(0))?, zone(row.text(1))?);
            let at = instant(wall(row.micros(2))?, source);
            let offset = target.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
            Ok(at.timestamp_micros() + i64::from(offset) * 1_000_000)
        }),
    ]
}

pub(super) fn zone(name: &str) -> Result<Tz> {
    match name.parse() {
        Ok(zone) => Ok(zone),
        Err(_) => exec_err!("`{name}` is not a time zone"),
    }
}
