//! `INFER_SCHEMA(LOCATION => …)` and `LIST_STAGE(LOCATION => …)`: what is in a place of files, as tables.

use super::{
    format::{FileFormat, Kind},
    named,
    query::shown_type,
    source::{Selection, Source, find, format_named, format_of},
};
use crate::{
    Error, Result,
    load::{FieldRules, TextRows, Width},
    plan::{StatementContext, sql_type},
    stage::StageFile,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use chrono::DateTime;
use futures::StreamExt;
use std::{collections::BTreeMap, sync::Arc};

/// Rows that are looked at to find the columns of a text file.
const ROWS_LOOKED_AT: usize = 1000;
/// Columns of a CSV file that are looked at.
const COLUMNS_MAX: usize = 1000;

/// A function's arguments by name in lower case.
pub(crate) type Arguments = BTreeMap<String, String>;

fn location(arguments: &Arguments, function: &str) -> Result<String> {
    let missing = || Error::Semantic { message: format!("{function} needs LOCATION => '@stage/path'") };
    arguments.get("location").cloned().ok_or_else(missing)
}

fn known(arguments: &Arguments, names: &[&str], function: &str) -> Result<()> {
    match arguments.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::Semantic { message: format!("{function} has no argument {}", name.to_uppercase()) }),
    }
}

/// Files of a place: name, size, md5, last_modified, creator.
pub(crate) async fn list_stage(context: &StatementContext, arguments: &Arguments) -> Result<RecordBatch> {
    known(arguments, &["location", "pattern"], "LIST_STAGE")?;
    let selection = Selection { pattern: arguments.get("pattern").map(String::as_str), ..Selection::default() };
    let source = find(context, &location(arguments, "LIST_STAGE")?, selection).await?;
    listing(source.files.iter().map(|f| &f.file))
}

/// Files of a place.
pub(crate) async fn files_of(
    context: &StatementContext,
    location: &str,
    pattern: Option<&str>,
) -> Result<Vec<StageFile>> {
    let source = find(context, location, Selection { pattern, ..Selection::default() }).await?;
    Ok(source.files.into_iter().map(|f| f.file).collect())
}

/// Files as LIST shows them.
pub(crate) fn listing<'a>(files: impl Iterator<Item = &'a StageFile> + Clone) -> Result<RecordBatch> {
    let modified = |file: &StageFile| {
        let at = DateTime::from_timestamp_micros(file.last_modified).unwrap_or_default();
        at.format("%Y-%m-%d %H:%M:%S%.3f +0000").to_string()
    };
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("name", Arc::new(StringArray::from_iter_values(files.clone().map(|f| f.path.as_str()))), false),
        ("size", Arc::new(UInt64Array::from_iter_values(files.clone().map(|f| f.size))), false),
        ("md5", Arc::new(StringArray::from_iter(files.clone().map(|f| f.md5.as_deref()))), true),
        ("last_modified", Arc::new(StringArray::from_iter_values(files.clone().map(modified))), false),
        ("creator", Arc::new(StringArray::from_iter(files.map(|f| f.creator.as_deref()))), true),
    ];
    batch(columns)
}

