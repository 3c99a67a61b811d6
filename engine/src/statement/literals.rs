//! Columns from the literals of a bulk INSERT, without planning and without a tree per value.

use super::assign::{Defaults, cannot_convert, convert_in_zone};
use crate::{
    Result,
    plan::StatementContext,
    sql::{Literal, LiteralRows},
    types::Special,
};
use arrow::{
    array::{ArrayRef, BooleanBuilder, PrimitiveBuilder, StringBuilder, StringViewBuilder},
    compute::interleave,
    datatypes::{
        ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use basalt_meta::Column;
use std::{ops::Range, sync::Arc};

/// Whether columns of this type can be made of literals directly; other types go through the planner.
pub(super) fn is_direct(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
}

/// Values of one column: the literals at `position` of these rows.
pub(super) fn column(
    context: &StatementContext,
    literals: &LiteralRows,
    rows: Range<usize>,
    position: usize,
    column: &Column,
    defaults: &mut Defaults,
) -> Result<ArrayRef> {
    let source = Source { literals, rows, position, column };
    let values = source.values(context)?;
    source.fill_defaults(context, values, defaults)
}

struct Source<'a> {
    literals: &'a LiteralRows,
    rows: Range<usize>,
    position: usize,
    column: &'a Column,
}

impl<'a> Source<'a> {
    fn each(&self) -> impl Iterator<Item = (usize, Literal<'a>)> + '_ {
        self.rows.clone().map(|row| (row, self.literals.get(row, self.position)))
    }

    fn fault(&self, row: usize, literal: &Literal<'_>) -> crate::Error {
        let value = match literal {
            Literal::Null => "NULL",
            Literal::Default => "DEFAULT",
            Literal::Bool(true) => "true",
            Literal::Bool(false) => "false",
            Literal::Number(text) => text,
            Literal::Text(text) => text,
        };
        cannot_convert(value, self.column, row as u64)
    }

    fn values(&self, context: &StatementContext) -> Result<ArrayRef> {
        match &self.column.data_type {
            DataType::Int8 => self.integers::<Int8Type>(),
            DataType::Int16 => self.integers::<Int16Type>(),
            DataType::Int32 => self.integers::<Int32Type>(),
            DataType::Int64 => self.integers::<Int64Type>(),
            DataType::UInt8 => self.integers::<UInt8Type>(),
            DataType::UInt16 => self.integers::<UInt16Type>(),
            DataType::UInt32 => self.integers::<UInt32Type>(),
            DataType::UInt64 => self.integers::<UInt64Type>(),
            DataType::Float32 => self.parsed::<Float32Type>(|text| lexical_core::parse(text).ok()),
            DataType::Float64 => self.parsed::<Float64Type>(|text| lexical_core::parse(text).ok()),
            DataType::Boolean => self.booleans(),
            DataType::Utf8View => self.texts(),
            _ => self.cast_texts(context),
        }
    }

    fn integers<T>(&self) -> Result<ArrayRef>
    where
        T: ArrowPrimitiveType,
        T::Native: lexical_core::FromLexical + TryFrom<i128>,
    {
        self.parsed::<T>(|text| lexical_core::parse(text).ok().or_else(|| fraction::<T>(text)))
    }

    fn parsed<T: ArrowPrimitiveType>(&self, parse: impl Fn(&[u8]) -> Option<T::Native>) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows.len());
        for (row, literal) in self.each() {
            let value = match &literal {
                Literal::Null | Literal::Default => {
                    builder.append_null();
                    continue;
                }
                Literal::Number(text) => parse(text.as_bytes()),
                Literal::Text(text) => parse(text.trim().as_bytes()),
                Literal::Bool(value) => parse(if *value { b"1" } else { b"0" }),
            };
            builder.append_value(value.ok_or_else(|| self.fault(row, &literal))?);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn booleans(&self) -> Result<ArrayRef> {
        let mut builder = BooleanBuilder::with_capacity(self.rows.len());
        for (row, literal) in self.each() {
            match &literal {
                Literal::Null | Literal::Default => builder.append_null(),
                Literal::Bool(value) => builder.append_value(*value),
                Literal::Number(text) => match lexical_core::parse::<f64>(text.as_bytes()) {
                    Ok(number) => builder.append_value(number != 0.0),
                    Err(_) => return Err(self.fault(row, &literal)),
                },
                Literal::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                    "true" | "t" | "1" | "yes" | "on" => builder.append_value(true),
                    "false" | "f" | "0" | "no" | "off" => builder.append_value(false),
                    _ => return Err(self.fault(row, &literal)),
                },
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn texts(&self) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.rows.len());
        for (_, literal) in self.each() {
            match literal {
                Literal::Null | Literal::Default => builder.append_null(),
                Literal::Bool(value) => builder.append_value(if value { "true" } else { "false" }),
                Literal::Number(text) => builder.append_value(text),
                Literal::Text(text) => builder.append_value(text.as_ref()),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Everything else: through its text. Numbers are no dates, but they are JSON, and sets of one.
    fn cast_texts(&self, context: &StatementContext) -> Result<ArrayRef> {
        let data_type = &self.column.data_type;
        let json = Special::of(data_type) == Some(Special::Variant);
        let numbers = data_type.is_numeric() || json || Special::of(data_type) == Some(Special::Bitmap);
        let mut builder = StringBuilder::with_capacity(self.rows.len(), self.rows.len() * 12);
        for (row, literal) in self.each() {
            match &literal {
                Literal::Null | Literal::Default => builder.append_null(),
                Literal::Number(text) if numbers => builder.append_value(text),
                Literal::Text(text) => builder.append_value(text),
                Literal::Bool(value) if json => builder.append_value(if *value { "true" } else { "false" }),
                Literal::Number(_) | Literal::Bool(_) => return Err(self.fault(row, &literal)),
            }
        }
        let texts: ArrayRef = Arc::new(builder.finish());
        convert_in_zone(context, &texts, self.column, self.rows.start as u64)
    }

    /// Puts the column's default where a row says DEFAULT.
    fn fill_defaults(&self, context: &StatementContext, values: ArrayRef, defaults: &mut Defaults) -> Result<ArrayRef> {
        let count = self.each().filter(|(_, literal)| *literal == Literal::Default).count();
        if count == 0 {
            return Ok(values);
        }
        let default_values = defaults.values(context, self.column, count)?;
        let mut next = 0;
        let places: Vec<(usize, usize)> = self
            .each()
            .enumerate()
            .map(|(n, (_, literal))| match literal {
                Literal::Default => {
                    next += 1;
                    (1, next - 1)
                }
                _ => (0, n),
            })
            .collect();
        interleave(&[values.as_ref(), default_values.as_ref()], &places)
            .map_err(|source| crate::Error::internal("defaults do not fit their column", source))
    }
}

/// An integer written with a fraction or exponent, cut to its whole part as a cast would.
fn fraction<T>(text: &[u8]) -> Option<T::Native>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    if !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return None;
    }
    let number: f64 = lexical_core::parse(text).ok()?;
    if !number.is_finite() || number.abs() >= 1e30 {
        return None;
    }
    T::Native::try_from(number.trunc() as i128).ok()
}
