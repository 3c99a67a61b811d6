//! One call over whole columns: arguments in the form a function reads, and columns of answers.

use super::Takes;
use crate::{Error, types::variant_convert::from_array};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeBinaryArray, LargeBinaryBuilder, ListArray,
            ListBuilder, StringViewArray, StringViewBuilder,
        },
        compute,
        datatypes::{DataType, Field, Int64Type},
    },
    common::{DataFusionError, Result, plan_err},
    logical_expr::ColumnarValue,
};
use jsonb::{OwnedJsonb, RawJsonb};
use std::sync::Arc;

/// How much of a text an error shows.
const SHOWN_CHARS_MAX: usize = 120;

/// An argument, as it was taken.
#[derive(Debug)]
enum Argument {
    Variants(LargeBinaryArray),
    Texts(StringViewArray),
    Integers(Int64Array),
    Booleans(BooleanArray),
    TextLists(ListArray),
    Other(ArrayRef),
}

/// One call.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub name: &'static str,
    pub rows: usize,
    pub answer: &'a DataType,
    args: Vec<Argument>,
}

/// The type an argument is brought to before the call.
pub(super) fn coerced(name: &str, at: usize, takes: Takes, given: &DataType) -> Result<DataType> {
    if given.is_null() {
        return Ok(DataType::Null);
    }
    let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let wanted = match takes {
        Takes::Any | Takes::Value => return Ok(if is_text { DataType::Utf8View } else { given.clone() }),
        Takes::Json if is_text => return Ok(DataType::Utf8View),
        Takes::Json => return Ok(given.clone()),
        Takes::Text if is_text => return Ok(DataType::Utf8View),
        Takes::Text if given.is_numeric() || *given == DataType::Boolean => return Ok(DataType::Utf8View),
        Takes::Text if *given == DataType::LargeBinary => return Ok(given.clone()),
        Takes::Text => "a text",
        Takes::Integer if given.is_integer() => return Ok(DataType::Int64),
        Takes::Integer => "a whole number",
        Takes::Boolean if *given == DataType::Boolean => return Ok(DataType::Boolean),
        Takes::Boolean => "a boolean",
        Takes::Texts => match given {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if item.data_type().is_null()
                    || matches!(item.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) =>
            {
                return Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))));
            }
            DataType::LargeBinary => return Ok(given.clone()),
            _ => "an array of texts",
        },
    };
    plan_err!("Function '{name}': argument {} must be {wanted}, not {}", at + 1, crate::plan::sql_type(given))
}

impl<'a> Call<'a> {
    pub fn new(
        name: &'static str,
        args: &[ColumnarValue],
        rows: usize,
        takes: impl Fn(usize) -> Takes,
        answer: &'a DataType,
    ) -> Result<Self> {
        let args = args.iter().enumerate().map(|(at, arg)| taken(&arg.to_array(rows)?, takes(at)));
        Ok(Self { name, rows, answer, args: args.collect::<Result<Vec<_>>>()? })
    }

    /// Number of arguments.
    pub fn count(&self) -> usize {
        self.args.len()
    }

