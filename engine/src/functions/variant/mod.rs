//! Functions over VARIANT: JSON parsed, taken apart, searched, changed and compared by value.
//!
//! Each is a [`Json`]: a name, what its arguments are, what it answers, and what it does with one call over whole
//! columns. What the notations `v:a`, `v['a']`, `v->'a'`, `v @> w`… mean is in `planner`; how values compare and sort
//! is in `order`; the rows that FLATTEN and its like yield are made in `rows`. Lambdas over JSON arrays are those over
//! arrays, between `__basalt_json_items` and `to_variant` (`plan/dialect.rs`).

mod array;
mod build;
mod call;
mod flatten;
mod kind;
mod object;
mod order;
mod overload;
mod parse;
mod path;
mod planner;
mod rows;
mod search;

pub(crate) use order::{sort_key, text_sort_key};
pub(super) use planner::VariantPlanner;
pub(crate) use rows::{TableShape, table_function};

pub(super) use overload::take_variants;

use call::{Call, variant_of};
use datafusion::{
    arrow::{
        array::ArrayRef,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
    },
};
use order::compared;
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

/// What an argument is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A VARIANT; a text is parsed.
    Json,
    /// Any value, as the JSON it would be; a text is a JSON string.
    Value,
    Text,
    Integer,
    Boolean,
    /// Whatever comes: the function looks at the type.
    Any,
    /// An array of texts.
    Texts,
}

/// A function over VARIANT.
#[derive(Debug)]
struct Json {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    takes: &'static [Takes],
    /// How many of `takes` must be given.
    required: usize,
    /// Whether the last ones (this many) repeat without end.
    repeating: usize,
    answers: fn(&[FieldRef]) -> DataType,
    run: fn(&Call) -> Result<ArrayRef>,
}

/// A function that takes exactly these arguments.
fn json(
    name: &'static str,
    takes: &'static [Takes],
    answers: fn(&[FieldRef]) -> DataType,
    run: fn(&Call) -> Result<ArrayRef>,
) -> Json {
    let signature = Signature::user_defined(Volatility::Immutable);
    Json { name, aliases: Vec::new(), signature, takes, required: takes.len(), repeating: 0, answers, run }
}

impl Json {
    fn also(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(ToString::to_string).collect();
        self
    }

    /// The last arguments may be left out, down to this many.
    fn at_least(mut self, required: usize) -> Self {
        self.required = required;
        self
    }

    /// The last `count` arguments may come any number of times, also never.
    fn repeating(mut self, count: usize) -> Self {
        self.repeating = count;
        self.required = self.required.saturating_sub(count);
        self
    }

    fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }

    fn takes_at(&self, at: usize) -> Takes {
        if at < self.takes.len() {
            return self.takes[at];
        }
        let first = self.takes.len() - self.repeating;
        self.takes[first + (at - first) % self.repeating.max(1)]
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Json {}

impl Hash for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Json {
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
        let count = types.len();
        let fits = if self.repeating > 0 {
            let first = self.takes.len() - self.repeating;
            count >= self.required && count.saturating_sub(first).is_multiple_of(self.repeating)
        } else {
            (self.required..=self.takes.len()).contains(&count)
        };
        if !fits {
            let wanted = match (self.repeating, self.required == self.takes.len()) {
                (0, true) => format!("{} arguments", self.required),
                (0, false) => format!("{} to {} arguments", self.required, self.takes.len()),
                (1, _) => format!("at least {} arguments", self.required),
                (n, _) => format!("its arguments in groups of {n}"),
            };
            return plan_err!("Function '{}' expects {wanted} but received {count}", self.name);
        }
        types.iter().enumerate().map(|(at, t)| call::coerced(self.name, at, self.takes_at(at), t)).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        Ok((self.answers)(&fields))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name, (self.answers)(args.arg_fields), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let takes = |at| self.takes_at(at);
        let call = Call::new(self.name, &args.args, rows, takes, args.return_field.data_type())?;
        let answer = (self.run)(&call)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

fn variant(_: &[FieldRef]) -> DataType {
    DataType::LargeBinary
}

fn text(_: &[FieldRef]) -> DataType {
    DataType::Utf8View
}

fn boolean(_: &[FieldRef]) -> DataType {
    DataType::Boolean
}

fn integer(_: &[FieldRef]) -> DataType {
    DataType::Int64
}

fn number(_: &[FieldRef]) -> DataType {
    DataType::UInt32
}

fn float(_: &[FieldRef]) -> DataType {
    DataType::Float64
}

/// An array of VARIANT.
fn variants(_: &[FieldRef]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::LargeBinary, true)))
}

/// All scalar functions of this folder.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = parse::functions();
    functions.extend(kind::functions());
    functions.extend(path::functions());
    functions.extend(object::functions());
    functions.extend(array::functions());
    functions.extend(build::functions());
    functions.extend(search::functions());
    functions.extend(order::functions());
    functions.extend(rows::functions());
    functions
}

/// A call of the function of this folder that is called `name`.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    static FUNCTIONS: LazyLock<HashMap<String, Arc<ScalarUDF>>> =
        LazyLock::new(|| functions().into_iter().map(|f| (f.name().to_owned(), f)).collect());
    let function = FUNCTIONS.get(name).expect("only functions of this folder are asked for by name").clone();
    Expr::ScalarFunction(ScalarFunction::new_udf(function, args))
}
