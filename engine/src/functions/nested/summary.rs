//! Aggregates over the items of each array: `array_sum(a)` is to a row's array what `sum(x)` is to a column. The
//! aggregates themselves are asked, so both give the same answers and types.

use super::{field, item_of, list, span, wrong_count};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Schema},
    },
    common::{Result, ScalarValue},
    functions_aggregate::{
        approx_distinct::approx_distinct_udaf,
        average::avg_udaf,
        bit_and_or_xor::{bit_and_udaf, bit_or_udaf, bit_xor_udaf},
        bool_and_or::{bool_and_udaf, bool_or_udaf},
        count::count_udaf,
        min_max::{max_udaf, min_udaf},
        stddev::{stddev_pop_udaf, stddev_udaf},
        variance::{var_pop_udaf, var_samp_udaf},
    },
    logical_expr::{
        AggregateUDF, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, function::AccumulatorArgs, type_coercion::functions::fields_with_udf,
    },
    physical_expr::{PhysicalExpr, expressions::Column},
};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let aggregate = crate::functions::aggregate::named;
    let sum = crate::functions::sum::checked_sum();
    let all: Vec<(&str, &[&str], Arc<AggregateUDF>)> = vec![
        ("array_count", &[], count_udaf()),
        ("array_sum", &["list_sum"], sum),
        ("array_avg", &["list_avg"], avg_udaf()),
        ("array_min", &["list_min"], min_udaf()),
        ("array_max", &["list_max"], max_udaf()),
        ("array_any", &["array_any_value"], aggregate("any")),
        ("array_median", &[], aggregate("median")),
        ("array_mode", &[], aggregate("mode")),
        ("array_kurtosis", &[], aggregate("kurtosis")),
        ("array_skewness", &[], aggregate("skewness")),
        ("array_approx_count_distinct", &[], approx_distinct_udaf()),
        ("array_stddev_samp", &[], stddev_udaf()),
        ("array_stddev_pop", &["array_stddev", "array_std"], stddev_pop_udaf()),
        ("array_var_samp", &["array_variance_samp"], var_samp_udaf()),
        ("array_var_pop", &["array_variance_pop"], var_pop_udaf()),
        ("array_bit_and", &[], bit_and_udaf()),
        ("array_bit_or", &[], bit_or_udaf()),
        ("array_bit_xor", &[], bit_xor_udaf()),
        ("array_bool_and", &[], bool_and_udaf()),
        ("array_bool_or", &[], bool_or_udaf()),
    ];
    all.into_iter()
        .map(|(name, aliases, aggregate)| {
            let aliases = aliases.iter().map(ToString::to_string).collect();
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(ScalarUDF::from(Summary { name, aliases, aggregate, signature }))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Summary {
    name: &'static str,
    aliases: Vec<String>,
    aggregate: Arc<AggregateUDF>,
    signature: Signature,
}

impl Summary {
    /// What the aggregate wants of the items.
    fn wanted(&self, item: &FieldRef) -> Result<FieldRef> {
        // An array of nothing is as good as one of numbers.
        let data_type = if item.data_type().is_null() { DataType::Int64 } else { item.data_type().clone() };
        let nullable: FieldRef = Arc::new(Field::new("item", data_type, true));
        let coerced = fields_with_udf(&[nullable], self.aggregate.as_ref())?;
        Ok(coerced[0].clone())
    }
}

impl ScalarUDFImpl for Summary {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [array] = types else {
            return wrong_count(self.name, "1", types.len());
        };
        Ok(vec![super::plain_list(self.name, array)?])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let item = item_of(self.name, &types[0])?;
        Ok(self.aggregate.return_field(&[self.wanted(&item)?])?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(field(self.return_type(&[args.arg_fields[0].data_type().clone()])?, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let rows = if scalar { 1 } else { args.number_rows };
        let column = args.args[0].to_array(rows)?;
        let answers = self.answers(&column, &args.return_field)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(answers.into_iter().next().unwrap_or(ScalarValue::Null)));
        }
        if answers.is_empty() {
            let nothing = datafusion::arrow::array::new_empty_array(args.return_field.data_type());
            return Ok(ColumnarValue::Array(nothing));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(answers)?))
    }
}

impl Summary {
    fn answers(&self, column: &ArrayRef, answer: &FieldRef) -> Result<Vec<ScalarValue>> {
        let array = list(column);
        let item = self.wanted(&item_of(self.name, column.data_type())?)?;
        let values = cast(array.values(), item.data_type())?;
        let schema = Schema::new(vec![Field::new("item", item.data_type().clone(), true)]);
        let exprs: [Arc<dyn PhysicalExpr>; 1] = [Arc::new(Column::new("item", 0))];
        let fields = [item];
        let make = || {
            self.aggregate.accumulator(AccumulatorArgs {
                return_field: answer.clone(),
                schema: &schema,
                ignore_nulls: false,
                order_bys: &[],
                is_reversed: false,
                name: self.name,
                is_distinct: false,
                exprs: &exprs,
                expr_fields: &fields,
            })
        };
        let answers = (0..array.len()).map(|row| {
            if array.is_null(row) {
                return ScalarValue::try_from(answer.data_type());
            }
            let items = span(array, row);
            let mut accumulator = make()?;
            accumulator.update_batch(&[values.slice(items.start, items.len())])?;
            accumulator.evaluate()
        });
        answers.collect()
    }
}
