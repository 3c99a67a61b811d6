//! `retention(first, second, …)`: 1 for every condition that held in some row, if the first one did too. Rows in which a
//! condition is NULL do not count.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, UInt8Array},
        datatypes::{DataType, Field, FieldRef, UInt32Type},
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
    Arc::new(AggregateUDF::from(Retention { signature: Signature::user_defined(Volatility::Immutable) }))
}

const CONDITIONS_MAX: usize = 32;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Retention {
    signature: Signature,
}

impl AggregateUDFImpl for Retention {
    fn name(&self) -> &str {
        "retention"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !(1..=CONDITIONS_MAX).contains(&types.len()) {
            return plan_err!(
                "Function 'retention' expects 1 to {CONDITIONS_MAX} arguments but received {}",
                types.len()
            );
        }
        Ok(vec![DataType::Boolean; types.len()])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::UInt8, true))))
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(SingleRowListArrayBuilder::new(Arc::new(UInt8Array::from(Vec::<u8>::new()))).build_list_scalar())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Seen { conditions: args.exprs.len(), bits: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "seen"), DataType::UInt32, true))])
    }
}

/// Which conditions have held.
#[derive(Debug)]
struct Seen {
    conditions: usize,
    bits: u32,
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            if values.iter().any(|v| v.is_null(row)) {
                continue;
            }
            for (at, condition) in values.iter().enumerate() {
                self.bits |= u32::from(condition.as_boolean().value(row)) << at;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bits in states[0].as_primitive::<UInt32Type>().iter().flatten() {
            self.bits |= bits;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::from(self.bits)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let first = self.bits & 1 == 1;
        let held: Vec<u8> = (0..self.conditions).map(|at| u8::from(first && self.bits >> at & 1 == 1)).collect();
        Ok(SingleRowListArrayBuilder::new(Arc::new(UInt8Array::from(held))).build_list_scalar())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
