//! Lambdas of a key and a value over the entries of maps.

use super::super::{field, map::map_of, wrong_count};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, MapArray, StructArray, UInt32Array},
        buffer::OffsetBuffer,
        compute::{filter, take_arrays},
        datatypes::{DataType, FieldRef},
    },
    common::{DataFusionError, Result, plan_err},
    logical_expr::{
        ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature, HigherOrderUDF,
        HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
    },
};
use std::{collections::HashSet, sync::Arc};

pub(super) fn functions() -> Vec<Arc<HigherOrderUDF>> {
    [Kind::Filter, Kind::Keys, Kind::Values]
        .into_iter()
        .map(|kind| {
            let shape = vec![ValueOrLambda::Value(()), ValueOrLambda::Lambda(())];
            let signature = HigherOrderSignature::exact(shape, Volatility::Immutable);
            Arc::new(HigherOrderUDF::new_from_impl(OverEntries { kind, signature }))
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Filter,
    Keys,
    Values,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OverEntries {
    kind: Kind,
    signature: HigherOrderSignature,
}

fn entry_types(map: &DataType) -> Result<(DataType, DataType)> {
    match map {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                Ok((fields[0].data_type().clone(), fields[1].data_type().clone()))
            }
            other => plan_err!("a map of {other}"),
        },
        other => plan_err!("a map is wanted, not {}", crate::plan::sql_type(other).to_lowercase()),
    }
}

impl HigherOrderUDFImpl for OverEntries {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Filter => "map_filter",
            Kind::Keys => "map_transform_keys",
            Kind::Values => "map_transform_values",
        }
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [map] = types else {
            return wrong_count(self.name(), "2", types.len());
        };
        let (key, value) = entry_types(map)?;
        Ok(vec![map_of(key, value)])
    }

    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let [ValueOrLambda::Value(map), _] = fields else {
            return plan_err!("{} expects a map followed by a lambda", self.name());
        };
        let (key, value) = entry_types(map.data_type())?;
        Ok(LambdaParametersProgress::Complete(vec![vec![field(key, false), field(value, true)]]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let [ValueOrLambda::Value(map), ValueOrLambda::Lambda(lambda)] = args.arg_fields else {
            return plan_err!("{} expects a map followed by a lambda", self.name());
        };
        let (key, value) = entry_types(map.data_type())?;
        let answer = match self.kind {
            Kind::Filter if *lambda.data_type() != DataType::Boolean => {
                return plan_err!("{}: the lambda must be a condition", self.name());
            }
            Kind::Filter => map_of(key, value),
            Kind::Keys => map_of(lambda.data_type().clone(), value),
            Kind::Values => map_of(key, lambda.data_type().clone()),
        };
        Ok(field(answer, map.is_nullable()))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let [ValueOrLambda::Value(column), ValueOrLambda::Lambda(lambda)] = args.args.as_slice() else {
            return plan_err!("{} expects a map followed by a lambda", self.name());
        };
        let column = column.to_array(args.number_rows)?;
        let map = column.as_map();
        let offsets = map.value_offsets();
        let (start, end) = (offsets[0] as usize, offsets[map.len()] as usize);
        let (keys, values) = (map.keys().slice(start, end - start), map.values().slice(start, end - start));
        let lengths: Vec<usize> = (0..map.len()).map(|row| (offsets[row + 1] - offsets[row]) as usize).collect();
        let owners: UInt32Array =
            lengths.iter().enumerate().flat_map(|(row, length)| std::iter::repeat_n(row as u32, *length)).collect();
        let made = lambda.evaluate(&[&|| Ok(keys.clone()), &|| Ok(values.clone())], |captured| {
            Ok(take_arrays(captured, &owners, None)?)
        })?;
        let made = made.into_array(keys.len())?;
        let answer = args.return_field.data_type();
        let array = match self.kind {
            Kind::Filter => {
                let chosen = made.as_boolean();
                let mut at = 0;
                let kept = lengths.iter().map(|length| {
                    let of_row = at..at + length;
                    at += length;
                    of_row.filter(|n| chosen.is_valid(*n) && chosen.value(*n)).count()
                });
                let kept: Vec<usize> = kept.collect();
                assemble(answer, filter(&keys, chosen)?, filter(&values, chosen)?, kept, map)?
            }
            Kind::Keys => {
                check_keys(self.name(), &made, &lengths)?;
                assemble(answer, made, values, lengths, map)?
            }
            Kind::Values => assemble(answer, keys, made, lengths, map)?,
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// New keys must stand once in their map and not be NULL.
fn check_keys(name: &str, keys: &ArrayRef, lengths: &[usize]) -> Result<()> {
    let rows = super::super::pick::Keys::new(&[keys])?;
    let mut at = 0;
    for length in lengths {
        let mut seen = HashSet::new();
        for key in at..at + length {
            if keys.is_null(key) {
                return Err(DataFusionError::Execution(format!("{name}: a key is NULL")));
            }
            if !seen.insert(rows.get(0, key)) {
                return Err(DataFusionError::Execution(format!("{name}: a key stands twice")));
            }
        }
        at += length;
    }
    Ok(())
}

fn assemble(
    answer: &DataType,
    keys: ArrayRef,
    values: ArrayRef,
    lengths: Vec<usize>,
    of: &MapArray,
) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = answer else {
        return plan_err!("a map was to be made");
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return plan_err!("a map was to be made");
    };
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, of.nulls().cloned(), *sorted)?))
}
