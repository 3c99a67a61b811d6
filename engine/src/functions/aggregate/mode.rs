//! `mode`: the value that comes most often; of several the one that came first.

use super::collected::{Collected, Group, any_types};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef},
        row::{RowConverter, SortField},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::AggregateUDF,
};
use std::{collections::HashMap, sync::Arc};

pub(super) fn function() -> Arc<AggregateUDF> {
    Collected {
        name: "mode",
        aliases: Vec::new(),
        values: 1,
        coerce: |name, types| match types {
            [one] => Ok(vec![one.clone()]),
            _ => plan_err!("Function '{name}' expects 1 arguments but received {}", types.len()),
        },
        answer: |types| Ok(types[0].clone()),
        finish: most_frequent,
        signature: any_types(),
    }
    .into_udf()
}

fn most_frequent(group: &Group) -> Result<ScalarValue> {
    let values: &ArrayRef = &group.values[0];
    let rows = RowConverter::new(vec![SortField::new(values.data_type().clone())])?
        .convert_columns(std::slice::from_ref(values))?;
    let mut counts: HashMap<_, (u64, usize)> = HashMap::new();
    for at in 0..values.len() {
        counts.entry(rows.row(at)).or_insert((0, at)).0 += 1;
    }
    let best = counts.into_values().max_by(|l, r| l.0.cmp(&r.0).then(r.1.cmp(&l.1)));
    match best {
        Some((_, at)) => ScalarValue::try_from_array(values, at),
        None => ScalarValue::try_from(group.answer),
    }
}
