//! How far apart times are: `date_diff` counts boundaries, `date_between` whole units, `age` answers an interval.

use super::{
    unit::{Unit, whole_months},
    wall,
};
use crate::functions::row::{
    Clock,
    Kind::{Moment, Text, Time},
    function,
};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime};
use datafusion::{
    arrow::datatypes::{DataType, IntervalMonthDayNano},
    common::{Result, exec_datafusion_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["date_diff", "datediff", "timestampdiff"],
            &[Text, Moment, Moment],
            "date_diff(unit, from, to)",
            "How many boundaries of a unit lie between two times; negative when the second is earlier.",
            "date_diff(month, '2025-07-31', '2025-10-01')",
        )
        .clock(Clock::Reads)
        .int(DataType::Int64, |row| {
            let unit = Unit::parse(row.text(0))?;
            Ok(unit.index(wall(row.micros(2))?)? - unit.index(wall(row.micros(1))?)?)
        }),
        function(
            &["date_between"],
            &[Text, Moment, Moment],
            "date_between(unit, from, to)",
            "How many whole units lie between two times; negative when the second is earlier.",
            "date_between(month, '2025-07-31', '2025-10-01')",
        )
        .clock(Clock::Reads)
        .int(DataType::Int64, |row| Unit::parse(row.text(0))?.between(wall(row.micros(1))?, wall(row.micros(2))?)),
        function(
            &["months_between"],
            &[Moment, Moment],
            "months_between(to, from)",
            "Months between two dates, with a fraction of 31 days; none when both are the same or the last day of a month.",
            "months_between('2024-03-10', '2024-01-20')",
        )
        .clock(Clock::Reads)
        .float(|row| Ok(months_between(wall(row.micros(0))?.date(), wall(row.micros(1))?.date()))),
        function(
            &["age"],
            &[Moment, Moment],
            "age(to, from)",
            "Years, months, days and time between two times.",
            "age('2024-03-10'::TIMESTAMP, '2023-01-20'::TIMESTAMP)",
        )
        .clock(Clock::Reads)
        .interval(|row| age(wall(row.micros(0))?, wall(row.micros(1))?)),
        function(
            &["timestamp_diff"],
            &[Time, Time],
            "timestamp_diff(to, from)",
            "The time from one timestamp to another as an interval.",
            "timestamp_diff('2025-02-01'::TIMESTAMP, '2025-01-01'::TIMESTAMP)",
        )
        .interval(|row| {
            let apart = row.micros(0).checked_sub(row.micros(1)).and_then(|m| m.checked_mul(1_000));
            let nanoseconds = apart.ok_or_else(|| exec_datafusion_err!("timestamp_diff: the times are too far apart"))?;
            Ok(IntervalMonthDayNano::new(0, 0, nanoseconds))
        }),
    ]
}

fn is_last(date: NaiveDate) -> bool {
    (date + Days::new(1)).month() != date.month()
}

fn months_between(to: NaiveDate, from: NaiveDate) -> f64 {
    let months = f64::from((to.year() - from.year()) * 12 + to.month() as i32 - from.month() as i32);
    if to.day() == from.day() || (is_last(to) && is_last(from)) {
        return months;
    }
    months + (f64::from(to.day()) - f64::from(from.day())) / 31.0
}

fn age(to: NaiveDateTime, from: NaiveDateTime) -> Result<IntervalMonthDayNano> {
    if to < from {
        let age = age(from, to)?;
        return Ok(IntervalMonthDayNano::new(-age.months, -age.days, -age.nanoseconds));
    }
    let months = whole_months(from, to);
    let rest = to - Unit::Month.add(from, months)?;
    let days = rest.num_days();
    let wrong = || exec_datafusion_err!("age: {from} and {to} are too far apart");
    let nanoseconds = (rest - chrono::TimeDelta::days(days)).num_nanoseconds().ok_or_else(wrong)?;
    let months = i32::try_from(months).map_err(|_| wrong())?;
    Ok(IntervalMonthDayNano::new(months, i32::try_from(days).map_err(|_| wrong())?, nanoseconds))
}