fn batch(columns: Vec<(&str, ArrayRef, bool)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns.iter().map(|(n, c, null)| Field::new(*n, c.data_type().clone(), *null)).collect();
    let arrays = columns.into_iter().map(|(_, c, _)| c).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// One column that was found in files.
struct Inferred {
    name: String,
    data_type: DataType,
    nullable: bool,
    files: Vec<String>,
}

/// Columns of files: column_name, type, nullable, filenames, order_id.
pub(crate) async fn infer_schema(context: &StatementContext, arguments: &Arguments) -> Result<RecordBatch> {
    const NAMES: &[&str] = &["location", "pattern", "file_format", "max_records_pre_file", "max_file_count"];
    known(arguments, NAMES, "INFER_SCHEMA")?;
    let selection = Selection { pattern: arguments.get("pattern").map(String::as_str), ..Selection::default() };
    let mut source = find(context, &location(arguments, "INFER_SCHEMA")?, selection).await?;
    let format = match arguments.get("file_format") {
        Some(name) => format_named(context, name)?,
        None => format_of(context, None, &source.stage)?,
    };
    let number = |name: &str, default: usize| match arguments.get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Error::Semantic { message: format!("{name} is a number") }),
    };
    source.files.truncate(number("max_file_count", usize::MAX)?);
    let rows_max = number("max_records_pre_file", ROWS_LOOKED_AT)?;
    if source.files.is_empty() {
        return Err(Error::BadData { message: "no file found to infer a schema from".into() });
    }
    let mut found: Vec<Inferred> = Vec::new();
    for file in &source.files {
        let fields = match &format.kind {
            Kind::Parquet(_) | Kind::Avro(_) => named_columns(&source, &format, file).await?,
            Kind::Delimited(_) => delimited_columns(context, &source, &format, file, rows_max).await?,
            Kind::Json(_) => json_columns(context, &source, &format, file, rows_max).await?,
        };
        for (name, data_type, nullable) in fields {
            match found.iter_mut().find(|i| i.name == name) {
                Some(known) => {
                    known.data_type = wider(&known.data_type, &data_type);
                    known.nullable |= nullable;
                    known.files.push(file.file.path.clone());
                }
                None => found.push(Inferred { name, data_type, nullable, files: vec![file.file.path.clone()] }),
            }
        }
    }
    let names = StringArray::from_iter_values(found.iter().map(|i| i.name.as_str()));
    let types = StringArray::from_iter_values(found.iter().map(|i| sql_type(&i.data_type)));
    let nullable = BooleanArray::from_iter(found.iter().map(|i| Some(i.nullable)));
    let files = StringArray::from_iter_values(found.iter().map(|i| i.files.join(", ")));
    batch(vec![
        ("column_name", Arc::new(names), false),
        ("type", Arc::new(types), false),
        ("nullable", Arc::new(nullable), false),
        ("filenames", Arc::new(files), false),
        ("order_id", Arc::new(UInt64Array::from_iter_values(0..found.len() as u64)), false),
    ])
}

type Columns = Vec<(String, DataType, bool)>;

async fn named_columns(source: &Source, format: &FileFormat, file: &crate::stage::Found) -> Result<Columns> {
    let schema = named::open(source, format, file).await?.schema;
    Ok(schema.fields().iter().map(|f| (f.name().clone(), shown_type(f.data_type()), f.is_nullable())).collect())
}

/// Texts of the first records; the names are those of the header when one is skipped.
async fn delimited_columns(
    context: &StatementContext,
    source: &Source,
    format: &FileFormat,
    file: &crate::stage::Found,
    rows_max: usize,
) -> Result<Columns> {
    let Kind::Delimited(options) = &format.kind else { return Ok(Vec::new()) };
    let header = options.skip_header > 0;
    let mut all = options.clone();
    all.skip_header = options.skip_header.saturating_sub(1);
    let whole = FileFormat { kind: Kind::Delimited(all), compression: format.compression };
    let Some(text) = whole.as_text() else { return Ok(Vec::new()) };
    let fields: Vec<Field> = (1..=COLUMNS_MAX).map(|n| Field::new(format!("${n}"), DataType::Utf8View, true)).collect();
    // A field that is not there is NULL, an empty one is an empty text: so the width of records can be seen.
    let rules = FieldRules { width: Width::Lenient, empty: crate::load::EmptyField::Text, ..whole.rules() };
    let rows = TextRows::texts(&text, Arc::new(Schema::new(fields)), &rules)?;
    let mut reader = rows.read(&context.parts, source.open(file, whole.compression)?, 1);
    let mut records: Vec<Vec<Option<String>>> = Vec::new();
    while let Some(piece) = reader.next().await? {
        for batch in &piece.batches {
            for row in 0..batch.num_rows().min(rows_max + 1 - records.len().min(rows_max + 1)) {
                let cell = |c: &ArrayRef| c.is_valid(row).then(|| c.as_string_view().value(row).to_string());
                records.push(batch.columns().iter().map(cell).collect());
            }
        }
        if records.len() > rows_max {
            break;
        }
    }
    let width = records.iter().filter_map(|r| r.iter().rposition(Option::is_some)).max().map_or(0, |w| w + 1);
    let names: Vec<String> = match header {
        true if !records.is_empty() => {
            let first = records.remove(0);
            first.into_iter().take(width).enumerate().map(|(n, c)| c.unwrap_or(format!("column_{}", n + 1))).collect()
        }
        _ => (1..=width).map(|n| format!("column_{n}")).collect(),
    };
    let column = |n: usize| {
        let texts = records.iter().filter_map(|r| r[n].as_deref()).filter(|t| !t.is_empty());
        texts.map(type_of_text).reduce(|a, b| wider(&a, &b)).unwrap_or(DataType::Utf8View)
    };
    Ok(names.into_iter().enumerate().map(|(n, name)| (name, column(n), true)).collect())
}

