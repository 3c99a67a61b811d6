//! `sum` over integers that reports overflow. Sums are kept in 128 bits, so only the result has to fit, whatever the
//! order of the rows. Other types are the library's.

use crate::Error;
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, Int64Array, UInt64Array,
        },
        buffer::{BooleanBuffer, NullBuffer},
        datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type},
    },
    common::{DataFusionError, Result, ScalarValue, internal_err},
    functions_aggregate::sum::Sum,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Operator, ReversedUDAF,
        SetMonotonicity, Signature, StatisticsArgs,
        expr::AggregateFunction,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};
use std::sync::Arc;

/// Type of the running sum between the stages of an aggregation.
const STATE: DataType = DataType::Decimal128(38, 0);

pub(super) fn checked_sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(CheckedSum { inner: Sum::new() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Sum,
}

fn is_ours(result: &DataType, distinct: bool) -> bool {
    !distinct && matches!(result, DataType::Int64 | DataType::UInt64)
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    /// Of decimals: as many digits as their width in bits has room for.
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Decimal128(precision, scale)] if *precision <= 18 => Ok(DataType::Decimal128(18, *scale)),
            [DataType::Decimal128(_, scale)] => Ok(DataType::Decimal128(38, *scale)),
            [DataType::Decimal256(_, scale)] => Ok(DataType::Decimal256(76, *scale)),
            _ => self.inner.return_type(arguments),
        }
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !is_ours(args.return_field.data_type(), args.is_distinct) {
            return self.inner.accumulator(args);
        }
        Ok(Box::new(IntegerSum { result: args.return_field.data_type().clone(), sum: 0, rows: 0 }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !is_ours(args.return_field.data_type(), args.is_distinct) {
            return self.inner.create_sliding_accumulator(args);
        }
        Ok(Box::new(IntegerSum { result: args.return_field.data_type().clone(), sum: 0, rows: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_ours(args.return_field.data_type(), args.is_distinct) {
            return self.inner.state_fields(args);
        }
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), STATE, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if !is_ours(args.return_field.data_type(), args.is_distinct) {
            return self.inner.create_groups_accumulator(args);
        }
        Ok(Box::new(IntegerSums {
            result: args.return_field.data_type().clone(),
            sums: Vec::new(),
            seen: BooleanBufferBuilder::new(0),
        }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }

    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        argument: &Expr,
        op: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        self.inner.simplify_expr_op_literal(function, argument, op, literal, argument_is_left)
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn documentation(&self) -> Option<&datafusion::logical_expr::Documentation> {
        self.inner.documentation()
    }
}

fn overflow(sum: i128, result: &DataType) -> DataFusionError {
    let message = format!("{} overflow: sum is {sum}", crate::plan::sql_type(result).to_lowercase());
    DataFusionError::External(Box::new(Error::Evaluation { message }))
}

/// Sum and count of the values that are not NULL.
fn total(array: &dyn Array) -> Result<(i128, u64)> {
    let rows = (array.len() - array.null_count()) as u64;
    let sum = match array.data_type() {
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>();
            match values.nulls().filter(|n| n.null_count() > 0) {
                // Two halves that cannot overflow within a batch: this loop is vectorised.
                None => {
                    let high: i64 = values.values().iter().map(|v| v >> 32).sum();
                    let low: i64 = values.values().iter().map(|v| v & 0xffff_ffff).sum();
                    (i128::from(high) << 32) + i128::from(low)
                }
                Some(_) => values.iter().flatten().map(i128::from).sum(),
            }
        }
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().flatten().map(i128::from).sum(),
        other => return internal_err!("sum got {other}"),
    };
    Ok((sum, rows))
}

/// One running sum. Also takes values back, for sliding windows.
#[derive(Debug)]
struct IntegerSum {
    result: DataType,
    sum: i128,
    rows: u64,
}

impl Accumulator for IntegerSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, rows) = total(&values[0])?;
        self.sum += sum;
        self.rows += rows;
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for sum in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += sum;
            self.rows += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, rows) = total(&values[0])?;
        self.sum -= sum;
        self.rows -= rows;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.rows > 0).then_some(self.sum), 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.rows == 0 {
            return ScalarValue::try_from(&self.result);
        }
        let scalar = match self.result {
            DataType::Int64 => i64::try_from(self.sum).ok().map(|v| ScalarValue::Int64(Some(v))),
            _ => u64::try_from(self.sum).ok().map(|v| ScalarValue::UInt64(Some(v))),
        };
        scalar.ok_or_else(|| overflow(self.sum, &self.result))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// A running sum for every group.
