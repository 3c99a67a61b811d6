//! Functions of dates, times and intervals. Their timestamps are what a clock on a wall in the session's zone shows:
//! planning converts on the way in and out where [`Clock`](super::Clock) says so (`plan/zoned`).
//!
//! Numbers of date parts that partition expressions are made of (`to_yyyymm`…) are in `calendar`.

mod current;
mod difference;
mod format;
mod intervals;
mod parts;
mod shift;
mod truncate;
mod unit;
mod zones;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = current::functions();
    list.extend(parts::functions());
    list.extend(truncate::functions());
    list.extend(shift::functions());
    list.extend(difference::functions());
    list.extend(format::functions());
    list.extend(intervals::functions());
    list.extend(zones::functions());
    list
}

/// Days from 1970-01-01 to 0001-01-01 in chrono's count.
const EPOCH_DAY: i32 = 719_163;

/// The wall time of microseconds since 1970.
fn wall(micros: i64) -> Result<NaiveDateTime> {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => Ok(time.naive_utc()),
        None => exec_err!("timestamp {micros} is out of range"),
    }
}

/// The day of days since 1970.
fn day(days: i32) -> Result<NaiveDate> {
    match days.checked_add(EPOCH_DAY).and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(date) => Ok(date),
        None => exec_err!("date {days} is out of range"),
    }
}

/// Microseconds since 1970, of years that the types hold.
fn micros(time: NaiveDateTime) -> Result<i64> {
    in_range(time.date())?;
    Ok(time.and_utc().timestamp_micros())
}

/// Days since 1970, of years that the types hold.
fn days(date: NaiveDate) -> Result<i32> {
    in_range(date)?;
    Ok(date.num_days_from_ce() - EPOCH_DAY)
}

fn in_range(date: NaiveDate) -> Result<()> {
    match date.year() {
        1..=9999 => Ok(()),
        year => exec_err!("year {year} is outside of 1 to 9999"),
    }
}
