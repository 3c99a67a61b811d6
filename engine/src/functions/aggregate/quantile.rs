//! Quantiles: `quantile_cont` (between two values by proportion), `quantile_disc` and `quantile` (a value that is
//! there), `quantile_tdigest` and its weighted form (each value stands for the middle of its share). Several levels
//! give an array. All are exact.

use super::collected::{Collected, Group, any_types};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray},
        compute::{SortOptions, sort_to_indices, take},
        datatypes::{DataType, Field, Float64Type},
    },
    common::{DataFusionError, Result, ScalarValue, plan_err, utils::SingleRowListArrayBuilder},
    logical_expr::AggregateUDF,
};
use std::sync::Arc;

type Finish = fn(&Group) -> Result<ScalarValue>;

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let numbers = |name: &'static str, values, finish: Finish| Collected {
        name,
        aliases: Vec::new(),
        values,
        coerce: numeric,
        answer: float,
        finish,
        signature: any_types(),
    };
    let mut disc = numbers("quantile_disc", 1, discrete);
    disc.coerce = sortable;
    disc.answer = like_value;
    disc.aliases = vec!["quantile".into(), "percentile_disc".into()];
    let mut weighted = numbers("quantile_tdigest_weighted", 2, shares);
    weighted.coerce = weighted_numbers;
    weighted.answer = weighted_float;
    let mut median_weighted = weighted.clone();
    median_weighted.name = "median_tdigest_weighted";
    let all = [
        numbers("quantile_cont", 1, continuous),
        disc,
        numbers("quantile_tdigest", 1, shares),
        numbers("median_tdigest", 1, shares),
        weighted,
        median_weighted,
    ];
    all.into_iter().map(Collected::into_udf).collect()
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_null()
}

fn numeric(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [value, ..] if is_number(value) => Ok(vec![DataType::Float64; types.len()]),
        [value, ..] => plan_err!("{name} wants numbers, not {}", crate::plan::sql_type(value).to_lowercase()),
        [] => plan_err!("Function '{name}' expects at least 1 arguments but received 0"),
    }
}

fn weighted_numbers(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [_, weight, ..] if is_number(weight) => numeric(name, types),
        _ => plan_err!("Function '{name}' expects a number and its weight"),
    }
}

fn sortable(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [value, levels @ ..] = types else {
        return plan_err!("Function '{name}' expects at least 1 arguments but received 0");
    };
    Ok(std::iter::once(value.clone()).chain(levels.iter().map(|_| DataType::Float64)).collect())
}

fn several(item: DataType, levels: usize) -> DataType {
    if levels > 1 { DataType::List(Arc::new(Field::new_list_field(item, true))) } else { item }
}

fn float(types: &[DataType]) -> Result<DataType> {
    Ok(several(DataType::Float64, types.len() - 1))
}

fn weighted_float(types: &[DataType]) -> Result<DataType> {
    Ok(several(DataType::Float64, types.len() - 2))
}

fn like_value(types: &[DataType]) -> Result<DataType> {
    Ok(several(types[0].clone(), types.len() - 1))
}

/// The levels asked for: one half when none is.
fn levels(group: &Group) -> Result<Vec<f64>> {
    if group.parameters.is_empty() {
        return Ok(vec![0.5]);
    }
    let level = |parameter: &ScalarValue| match parameter {
        ScalarValue::Float64(Some(level)) if (0.0..=1.0).contains(level) => Ok(*level),
        other => Err(DataFusionError::Execution(format!("the level of a quantile is between 0 and 1, not {other}"))),
    };
    group.parameters.iter().map(level).collect()
}

/// One answer per level: a value, or an array of them.
fn answer(group: &Group, answers: Vec<ScalarValue>) -> Result<ScalarValue> {
    if !matches!(group.answer, DataType::List(_)) || group.parameters.len() < 2 {
        return Ok(answers.into_iter().next().unwrap_or(ScalarValue::Null));
    }
    Ok(SingleRowListArrayBuilder::new(ScalarValue::iter_to_array(answers)?).build_list_scalar())
}

fn sorted(column: &ArrayRef) -> Vec<f64> {
    let mut values = column.as_primitive::<Float64Type>().values().to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn continuous(group: &Group) -> Result<ScalarValue> {
    let values = sorted(&group.values[0]);
    if values.is_empty() {
        return ScalarValue::try_from(group.answer);
    }
    let at = |level: f64| {
        let place = level * (values.len() - 1) as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        ScalarValue::from(low + (high - low) * (place - place.floor()))
    };
    answer(group, levels(group)?.into_iter().map(at).collect())
}

fn discrete(group: &Group) -> Result<ScalarValue> {
    let values = &group.values[0];
    if values.is_empty() {
        return ScalarValue::try_from(group.answer);
    }
    let order = sort_to_indices(values, Some(SortOptions::default()), None)?;
    let values = take(values, &order, None)?;
    let at = |level: f64| ScalarValue::try_from_array(&values, (level * (values.len() - 1) as f64).floor() as usize);
    answer(group, levels(group)?.into_iter().map(at).collect::<Result<_>>()?)
}

/// Every value stands for the middle of its share of the whole weight; between two middles it goes by proportion.
fn shares(group: &Group) -> Result<ScalarValue> {
    let values = group.values[0].as_primitive::<Float64Type>().values();
    let weight = |row: usize| group.values.get(1).map_or(1.0, |w| w.as_primitive::<Float64Type>().value(row));
    let mut pairs: Vec<(f64, f64)> =
        values.iter().enumerate().map(|(row, v)| (*v, weight(row))).filter(|(_, w)| *w > 0.0).collect();
    if pairs.is_empty() {
        return ScalarValue::try_from(group.answer);
    }
    pairs.sort_by(|l, r| l.0.total_cmp(&r.0));
    let total: f64 = pairs.iter().map(|(_, w)| w).sum();
    let mut before = 0.0;
    let middles: Vec<f64> = pairs
        .iter()
        .map(|(_, w)| {
            before += w;
            before - w / 2.0
        })
        .collect();
    let at = |level: f64| {
        let wanted = level * total;
        let next = middles.partition_point(|middle| *middle < wanted);
        if next == 0 {
            return pairs[0].0;
        }
        if next == pairs.len() {
            return pairs[next - 1].0;
        }
        let part = (wanted - middles[next - 1]) / (middles[next] - middles[next - 1]);
        pairs[next - 1].0 + (pairs[next].0 - pairs[next - 1].0) * part
    };
    answer(group, levels(group)?.into_iter().map(|level| ScalarValue::from(at(level))).collect())
}
