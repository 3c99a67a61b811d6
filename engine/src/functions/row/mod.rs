//! Scalar functions as entries of tables: a name, what it takes, a closure for one row, and a line of documentation.
//!
//! The frame does what all of them need alike: it counts and converts arguments while planning, answers NULL for NULL,
//! folds constants to one row, and tells planning which arguments are clocks on a wall (see [`Clock`]). Functions whose
//! speed over whole columns matters are written against arrays instead, in files of their own.

mod column;

pub(super) use column::{Column, Row, Rows, outside};

use crate::types::Special;
use datafusion::{
    arrow::{
        array::{
            ArrayRef, BinaryBuilder, BooleanArray, Date32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
            StringViewBuilder, TimestampMicrosecondArray, UInt64Array,
        },
        compute::cast,
        datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, IntervalUnit, TimeUnit},
    },
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What an argument is converted to before a row sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Text,
    /// Text or binary, as bytes.
    Bytes,
    Int,
    /// A whole number of 64 bits, read with or without a sign.
    Bits,
    Float,
    Date,
    Time,
    /// A date or a timestamp, as it comes; text is a timestamp.
    Moment,
    /// A bitmap, the text of one, or a number: the bitmap of only this.
    Bitmap,
    /// GEOMETRY or GEOGRAPHY, or the text of a geometry.
    Shape,
    /// As it comes.
    Any,
}

impl Kind {
    fn arrow(self, given: &DataType) -> DataType {
        match self {
            // Texts stay what they are, so that literals stay literals: types of results may depend on them.
            Kind::Text | Kind::Bytes if given.is_string() => given.clone(),
            Kind::Text => DataType::Utf8View,
            Kind::Bytes => match given {
                DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
                _ => DataType::Utf8View,
            },
            Kind::Int => DataType::Int64,
            Kind::Bits => match given {
                DataType::UInt64 => DataType::UInt64,
                _ => DataType::Int64,
            },
            Kind::Float => DataType::Float64,
            Kind::Date => DataType::Date32,
            Kind::Time => MICROS,
            Kind::Moment => match given {
                DataType::Date32 | DataType::Date64 => DataType::Date32,
                DataType::Struct(_) => given.clone(),
                _ => MICROS,
            },
            Kind::Bitmap => match given {
                DataType::Struct(_) => given.clone(),
                _ => DataType::Utf8View,
            },
            Kind::Shape => match given {
                DataType::Struct(_) => given.clone(),
                _ => DataType::Utf8View,
            },
            Kind::Any => given.clone(),
        }
    }

    fn accepts(self, given: &DataType) -> bool {
        if *given == DataType::Null {
            return true;
        }
        let nested = given.is_nested() || matches!(given, DataType::LargeBinary);
        match self {
            Kind::Any => true,
            Kind::Bitmap => given.is_string() || given.is_integer() || Special::of(given) == Some(Special::Bitmap),
            Kind::Shape => {
                given.is_string() || matches!(Special::of(given), Some(Special::Geometry | Special::Geography))
            }
            Kind::Moment | Kind::Time | Kind::Date => {
                given.is_string()
                    || matches!(given, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
                    || Special::of(given) == Some(Special::TimestampTz)
            }
            Kind::Int | Kind::Bits => given.is_numeric() || given.is_string() || *given == DataType::Boolean,
            Kind::Float => given.is_numeric() || given.is_string(),
            Kind::Text | Kind::Bytes => !nested,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Bytes => "text or binary",
            Kind::Int | Kind::Bits => "a whole number",
            Kind::Float => "a number",
            Kind::Date => "a date",
            Kind::Time => "a timestamp",
            Kind::Moment => "a date or a timestamp",
            Kind::Bitmap => "a bitmap",
            Kind::Shape => "a geometry or a geography",
            Kind::Any => "anything",
        }
    }
}

/// TIMESTAMP.
pub(super) const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Whether timestamps go in and come out as instants, or as what a clock on a wall in the session's zone shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Instants in, instants out.
    None,
    /// Looks at a wall.
    Reads,
    /// Answers with a wall time from an instant or from none.
    Makes,
    /// Both.
    Wall,
    /// Instants out; the zone's name is added as the last argument.
    Zone,
}