async fn json_columns(
    context: &StatementContext,
    source: &Source,
    format: &FileFormat,
    file: &crate::stage::Found,
    rows_max: usize,
) -> Result<Columns> {
    let mut bytes = source.open(file, format.compression)?;
    let mut text = Vec::new();
    while let Some(part) = bytes.next().await {
        let broken = |error| Error::BadData { message: format!("file `{}`: {error}", file.file.path) };
        text.extend_from_slice(&part.map_err(broken)?);
        if text.len() > context.parts.settings.record_bytes_max {
            break;
        }
    }
    let mut found: Vec<(String, DataType, bool)> = Vec::new();
    let values = serde_json::Deserializer::from_slice(&text).into_iter::<serde_json::Value>();
    // The text may end within a document: what comes before is enough.
    let documents = values.map_while(|value| value.ok()).flat_map(|value| match value {
        serde_json::Value::Array(items) => items,
        other => vec![other],
    });
    for document in documents.take(rows_max) {
        let serde_json::Value::Object(fields) = document else { continue };
        for (name, value) in fields {
            let data_type = type_of_json(&value);
            match found.iter_mut().find(|(n, _, _)| *n == name) {
                Some((_, known, _)) => *known = wider(known, &data_type),
                None => found.push((name, data_type, true)),
            }
        }
    }
    for (_, data_type, _) in &mut found {
        if *data_type == DataType::Null {
            *data_type = DataType::Utf8View;
        }
    }
    Ok(found)
}

fn type_of_text(text: &str) -> DataType {
    if text.parse::<i64>().is_ok() {
        DataType::Int64
    } else if text.parse::<f64>().is_ok() {
        DataType::Float64
    } else if matches!(text.to_lowercase().as_str(), "true" | "false") {
        DataType::Boolean
    } else if chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        DataType::Date32
    } else if chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").is_ok() {
        DataType::Timestamp(TimeUnit::Microsecond, None)
    } else {
        DataType::Utf8View
    }
}

fn type_of_json(value: &serde_json::Value) -> DataType {
    match value {
        serde_json::Value::Null => DataType::Null,
        serde_json::Value::Bool(_) => DataType::Boolean,
        serde_json::Value::Number(number) if number.is_i64() => DataType::Int64,
        serde_json::Value::Number(_) => DataType::Float64,
        serde_json::Value::String(_) => DataType::Utf8View,
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => DataType::LargeBinary,
    }
}

/// A type that holds values of both.
fn wider(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        (DataType::Date32, time @ DataType::Timestamp(..)) | (time @ DataType::Timestamp(..), DataType::Date32) => {
            time.clone()
        }
        (DataType::LargeBinary, _) | (_, DataType::LargeBinary) => DataType::LargeBinary,
        (a, b) if a.is_integer() && b.is_integer() => DataType::Int64,
        (a, b) if a.is_numeric() && b.is_numeric() => DataType::Float64,
        _ => DataType::Utf8View,
    }
}
