//! Arguments as a row sees them: typed columns, those of one value beside those of many.

use super::{Kind, MICROS};
use crate::types::{self, Special};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int64Array, StringViewArray,
            TimestampMicrosecondArray, UInt64Array,
        },
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type},
    },
    common::{DataFusionError, Result, ScalarValue, exec_err},
    logical_expr::ColumnarValue,
};
use regex::Regex;
use std::{cell::RefCell, sync::Arc};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// One argument.
pub(crate) struct Column {
    values: Values,
    array: ArrayRef,
    single: bool,
}

enum Values {
    Text(StringViewArray),
    Bytes(BinaryArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Date(Date32Array),
    Time(TimestampMicrosecondArray),
    Any,
}

impl Column {
    pub fn new(argument: &ColumnarValue, kind: Kind) -> Result<Self> {
        let (array, single) = match argument {
            ColumnarValue::Array(array) => (array.clone(), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let wanted = match (kind, Special::of(array.data_type())) {
            (Kind::Moment | Kind::Time | Kind::Date, Some(Special::TimestampTz)) => MICROS,
            _ => match kind.arrow(array.data_type()) {
                DataType::Utf8 | DataType::LargeUtf8 if kind != Kind::Any => DataType::Utf8View,
                other => other,
            },
        };
        let array = if *array.data_type() == wanted {
            array
        } else if Special::of(array.data_type()) == Some(Special::TimestampTz) {
            wall_of_zoned(&array)
        } else {
            let options = CastOptions { safe: false, ..Default::default() };
            cast_with_options(&array, &wanted, &options)?
        };
        let array = match (kind, array.data_type()) {
            (Kind::Bitmap, DataType::Utf8View) => from_texts(&array, Special::Bitmap)?,
            (Kind::Shape, DataType::Utf8View) => from_texts(&array, Special::Geometry)?,
            _ => array,
        };
        let values = match (kind, array.data_type()) {
            (Kind::Bitmap | Kind::Shape, _) => match crate::types::to_bytes(&array) {
                Some(bytes) => Values::Bytes(bytes),
                None => Values::Any,
            },
            (Kind::Any, _) => Values::Any,
            (_, DataType::Utf8View) => Values::Text(array.as_string_view().clone()),
            (_, DataType::Binary) => Values::Bytes(array.as_binary().clone()),
            (_, DataType::Int64) => Values::Int(array.as_primitive::<Int64Type>().clone()),
            (_, DataType::UInt64) => Values::UInt(array.as_primitive::<UInt64Type>().clone()),
            (_, DataType::Float64) => Values::Float(array.as_primitive::<Float64Type>().clone()),
            (_, DataType::Date32) => Values::Date(array.as_primitive::<Date32Type>().clone()),
            (_, DataType::Timestamp(_, _)) => Values::Time(array.as_primitive::<TimestampMicrosecondType>().clone()),
            _ => Values::Any,
        };
        Ok(Self { values, array, single })
    }

    fn at(&self, row: usize) -> usize {
        if self.single { 0 } else { row }
    }
}

/// Values of a special type from their texts.
fn from_texts(array: &ArrayRef, special: Special) -> Result<ArrayRef> {
    let parse = |text: &str| match special {
        Special::Bitmap => types::bitmap::parse(text).map(|bitmap| types::bitmap::to_bytes(&bitmap)),
        _ => types::geometry::parse(text, special),
    };
    let values = array.as_string_view().iter().map(|text| text.map(parse).transpose());
    let values = values.collect::<crate::Result<Vec<_>>>().map_err(outside)?;
    Ok(types::from_bytes(special, values.iter().map(|v| v.as_deref()).collect::<BinaryArray>()))
}

/// One of our errors as the library passes it on.
pub(crate) fn outside(error: crate::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What the clock beside each zoned timestamp showed.
fn wall_of_zoned(array: &ArrayRef) -> ArrayRef {
    let fields = array.as_struct();
    let instants = fields.column(0).as_primitive::<TimestampMicrosecondType>();
    let offsets = fields.column(1).as_primitive::<Int32Type>();
    let wall = |row: usize| {
        let offset = i64::from(offsets.value(row)) * 1_000_000;
        fields.is_valid(row).then(|| instants.value(row).saturating_add(offset))
    };
    Arc::new((0..array.len()).map(wall).collect::<TimestampMicrosecondArray>())
}

/// All arguments of one call.
pub(crate) struct Rows {
    columns: Vec<Column>,
    count: usize,
    pattern: RefCell<Option<(String, Regex)>>,
}

impl Rows {
    pub fn new(columns: Vec<Column>, count: usize) -> Self {
        Self { columns, count, pattern: RefCell::new(None) }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// How many arguments there are.
    pub fn arguments(&self) -> usize {
        self.columns.len()
    }

    pub fn row(&self, at: usize) -> Row<'_> {
        Row { rows: self, at }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.count).map(|at| self.row(at))
    }

    /// The type of an argument as it came to be.
    pub fn data_type(&self, argument: usize) -> &DataType {
        self.columns[argument].array.data_type()
    }

    pub fn any_null(&self, at: usize) -> bool {
        self.columns.iter().any(|c| c.array.is_null(c.at(at)) || c.array.data_type() == &DataType::Null)
    }

    /// A whole argument, one value for each row.
    pub fn array(&self, argument: usize) -> Result<ArrayRef> {
        let column = &self.columns[argument];
        if column.single && self.count != 1 {
            return ScalarValue::try_from_array(&column.array, 0)?.to_array_of_size(self.count);
        }
        Ok(column.array.clone())
    }
}

/// One row of the arguments.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    rows: &'a Rows,
    at: usize,
}

impl<'a> Row<'a> {
    /// Whether the argument was given.
    pub fn has(&self, argument: usize) -> bool {
        argument < self.rows.columns.len()
    }