    pub fn json(&self, at: usize, row: usize) -> Option<RawJsonb<'_>> {
        match self.args.get(at)? {
            Argument::Variants(array) if array.is_valid(row) => Some(RawJsonb::new(array.value(row))),
            _ => None,
        }
    }

    pub fn text(&self, at: usize, row: usize) -> Option<&str> {
        match self.args.get(at)? {
            Argument::Texts(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    pub fn integer(&self, at: usize, row: usize) -> Option<i64> {
        match self.args.get(at)? {
            Argument::Integers(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    pub fn boolean(&self, at: usize, row: usize) -> Option<bool> {
        match self.args.get(at)? {
            Argument::Booleans(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// The texts of an array, NULLs left out.
    pub fn texts(&self, at: usize, row: usize) -> Option<Vec<String>> {
        match self.args.get(at)? {
            Argument::TextLists(array) if array.is_valid(row) => {
                let items = array.value(row);
                Some(items.as_string_view().iter().flatten().map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// An argument taken as it came.
    pub fn other(&self, at: usize) -> Option<&ArrayRef> {
        match self.args.get(at)? {
            Argument::Other(array) => Some(array),
            _ => None,
        }
    }

    /// A column of VARIANT made row by row.
    pub fn variants(&self, make: impl Fn(usize) -> Result<Option<OwnedJsonb>>) -> Result<ArrayRef> {
        let mut out = LargeBinaryBuilder::with_capacity(self.rows, self.rows * 16);
        for row in 0..self.rows {
            out.append_option(make(row)?.map(OwnedJsonb::to_vec));
        }
        Ok(Arc::new(out.finish()))
    }

    /// A column of arrays of VARIANT made row by row.
    pub fn variant_lists(&self, make: impl Fn(usize) -> Result<Option<Vec<OwnedJsonb>>>) -> Result<ArrayRef> {
        let mut out = ListBuilder::new(LargeBinaryBuilder::new());
        for row in 0..self.rows {
            match make(row)? {
                Some(items) => {
                    items.into_iter().for_each(|item| out.values().append_value(item.to_vec()));
                    out.append(true);
                }
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    pub fn strings<T: AsRef<str>>(&self, make: impl Fn(usize) -> Result<Option<T>>) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            out.append_option(make(row)?);
        }
        Ok(Arc::new(out.finish()))
    }

    pub fn booleans(&self, make: impl Fn(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        let made = (0..self.rows).map(make).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(BooleanArray::from(made)))
    }

    pub fn integers(&self, make: impl Fn(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let made = (0..self.rows).map(make).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Int64Array::from(made)))
    }

    /// The library's error, with the function's name.
    pub fn failed(&self, error: impl std::fmt::Display) -> DataFusionError {
        evaluation(format!("{}: {error}", self.name))
    }
}

fn taken(array: &ArrayRef, takes: Takes) -> Result<Argument> {
    if array.data_type().is_null() && takes != Takes::Any {
        return Ok(match takes {
            Takes::Json | Takes::Value => Argument::Variants(LargeBinaryArray::new_null(array.len())),
            _ => Argument::Other(array.clone()),
        });
    }
    Ok(match takes {
        Takes::Json => Argument::Variants(variant_of(array)?),
        Takes::Value => Argument::Variants(from_array(array).map_err(ours)?),
        Takes::Text => Argument::Texts(texts_of(array)?),
        Takes::Integer => {
            Argument::Integers(compute::cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        }
        Takes::Boolean => Argument::Booleans(array.as_boolean().clone()),
        Takes::Texts => match array.as_list_opt::<i32>() {
            Some(lists) => Argument::TextLists(lists.clone()),
            None => Argument::TextLists(text_lists(array.as_binary::<i64>())?),
        },
        Takes::Any => Argument::Other(array.clone()),
    })
}

/// A JSON array of strings as an array of texts.
fn text_lists(variants: &LargeBinaryArray) -> Result<ListArray> {
    let mut out = ListBuilder::new(StringViewBuilder::new());
    for variant in variants {
        let items = variant.map(|v| RawJsonb::new(v).array_values()).transpose().map_err(damaged)?.flatten();
        let Some(items) = items else {
            out.append_null();
            continue;
        };
        for item in &items {
            out.values().append_option(item.as_raw().as_str().map_err(damaged)?);
        }
        out.append(true);
    }
    Ok(out.finish())
}

/// Texts; of VARIANT, what its strings hold and what the rest looks like.
fn texts_of(array: &ArrayRef) -> Result<StringViewArray> {
    let Some(variants) = array.as_binary_opt::<i64>() else {
        return Ok(compute::cast(array, &DataType::Utf8View)?.as_string_view().clone());
    };
    let mut out = StringViewBuilder::with_capacity(variants.len());
    for variant in variants {
        out.append_option(variant.map(|v| plain_text(RawJsonb::new(v))).transpose()?.flatten());
    }
    Ok(out.finish())
}

/// Text of a value: a string without its quotes, JSON for the rest, nothing for null.
pub(super) fn plain_text(json: RawJsonb<'_>) -> Result<Option<String>> {
    if json.is_null().map_err(damaged)? {
        return Ok(None);
    }
    if let Some(text) = json.as_str().map_err(damaged)? {
        return Ok(Some(text.into_owned()));
    }
    if let Some(extended) = json.as_extension_value().map_err(damaged)? {
        return Ok(Some(extended.to_string()));
    }
    Ok(Some(json.to_string()))
}

/// A column as VARIANT: texts are parsed, anything else is converted.
pub(super) fn variant_of(array: &ArrayRef) -> Result<LargeBinaryArray> {
    if !matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return from_array(array).map_err(ours);
    }
    let texts = compute::cast(array, &DataType::Utf8View)?;
    let mut out = LargeBinaryBuilder::with_capacity(texts.len(), texts.len() * 16);
    for text in texts.as_string_view() {
        out.append_option(text.map(json_value).transpose()?.map(OwnedJsonb::to_vec));
    }
    Ok(out.finish())
}

/// JSONB of a JSON text.
pub(super) fn json_value(text: &str) -> Result<OwnedJsonb> {
    crate::types::variant::from_text(text).map(OwnedJsonb::new).map_err(ours)
}

/// The beginning of a text, for errors.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

pub(super) fn evaluation(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::Evaluation { message }))
}

pub(super) fn damaged(error: jsonb::Error) -> DataFusionError {
    evaluation(format!("a VARIANT value is damaged: {error}"))
}

/// Our error as the library's.
pub(super) fn ours(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
