//! Times cut down to a unit: `date_trunc`, `to_start_of_…`, `time_slot`, `time_slice`, `last_day`, `next_day`.

use super::{
    day, days, micros,
    unit::{Unit, weekday},
    wall,
};
use crate::functions::row::{
    Clock,
    Kind::{Int, Moment, Text},
    MICROS, Row, Rows, function,
};
use chrono::{Datelike, Days, NaiveDateTime, TimeDelta, Weekday};
use datafusion::{
    arrow::{
        array::{ArrayRef, Date32Array, TimestampMicrosecondArray},
        datatypes::{DataType, FieldRef},
    },
    common::{Result, ScalarValue, exec_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = vec![
        function(&["date_trunc"], &[Text, Moment], "date_trunc(unit, time)", "The start of the unit that a time is in; weeks start on Monday.", "date_trunc(month, '2022-07-07')")
            .clock(Clock::Wall)
            .whole(
                |fields, values| Ok(same_type(&fields[1], unit_of(values, 0))),
                |rows, result| each(rows, result, |row| Unit::parse(row.text(0))?.start(wall(row.micros(1))?)),
            ),
        function(&["to_start_of_week"], &[Moment, Int], "to_start_of_week(time[, mode])", "The first day of the week: Sunday, or with any mode but 0 Monday.", "to_start_of_week('2023-11-12', 1)")
            .optional(1)
            .clock(Clock::Reads)
            .date(|row| {
                let date = day(row.days(0))?;
                let back = match row.int_or(1, 0) {
                    0 => date.weekday().num_days_from_sunday(),
                    _ => date.weekday().num_days_from_monday(),
                };
                days(date - Days::new(u64::from(back)))
            }),
        function(&["last_day"], &[Moment, Text], "last_day(time[, unit])", "The last day of the month, or of the week, quarter or year.", "last_day('2024-02-01', quarter)")
            .optional(1)
            .clock(Clock::Reads)
            .date(|row| {
                let unit = if row.has(1) { Unit::parse(row.text(1))? } else { Unit::Month };
                let next = unit.add(unit.start(wall(row.micros(0))?)?, 1)?;
                days(next.date() - Days::new(1))
            }),
        other_day("next_day", "The first such day of the week behind a date.", |date, wanted| {
            let ahead = (wanted.num_days_from_monday() + 6 - date.num_days_from_monday()) % 7 + 1;
            i64::from(ahead)
        }),
        other_day("previous_day", "The last such day of the week before a date.", |date, wanted| {
            let back = (date.num_days_from_monday() + 6 - wanted.num_days_from_monday()) % 7 + 1;
            -i64::from(back)
        }),
        function(
            &["time_slice"],
            &[Moment, Int, Text, Text],
            "time_slice(time, length, unit[, 'start' | 'end'])",
            "Where the slice of so many units begins or ends that a time is in; slices are counted from 1970, weeks from Monday.",
            "time_slice('2019-02-28', 4, month)",
        )
        .optional(1)
        .clock(Clock::Wall)
        .whole(|fields, values| Ok(same_type(&fields[0], unit_of(values, 2))), |rows, result| each(rows, result, slice)),
    ];
    let starts: [(&[&'static str], Unit, bool, &str); 11] = [
        (&["to_start_of_second"], Unit::Second, false, "The start of the second."),
        (&["to_start_of_minute"], Unit::Minute, false, "The start of the minute."),
        (&["to_start_of_hour"], Unit::Hour, false, "The start of the hour."),
        (&["to_start_of_day"], Unit::Day, false, "The start of the day, as a timestamp."),
        (&["to_monday"], Unit::Week, true, "The Monday of the week."),
        (&["to_start_of_month"], Unit::Month, true, "The first day of the month."),
        (&["to_start_of_quarter"], Unit::Quarter, true, "The first day of the quarter."),
        (&["to_start_of_year"], Unit::Year, true, "The first day of the year."),
        (&["to_start_of_iso_year"], Unit::IsoYear, true, "The first day of the year by ISO 8601: a Monday."),
        (&["to_start_of_decade"], Unit::Decade, true, "The first day of the decade."),
        (&["to_start_of_century"], Unit::Century, true, "The first day of the century."),
    ];
    for (names, unit, to_date, words) in starts {
        let (syntax, example) = (format!("{}(time)", names[0]), format!("{}('2023-11-12 09:38:18')", names[0]));
        let entry = function(names, &[Moment], &syntax, words, &example);
        list.push(match to_date {
            true => entry.clock(Clock::Reads).date(move |row| days(unit.start(wall(row.micros(0))?)?.date())),
            false => entry.clock(Clock::Wall).time(move |row| micros(unit.start(wall(row.micros(0))?)?)),
        });
    }
    let slots = [
        ("to_start_of_five_minutes", 5),
        ("to_start_of_ten_minutes", 10),
        ("to_start_of_fifteen_minutes", 15),
        ("time_slot", 30),
    ];
    for (name, minutes) in slots {
        let words = format!("The start of the {minutes} minutes that a time is in.");
        let (syntax, example) = (format!("{name}(time)"), format!("{name}('2023-11-12 09:38:18')"));
        list.push(function(&[name], &[Moment], &syntax, &words, &example).clock(Clock::Wall).time(move |row| {
            let time = row.micros(0);
            Ok(time - time.rem_euclid(minutes * 60_000_000))
        }));
    }
    list
}

fn other_day(name: &'static str, words: &str, distance: fn(Weekday, Weekday) -> i64) -> Arc<ScalarUDF> {
    let (syntax, example) = (format!("{name}(time, weekday)"), format!("{name}('2024-10-25', monday)"));
    function(&[name], &[Moment, Text], &syntax, words, &example).clock(Clock::Reads).date(move |row| {
        let date = day(row.days(0))?;
        days(date + TimeDelta::days(distance(date.weekday(), weekday(row.text(1))?)))
    })
}

/// The unit in an argument, when it is a literal.
pub(super) fn unit_of(values: &[Option<&ScalarValue>], argument: usize) -> Option<Unit> {
    match values.get(argument)? {
        Some(ScalarValue::Utf8View(Some(name)) | ScalarValue::Utf8(Some(name))) => Unit::parse(name).ok(),
        _ => None,
    }
}

/// Dates stay dates unless the unit is smaller than a day.
pub(super) fn same_type(time: &FieldRef, unit: Option<Unit>) -> DataType {
    match time.data_type() {
        DataType::Date32 if unit.is_none_or(Unit::is_of_days) => DataType::Date32,
        _ => MICROS,
    }
}

/// One time for each row without NULLs, as dates or timestamps.
pub(super) fn each(rows: &Rows, result: &DataType, f: impl Fn(&Row) -> Result<NaiveDateTime>) -> Result<ArrayRef> {
    let times = rows.rows().map(|row| if row.any_null() { Ok(None) } else { f(&row).map(Some) });
    if *result == DataType::Date32 {
        let dates = times.map(|t| t?.map(|t| days(t.date())).transpose()).collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(Date32Array::from(dates)));
    }
    let times = times.map(|t| t?.map(micros).transpose()).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(TimestampMicrosecondArray::from(times)))
}

fn slice(row: &Row) -> Result<NaiveDateTime> {
    let (length, unit) = (row.int(1), Unit::parse(row.text(2))?);
    if length < 1 {
        return exec_err!("time_slice: the length of a slice is at least 1, not {length}");
    }
    let at_end = match row.has(3).then(|| row.text(3).to_ascii_lowercase()).as_deref() {
        None | Some("start") => false,
        Some("end") => true,
        Some(other) => return exec_err!("time_slice: `{other}` is neither `start` nor `end`"),
    };
    let start = unit.start(wall(row.micros(0))?)?;
    let into = (unit.index(start)? - unit.index(wall(0)?)?).rem_euclid(length);
    unit.add(start, if at_end { length - into } else { -into })
}
