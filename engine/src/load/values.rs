//! Text to values, without allocation: integers, decimals, dates, timestamps, booleans. `None` means that the text is
//! not a value of the type; what then happens to the row is not decided here.

use crate::functions::instant;
use chrono::DateTime;
use chrono_tz::Tz;

/// Days from 1970-01-01 to 0000-03-01 of the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A whole number with optional sign.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text)?;
    if digits.len() <= 18 {
        let value = small_digits(digits)? as i64;
        return Some(if negative { -value } else { value });
    }
    let value = wide_digits(digits)?;
    let value = if negative { -(value as i128) } else { value as i128 };
    i64::try_from(value).ok()
}

/// A whole number that is not negative.
#[inline]
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let (negative, digits) = sign(text)?;
    let value = if digits.len() <= 18 { small_digits(digits)? } else { u64::try_from(wide_digits(digits)?).ok()? };
    (!negative || value == 0).then_some(value)
}

pub(super) fn float(text: &[u8]) -> Option<f64> {
    lexical_core::parse::<f64>(text).ok()
}

pub(super) fn float32(text: &[u8]) -> Option<f32> {
    lexical_core::parse::<f32>(text).ok()
}

pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// Why a text is not a decimal of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalError {
    NotANumber,
    OutOfRange,
}

/// The unscaled value of a decimal with `scale` digits behind the point, at most `precision` digits in all. Further
/// digits are rounded, half away from zero.
#[inline]
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, DecimalError> {
    let (negative, rest) = sign(text).ok_or(DecimalError::NotANumber)?;
    // The common case: few digits, a point, no more fraction digits than the type has.
    if rest.len() <= 18 && scale >= 0 {
        let (mut value, mut fraction, mut seen_point) = (0u64, 0i32, false);
        let mut plain = rest != b".";
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                value = value * 10 + u64::from(digit);
                fraction += i32::from(seen_point);
            } else if *byte == b'.' && !seen_point {
                seen_point = true;
            } else {
                plain = false;
                break;
            }
        }
        let missing = i32::from(scale) - fraction;
        if plain && (0..=18).contains(&missing) {
            let value = i128::from(value) * i128::from(10u64.pow(missing as u32));
            return in_range(if negative { -value } else { value }, precision);
        }
    }
    let value = decimal_slowly(rest, scale)?;
    in_range(if negative { -value } else { value }, precision)
}

fn in_range(value: i128, precision: u8) -> Result<i128, DecimalError> {
    let bound = 10i128.pow(u32::from(precision.min(38)));
    if value.abs() < bound { Ok(value) } else { Err(DecimalError::OutOfRange) }
}

/// Any number of digits, and an exponent.
fn decimal_slowly(text: &[u8], scale: i8) -> Result<i128, DecimalError> {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => {
            let exponent = integer(&text[at + 1..]).ok_or(DecimalError::NotANumber)?;
            (&text[..at], exponent.clamp(-10_000, 10_000))
        }
        None => (text, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.iter().enumerate().filter(|(at, _)| *at != point).map(|(_, b)| *b).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    // Digits that stand before the point once the value is scaled.
    let whole = point as i64 + exponent + i64::from(scale);
    let kept = usize::try_from(whole).unwrap_or(0).min(digits.len());
    let mut value = 0i128;
    let push = |value: i128, digit: u8| {
        value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(DecimalError::OutOfRange)
    };
    for digit in &digits[..kept] {
        value = push(value, digit - b'0')?;
    }
    if value != 0 {
        for _ in digits.len() as i64..whole {
            value = push(value, 0)?;
        }
    }
    let round_up = whole >= 0 && digits.get(kept).is_some_and(|d| *d >= b'5');
    value.checked_add(i128::from(round_up)).ok_or(DecimalError::OutOfRange)
}

/// Days since 1970-01-01: `YYYY-MM-DD`, `YYYY/MM/DD` (months and days of one digit too), `YYYYMMDD`. A time of day
/// behind it is checked and dropped.
#[inline]
pub(super) fn date(text: &[u8]) -> Option<i32> {
    if text.len() == 10 {
        return date10(text);
    }
    let (days, rest) = leading_date(text)?;
    if !rest.is_empty() {
        timestamp_micros(text)?;
    }
    Some(days)
}

/// Microseconds since 1970-01-01 00:00 UTC: a date as [`date`] reads it, optionally a blank or `T` and
/// `HH:MM[:SS[.fraction]]`, optionally `Z` or `±HH[:MM]`; or `YYYYMMDDHHMMSS`. Fractions beyond microseconds are cut.
#[inline]
pub(super) fn timestamp_micros(text: &[u8]) -> Option<i64> {
    let (nanos, days, _) = timestamp_parts(text)?;
    Some(days * 86_400_000_000 + nanos.div_euclid(1000))
}

/// The same; a text without an offset is a time in `zone`.
pub(super) fn timestamp_micros_in(text: &[u8], zone: Tz) -> Option<i64> {
    let (nanos, days, has_offset) = timestamp_parts(text)?;
    let micros = days * 86_400_000_000 + nanos.div_euclid(1000);
    if has_offset {
        Some(micros)
    } else {
        Some(instant(DateTime::from_timestamp_micros(micros)?.naive_utc(), zone).timestamp_micros())
    }
}

/// The same in nanoseconds; `None` also when it is out of range.
pub(super) fn timestamp_nanos_in(text: &[u8], zone: Tz) -> Option<i64> {
    let nanos = timestamp_nanos(text)?;
    let (.., has_offset) = timestamp_parts(text)?;
    if has_offset {
        Some(nanos)
    } else {
        instant(DateTime::from_timestamp_nanos(nanos).naive_utc(), zone).timestamp_nanos_opt()
    }
}

/// The same in nanoseconds; `None` also when it is out of range.
pub(super) fn timestamp_nanos(text: &[u8]) -> Option<i64> {
    let (nanos, days, _) = timestamp_parts(text)?;
    days.checked_mul(86_400_000_000_000)?.checked_add(nanos)
}

/// Nanoseconds of the day (beyond it when an offset says so), days, and whether there is an offset.
fn timestamp_parts(text: &[u8]) -> Option<(i64, i64, bool)> {
    if text.len() == 14 && text.iter().all(u8::is_ascii_digit) {
        let days = date(&text[..8])?;
        let seconds = time_of_day(two(&text[8..])?, two(&text[10..])?, two(&text[12..])?)?;
        return Some((seconds * 1_000_000_000, i64::from(days), false));
    }
    let (days, rest) = match text.get(..10).and_then(date10) {
        Some(days) => (days, &text[10..]),
        None => leading_date(text)?,
    };
    let [b' ' | b'T' | b't', rest @ ..] = rest else {
        return rest.is_empty().then_some((0, i64::from(days), false));
    };
    let (hour, minute) = match rest {
        [_, _, b':', _, _, ..] => (two(rest)?, two(&rest[3..])?),
        _ => return None,
    };
    let (second, rest) = match &rest[5..] {
        [b':', digits @ ..] => (two(digits)?, &digits[2..]),
        rest => (0, rest),
    };
    let seconds = time_of_day(hour, minute, second)?;
    let (fraction, rest) = match rest {
        [b'.', digits @ ..] => fraction_nanos(digits)?,
        rest => (0, rest),
    };
    let offset = offset_seconds(rest)?;
    Some(((seconds - offset) * 1_000_000_000 + fraction, i64::from(days), !rest.is_empty()))
}

fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)
}

