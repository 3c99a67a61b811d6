//! Functions over arrays, maps and tuples. Each is a [`Nested`]: a name, how its arguments' types are made equal, the
//! type of its answer, and what it does to whole columns. Arrays are `List`, maps are `Map`, tuples are `Struct` with
//! fields `1`, `2`…
//!
//! Functions that take lambdas are in `lambda`; the literals `[…]` and `{…}` and the access by `[…]` in `literal`.

mod array;
mod edit;
mod lambda;
mod literal;
mod map;
mod order;
mod overload;
mod pick;
mod summary;
mod tuple;

pub(super) use lambda::functions as higher_order;
pub(super) use literal::NestedPlanner;
pub(super) use overload::add as add_overloaded;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, ListArray},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        type_coercion::binary::type_union_coercion,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Makes the arguments' types fit each other; an error says what does not fit.
type Coerce = fn(&str, &[DataType]) -> Result<Vec<DataType>>;
/// Type and nullability of the answer, from (coerced) arguments.
type Answer = fn(&str, &[FieldRef]) -> Result<FieldRef>;
/// The answer for columns of `rows` rows each.
type Run = fn(&Call) -> Result<ArrayRef>;

/// One call over whole columns.
pub(super) struct Call<'a> {
    pub name: &'a str,
    pub args: &'a [ArrayRef],
    pub answer: &'a DataType,
    pub rows: usize,
}

/// A function over nested values.
#[derive(Debug)]
pub(super) struct Nested {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    coerce: Coerce,
    answer: Answer,
    run: Run,
}

impl Nested {
    fn new(name: &'static str, coerce: Coerce, answer: Answer, run: Run) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, aliases: Vec::new(), signature, coerce, answer, run }
    }

    fn also(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(ToString::to_string).collect();
        self
    }

    fn into_udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }
}

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Nested {}

impl Hash for Nested {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Nested {
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
        (self.coerce)(self.name, types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        Ok((self.answer)(self.name, &fields)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        (self.answer)(self.name, args.arg_fields)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let call = Call { name: self.name, args: &columns, answer: args.return_field.data_type(), rows };
        let answer = (self.run)(&call)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

/// All functions of this folder that take no lambda. Some share their name with functions over other types: see
/// [`add_overloaded`].
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = array::functions();
    functions.extend(edit::functions());
    functions.extend(order::functions());
    functions.extend(summary::functions());
    functions.extend(map::functions());
    functions.extend(tuple::functions());
    functions
}

fn field(data_type: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new("", data_type, nullable))
}

fn any_nullable(fields: &[FieldRef]) -> bool {
    fields.iter().any(|f| f.is_nullable())
}

/// The array type of these items.
fn list_of(item: DataType, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, nullable)))
}

/// What the items of an array are; NULL counts as an array of nothing.
fn item_of(name: &str, list: &DataType) -> Result<FieldRef> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Ok(item.clone()),
        DataType::ListView(item) | DataType::LargeListView(item) => Ok(item.clone()),
        DataType::Null => Ok(Arc::new(Field::new_list_field(DataType::Null, true))),
        other => plan_err!("{name} wants an array, not {}", crate::plan::sql_type(other).to_lowercase()),
    }
}

/// The same array type in the one layout that functions read.
fn plain_list(name: &str, list: &DataType) -> Result<DataType> {
    let item = item_of(name, list)?;
    Ok(list_of(item.data_type().clone(), item.is_nullable()))
}

/// The type both values fit into.
fn common(name: &str, left: &DataType, right: &DataType) -> Result<DataType> {
    if left == right || right.is_null() {
        return Ok(left.clone());
    }
    if left.is_null() {
        return Ok(right.clone());
    }
    match (left, right) {
        (DataType::List(l), DataType::List(r)) => {
            let item = common(name, l.data_type(), r.data_type())?;
            return Ok(list_of(item, l.is_nullable() || r.is_nullable()));
        }
        (DataType::Struct(l), DataType::Struct(r)) if l.len() == r.len() => {
            let fields = l.iter().zip(r).map(|(l, r)| {
                let data_type = common(name, l.data_type(), r.data_type())?;
                Ok(Field::new(l.name(), data_type, l.is_nullable() || r.is_nullable()))
            });
            return Ok(DataType::Struct(fields.collect::<Result<Vec<_>>>()?.into()));
        }
        _ => {}
    }
    let (l, r) = (crate::plan::sql_type(left).to_lowercase(), crate::plan::sql_type(right).to_lowercase());
    match type_union_coercion(left, right) {
        Some(found) => Ok(found),
        None => plan_err!("{name}: {l} and {r} have no type in common"),
    }
}

fn wrong_count<T>(name: &str, wanted: &str, got: usize) -> Result<T> {
    plan_err!("Function '{name}' expects {wanted} arguments but received {got}")
}

/// `(array)`.
fn one_list(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [list] => Ok(vec![plain_list(name, list)?]),
        _ => wrong_count(name, "1", types.len()),
    }
}

/// `(array, item)`: both get the type they have in common.
fn list_and_item(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [list, value] = types else {
        return wrong_count(name, "2", types.len());
    };
    let item = item_of(name, list)?;
    let both = common(name, item.data_type(), value)?;
    Ok(vec![list_of(both.clone(), item.is_nullable()), both])
}

/// Arrays that all get the same type.
fn equal_lists(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.is_empty() {
        return wrong_count(name, "at least 1", 0);
    }
    let mut both = DataType::Null;
    let mut nullable = false;
    for list in types {
        let item = item_of(name, list)?;
        both = common(name, &both, item.data_type())?;
        nullable |= item.is_nullable();
    }
    Ok(vec![list_of(both, nullable); types.len()])
}

/// The first argument's type; NULL where any argument is.
fn like_first(_name: &str, fields: &[FieldRef]) -> Result<FieldRef> {
    Ok(field(fields[0].data_type().clone(), any_nullable(fields)))
}

fn list(array: &ArrayRef) -> &ListArray {
    array.as_list::<i32>()
}

/// Whether a row of any of these columns is NULL.
fn any_null(args: &[ArrayRef], row: usize) -> bool {
    args.iter().any(|a| a.is_null(row))
}

/// Where the items of an array's row lie among its values.
fn span(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}