    pub fn arguments(&self) -> usize {
        self.rows.columns.len()
    }

    pub fn is_null(&self, argument: usize) -> bool {
        let column = &self.rows.columns[argument];
        column.array.is_null(column.at(self.at)) || column.array.data_type() == &DataType::Null
    }

    pub fn any_null(&self) -> bool {
        self.rows.any_null(self.at)
    }

    pub fn data_type(&self, argument: usize) -> &'a DataType {
        self.rows.data_type(argument)
    }

    /// The array behind an argument, and where this row's value is in it.
    pub fn value(&self, argument: usize) -> (&'a ArrayRef, usize) {
        let column = &self.rows.columns[argument];
        (&column.array, column.at(self.at))
    }

    fn column(&self, argument: usize) -> (&'a Values, usize) {
        let column = &self.rows.columns[argument];
        (&column.values, column.at(self.at))
    }

    pub fn text(&self, argument: usize) -> &'a str {
        match self.column(argument) {
            (Values::Text(array), at) => array.value(at),
            _ => "",
        }
    }

    pub fn bytes(&self, argument: usize) -> &'a [u8] {
        match self.column(argument) {
            (Values::Text(array), at) => array.value(at).as_bytes(),
            (Values::Bytes(array), at) => array.value(at),
            _ => &[],
        }
    }

    pub fn is_binary(&self, argument: usize) -> bool {
        matches!(self.column(argument).0, Values::Bytes(_))
    }

    pub fn int(&self, argument: usize) -> i64 {
        match self.column(argument) {
            (Values::Int(array), at) => array.value(at),
            (Values::UInt(array), at) => array.value(at) as i64,
            _ => 0,
        }
    }

    /// The value of an argument that may be left out.
    pub fn int_or(&self, argument: usize, default: i64) -> i64 {
        if self.has(argument) { self.int(argument) } else { default }
    }

    pub fn float(&self, argument: usize) -> f64 {
        match self.column(argument) {
            (Values::Float(array), at) => array.value(at),
            _ => f64::NAN,
        }
    }

    /// Days since 1970 of a date or of a timestamp.
    pub fn days(&self, argument: usize) -> i32 {
        match self.column(argument) {
            (Values::Date(array), at) => array.value(at),
            (Values::Time(array), at) => {
                i32::try_from(array.value(at).div_euclid(DAY)).expect("microseconds of 64 bits span few days")
            }
            _ => 0,
        }
    }

    /// Microseconds since 1970 of a date or of a timestamp.
    pub fn micros(&self, argument: usize) -> i64 {
        match self.column(argument) {
            (Values::Date(array), at) => i64::from(array.value(at)) * DAY,
            (Values::Time(array), at) => array.value(at),
            _ => 0,
        }
    }

    /// `work` with the compiled pattern; the last one is kept, as most calls have only one.
    pub fn with_pattern<T>(&self, pattern: &str, work: impl FnOnce(&Regex) -> Result<T>) -> Result<T> {
        let mut kept = self.rows.pattern.borrow_mut();
        if kept.as_ref().is_none_or(|(text, _)| text != pattern) {
            let compiled = match Regex::new(pattern) {
                Ok(compiled) => compiled,
                Err(error) => return exec_err!("invalid regular expression `{pattern}`: {error}"),
            };
            *kept = Some((pattern.to_owned(), compiled));
        }
        let (_, regex) = kept.as_ref().expect("just put there");
        work(regex)
    }
}