/// How planning treats the timestamps of a function; `None` when it is not one of these tables.
pub(crate) fn clock_of(function: &ScalarUDF) -> Option<Clock> {
    function.inner().downcast_ref::<RowFunction>().map(|f| f.clock)
}

type Per<T> = Arc<dyn Fn(&Row) -> Result<Option<T>> + Send + Sync>;
type PerText = Arc<dyn Fn(&Row, &mut String) -> Result<bool> + Send + Sync>;
type TypeRule = Arc<dyn Fn(&[FieldRef], &[Option<&ScalarValue>]) -> Result<DataType> + Send + Sync>;
type Whole = Arc<dyn Fn(&Rows, &DataType) -> Result<ArrayRef> + Send + Sync>;

#[derive(Clone)]
enum Body {
    Text(PerText),
    Bytes(Per<Vec<u8>>),
    /// The bytes of values of a special type; `None`: of the type of the first argument.
    Special(Option<Special>, Per<Vec<u8>>),
    Bool(Per<bool>),
    /// Computed as 64 bits, answered as the type.
    Int(DataType, Per<i64>),
    UInt(DataType, Per<u64>),
    Float(Per<f64>),
    Date(Per<i32>),
    Time(Per<i64>),
    Interval(Per<IntervalMonthDayNano>),
    /// A type that depends on the arguments, or a result that is made column-wise.
    Whole(TypeRule, Whole),
}

/// One function.
pub(super) struct RowFunction {
    name: &'static str,
    aliases: Vec<String>,
    takes: Vec<Kind>,
    required: usize,
    repeats: bool,
    sees_nulls: bool,
    or_null: bool,
    clock: Clock,
    signature: Signature,
    doc: Documentation,
    body: Option<Body>,
}

