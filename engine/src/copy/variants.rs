//! Any values as JSON, and JSON as VARIANT: what `$1` is for files with named columns, and what NDJSON is written of.

use crate::{
    Result,
    types::{Special, variant},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, LargeBinaryBuilder, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use std::{fmt::Write, sync::Arc};

/// Values as VARIANT. Texts are JSON, or (with `quote`) values themselves.
pub(crate) fn variants_of(values: &ArrayRef, quote: bool) -> Result<ArrayRef> {
    let mut builder = LargeBinaryBuilder::new();
    let mut text = String::new();
    let strings =
        if values.data_type().is_string() && !quote { Some(cast(values, &DataType::Utf8View)?) } else { None };
    for row in 0..values.len() {
        if values.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        match &strings {
            Some(strings) => text.push_str(strings.as_string_view().value(row)),
            None => write_json(values, row, &mut text)?,
        }
        builder.append_value(variant::from_text(&text)?);
    }
    Ok(Arc::new(builder.finish()))
}

/// Each row of a batch as a JSON object in VARIANT.
pub(crate) fn rows_as_variants(batch: &RecordBatch) -> Result<ArrayRef> {
    let mut builder = LargeBinaryBuilder::new();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        text.clear();
        write_row(batch, row, &mut text)?;
        builder.append_value(variant::from_text(&text)?);
    }
    Ok(Arc::new(builder.finish()))
}

/// A row as a JSON object.
pub(crate) fn write_row(batch: &RecordBatch, row: usize, out: &mut String) -> Result<()> {
    out.push('{');
    for (n, (field, column)) in batch.schema_ref().fields().iter().zip(batch.columns()).enumerate() {
        if n > 0 {
            out.push(',');
        }
        write_text(field.name(), out);
        out.push(':');
        write_json(column, row, out)?;
    }
    out.push('}');
    Ok(())
}

/// One value as JSON.
pub(crate) fn write_json(values: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
    if values.is_null(row) || matches!(values.data_type(), DataType::Null) {
        out.push_str("null");
        return Ok(());
    }
    match values.data_type() {
        DataType::Boolean => out.push_str(if values.as_boolean().value(row) { "true" } else { "false" }),
        DataType::LargeBinary => out.push_str(&variant::to_text(values.as_binary::<i64>().value(row))),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => write_float(values, row, out)?,
        data_type if data_type.is_numeric() => out.push_str(&shown(values, row)?),
        DataType::List(_) => write_list(&values.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => write_list(&values.as_list::<i64>().value(row), out)?,
        DataType::FixedSizeList(..) => {
            let list: &FixedSizeListArray = values.as_fixed_size_list();
            write_list(&list.value(row), out)?;
        }
        DataType::Map(..) => {
            let entries = values.as_map().value(row);
            let (keys, held) = (entries.column(0), entries.column(1));
            out.push('{');
            for n in 0..entries.len() {
                if n > 0 {
                    out.push(',');
                }
                write_text(&shown(keys, n)?, out);
                out.push(':');
                write_json(held, n, out)?;
            }
            out.push('}');
        }
        data_type @ DataType::Struct(fields) if Special::of(data_type).is_none() => {
            // A tuple without names is a list.
            let named = fields.iter().enumerate().any(|(n, f)| *f.name() != (n + 1).to_string());
            out.push(if named { '{' } else { '[' });
            for (n, (field, column)) in fields.iter().zip(values.as_struct().columns()).enumerate() {
                if n > 0 {
                    out.push(',');
                }
                if named {
                    write_text(field.name(), out);
                    out.push(':');
                }
                write_json(column, row, out)?;
            }
            out.push(if named { '}' } else { ']' });
        }
        _ => write_text(&shown(values, row)?, out),
    }
    Ok(())
}

fn write_list(items: &ArrayRef, out: &mut String) -> Result<()> {
    out.push('[');
    for n in 0..items.len() {
        if n > 0 {
            out.push(',');
        }
        write_json(items, n, out)?;
    }
    out.push(']');
    Ok(())
}

/// JSON has no NaN and no infinities.
fn write_float(values: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
    let wide = cast(&values.slice(row, 1), &DataType::Float64)?;
    if wide.as_primitive::<Float64Type>().value(0).is_finite() {
        out.push_str(&shown(values, row)?);
    } else {
        out.push_str("null");
    }
    Ok(())
}

fn shown(values: &ArrayRef, row: usize) -> Result<String> {
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.6f"));
    Ok(ArrayFormatter::try_new(values.as_ref(), &options)?.value(row).to_string())
}

/// A JSON string.
pub(crate) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
