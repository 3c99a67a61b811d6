//! Parts of times and of intervals: `date_part`, `week`, `dayname`… Also behind EXTRACT.

use super::{unit::Unit, wall};
use crate::functions::row::{
    Clock,
    Kind::{Any, Moment, Text},
    Row, function,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, Float64Array, Int64Array},
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, FieldRef, IntervalMonthDayNanoType},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let part = |names: &[&'static str], unit: Unit, result: DataType, words: &str| {
        let (syntax, example) = (format!("{}(time)", names[0]), format!("{}('2024-06-04')", names[0]));
        function(names, &[Moment], &syntax, words, &example)
            .clock(Clock::Reads)
            .int(result, move |row| Ok(unit.part(wall(row.micros(0))?)))
    };
    let name = |name: &'static str, pattern: &'static str, words: &str| {
        let (syntax, example) = (format!("{name}(time)"), format!("{name}('2024-06-04')"));
        function(&[name], &[Moment], &syntax, words, &example).clock(Clock::Reads).text(move |row, out| {
            out.push_str(&wall(row.micros(0))?.format(pattern).to_string());
            Ok(())
        })
    };
    vec![
        function(
            &["date_part", "datepart"],
            &[Text, Any],
            "date_part(unit, time)",
            "A part of a date, a timestamp or an interval; also written EXTRACT(unit FROM time).",
            "date_part('month', '2024-06-04')",
        )
        .clock(Clock::Reads)
        .whole(part_type, |rows, result| {
            let part = |row: Row| -> Result<Option<f64>> {
                if row.any_null() {
                    return Ok(None);
                }
                let unit = Unit::parse(row.text(0))?;
                of_any(&row, unit).map(Some)
            };
            let parts = rows.rows().map(part).collect::<Result<Vec<_>>>()?;
            if *result == DataType::Float64 {
                return Ok(Arc::new(Float64Array::from(parts)) as ArrayRef);
            }
            let whole: Int64Array = parts.into_iter().map(|p| p.map(|p| p as i64)).collect();
            Ok(cast_with_options(&whole, result, &CastOptions { safe: false, ..Default::default() })?)
        }),
        part(
            &["to_week_of_year", "week", "weekofyear"],
            Unit::Week,
            DataType::UInt32,
            "The week of the year by ISO 8601.",
        ),
        part(&["yearweek"], Unit::YearWeek, DataType::UInt32, "Year and week by ISO 8601, as one number."),
        part(&["to_iso_year"], Unit::IsoYear, DataType::UInt16, "The year that the week belongs to, by ISO 8601."),
        part(
            &["millennium"],
            Unit::Millennium,
            DataType::UInt16,
            "The millennium: the years from 2001 to 3000 are the third.",
        ),
        part(&["century"], Unit::Century, DataType::UInt16, "The century: the years from 2001 to 2100 are the 21st."),
        part(&["decade"], Unit::Decade, DataType::UInt16, "The year, divided by ten."),
        name("dayname", "%a", "The day of the week, in three English letters."),
        name("monthname", "%b", "The month, in three English letters."),
    ]
}

fn part_type(fields: &[FieldRef], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    let given = fields[1].data_type();
    let is_interval = matches!(given, DataType::Interval(_));
    let is_time = given.is_string()
        || given.is_null()
        || matches!(given, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
        || crate::types::Special::of(given) == Some(crate::types::Special::TimestampTz);
    if !is_interval && !is_time {
        return plan_err!("argument 2 of function `date_part` is a time, not {}", crate::plan::sql_type(given));
    }
    let unit = match values.first() {
        Some(Some(ScalarValue::Utf8View(Some(name)) | ScalarValue::Utf8(Some(name)))) => Unit::parse(name)?,
        _ => return Ok(DataType::Int64),
    };
    Ok(match unit {
        Unit::Epoch => DataType::Float64,
        _ if is_interval => DataType::Int64,
        Unit::Year | Unit::IsoYear | Unit::DayOfYear => DataType::UInt16,
        Unit::YearWeek | Unit::Millisecond | Unit::Microsecond | Unit::Week => DataType::UInt32,
        Unit::Millennium | Unit::Century | Unit::Decade => DataType::UInt16,
        _ => DataType::UInt8,
    })
}

fn of_any(row: &Row, unit: Unit) -> Result<f64> {
    let (array, at) = row.value(1);
    if let DataType::Interval(_) = array.data_type() {
        let interval = DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano);
        let array = cast_with_options(array, &interval, &CastOptions::default())?;
        let value = array.as_primitive::<IntervalMonthDayNanoType>().value(at);
        let (months, micros) = (i64::from(value.months), value.nanoseconds / 1_000);
        return Ok(match unit {
            Unit::Epoch => {
                let days = i64::from(value.days) + months / 12 * 365 + months % 12 * 30;
                days as f64 * 86_400.0 + micros as f64 / 1e6
            }
            Unit::Millennium => (months / 12_000) as f64,
            Unit::Century => (months / 1_200) as f64,
            Unit::Decade => (months / 120) as f64,
            Unit::Year => (months / 12) as f64,
            Unit::Quarter => (months % 12 / 3 + 1) as f64,
            Unit::Month => (months % 12) as f64,
            Unit::Week => f64::from(value.days / 7),
            Unit::Day => f64::from(value.days),
            Unit::Hour => (micros / 3_600_000_000) as f64,
            Unit::Minute => (micros / 60_000_000 % 60) as f64,
            Unit::Second => (micros / 1_000_000 % 60) as f64,
            Unit::Millisecond => (micros / 1_000 % 60_000) as f64,
            Unit::Microsecond => (micros % 60_000_000) as f64,
            other => return plan_err!("an interval has no part {other:?}"),
        });
    }
    let argument = datafusion::logical_expr::ColumnarValue::Array(array.slice(at, 1));
    let time = crate::functions::row::Rows::new(vec![crate::functions::row::Column::new(&argument, Moment)?], 1);
    let micros = time.row(0).micros(0);
    Ok(match unit {
        Unit::Epoch => micros as f64 / 1e6,
        unit => unit.part(wall(micros)?) as f64,
    })
}
