//! Functions that yield rows: FLATTEN, `json_each`, `json_array_elements`, `json_path_query`, `unnest`. Each is made of
//! a function that answers with an array of its rows, which the plan then opens (`plan/row_functions.rs`).

use super::{
    Takes,
    call::{Call, damaged},
    flatten, json,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, LargeBinaryBuilder, ListArray, StringViewBuilder, StructArray},
        buffer::OffsetBuffer,
        datatypes::{DataType, Field, FieldRef, Fields},
    },
    common::{Result, ScalarValue, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, expr::ScalarFunction,
        lit,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a function that yields rows is made of.
#[derive(Debug)]
pub(crate) struct TableShape {
    /// Answers with an array per input row.
    pub rows: Expr,
    /// Names of the columns; where there is only one, the array's items are its values.
    pub columns: Vec<&'static str>,
}

/// Named and unnamed arguments.
type Arguments = Vec<(Option<String>, Expr)>;

/// The function called `name` (lower case) over these arguments; nothing where it yields no rows. `unnest` is opened
/// by what its argument is, so `is_json` says.
pub(crate) fn table_function(
    name: &str,
    args: Arguments,
    is_json: impl Fn(&Expr) -> bool,
) -> Result<Option<TableShape>> {
    Ok(Some(match name {
        "flatten" => flatten_shape(args)?,
        "json_each" | "jsonb_each" => {
            TableShape { rows: super::call("__basalt_json_each", plain(name, args, 1)?), columns: vec!["key", "value"] }
        }
        "json_array_elements" | "jsonb_array_elements" => {
            TableShape { rows: super::call("__basalt_json_items", plain(name, args, 1)?), columns: vec!["value"] }
        }
        "json_path_query" | "jsonb_path_query" => {
            TableShape { rows: super::call("__basalt_json_query", plain(name, args, 2)?), columns: vec!["value"] }
        }
        "unnest" => {
            let mut args = plain(name, args, 1)?;
            let array = args.remove(0);
            let rows = if is_json(&array) { super::call("__basalt_json_items", vec![array]) } else { array };
            TableShape { rows, columns: vec!["unnest"] }
        }
        _ => return Ok(None),
    }))
}

fn plain(name: &str, args: Arguments, count: usize) -> Result<Vec<Expr>> {
    if args.len() != count {
        return plan_err!("Function '{name}' expects {count} arguments but received {}", args.len());
    }
    Ok(args.into_iter().map(|(_, expr)| expr).collect())
}

fn flatten_shape(args: Arguments) -> Result<TableShape> {
    const NAMES: [&str; 5] = ["input", "path", "outer", "recursive", "mode"];
    let mut given: [Option<Expr>; 5] = [const { None }; 5];
    for (at, (name, expr)) in args.into_iter().enumerate() {
        let place = match &name {
            Some(name) => NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)),
            None => (at < NAMES.len()).then_some(at),
        };
        let Some(place) = place else {
            let name = name.unwrap_or_else(|| (at + 1).to_string());
            return plan_err!("flatten has no argument `{name}`: it takes {}", NAMES.join(", "));
        };
        if given[place].replace(expr).is_some() {
            return plan_err!("flatten is given `{}` twice", NAMES[place]);
        }
    }
    let [Some(input), path, outer, recursive, mode] = given else {
        return plan_err!("flatten must be given `input`");
    };
    let no_text = || Expr::Literal(ScalarValue::Utf8View(None), None);
    let args = vec![
        input,
        path.unwrap_or_else(no_text),
        outer.unwrap_or_else(|| lit(false)),
        recursive.unwrap_or_else(|| lit(false)),
        mode.unwrap_or_else(no_text),
    ];
    let function = Arc::new(ScalarUDF::from(Flatten::new()));
    let rows = Expr::ScalarFunction(ScalarFunction::new_udf(function, args));
    Ok(TableShape { rows, columns: vec!["seq", "key", "path", "index", "value", "this"] })
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![json("__basalt_json_each", &[Takes::Json], pairs_type, each).udf()]
}

fn list_of(fields: Fields) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields), true)))
}

fn pair() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8View, true), Field::new("value", DataType::LargeBinary, true)])
}

fn pairs_type(_: &[FieldRef]) -> DataType {
    list_of(pair())
}

/// The fields of each row's object.
fn each(call: &Call) -> Result<ArrayRef> {
    let (mut keys, mut values) = (StringViewBuilder::new(), LargeBinaryBuilder::new());
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let fields = call.json(0, row).map(|v| v.object_each().map_err(damaged)).transpose()?.flatten();
        let fields = fields.unwrap_or_default();
        lengths.push(fields.len());
        for (key, value) in fields {
            keys.append_value(key);
            values.append_value(value.to_vec());
        }
    }
    let DataType::List(item) = call.answer else {
        return internal_err!("json_each answers with an array");
    };
    let pairs = StructArray::try_new(pair(), vec![Arc::new(keys.finish()), Arc::new(values.finish())], None)?;
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), Arc::new(pairs), None)?))
}

/// FLATTEN of one statement: it numbers the inputs it sees, so each statement has its own.
#[derive(Debug)]
struct Flatten {
    signature: Signature,
    seen: AtomicU64,
    number: u64,
}

impl Flatten {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let signature = Signature::user_defined(Volatility::Volatile);
        Self { signature, seen: AtomicU64::new(0), number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    const TAKES: [Takes; 5] = [Takes::Json, Takes::Text, Takes::Boolean, Takes::Boolean, Takes::Text];
}

impl PartialEq for Flatten {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Flatten {}

impl Hash for Flatten {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl ScalarUDFImpl for Flatten {
    fn name(&self) -> &str {
        "flatten"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types
            .iter()
            .zip(Self::TAKES)
            .enumerate()
            .map(|(at, (t, takes))| super::call::coerced("flatten", at, takes, t))
            .collect()
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(list_of(flatten::columns()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call =
            Call::new("flatten", &args.args, args.number_rows, |at| Self::TAKES[at], args.return_field.data_type())?;
        let rows = flatten::flatten(&call, || self.seen.fetch_add(1, Ordering::Relaxed) + 1)?;
        Ok(ColumnarValue::Array(rows))
    }
}
