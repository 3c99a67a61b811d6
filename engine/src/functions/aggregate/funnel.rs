//! `window_funnel(length)(time, first, second, …)`: how many of the conditions held one after the other, each later than
//! the one before, the last no later than `length` after the first. Times are numbers, dates or instants; the length
//! counts in their units (days, microseconds).

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, UInt32Array},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Int64Type, TimeUnit, UInt32Type},
    },
    common::{Result, ScalarValue, plan_err, utils::SingleRowListArrayBuilder},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};
use std::sync::Arc;

pub(super) fn function() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::from(Funnel { signature, aliases: vec!["windowfunnel".into()] }))
}

const CONDITIONS_MAX: usize = 32;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Funnel {
    signature: Signature,
    aliases: Vec<String>,
}

impl AggregateUDFImpl for Funnel {
    fn name(&self) -> &str {
        "window_funnel"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time, conditions @ ..] = types else {
            return plan_err!("window_funnel wants window_funnel(length)(time, condition, …)");
        };
        if !(1..=CONDITIONS_MAX).contains(&conditions.len()) {
            return plan_err!("window_funnel takes 1 to {CONDITIONS_MAX} conditions, not {}", conditions.len());
        }
        let time = match time {
            number if number.is_integer() => DataType::Int64,
            DataType::Date32 | DataType::Date64 => DataType::Date32,
            DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => return plan_err!("window_funnel: {} is no time", crate::plan::sql_type(other).to_lowercase()),
        };
        let mut coerced = vec![DataType::Int64, time];
        coerced.resize(types.len(), DataType::Boolean);
        Ok(coerced)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt8)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::from(0u8))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Events { conditions: args.exprs.len() - 2, length: 0, events: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name: &str, item| {
            let name = format_state_name(args.name, name);
            Arc::new(Field::new_list(name, Field::new_list_field(item, true), true))
        };
        let length = Field::new(format_state_name(args.name, "length"), DataType::Int64, true);
        Ok(vec![Arc::new(length), list("times", DataType::Int64), list("held", DataType::UInt32)])
    }
}

/// Rows in which some condition held: when, and which.
#[derive(Debug)]
struct Events {
    conditions: usize,
    length: i64,
    events: Vec<(i64, u32)>,
}

impl Accumulator for Events {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if values[0].is_empty() {
            return Ok(());
        }
        self.length = values[0].as_primitive::<Int64Type>().value(0);
        let times = match values[1].data_type() {
            DataType::Date32 => cast(&cast(&values[1], &DataType::Int32)?, &DataType::Int64)?,
            _ => cast(&values[1], &DataType::Int64)?,
        };
        let times = times.as_primitive::<Int64Type>();
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            let held = values[2..].iter().enumerate().fold(0, |held, (at, condition)| {
                let condition = condition.as_boolean();
                held | u32::from(condition.is_valid(row) && condition.value(row)) << at
            });
            if held != 0 {
                self.events.push((times.value(row), held));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lengths = states[0].as_primitive::<Int64Type>();
        for row in 0..lengths.len() {
            self.length = self.length.max(lengths.value(row));
            let (times, held) = (states[1].as_list::<i32>().value(row), states[2].as_list::<i32>().value(row));
            let (times, held) = (times.as_primitive::<Int64Type>(), held.as_primitive::<UInt32Type>());
            self.events.extend(times.values().iter().copied().zip(held.values().iter().copied()));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let times = datafusion::arrow::array::Int64Array::from_iter_values(self.events.iter().map(|e| e.0));
        let held = UInt32Array::from_iter_values(self.events.iter().map(|e| e.1));
        Ok(vec![
            ScalarValue::from(self.length),
            SingleRowListArrayBuilder::new(Arc::new(times)).build_list_scalar(),
            SingleRowListArrayBuilder::new(Arc::new(held)).build_list_scalar(),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.events.sort_by_key(|(time, _)| *time);
        // For every condition: when the chain that reached it began.
        let mut begun: Vec<Option<i64>> = vec![None; self.conditions];
        for (time, held) in &self.events {
            for at in (0..self.conditions).rev().filter(|at| held >> at & 1 == 1) {
                if at == 0 {
                    begun[0] = Some(*time);
                } else if let Some(start) = begun[at - 1]
                    && *time <= start.saturating_add(self.length)
                {
                    begun[at] = Some(start);
                }
            }
        }
        let reached = begun.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        Ok(ScalarValue::from(u8::try_from(reached).unwrap_or(u8::MAX)))
    }

    fn size(&self) -> usize {
        self.events.capacity() * size_of::<(i64, u32)>() + size_of_val(self)
    }
}