/// Begins a function: its names (the first is the main one), how it is written, and what it answers.
pub(super) fn function(
    names: &[&'static str],
    takes: &[Kind],
    syntax: &str,
    description: &str,
    example: &str,
) -> RowFunction {
    let doc = Documentation::builder(SECTION, description, syntax).with_sql_example(example).build();
    RowFunction {
        name: names[0],
        aliases: names[1..].iter().map(|n| (*n).to_owned()).collect(),
        takes: takes.to_vec(),
        required: takes.len(),
        repeats: false,
        sees_nulls: false,
        or_null: false,
        clock: Clock::None,
        signature: Signature::user_defined(Volatility::Immutable),
        doc,
        body: None,
    }
}

const SECTION: DocSection = DocSection { include: false, label: "Functions", description: None };

impl RowFunction {
    /// The last `count` arguments may be left out.
    pub fn optional(mut self, count: usize) -> Self {
        self.required = self.takes.len() - count;
        self
    }

    /// The last argument may come any number of times.
    pub fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Rows with NULLs are computed too.
    pub fn sees_nulls(mut self) -> Self {
        self.sees_nulls = true;
        self
    }

    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Answers differently each time.
    pub fn volatile(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Volatile);
        self
    }

    fn with(mut self, body: Body, or_null: bool) -> Arc<ScalarUDF> {
        self.body = Some(body);
        self.or_null = or_null;
        Arc::new(ScalarUDF::from(self))
    }

    pub fn text(self, f: impl Fn(&Row, &mut String) -> Result<()> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Text(Arc::new(move |row, out| f(row, out).map(|()| true))), false)
    }

    /// NULL where the closure answers `false`.
    pub fn text_or_null(self, f: impl Fn(&Row, &mut String) -> Result<bool> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Text(Arc::new(f)), true)
    }

    pub fn bytes(self, f: impl Fn(&Row) -> Result<Vec<u8>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Bytes(Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn bytes_or_null(self, f: impl Fn(&Row) -> Result<Option<Vec<u8>>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Bytes(Arc::new(f)), true)
    }

    /// The bytes of a value of a special type that is kept as bytes.
    pub fn special(
        self,
        special: Special,
        f: impl Fn(&Row) -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        self.with(Body::Special(Some(special), Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn special_or_null(
        self,
        special: Special,
        f: impl Fn(&Row) -> Result<Option<Vec<u8>>> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        self.with(Body::Special(Some(special), Arc::new(f)), true)
    }

    /// The bytes of a shape of the first argument's type.
    pub fn shape_or_null(self, f: impl Fn(&Row) -> Result<Option<Vec<u8>>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Special(None, Arc::new(f)), true)
    }

    pub fn bool(self, f: impl Fn(&Row) -> Result<bool> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Bool(Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn int(self, data_type: DataType, f: impl Fn(&Row) -> Result<i64> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Int(data_type, Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn int_or_null(
        self,
        data_type: DataType,
        f: impl Fn(&Row) -> Result<Option<i64>> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        self.with(Body::Int(data_type, Arc::new(f)), true)
    }

    pub fn uint(self, data_type: DataType, f: impl Fn(&Row) -> Result<u64> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::UInt(data_type, Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn uint_or_null(
        self,
        data_type: DataType,
        f: impl Fn(&Row) -> Result<Option<u64>> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        self.with(Body::UInt(data_type, Arc::new(f)), true)
    }

    pub fn float(self, f: impl Fn(&Row) -> Result<f64> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Float(Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn float_or_null(self, f: impl Fn(&Row) -> Result<Option<f64>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Float(Arc::new(f)), true)
    }

    pub fn date(self, f: impl Fn(&Row) -> Result<i32> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Date(Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn date_or_null(self, f: impl Fn(&Row) -> Result<Option<i32>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Date(Arc::new(f)), true)
    }

    pub fn time(self, f: impl Fn(&Row) -> Result<i64> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Time(Arc::new(move |row| f(row).map(Some))), false)
    }

    pub fn time_or_null(self, f: impl Fn(&Row) -> Result<Option<i64>> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Time(Arc::new(f)), true)
    }

    pub fn interval(self, f: impl Fn(&Row) -> Result<IntervalMonthDayNano> + Send + Sync + 'static) -> Arc<ScalarUDF> {
        self.with(Body::Interval(Arc::new(move |row| f(row).map(Some))), false)
    }

    /// The type from the arguments (types as converted, values where they are literals), the result from all rows.
    /// NULLs are the closure's to see.
    pub fn whole(
        self,
        result: impl Fn(&[FieldRef], &[Option<&ScalarValue>]) -> Result<DataType> + Send + Sync + 'static,
        compute: impl Fn(&Rows, &DataType) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        let or_null = self.or_null;
        self.with(Body::Whole(Arc::new(result), Arc::new(compute)), or_null)
    }

    fn kind(&self, at: usize) -> Kind {
        self.takes.get(at).or(self.takes.last()).copied().unwrap_or(Kind::Any)
    }

    fn body(&self) -> &Body {
        self.body.as_ref().expect("a function is only made with its body")
    }

    fn run(&self, rows: &Rows, result: &DataType) -> Result<ArrayRef> {
        let skip = |at: usize| !self.sees_nulls && rows.any_null(at);
        macro_rules! primitive {
            ($f:expr, $array:ty) => {{
                let mut values = Vec::with_capacity(rows.len());
                for at in 0..rows.len() {
                    values.push(if skip(at) { None } else { $f(&rows.row(at))? });
                }
                Arc::new(<$array>::from(values)) as ArrayRef
            }};
        }
        Ok(match self.body() {
            Body::Whole(_, f) => return f(rows, result),
            Body::Text(f) => {
                let mut texts = StringViewBuilder::with_capacity(rows.len());
                let mut text = String::new();
                for at in 0..rows.len() {
                    text.clear();
                    if !skip(at) && f(&rows.row(at), &mut text)? {
                        texts.append_value(&text);
                    } else {
                        texts.append_null();
                    }
                }
                Arc::new(texts.finish())
            }
            Body::Bytes(f) => {
                let mut values = BinaryBuilder::new();
                for at in 0..rows.len() {
                    values.append_option(if skip(at) { None } else { f(&rows.row(at))? });
                }
                Arc::new(values.finish())
            }
            Body::Special(_, f) => {
                let mut values = BinaryBuilder::new();
                for at in 0..rows.len() {
                    values.append_option(if skip(at) { None } else { f(&rows.row(at))? });
                }
                let special = Special::of(result).unwrap_or(Special::Geometry);
                crate::types::from_bytes(special, values.finish())
            }
            Body::Bool(f) => primitive!(f, BooleanArray),
            Body::Int(data_type, f) => cast(&primitive!(f, Int64Array), data_type)?,
            Body::UInt(data_type, f) => cast(&primitive!(f, UInt64Array), data_type)?,
            Body::Float(f) => primitive!(f, Float64Array),
            Body::Date(f) => primitive!(f, Date32Array),
            Body::Time(f) => primitive!(f, TimestampMicrosecondArray),
            Body::Interval(f) => primitive!(f, IntervalMonthDayNanoArray),
        })
    }
}

/// "1 argument", "2 to 3 arguments", "at least 1 argument".
fn counts(required: usize, most: usize, repeats: bool) -> String {
    let noun = |n: usize| if n == 1 { "argument" } else { "arguments" };
    match (repeats, required == most) {
        (true, _) => format!("at least {required} {}", noun(required)),
        (false, true) => format!("{required} {}", noun(required)),
        (false, false) => format!("{required} to {most} arguments"),
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.doc)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (most, count) = (self.takes.len(), given.len());
        if count < self.required || (count > most && !self.repeats) {
            let counts = counts(self.required, most, self.repeats);
            return plan_err!("function `{}` takes {counts}, not {count}", self.name);
        }
        given
            .iter()
            .enumerate()
            .map(|(at, data_type)| {
                let kind = self.kind(at);
                if !kind.accepts(data_type) {
                    let (words, sql) = (kind.words(), crate::plan::sql_type(data_type));
                    return plan_err!("argument {} of function `{}` is {words}, not {sql}", at + 1, self.name);
                }
                Ok(kind.arrow(data_type))
            })
            .collect()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match self.body() {
            Body::Text(_) => DataType::Utf8View,
            Body::Bytes(_) => DataType::Binary,
            Body::Special(Some(special), _) => special.arrow(),
            Body::Special(None, _) => match given.first().and_then(Special::of) {
                Some(Special::Geography) => Special::Geography.arrow(),
                _ => Special::Geometry.arrow(),
            },
            Body::Bool(_) => DataType::Boolean,
            Body::Int(data_type, _) | Body::UInt(data_type, _) => data_type.clone(),
            Body::Float(_) => DataType::Float64,
            Body::Date(_) => DataType::Date32,
            Body::Time(_) => MICROS,
            Body::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            Body::Whole(rule, _) => {
                let fields: Vec<FieldRef> =
                    given.iter().map(|d| Arc::new(Field::new("", d.clone(), true)) as FieldRef).collect();
                rule(&fields, &vec![None; given.len()])?
            }
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = match self.body() {
            Body::Whole(rule, _) => rule(args.arg_fields, args.scalar_arguments)?,
            _ => {
                let first = args.arg_fields.first().map(|f| f.data_type().clone());
                self.return_type(first.as_slice())?
            }
        };
        let from_null = !self.sees_nulls && args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name, data_type, self.or_null || from_null)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = self.signature.volatility != Volatility::Volatile
            && args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let count = if constant { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(args.args.len());
        for (at, argument) in args.args.iter().enumerate() {
            columns.push(Column::new(argument, self.kind(at))?);
        }
        let result = self.run(&Rows::new(columns, count), args.return_field.data_type())?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name says which entry of the tables it is.
impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
