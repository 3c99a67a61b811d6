//! Small tables made row by row.

use crate::{Result, plan::explain};
use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray, UInt8Array,
        UInt64Array,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use basalt_meta::Timestamp;
use std::sync::Arc;

/// Type of a column. The last letter says whether it may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextN,
    U8,
    U64,
    U64N,
    I64,
    Float,
    Bool,
    BoolN,
    Time,
    TimeN,
}

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Null,
    Text(String),
    U64(u64),
    I64(i64),
    Float(f64),
    Bool(bool),
    Time(Timestamp),
}

/// Columns and rows of a table.
#[derive(Debug)]
pub(super) struct Rows {
    columns: &'static [(&'static str, Kind)],
    rows: Vec<Vec<Cell>>,
}

impl Rows {
    pub fn new(columns: &'static [(&'static str, Kind)]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "{:?}", self.columns);
        self.rows.push(row);
    }

    pub fn batch(self) -> Result<RecordBatch> {
        let fields: Vec<Field> =
            self.columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), kind.nullable())).collect();
        let arrays = self.columns.iter().enumerate().map(|(i, (_, kind))| kind.array(&self.rows, i)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| explain(error.into()))
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::TextN => DataType::Utf8View,
            Kind::U8 => DataType::UInt8,
            Kind::U64 | Kind::U64N => DataType::UInt64,
            Kind::I64 => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Bool | Kind::BoolN => DataType::Boolean,
            Kind::Time | Kind::TimeN => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    fn nullable(self) -> bool {
        matches!(self, Kind::TextN | Kind::U64N | Kind::BoolN | Kind::TimeN)
    }

    fn array(self, rows: &[Vec<Cell>], column: usize) -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(column).unwrap_or(&Cell::Null));
        match self {
            Kind::Text | Kind::TextN => Arc::new(StringViewArray::from_iter(cells.map(|cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                _ => None,
            }))),
            Kind::U8 => Arc::new(UInt8Array::from_iter(cells.map(|cell| match cell {
                Cell::U64(number) => u8::try_from(*number).ok(),
                _ => None,
            }))),
            Kind::U64 | Kind::U64N => Arc::new(UInt64Array::from_iter(cells.map(|cell| match cell {
                Cell::U64(number) => Some(*number),
                _ => None,
            }))),
            Kind::I64 => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
                Cell::I64(number) => Some(*number),
                _ => None,
            }))),
            Kind::Float => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
                Cell::Float(number) => Some(*number),
                _ => None,
            }))),
            Kind::Bool | Kind::BoolN => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            }))),
            Kind::Time | Kind::TimeN => Arc::new(TimestampMicrosecondArray::from_iter(cells.map(|cell| match cell {
                Cell::Time(time) => Some(time.0),
                _ => None,
            }))),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::U64(number)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Cell::U64(number as u64)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::I64(number)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Float(number)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl From<Timestamp> for Cell {
    fn from(time: Timestamp) -> Self {
        Cell::Time(time)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A row of values that become cells.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::system::rows::Cell::from($value)),*] };
}
pub(super) use row;
