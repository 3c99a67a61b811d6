//! `kurtosis` and `skewness` of a sample, without bias. Too few values (at most three, at most two) or no spread give 0.
//! The central moments are updated value by value and merged, so that large means do no harm.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray},
        datatypes::{DataType, Field, FieldRef, Float64Type},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let signature = Signature::user_defined(Volatility::Immutable);
    [Shape::Kurtosis, Shape::Skewness]
        .into_iter()
        .map(|shape| Arc::new(AggregateUDF::from(Moment { shape, signature: signature.clone() })))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Kurtosis,
    Skewness,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    shape: Shape,
    signature: Signature,
}

impl AggregateUDFImpl for Moment {
    fn name(&self) -> &str {
        match self.shape {
            Shape::Kurtosis => "kurtosis",
            Shape::Skewness => "skewness",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            [other] => {
                plan_err!("{} wants numbers, not {}", self.name(), crate::plan::sql_type(other).to_lowercase())
            }
            _ => plan_err!("Function '{}' expects 1 arguments but received {}", self.name(), types.len()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Running { shape: self.shape, moments: Moments::default() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let names = ["count", "mean", "second", "third", "fourth"];
        let field = |name| Arc::new(Field::new(format_state_name(args.name, name), DataType::Float64, true));
        Ok(names.into_iter().map(field).collect())
    }
}

/// Count, mean, and sums of the powers of the distances from it.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

impl Moments {
    fn of(value: f64) -> Self {
        Self { n: 1.0, mean: value, ..Self::default() }
    }

    fn merge(&mut self, other: Self) {
        if other.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            *self = other;
            return;
        }
        let (a, b) = (*self, other);
        let n = a.n + b.n;
        let d = b.mean - a.mean;
        let (dn, ab) = (d / n, a.n * b.n);
        self.n = n;
        self.mean = a.mean + b.n * dn;
        self.second = a.second + b.second + d * dn * ab;
        self.third = a.third + b.third + d * dn * dn * ab * (a.n - b.n) + 3.0 * dn * (a.n * b.second - b.n * a.second);
        self.fourth = a.fourth
            + b.fourth
            + d * dn * dn * dn * ab * (a.n * a.n - ab + b.n * b.n)
            + 6.0 * dn * dn * (a.n * a.n * b.second + b.n * b.n * a.second)
            + 4.0 * dn * (a.n * b.third - b.n * a.third);
    }

    fn skewness(&self) -> f64 {
        let spread = self.second / self.n;
        if self.n <= 2.0 || spread <= 0.0 {
            return 0.0;
        }
        let biased = self.third / self.n / spread.powf(1.5);
        biased * (self.n * (self.n - 1.0)).sqrt() / (self.n - 2.0)
    }

    fn kurtosis(&self) -> f64 {
        let spread = self.second / self.n;
        if self.n <= 3.0 || spread <= 0.0 {
            return 0.0;
        }
        let biased = self.fourth / self.n / (spread * spread) - 3.0;
        (self.n - 1.0) / ((self.n - 2.0) * (self.n - 3.0)) * ((self.n + 1.0) * biased + 6.0)
    }
}

#[derive(Debug)]
struct Running {
    shape: Shape,
    moments: Moments,
}

impl Accumulator for Running {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.moments.merge(Moments::of(value));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let part = |at: usize, row: usize| states[at].as_primitive::<Float64Type>().value(row);
        for row in 0..states[0].len() {
            let (n, mean) = (part(0, row), part(1, row));
            let (second, third, fourth) = (part(2, row), part(3, row), part(4, row));
            self.moments.merge(Moments { n, mean, second, third, fourth });
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let Moments { n, mean, second, third, fourth } = self.moments;
        Ok([n, mean, second, third, fourth].into_iter().map(ScalarValue::from).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.moments.n == 0.0 {
            return Ok(ScalarValue::Float64(None));
        }
        Ok(ScalarValue::from(match self.shape {
            Shape::Kurtosis => self.moments.kurtosis(),
            Shape::Skewness => self.moments.skewness(),
        }))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
