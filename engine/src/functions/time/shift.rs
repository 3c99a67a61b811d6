//! Times moved by a number of units: `date_add`, `add_days`, `subtract_months`…

use super::{
    truncate::{each, same_type, unit_of},
    unit::Unit,
    wall,
};
use crate::functions::row::{
    Clock,
    Kind::{Int, Moment, Text},
    Row, function,
};
use datafusion::{common::Result, common::exec_datafusion_err, logical_expr::ScalarUDF};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = vec![
        by_unit(
            &["date_add", "dateadd", "timestampadd", "timestamp_add"],
            1,
            "A time so many units later.",
            "date_add(week, 1, '2024-10-14')",
        ),
        by_unit(
            &["date_sub", "datesub", "timestamp_sub"],
            -1,
            "A time so many units earlier.",
            "date_sub(week, 1, '2024-10-14')",
        ),
    ];
    let units: [(&[&'static str; 2], Unit); 8] = [
        (&["add_years", "subtract_years"], Unit::Year),
        (&["add_quarters", "subtract_quarters"], Unit::Quarter),
        (&["add_months", "subtract_months"], Unit::Month),
        (&["add_weeks", "subtract_weeks"], Unit::Week),
        (&["add_days", "subtract_days"], Unit::Day),
        (&["add_hours", "subtract_hours"], Unit::Hour),
        (&["add_minutes", "subtract_minutes"], Unit::Minute),
        (&["add_seconds", "subtract_seconds"], Unit::Second),
    ];
    for ([add, subtract], unit) in units {
        list.push(fixed(add, unit, 1));
        list.push(fixed(subtract, unit, -1));
    }
    list
}

fn count(row: &Row, argument: usize, sign: i64) -> Result<i64> {
    let n = row.int(argument);
    n.checked_mul(sign).ok_or_else(|| exec_datafusion_err!("{n} units of time are too many"))
}

fn by_unit(names: &[&'static str], sign: i64, words: &str, example: &str) -> Arc<ScalarUDF> {
    let syntax = format!("{}(unit, n, time)", names[0]);
    function(names, &[Text, Int, Moment], &syntax, words, example).clock(Clock::Wall).whole(
        |fields, values| Ok(same_type(&fields[2], unit_of(values, 0))),
        move |rows, result| {
            each(rows, result, |row| Unit::parse(row.text(0))?.add(wall(row.micros(2))?, count(row, 1, sign)?))
        },
    )
}

fn fixed(name: &'static str, unit: Unit, sign: i64) -> Arc<ScalarUDF> {
    let direction = if sign > 0 { "later" } else { "earlier" };
    let words = format!("A time so many {}s {direction}.", format!("{unit:?}").to_lowercase());
    let (syntax, example) = (format!("{name}(time, n)"), format!("{name}('2024-02-29', 1)"));
    function(&[name], &[Moment, Int], &syntax, &words, &example).clock(Clock::Wall).whole(
        move |fields, _| Ok(same_type(&fields[0], Some(unit))),
        move |rows, result| each(rows, result, |row| unit.add(wall(row.micros(0))?, count(row, 1, sign)?)),
    )
}
