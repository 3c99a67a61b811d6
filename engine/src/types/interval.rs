//! INTERVAL as text: `1 year 2 months 3 days 4:05:06.5`, and what people write for it. Months, days and time are kept
//! apart: a month is no number of days. Times are whole microseconds.

use super::not_a;
use crate::Result;
use arrow::datatypes::IntervalMonthDayNano;

const SECOND: i128 = 1_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;

/// Sums of the parts read so far, wide enough that only the end must be checked.
#[derive(Default)]
struct Parts {
    months: i128,
    days: i128,
    micros: i128,
}

/// Reads `1 year 2 months`, `1y2mon`, `3 days 04:05:06.789`, `-1 day`, `1 hour ago`, `P1Y2M3DT4H5M6S`.
pub fn parse(text: &str) -> Result<IntervalMonthDayNano> {
    let trimmed = text.trim();
    let parts = if trimmed.starts_with(['P', 'p']) { iso(trimmed) } else { words(trimmed) };
    parts.and_then(finish).ok_or_else(|| not_a("INTERVAL", text))
}

/// The interval of whole microseconds.
pub fn of_micros(micros: i64) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(0, 0, micros.checked_mul(1000)?))
}

pub fn format(value: &IntervalMonthDayNano) -> String {
    let mut text = Vec::with_capacity(24);
    write(&mut text, value.months.into(), value.days.into(), value.nanoseconds / 1000);
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends `1 year 2 months 3 days 4:05:06.5`, leaving out what is zero.
pub fn write(out: &mut Vec<u8>, months: i64, days: i64, micros: i64) {
    let start = out.len();
    part(out, start, months / 12, "year");
    part(out, start, months % 12, "month");
    part(out, start, days, "day");
    if micros == 0 {
        if out.len() == start {
            out.extend_from_slice(b"00:00:00");
        }
        return;
    }
    blank(out, start);
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    out.extend_from_slice(itoa::Buffer::new().format(seconds / 3600).as_bytes());
    for part in [seconds / 60 % 60, seconds % 60] {
        out.extend_from_slice(&[b':', b'0' + (part / 10) as u8, b'0' + (part % 10) as u8]);
    }
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        let digits = format!(".{fraction:06}");
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

fn part(out: &mut Vec<u8>, start: usize, amount: i64, unit: &str) {
    if amount == 0 {
        return;
    }
    blank(out, start);
    out.extend_from_slice(itoa::Buffer::new().format(amount).as_bytes());
    out.push(b' ');
    out.extend_from_slice(unit.as_bytes());
    if amount.unsigned_abs() != 1 {
        out.push(b's');
    }
}

fn blank(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.push(b' ');
    }
}

fn finish(parts: Parts) -> Option<IntervalMonthDayNano> {
    let nanos = i64::try_from(parts.micros.checked_mul(1000)?).ok()?;
    Some(IntervalMonthDayNano::new(parts.months.try_into().ok()?, parts.days.try_into().ok()?, nanos))
}

/// Amounts with units, and at most one time of day, in any order.
fn words(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text.trim_start_matches('@').trim_start();
    let mut seen = false;
    while !rest.is_empty() {
        if seen && rest.eq_ignore_ascii_case("ago") {
            return Some(Parts { months: -parts.months, days: -parts.days, micros: -parts.micros });
        }
        let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.:".contains(c))).unwrap_or(rest.len());
        let (amount, after) = rest.split_at(end);
        if amount.contains(':') {
            parts.micros = parts.micros.checked_add(time(amount)?)?;
            rest = after.trim_start();
        } else {
            let after = after.trim_start();
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            add(&mut parts, amount, unit)?;
            rest = after.trim_start_matches(',').trim_start();
        }
        seen = true;
    }
    seen.then_some(parts)
}

/// `P1Y2M3W4DT5H6M7.8S`.
fn iso(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let (mut rest, mut in_time, mut seen) = (&text[1..], false, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['T', 't']).filter(|_| !in_time) {
            (rest, in_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = match (rest.as_bytes()[end].to_ascii_uppercase(), in_time) {
            (b'Y', false) => "y",
            (b'M', false) => "mon",
            (b'W', false) => "w",
            (b'D', false) => "d",
            (b'H', true) => "h",
            (b'M', true) => "m",
            (b'S', true) => "s",
            _ => return None,
        };
        add(&mut parts, &rest[..end], unit)?;
        (rest, seen) = (&rest[end + 1..], true);
    }
    seen.then_some(parts)
}

/// Adds `amount` (with sign and fraction) of a unit. Fractions of months and days flow into the next smaller unit, a
/// month taken as 30 days.
fn add(parts: &mut Parts, amount: &str, unit: &str) -> Option<()> {
    let (whole, fraction) = number(amount)?;
    let months = match unit.to_ascii_lowercase().as_str() {
        "year" | "years" | "yr" | "yrs" | "y" => 12,
        "quarter" | "quarters" => 3,
        "month" | "months" | "mon" | "mons" => 1,
        "decade" | "decades" | "dec" | "decs" => 120,
        "century" | "centuries" | "cent" => 1200,
        "millennium" | "millennia" | "mil" | "mils" => 12_000,
        unit => return add_days_or_time(parts, whole, fraction, unit),
    };
    parts.months = parts.months.checked_add(whole.checked_mul(months)?)?;
    let rest = fraction * months as f64;
    parts.months += rest.trunc() as i128;
    add_days_or_time(parts, 0, rest.fract() * 30.0, "d")
}

fn add_days_or_time(parts: &mut Parts, whole: i128, fraction: f64, unit: &str) -> Option<()> {
    let days = match unit {
        "day" | "days" | "d" => 1,
        "week" | "weeks" | "w" => 7,
        _ => {
            let micros = match unit {
                "hour" | "hours" | "hr" | "hrs" | "h" => HOUR,
                "minute" | "minutes" | "min" | "mins" | "m" => MINUTE,
                "second" | "seconds" | "sec" | "secs" | "s" => SECOND,
                "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => 1000,
                "microsecond" | "microseconds" | "usec" | "usecs" | "us" => 1,
                _ => return None,
            };
            let sum = whole.checked_mul(micros)?.checked_add((fraction * micros as f64).round() as i128)?;
            parts.micros = parts.micros.checked_add(sum)?;
            return Some(());
        }
    };
    parts.days = parts.days.checked_add(whole.checked_mul(days)?)?;
    let rest = fraction * days as f64;
    parts.days += rest.trunc() as i128;
    parts.micros += (rest.fract() * 24.0 * HOUR as f64).round() as i128;
    Some(())
}

/// The whole part and the fraction, both with the sign.
fn number(text: &str) -> Option<(i128, f64)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits_only = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits_only(whole) || !digits_only(fraction) || whole.len() > 20 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    Some(if negative { (-whole, -fraction) } else { (whole, fraction) })
}

/// `[-]H:MM[:SS[.ffffff]]`.
fn time(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut fields = text.split(':');
    let (hours, minutes) = (number(fields.next()?)?, number(fields.next()?)?);
    let seconds = fields.next().map_or(Some((0, 0.0)), number)?;
    let sixties = (0..60).contains(&minutes.0) && (0..60).contains(&seconds.0);
    if fields.next().is_some() || !sixties || hours.0 < 0 || hours.1 != 0.0 || minutes.1 != 0.0 {
        return None;
    }
    let micros = hours.0 * HOUR + minutes.0 * MINUTE + seconds.0 * SECOND + (seconds.1 * SECOND as f64).round() as i128;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_shown() {
        for (text, shown) in [
            ("1 day 2 hours", "1 day 2:00:00"),
            ("1 year 2 months 3 days 4:05:06.5", "1 year 2 months 3 days 4:05:06.5"),
            ("1y 2mon", "1 year 2 months"),
            ("-1 day", "-1 day"),
            ("1 month 1 hour ago", "-1 month -1:00:00"),
            ("2 weeks", "14 days"),
            ("1.5 days", "1 day 12:00:00"),
            ("0.5 months", "15 days"),
            ("01:02:03", "1:02:03"),
            ("-0:00:01", "-0:00:01"),
            ("P1Y2M3DT4H5M6S", "1 year 2 months 3 days 4:05:06"),
            ("0 days", "00:00:00"),
            ("14 months", "1 year 2 months"),
            ("1000 ms", "0:00:01"),
        ] {
            assert_eq!(format(&parse(text).unwrap()), shown, "{text}");
        }
        for text in ["", "abc", "1", "1 lightyear", "1 day x", "1:60:00", "99999999999 years", "P", "ago"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
