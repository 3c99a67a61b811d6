//! Intervals from numbers, and numbers from intervals.

use crate::functions::row::{Kind::Int, function};
use datafusion::{
    arrow::datatypes::IntervalMonthDayNano,
    common::{Result, exec_datafusion_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

/// What one of a unit is.
#[derive(Clone, Copy)]
enum Length {
    Months(i64),
    Days(i64),
    Micros(i64),
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Length::*;
    let list: [(&[&'static str], &str, Length); 12] = [
        (&["to_millennia"], "millennia", Months(12_000)),
        (&["to_centuries"], "centuries", Months(1_200)),
        (&["to_decades"], "decades", Months(120)),
        (&["to_years"], "years", Months(12)),
        (&["to_months"], "months", Months(1)),
        (&["to_weeks"], "weeks", Days(7)),
        (&["to_days"], "days", Days(1)),
        (&["to_hours"], "hours", Micros(3_600_000_000)),
        (&["to_minutes"], "minutes", Micros(60_000_000)),
        (&["to_seconds", "epoch"], "seconds", Micros(1_000_000)),
        (&["to_milliseconds"], "milliseconds", Micros(1_000)),
        (&["to_microseconds"], "microseconds", Micros(1)),
    ];
    list.into_iter()
        .map(|(names, word, length)| {
            let name = names[0];
            let words = format!("An interval of n {word}.");
            function(names, &[Int], &format!("{name}(n)"), &words, &format!("{name}(2)"))
                .interval(move |row| interval(length, row.int(0)))
        })
        .collect()
}

fn interval(length: Length, n: i64) -> Result<IntervalMonthDayNano> {
    let wrong = || exec_datafusion_err!("{n} is too much for an interval");
    let small = |one: i64| one.checked_mul(n).and_then(|n| i32::try_from(n).ok()).ok_or_else(wrong);
    Ok(match length {
        Length::Months(one) => IntervalMonthDayNano::new(small(one)?, 0, 0),
        Length::Days(one) => IntervalMonthDayNano::new(0, small(one)?, 0),
        Length::Micros(one) => {
            let nanoseconds = one.checked_mul(1_000).and_then(|one| one.checked_mul(n)).ok_or_else(wrong)?;
            IntervalMonthDayNano::new(0, 0, nanoseconds)
        }
    })
}