#[derive(Debug)]
struct IntegerSums {
    result: DataType,
    sums: Vec<i128>,
    seen: BooleanBufferBuilder,
}

impl IntegerSums {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        if self.seen.len() < groups {
            self.seen.append_n(groups - self.seen.len(), false);
        }
    }

    fn add(
        &mut self,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        nulls: Option<&NullBuffer>,
        value: impl Fn(usize) -> i128,
    ) {
        let plain = filter.is_none() && nulls.is_none_or(|n| n.null_count() == 0);
        for (row, group) in groups.iter().enumerate() {
            let taken = plain
                || (filter.is_none_or(|f| f.is_valid(row) && f.value(row)) && nulls.is_none_or(|n| n.is_valid(row)));
            if taken {
                self.sums[*group] += value(row);
                self.seen.set_bit(*group, true);
            }
        }
    }

    fn take(&mut self, emit: EmitTo) -> (Vec<i128>, BooleanBuffer) {
        let sums = emit.take_needed(&mut self.sums);
        let seen = self.seen.finish();
        let taken = seen.slice(0, sums.len());
        let rest = seen.slice(sums.len(), seen.len() - sums.len());
        self.seen.append_buffer(&rest);
        (sums, taken)
    }
}

impl GroupsAccumulator for IntegerSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.grow(total_groups);
        match values[0].data_type() {
            DataType::Int64 => {
                let array = values[0].as_primitive::<Int64Type>();
                self.add(groups, filter, array.nulls(), |row| i128::from(array.values()[row]));
            }
            DataType::UInt64 => {
                let array = values[0].as_primitive::<UInt64Type>();
                self.add(groups, filter, array.nulls(), |row| i128::from(array.values()[row]));
            }
            other => return internal_err!("sum got {other}"),
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.grow(total_groups);
        let array = values[0].as_primitive::<Decimal128Type>();
        self.add(groups, None, array.nulls(), |row| array.values()[row]);
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, seen) = self.take(emit);
        let nulls = Some(NullBuffer::new(seen));
        if self.result == DataType::Int64 {
            let fits = |sum: i128| i64::try_from(sum).map_err(|_| overflow(sum, &self.result));
            let values = sums.into_iter().map(fits).collect::<Result<Vec<_>>>()?;
            return Ok(Arc::new(Int64Array::new(values.into(), nulls)));
        }
        let fits = |sum: i128| u64::try_from(sum).map_err(|_| overflow(sum, &self.result));
        let values = sums.into_iter().map(fits).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(UInt64Array::new(values.into(), nulls)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, seen) = self.take(emit);
        let array = Decimal128Array::new(sums.into(), Some(NullBuffer::new(seen))).with_data_type(STATE);
        Ok(vec![Arc::new(array)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let array = &values[0];
        let sums: Vec<i128> = match array.data_type() {
            DataType::Int64 => array.as_primitive::<Int64Type>().values().iter().map(|v| i128::from(*v)).collect(),
            DataType::UInt64 => array.as_primitive::<UInt64Type>().values().iter().map(|v| i128::from(*v)).collect(),
            other => return internal_err!("sum got {other}"),
        };
        let kept = filter.map(|f| {
            let kept = (0..f.len()).map(|row| f.is_valid(row) && f.value(row)).collect::<BooleanBuffer>();
            NullBuffer::new(kept)
        });
        let nulls = NullBuffer::union(array.nulls(), kept.as_ref());
        Ok(vec![Arc::new(Decimal128Array::new(sums.into(), nulls).with_data_type(STATE))])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity() / 8 + size_of_val(self)
    }
}
