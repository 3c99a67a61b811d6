//! Arrow batches as delimited text without a header, fast: what a load benchmark reads. Covers the column types the
//! generators make and refuses others; reading text back is not here.

use crate::Result;
use arrow::{
    array::*,
    datatypes::{DataType, TimeUnit},
    record_batch::RecordBatch,
};
use std::fmt::Write as _;

/// Writes rows as lines: fields apart by `separator`, quoted with `"` only where a field needs it.
#[derive(Debug, Clone, Copy)]
pub struct DelimitedEncoder {
    separator: u8,
}

impl DelimitedEncoder {
    pub fn new(separator: u8) -> Self {
        Self { separator }
    }

    /// Appends the rows of `batch` to `out`.
    pub fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(|c| Cells::of(c)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, cells) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.separator);
                }
                cells.write(row, self.separator, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// A column, downcast once per batch.
enum Cells<'a> {
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Decimal(&'a Decimal128Array, u32),
    Date(&'a Date32Array),
    Micros(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
    TextView(&'a StringViewArray),
}

impl<'a> Cells<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        if column.null_count() > 0 {
            return Err("generated columns have no nulls".into());
        }
        Ok(match column.data_type() {
            DataType::Int16 => Self::Int16(column.as_primitive()),
            DataType::Int32 => Self::Int32(column.as_primitive()),
            DataType::Int64 => Self::Int64(column.as_primitive()),
            DataType::Decimal128(_, scale) if (1..=18).contains(scale) => {
                Self::Decimal(column.as_primitive(), u32::try_from(*scale)?)
            }
            DataType::Date32 => Self::Date(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Micros(column.as_primitive()),
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Utf8View => Self::TextView(column.as_string_view()),
            other => return Err(format!("no text form for column type `{other}`").into()),
        })
    }

    fn write(&self, row: usize, separator: u8, out: &mut Vec<u8>) {
        match self {
            Self::Int16(a) => write_integer(i64::from(a.value(row)), out),
            Self::Int32(a) => write_integer(i64::from(a.value(row)), out),
            Self::Int64(a) => write_integer(a.value(row), out),
            Self::Decimal(a, scale) => write_decimal(a.value(row), *scale, out),
            Self::Date(a) => write_date(i64::from(a.value(row)), out),
            Self::Micros(a) => write_timestamp(a.value(row), out),
            Self::Text(a) => write_text(a.value(row), separator, out),
            Self::TextView(a) => write_text(a.value(row), separator, out),
        }
    }
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_decimal(value: i128, scale: u32, out: &mut Vec<u8>) {
    let unit = 10u128.pow(scale);
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    write_integer((magnitude / unit) as i64, out);
    out.push(b'.');
    write_padded((magnitude % unit) as u64, scale, out);
}

fn write_padded(value: u64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

/// Days since 1970-01-01 as `YYYY-MM-DD` (proleptic Gregorian, counted in 400-year eras that begin in March).
fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = crate::table::civil(days);
    write_padded(year as u64, 4, out);
    out.push(b'-');
    write_padded(u64::from(month), 2, out);
    out.push(b'-');
    write_padded(u64::from(day), 2, out);
}

fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    write_date(micros.div_euclid(86_400_000_000), out);
    let second = (micros.div_euclid(1_000_000)).rem_euclid(86_400) as u64;
    for (mark, part) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        write_padded(part, 2, out);
    }
    let fraction = micros.rem_euclid(1_000_000) as u64;
    if fraction > 0 {
        out.push(b'.');
        write_padded(fraction, 6, out);
    }
}

fn write_text(text: &str, separator: u8, out: &mut Vec<u8>) {
    let plain = !text.bytes().any(|b| b == separator || b == b'"' || b == b'\n' || b == b'\r');
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    write!(quoted, "\"{}\"", text.replace('"', "\"\"")).expect("writing to a string cannot fail");
    out.extend_from_slice(quoted.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn line(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut out = Vec::new();
        DelimitedEncoder::new(b'|').encode(&batch, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_every_type() {
        let price = Decimal128Array::from(vec![-105, 7]).with_precision_and_scale(15, 2).unwrap();
        let text = line(vec![
            ("a", Arc::new(Int64Array::from(vec![i64::MIN, 0]))),
            ("b", Arc::new(price)),
            ("c", Arc::new(Date32Array::from(vec![-1, 19_782]))),
            ("d", Arc::new(TimestampMicrosecondArray::from(vec![5, 1_373_932_799_000_000]))),
            ("e", Arc::new(StringArray::from(vec!["a|\"b", ""]))),
        ]);
        assert_eq!(
            text,
            "-9223372036854775808|-1.05|1969-12-31|1970-01-01 00:00:00.000005|\"a|\"\"b\"\n\
             0|0.07|2024-02-29|2013-07-15 23:59:59|\n"
        );
    }

    #[test]
    fn refuses_other_types() {
        let batch = RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)]).unwrap();
        assert!(DelimitedEncoder::new(b',').encode(&batch, &mut Vec::new()).is_err());
    }
}
