//! `sum_state(x)` and `sum_merge(s)`, and so for every aggregate: the unfinished aggregate as BINARY, and the end of many
//! of them. A state is one row of Arrow IPC: the aggregate's own state, and NULLs that say its arguments' types. The type
//! of the finished value travels as metadata of the column; where that is lost (in a table), only aggregates that always
//! answer with one type can be merged.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array},
        compute::cast,
        datatypes::{DataType, Field, FieldRef, Schema},
        ipc::{reader::StreamReader, writer::StreamWriter},
    },
    common::{DataFusionError, Result, ScalarValue, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        type_coercion::functions::fields_with_udf,
        utils::format_state_name,
    },
    physical_expr::{PhysicalExpr, expressions::Column},
};
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Metadata of a column of states: the type of the finished value.
const FINISHED: &str = "basalt.finished";
/// Names of the fields that say the arguments' types.
const ARGUMENT: &str = "argument ";

/// `{base}_state`.
pub(crate) fn state_of(base: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    let name = format!("{}_state", base.name());
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::from(State { name, base: base.clone(), signature }))
}

/// `{base}_merge`.
pub(crate) fn merge_of(base: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    let name = format!("{}_merge", base.name());
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::from(Merge { name, base: base.clone(), signature }))
}

#[derive(Debug)]
struct State {
    name: String,
    base: Arc<AggregateUDF>,
    signature: Signature,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for State {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        let coerced = fields_with_udf(&fields, self.base.as_ref())?;
        Ok(coerced.iter().map(|f| f.data_type().clone()).collect())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let finished = self.base.return_field(fields)?.data_type().to_string();
        let metadata = HashMap::from([(FINISHED.to_owned(), finished)]);
        Ok(Arc::new(Field::new(self.name(), DataType::Binary, true).with_metadata(metadata)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (inner, state) = begin(&self.base, &args)?;
        let arguments = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Unfinished { inner, state, arguments }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let return_field = self.base.return_field(args.input_fields)?;
        self.base.state_fields(StateFieldsArgs { return_field, ..args })
    }
}

/// The base's accumulator for these arguments, and the fields of its state.
fn begin(base: &AggregateUDF, args: &AccumulatorArgs) -> Result<(Box<dyn Accumulator>, Vec<FieldRef>)> {
    let return_field = base.return_field(args.expr_fields)?;
    let state = base.state_fields(StateFieldsArgs {
        name: args.name,
        input_fields: args.expr_fields,
        return_field: return_field.clone(),
        ordering_fields: &[],
        is_distinct: args.is_distinct,
    })?;
    let inner = base.accumulator(AccumulatorArgs { return_field, ..args.clone() })?;
    Ok((inner, state))
}

#[derive(Debug)]
struct Unfinished {
    inner: Box<dyn Accumulator>,
    state: Vec<FieldRef>,
    arguments: Vec<DataType>,
}

impl Accumulator for Unfinished {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, value) in self.state.iter().zip(self.inner.state()?) {
            fields.push(field.as_ref().clone().with_nullable(true));
            columns.push(value.to_array()?);
        }
        for (at, argument) in self.arguments.iter().enumerate() {
            fields.push(Field::new(format!("{ARGUMENT}{at}"), argument.clone(), true));
            columns.push(new_null_array(argument, 1));
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &schema)?;
        writer.write(&batch)?;
        writer.finish()?;
        drop(writer);
        Ok(ScalarValue::Binary(Some(bytes)))
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of_val(self)
    }
}