fn fraction_nanos(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let digit = |at: usize| if at < count { i64::from(text[at] - b'0') } else { 0 };
    let nanos = (0..9).fold(0, |nanos, at| nanos * 10 + digit(at));
    Some((nanos, &text[count..]))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _] => (two(digits)?, 0),
        [_, _, b':', minutes @ ..] if minutes.len() == 2 => (two(digits)?, two(minutes)?),
        [_, _, minutes @ ..] if minutes.len() == 2 => (two(digits)?, two(minutes)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `YYYY-MM-DD` or `YYYY/MM/DD`.
#[inline]
fn date10(text: &[u8]) -> Option<i32> {
    let text: &[u8; 10] = text.try_into().ok()?;
    if text[4] != text[7] || !matches!(text[4], b'-' | b'/') {
        return None;
    }
    days(two(text)? * 100 + two(&text[2..])?, two(&text[5..])?, two(&text[8..])?)
}

/// A date of any form, and what follows it.
fn leading_date(text: &[u8]) -> Option<(i32, &[u8])> {
    if text.len() >= 8 && text[..8].iter().all(u8::is_ascii_digit) {
        let days = days(two(text)? * 100 + two(&text[2..])?, two(&text[4..])?, two(&text[6..])?)?;
        return Some((days, &text[8..]));
    }
    let year = two(text)? * 100 + two(text.get(2..)?)?;
    let separator = *text.get(4).filter(|b| matches!(b, b'-' | b'/'))?;
    let (month, rest) = one_or_two(&text[5..])?;
    let [first, rest @ ..] = rest else { return None };
    if *first != separator {
        return None;
    }
    let (day, rest) = one_or_two(rest)?;
    Some((days(year, month, day)?, rest))
}

fn one_or_two(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    let value = small_digits(&text[..count])?;
    Some((value as i64, &text[count..]))
}

/// Days since 1970-01-01 of a day that exists.
#[inline]
fn days(year: i64, month: i64, day: i64) -> Option<i32> {
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = LENGTHS.get(usize::try_from(month - 1).ok()?)? + i64::from(leap && month == 2);
    if day < 1 || day > length {
        return None;
    }
    // Years that begin in March, so that the leap day is the last one.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_EPOCH;
    Some(days as i32)
}

/// The number the first two bytes spell.
#[inline]
fn two(text: &[u8]) -> Option<i64> {
    let [tens, ones, ..] = text else { return None };
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(i64::from(tens) * 10 + i64::from(ones))
}

#[inline]
fn sign(text: &[u8]) -> Option<(bool, &[u8])> {
    match text {
        [b'-', digits @ ..] if !digits.is_empty() => Some((true, digits)),
        [b'+', digits @ ..] if !digits.is_empty() => Some((false, digits)),
        [] | [b'-' | b'+'] => None,
        digits => Some((false, digits)),
    }
}

/// At most 18 digits.
#[inline]
fn small_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    let mut worst = 0u8;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        worst = worst.max(digit);
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (worst <= 9).then_some(value)
}

fn wide_digits(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // More than any 64-bit number has: the caller's range check refuses it.
        value.checked_mul(10)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests;
