//! Times as texts in a pattern, and back. Patterns are chrono's `%Y-%m-%d`, or, without a `%`, PostgreSQL's `YYYY-MM-DD`.

use super::{days, wall};
use crate::functions::row::{
    Clock,
    Kind::{Moment, Text},
    Row, function,
};
use chrono::{
    DateTime, FixedOffset, NaiveDate, NaiveDateTime,
    format::{Item, Parsed, StrftimeItems},
};
use chrono_tz::Tz;
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use std::{borrow::Cow, fmt::Write, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["date_format", "strftime", "to_char"],
            &[Moment, Text],
            "date_format(time, pattern)",
            "A time as text: `%Y-%m-%d %H:%M:%S`, or `YYYY-MM-DD HH24:MI:SS` without a percent sign.",
            "date_format('2024-02-29', '%Y/%m/%d')",
        )
        .clock(Clock::Reads)
        .text_or_null(|row, out| {
            let pattern = pattern(row.text(1));
            if pattern.is_empty() {
                return Ok(false);
            }
            let items = items(&pattern)?;
            let time = wall(row.micros(0))?.and_utc();
            match write!(out, "{}", time.format_with_items(items.iter())) {
                Ok(()) => Ok(true),
                Err(_) => exec_err!("pattern `{}` does not fit a time", row.text(1)),
            }
        }),
        function(
            &["str_to_date"],
            &[Text, Text],
            "str_to_date(text, pattern)",
            "The date that a text shows in a pattern.",
            "str_to_date('2024/02/29', '%Y/%m/%d')",
        )
        .date_or_null(date),
        function(
            &["try_str_to_date"],
            &[Text, Text],
            "try_str_to_date(text, pattern)",
            "The date that a text shows in a pattern; NULL of other texts.",
            "try_str_to_date('x', '%Y')",
        )
        .date_or_null(|row| Ok(date(row).unwrap_or(None))),
        function(
            &["str_to_timestamp"],
            &[Text, Text, Text],
            "str_to_timestamp(text, pattern[, zone])",
            "The time that a text shows in a pattern, in the session's zone unless the text names an offset.",
            "str_to_timestamp('2024/02/29 10:00', '%Y/%m/%d %H:%M')",
        )
        .optional(1)
        .clock(Clock::Zone)
        .time_or_null(time),
        function(
            &["try_str_to_timestamp"],
            &[Text, Text, Text],
            "try_str_to_timestamp(text, pattern[, zone])",
            "The time that a text shows in a pattern; NULL of other texts.",
            "try_str_to_timestamp('x', '%Y')",
        )
        .optional(1)
        .clock(Clock::Zone)
        .time_or_null(|row| Ok(time(row).unwrap_or(None))),
    ]
}

fn items(pattern: &str) -> Result<Vec<Item<'_>>> {
    let items: Vec<Item> = StrftimeItems::new(pattern).collect();
    if items.contains(&Item::Error) {
        return exec_err!("`{pattern}` is not a pattern of a time");
    }
    Ok(items)
}

fn parsed(row: &Row) -> Result<Option<Parsed>> {
    let pattern = pattern(row.text(1));
    if pattern.is_empty() {
        return Ok(None);
    }
    let mut parsed = Parsed::new();
    match chrono::format::parse(&mut parsed, row.text(0), items(&pattern)?.iter()) {
        Ok(()) => Ok(Some(parsed)),
        Err(error) => exec_err!("`{}` does not fit the pattern `{}`: {error}", row.text(0), row.text(1)),
    }
}

fn wrong<T>(row: &Row) -> Result<T> {
    exec_err!("`{}` in the pattern `{}` is no time", row.text(0), row.text(1))
}

fn date(row: &Row) -> Result<Option<i32>> {
    let Some(parsed) = parsed(row)? else {
        return Ok(None);
    };
    match parsed.to_naive_date() {
        Ok(date) => days(date).map(Some),
        Err(_) => wrong(row),
    }
}

/// Parts that are missing are the smallest.
fn time(row: &Row) -> Result<Option<i64>> {
    let Some(mut parsed) = parsed(row)? else {
        return Ok(None);
    };
    if let Some(seconds) = parsed.timestamp() {
        return Ok(Some(seconds * 1_000_000));
    }
    if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
        let _ = parsed.set_hour(0);
    }
    if parsed.minute().is_none() {
        let _ = parsed.set_minute(0);
    }
    let date: NaiveDate = match parsed.to_naive_date() {
        Ok(date) => date,
        Err(_) => return wrong(row),
    };
    let time: NaiveDateTime = match parsed.to_naive_time() {
        Ok(time) => date.and_time(time),
        Err(_) => return wrong(row),
    };
    days(date)?;
    if let Some(offset) = parsed.offset().and_then(FixedOffset::east_opt) {
        let instant: Option<DateTime<FixedOffset>> = time.and_local_timezone(offset).single();
        return instant.map_or_else(|| wrong(row), |i| Ok(Some(i.timestamp_micros())));
    }
    let zone = if row.has(2) { super::zones::zone(row.text(2))? } else { Tz::UTC };
    Ok(Some(crate::functions::zone::instant(time, zone).timestamp_micros()))
}

/// The pattern in chrono's notation.
fn pattern(text: &str) -> Cow<'_, str> {
    if text.contains('%') {
        if !["%x", "%X", "%c"].iter().any(|p| text.contains(p)) {
            return Cow::Borrowed(text);
        }
        // The whole date and time have one form, whatever the language.
        return Cow::Owned(text.replace("%x", "%Y-%m-%d").replace("%X", "%H:%M:%S").replace("%c", "%Y-%m-%d %H:%M:%S"));
    }
    Cow::Owned(from_postgres(text))
}

/// PostgreSQL's pattern words, the longer ones first.
const WORDS: &[(&str, &str)] = &[
    ("FF9", "%9f"),
    ("FF6", "%6f"),
    ("FF3", "%3f"),
    ("MONTH", "%B"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("IYYY", "%G"),
    ("DDD", "%j"),
    ("DAY", "%A"),
    ("MON", "%b"),
    ("TZH", "%z"),
    ("US", "%6f"),
    ("MS", "%3f"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("FF", "%6f"),
];

fn from_postgres(text: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    'next: while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"')
            && let Some((inside, behind)) = quoted.split_once('"')
        {
            pattern.push_str(inside);
            rest = behind;
            continue;
        }
        for (word, meaning) in WORDS {
            if rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
                pattern.push_str(meaning);
                rest = &rest[word.len()..];
                continue 'next;
            }
        }
        pattern.push(first);
        rest = &rest[first.len_utf8()..];
    }
    pattern
}
