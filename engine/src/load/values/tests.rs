//! Values against what the standard library and chrono say.

use super::*;
use chrono::{Datelike, NaiveDate, NaiveDateTime};

#[test]
fn integers() {
    for value in [0, 1, -1, 42, i64::MAX, i64::MIN, 999_999_999_999_999_999, -1_000_000_000_000_000_000] {
        assert_eq!(integer(value.to_string().as_bytes()), Some(value));
    }
    assert_eq!(integer(b"+7"), Some(7));
    assert_eq!(integer(b"000000000000000000000000000007"), Some(7));
    for bad in [
        "",
        "-",
        "+",
        "1.0",
        "1 ",
        " 1",
        "0x1",
        "--1",
        "9223372036854775808",
        "1e3",
        "١",
        "99999999999999999999999999999999999999999999",
    ] {
        assert_eq!(integer(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(unsigned(u64::MAX.to_string().as_bytes()), Some(u64::MAX));
    assert_eq!(unsigned(b"18446744073709551616"), None);
    assert_eq!(unsigned(b"-1"), None);
}

#[test]
fn decimals() {
    let read = |text: &str, precision, scale| decimal(text.as_bytes(), precision, scale);
    assert_eq!(read("12.34", 15, 2), Ok(1234));
    assert_eq!(read("-12.3", 15, 2), Ok(-1230));
    assert_eq!(read(".5", 15, 2), Ok(50));
    assert_eq!(read("5.", 15, 2), Ok(500));
    assert_eq!(read("12.345", 15, 2), Ok(1235), "rounded half away from zero");
    assert_eq!(read("-12.345", 15, 2), Ok(-1235));
    assert_eq!(read("12.344999", 15, 2), Ok(1234));
    assert_eq!(read("1e3", 15, 2), Ok(100_000));
    assert_eq!(read("1.5e-1", 15, 2), Ok(15));
    assert_eq!(read("1e-100", 15, 2), Ok(0));
    assert_eq!(read("0.005", 15, 2), Ok(1));
    assert_eq!(read("0e9999", 15, 2), Ok(0));
    assert_eq!(read("99999999999999999999999999999999999999", 38, 0), Ok(10i128.pow(38) - 1));
    assert_eq!(read("100000000000000000000000000000000000000", 38, 0), Err(DecimalError::OutOfRange));
    assert_eq!(read("1000", 3, 0), Err(DecimalError::OutOfRange));
    assert_eq!(read("999.995", 5, 2), Err(DecimalError::OutOfRange), "rounding can carry");
    assert_eq!(read("1e9999", 15, 2), Err(DecimalError::OutOfRange));
    for bad in ["", ".", "-", "1.2.3", "abc", "1 ", "1e", "e1", "--1", "1,5"] {
        assert_eq!(read(bad, 15, 2), Err(DecimalError::NotANumber), "{bad}");
    }
}

#[test]
fn dates_agree_with_chrono() {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    let mut day = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    while day.year() < 2500 {
        let expected = Some((day - epoch).num_days() as i32);
        for form in ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"] {
            assert_eq!(date(day.format(form).to_string().as_bytes()), expected, "{day} {form}");
        }
        day = day + chrono::Days::new(17);
    }
    assert_eq!(date(b"2024-2-9"), date(b"2024-02-09"));
    assert_eq!(date(b"2024-02-29 11:22:33"), date(b"2024-02-29"));
    for bad in [
        "",
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-01-32",
        "2024-01/01",
        "20240230",
        "abcd-ef-gh",
        "2024-01-01x",
        "2024-1-",
        "2024",
        "-024-01-01",
    ] {
        assert_eq!(date(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn timestamps_agree_with_chrono() {
    let expected =
        |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc().timestamp_micros();
    for text in ["2015-09-12 00:46:58.771", "1969-12-31 23:59:59.999999", "0001-01-01 00:00:00", "2024-02-29 23:59:59"]
    {
        assert_eq!(timestamp_micros(text.as_bytes()), Some(expected(text)), "{text}");
    }
    let noon = expected("2024-02-29 12:00:00");
    for text in [
        "2024-02-29T12:00:00Z",
        "2024-02-29 12:00",
        "20240229120000",
        "2024/02/29 12:00:00.000",
        "2024-02-29T14:30:00+02:30",
        "2024-02-29 10:00:00-0200",
        "2024-2-29 12:00:00",
        "20240229T12:00",
    ] {
        assert_eq!(timestamp_micros(text.as_bytes()), Some(noon), "{text}");
    }
    assert_eq!(timestamp_micros(b"2024-02-29"), Some(expected("2024-02-29 00:00:00")));
    assert_eq!(timestamp_micros(b"2024-02-29 12:00:00.1234569"), Some(noon + 123_456));
    assert_eq!(timestamp_nanos(b"1970-01-01 00:00:00.000000001"), Some(1));
    for bad in [
        "",
        "2024-02-29 ",
        "2024-02-29 24:00:00",
        "2024-02-29 12:60:00",
        "2024-02-29 12:00:00.",
        "2024-02-29 12",
        "2024-02-29 12:00:00 x",
        "2024-02-29 12:00:00+99:00",
        "12:00:00",
    ] {
        assert_eq!(timestamp_micros(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn booleans() {
    for (text, value) in
        [("true", Some(true)), ("FALSE", Some(false)), ("1", Some(true)), ("0", Some(false)), ("yes", None), ("", None)]
    {
        assert_eq!(boolean(text.as_bytes()), value, "{text}");
    }
}

#[test]
fn times_in_a_zone() {
    let micros = |text: &str, zone: Tz| timestamp_micros_in(text.as_bytes(), zone);
    let utc = |text: &str| timestamp_micros(text.as_bytes());
    assert_eq!(micros("2024-07-01 12:00:00", Tz::Asia__Tokyo), utc("2024-07-01 03:00:00"));
    assert_eq!(micros("2024-07-01 12:00:00.5", Tz::Europe__Berlin), utc("2024-07-01 10:00:00.5"));
    assert_eq!(micros("2024-01-01", Tz::Asia__Shanghai), utc("2023-12-31 16:00:00"));
    // what says its offset is not moved
    assert_eq!(micros("2024-07-01T12:00:00Z", Tz::Asia__Tokyo), utc("2024-07-01 12:00:00"));
    assert_eq!(micros("2024-07-01 12:00:00+02:00", Tz::Asia__Tokyo), utc("2024-07-01 10:00:00"));
    // clocks that are put back show the hour twice: the earlier is meant
    assert_eq!(micros("2024-10-27 02:30:00", Tz::Europe__Berlin), utc("2024-10-27 00:30:00"));
    assert_eq!(
        timestamp_nanos_in(b"2024-07-01 12:00:00.123456789", Tz::Asia__Tokyo),
        timestamp_nanos(b"2024-07-01 03:00:00.123456789")
    );
    assert_eq!(micros("yesterday", Tz::Asia__Tokyo), None);
}
