//! Parts of dates and times as numbers: `to_yyyymm(ts)`, `to_year(d)`… Usual partition expressions.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray},
        compute::{DatePart, cast, date_part},
        datatypes::{DataType, Int32Type, UInt64Type},
    },
    common::{Result, exec_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use std::sync::Arc;

/// What a function answers: a sum of date parts, each with its factor.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Calendar {
    name: &'static str,
    aliases: Vec<String>,
    parts: &'static [(Part, u64)],
    result: DataType,
    signature: Signature,
}

/// `DatePart` with the traits a function must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Year,
    Quarter,
    Month,
    Day,
    DayOfYear,
    /// Monday is 0.
    Weekday,
    Hour,
    Minute,
    Second,
    /// Adds its factor, whatever the date.
    One,
}

impl Part {
    fn kernel(self) -> Option<DatePart> {
        Some(match self {
            Part::Year => DatePart::Year,
            Part::Quarter => DatePart::Quarter,
            Part::Month => DatePart::Month,
            Part::Day => DatePart::Day,
            Part::DayOfYear => DatePart::DayOfYear,
            Part::Weekday => DatePart::DayOfWeekMonday0,
            Part::Hour => DatePart::Hour,
            Part::Minute => DatePart::Minute,
            Part::Second => DatePart::Second,
            Part::One => return None,
        })
    }
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Part::*;
    let list: Vec<(&'static str, &[&str], &'static [(Part, u64)], DataType)> = vec![
        ("to_yyyymm", &[], &[(Year, 100), (Month, 1)], DataType::UInt32),
        ("to_yyyymmdd", &[], &[(Year, 10_000), (Month, 100), (Day, 1)], DataType::UInt32),
        ("to_yyyymmddhh", &[], &[(Year, 1_000_000), (Month, 10_000), (Day, 100), (Hour, 1)], DataType::UInt64),
        (
            "to_yyyymmddhhmmss",
            &[],
            &[
                (Year, 10_000_000_000),
                (Month, 100_000_000),
                (Day, 1_000_000),
                (Hour, 10_000),
                (Minute, 100),
                (Second, 1),
            ],
            DataType::UInt64,
        ),
        ("to_year", &["year"], &[(Year, 1)], DataType::UInt16),
        ("to_quarter", &["quarter"], &[(Quarter, 1)], DataType::UInt8),
        ("to_month", &["month"], &[(Month, 1)], DataType::UInt8),
        ("to_day_of_month", &["day", "dayofmonth"], &[(Day, 1)], DataType::UInt8),
        ("to_day_of_year", &["dayofyear"], &[(DayOfYear, 1)], DataType::UInt16),
        ("to_day_of_week", &["dayofweek"], &[(Weekday, 1), (One, 1)], DataType::UInt8),
        ("to_hour", &["hour"], &[(Hour, 1)], DataType::UInt8),
        ("to_minute", &["minute"], &[(Minute, 1)], DataType::UInt8),
        ("to_second", &["second"], &[(Second, 1)], DataType::UInt8),
    ];
    list.into_iter()
        .map(|(name, aliases, parts, result)| {
            let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
            let signature = Signature::any(1, Volatility::Immutable);
            Arc::new(ScalarUDF::from(Calendar { name, aliases, parts, result, signature }))
        })
        .collect()
}

impl ScalarUDFImpl for Calendar {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else {
            return exec_err!("{} takes one argument", self.name);
        };
        let scalar = matches!(argument, ColumnarValue::Scalar(_));
        let array = argument.to_array(if scalar { 1 } else { args.number_rows })?;
        let array = as_time(self.name, array)?;
        let result = self.sum(&array)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Calendar {
    fn sum(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let mut sums = vec![0u64; array.len()];
        let mut nulls = array.nulls().cloned();
        for (part, factor) in self.parts {
            let Some(kernel) = part.kernel() else {
                sums.iter_mut().for_each(|sum| *sum += factor);
                continue;
            };
            let values = date_part(array, kernel)?;
            nulls = datafusion::arrow::buffer::NullBuffer::union(nulls.as_ref(), values.nulls());
            for (sum, value) in sums.iter_mut().zip(values.as_primitive::<Int32Type>().values()) {
                // Years before 0 have no such number: they stay below the others.
                *sum = sum.wrapping_add(factor.wrapping_mul(u64::try_from(*value).unwrap_or(0)));
            }
        }
        let sums: datafusion::arrow::array::PrimitiveArray<UInt64Type> =
            datafusion::arrow::array::PrimitiveArray::new(sums.into(), nulls);
        Ok(cast(&sums, &self.result)?)
    }
}

/// Dates and timestamps as they are, text parsed as a timestamp.
fn as_time(name: &str, array: ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => Ok(array),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            let micros = DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None);
            let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
            Ok(datafusion::arrow::compute::cast_with_options(&array, &micros, &options)?)
        }
        other => exec_err!("{name} takes a date or a timestamp, not {other}"),
    }
}