#[derive(Debug)]
struct Merge {
    name: String,
    base: Arc<AggregateUDF>,
    signature: Signature,
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Merge {}

impl Hash for Merge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Merge {
    /// The type of the finished value, if it is the same whatever the arguments.
    fn only_answer(&self) -> Option<DataType> {
        let answer = |data_type: DataType| {
            let field: FieldRef = Arc::new(Field::new("", data_type, true));
            let coerced = fields_with_udf(&[field], self.base.as_ref()).ok()?;
            Some(self.base.return_field(&coerced).ok()?.data_type().clone())
        };
        let first = answer(DataType::Int64)?;
        (answer(DataType::Float64)? == first).then_some(first)
    }
}

impl AggregateUDFImpl for Merge {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Binary | DataType::BinaryView | DataType::Null] => Ok(vec![DataType::Binary]),
            [_] => plan_err!("{} wants states, made by {}_state", self.name, self.base.name()),
            _ => plan_err!("Function '{}' expects 1 arguments but received {}", self.name, types.len()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        let unknown = || {
            let what = format!("{} of states whose type is not known (it is lost in a table)", self.name);
            DataFusionError::NotImplemented(what)
        };
        self.only_answer().ok_or_else(unknown)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let told = fields.first().and_then(|f| f.metadata().get(FINISHED)).and_then(|name| name.parse().ok());
        let data_type = match told {
            Some(told) => told,
            None => self.return_type(&[])?,
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let answer = args.return_field.data_type().clone();
        Ok(Box::new(Merging { base: self.base.clone(), answer, inner: None, arguments: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "state"), DataType::Binary, true))])
    }
}

#[derive(Debug)]
struct Merging {
    base: Arc<AggregateUDF>,
    answer: DataType,
    inner: Option<(Box<dyn Accumulator>, Vec<FieldRef>)>,
    arguments: Vec<DataType>,
}

impl Merging {
    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let broken = |_| DataFusionError::Execution(format!("these bytes are no state of {}", self.base.name()));
        let mut reader = StreamReader::try_new(bytes, None).map_err(broken)?;
        let Some(batch) = reader.next().transpose().map_err(broken)? else {
            return Ok(());
        };
        let schema = batch.schema();
        let count = schema.fields().iter().filter(|f| !f.name().starts_with(ARGUMENT)).count();
        let inner = match &mut self.inner {
            Some((inner, _)) => inner,
            empty => {
                let fields: Vec<FieldRef> = schema.fields().iter().skip(count).cloned().collect();
                self.arguments = fields.iter().map(|f| f.data_type().clone()).collect();
                let exprs: Vec<Arc<dyn PhysicalExpr>> =
                    fields.iter().enumerate().map(|(at, f)| Arc::new(Column::new(f.name(), at)) as _).collect();
                let arguments = Schema::new(fields.clone());
                let begun = begin(
                    &self.base,
                    &AccumulatorArgs {
                        return_field: self.base.return_field(&fields)?,
                        schema: &arguments,
                        ignore_nulls: false,
                        order_bys: &[],
                        is_reversed: false,
                        name: self.base.name(),
                        is_distinct: false,
                        exprs: &exprs,
                        expr_fields: &fields,
                    },
                )?;
                &mut empty.insert(begun).0
            }
        };
        inner.merge_batch(&batch.columns()[..count])
    }
}

impl Accumulator for Merging {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let states = values[0].as_binary::<i32>();
        for row in (0..states.len()).filter(|row| states.is_valid(*row)) {
            self.merge(states.value(row))?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let Some((inner, state)) = self.inner.take() else {
            return Ok(vec![ScalarValue::Binary(None)]);
        };
        let mut unfinished = Unfinished { inner, state, arguments: std::mem::take(&mut self.arguments) };
        Ok(vec![unfinished.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some((inner, _)) = &mut self.inner else {
            return ScalarValue::try_from(&self.answer);
        };
        let finished = inner.evaluate()?;
        if finished.data_type() == self.answer {
            return Ok(finished);
        }
        let array = cast(&finished.to_array()?, &self.answer)?;
        ScalarValue::try_from_array(&array, 0)
    }

    fn size(&self) -> usize {
        self.inner.as_ref().map_or(0, |(inner, _)| inner.size()) + size_of_val(self)
    }
}
