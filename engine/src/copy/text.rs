//! Batches as files: CSV, TSV, NDJSON and JSON as text, and Parquet.

use super::{
    compression::{Compression, Packer},
    format::{Delimited, FileFormat, Kind},
    variants::{write_json, write_row},
};
use crate::{Error, Result, plan::StatementContext, types::Special};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewBuilder},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use datafusion::{
    parquet::{
        arrow::ArrowWriter,
        basic::{Compression as PageCompression, ZstdLevel},
        file::properties::WriterProperties,
    },
    physical_expr::PhysicalExpr,
};
use std::sync::Arc;

/// Writes one file.
pub(super) enum BatchWriter {
    Text(TextWriter),
    Parquet(ParquetFile),
}

impl BatchWriter {
    /// Adds rows; returns the bytes that are ready.
    pub fn write(&mut self, context: &StatementContext, batch: &RecordBatch) -> Result<Vec<u8>> {
        match self {
            BatchWriter::Text(writer) => writer.write(context, batch),
            BatchWriter::Parquet(writer) => writer.write(context, batch),
        }
    }

    /// Bytes that will come, about.
    pub fn buffered(&self) -> u64 {
        match self {
            BatchWriter::Text(_) => 0,
            BatchWriter::Parquet(writer) => writer.writer.in_progress_size() as u64,
        }
    }

    pub fn finish(self) -> Result<Vec<u8>> {
        match self {
            BatchWriter::Text(writer) => writer.finish(),
            BatchWriter::Parquet(writer) => {
                writer.writer.into_inner().map_err(|source| Error::internal("cannot finish a Parquet file", source))
            }
        }
    }
}

/// Rows as text, packed.
pub(super) struct TextWriter {
    kind: Kind,
    packer: Packer,
    begun: bool,
    names: Vec<String>,
    /// How columns without an obvious text become one; made with the first rows.
    casts: Option<Vec<Option<Arc<dyn PhysicalExpr>>>>,
}

impl TextWriter {
    pub fn new(format: &FileFormat, schema: &SchemaRef) -> Result<Self> {
        Ok(Self {
            kind: format.kind.clone(),
            packer: Packer::new(format.compression)?,
            begun: false,
            names: schema.fields().iter().map(|f| f.name().clone()).collect(),
            casts: None,
        })
    }

    fn write(&mut self, context: &StatementContext, batch: &RecordBatch) -> Result<Vec<u8>> {
        let mut text = self.beginning();
        let json = matches!(self.kind, Kind::Json(_));
        let columns = self.readable(context, batch, json)?;
        let readable = readable_batch(batch, columns)?;
        match &self.kind {
            Kind::Delimited(options) => delimited(&readable, options, &mut text)?,
            Kind::Json(json) => {
                for row in 0..readable.num_rows() {
                    if json.array && (self.begun || row > 0) {
                        text.push(',');
                    }
                    write_row(&readable, row, &mut text)?;
                    if !json.array {
                        text.push('\n');
                    }
                }
            }
            Kind::Parquet(_) | Kind::Avro(_) => {}
        }
        self.begun |= readable.num_rows() > 0;
        self.packer.write(text.as_bytes())
    }

    /// What stands before the first row.
    fn beginning(&self) -> String {
        if self.begun {
            return String::new();
        }
        match &self.kind {
            Kind::Json(json) if json.array => "[".into(),
            Kind::Delimited(options) if options.output_header => {
                let mut text = String::new();
                for (n, name) in self.names.iter().enumerate() {
                    if n > 0 {
                        text.push_str(&options.field_delimiter);
                    }
                    push_field(name, options, true, &mut text);
                }
                text.push_str(&options.record_delimiter);
                text
            }
            _ => String::new(),
        }
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        let mut text = self.beginning();
        if matches!(&self.kind, Kind::Json(json) if json.array) {
            text.push(']');
        }
        let mut bytes = self.packer.write(text.as_bytes())?;
        bytes.extend(self.packer.finish()?);
        Ok(bytes)
    }

    /// Columns as texts where only an expression can make them; in JSON numbers and nested values stay what they are.
    fn readable(&mut self, context: &StatementContext, batch: &RecordBatch, json: bool) -> Result<Vec<ArrayRef>> {
        if self.casts.is_none() {
            let schema = positional(batch);
            let cast = |(n, column): (usize, &ArrayRef)| {
                let needed = needs_cast(column.data_type(), json);
                let sql = format!("CAST(c{n} AS VARCHAR)");
                if needed { context.expression_in_zone(&sql, &schema).map(Some) } else { Ok(None) }
            };
            self.casts = Some(batch.columns().iter().enumerate().map(cast).collect::<Result<_>>()?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let named = RecordBatch::try_new_with_options(positional(batch), batch.columns().to_vec(), &options)?;
        let casts = self.casts.as_deref().unwrap_or_default();
        let column = |(column, cast): (&ArrayRef, &Option<Arc<dyn PhysicalExpr>>)| match cast {
            None => Ok(Arc::clone(column)),
            Some(cast) => {
                let made = cast.evaluate(&named).and_then(|v| v.into_array(named.num_rows()));
                made.map_err(crate::plan::explain)
            }
        };
        batch.columns().iter().zip(casts).map(column).collect()
    }
}

/// The batch's columns as `c0`, `c1`…
fn positional(batch: &RecordBatch) -> SchemaRef {
    let field = |(n, f): (usize, &Arc<Field>)| Field::new(format!("c{n}"), f.data_type().clone(), true);
    Arc::new(Schema::new(batch.schema_ref().fields().iter().enumerate().map(field).collect::<Vec<_>>()))
}

fn needs_cast(data_type: &DataType, json: bool) -> bool {
    match Special::of(data_type) {
        Some(Special::Variant | Special::Vector(_)) => return false,
        Some(_) => return true,
        None => {}
    }
    match data_type {
        DataType::Boolean | DataType::Null => false,
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => false,
        data_type if data_type.is_string() || data_type.is_nested() => false,
        data_type if data_type.is_numeric() => !json && data_type.is_floating(),
        _ => true,
    }
}

fn readable_batch(batch: &RecordBatch, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields = batch.schema_ref().fields().iter().zip(&columns);
    let fields: Vec<Field> = fields.map(|(f, c)| Field::new(f.name(), c.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn delimited(batch: &RecordBatch, options: &Delimited, out: &mut String) -> Result<()> {
    let columns: Vec<Texts> = batch.columns().iter().map(|c| Texts::of(c, options)).collect::<Result<_>>()?;
    let mut scratch = String::new();
    for row in 0..batch.num_rows() {
        for (n, column) in columns.iter().enumerate() {
            if n > 0 {
                out.push_str(&options.field_delimiter);
            }
            scratch.clear();
            match column.text(row, options, &mut scratch)? {
                Shown::Null => out.push_str(&options.null_display),
                Shown::Plain => out.push_str(&scratch),
                Shown::Text => push_field(&scratch, options, true, out),
            }
        }
        out.push_str(&options.record_delimiter);
    }
    Ok(())
}

/// What a field is.
enum Shown {
    Null,
    /// Holds no delimiter.
    Plain,
    Text,
}

/// A column ready to be written field by field.
enum Texts {
    Strings(ArrayRef),
    Other(ArrayRef),
}

impl Texts {
    fn of(column: &ArrayRef, _options: &Delimited) -> Result<Self> {
        match column.data_type() {
            data_type if data_type.is_string() => Ok(Texts::Strings(cast(column, &DataType::Utf8View)?)),
            _ => Ok(Texts::Other(Arc::clone(column))),
        }
    }

    fn text(&self, row: usize, options: &Delimited, out: &mut String) -> Result<Shown> {
        match self {
            Texts::Strings(column) => {
                if column.is_null(row) {
                    return Ok(Shown::Null);
                }
                let text = column.as_string_view().value(row);
                out.push_str(if text == "NaN" { &options.nan_display } else { text });
                Ok(Shown::Text)
            }
            Texts::Other(column) if column.is_null(row) || column.data_type() == &DataType::Null => Ok(Shown::Null),
            Texts::Other(column) => {
                let bytes = match column.data_type() {
                    DataType::Binary => Some(column.as_binary::<i32>().value(row)),
                    DataType::BinaryView => Some(column.as_binary_view().value(row)),
                    DataType::FixedSizeBinary(_) => Some(column.as_fixed_size_binary().value(row)),
                    _ => None,
                };
                match bytes {
                    Some(bytes) if options.base64 => out.push_str(&STANDARD.encode(bytes)),
                    Some(bytes) => out.push_str(&hex::encode_upper(bytes)),
                    None if column.data_type().is_floating() => {
                        let wide = cast(&column.slice(row, 1), &DataType::Float64)?;
                        out.push_str(&wide.as_primitive::<Float64Type>().value(0).to_string());
                    }
                    None => write_json(column, row, out)?,
                }
                let nested = column.data_type().is_nested() || Special::of(column.data_type()).is_some();
                Ok(if nested { Shown::Text } else { Shown::Plain })
            }
        }
    }
}

/// A text as a field: quoted, or escaped.
fn push_field(text: &str, options: &Delimited, is_text: bool, out: &mut String) {
    if options.quoted {
        if !is_text {
            return out.push_str(text);
        }
        out.push(options.quote);
        for c in text.chars() {
            if c == options.quote || (options.escape == Some(c) && options.escape != Some(options.quote)) {
                out.push(options.escape.unwrap_or(options.quote));
            }
            out.push(c);
        }
        out.push(options.quote);
        return;
    }
    for c in text.chars() {
        match c {
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            '\\' => out.push_str("\\\\"),
            c if options.field_delimiter.contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

/// Rows as Parquet.
pub(super) struct ParquetFile {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    casts: Option<Vec<Option<Arc<dyn PhysicalExpr>>>>,
}

impl ParquetFile {
    pub fn new(schema: &SchemaRef, compression: Compression) -> Result<Self> {
        let field = |f: &Arc<Field>| Field::new(f.name(), file_type(f.data_type()), f.is_nullable());
        let schema: SchemaRef = Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()));
        let pages = match compression {
            Compression::None => PageCompression::UNCOMPRESSED,
            Compression::Snappy => PageCompression::SNAPPY,
            Compression::Gzip => PageCompression::GZIP(Default::default()),
            Compression::Lz4 => PageCompression::LZ4_RAW,
            _ => PageCompression::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder().set_compression(pages).build();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))
            .map_err(|source| Error::internal("cannot start a Parquet file", source))?;
        Ok(Self { writer, schema, casts: None })
    }

    fn write(&mut self, context: &StatementContext, batch: &RecordBatch) -> Result<Vec<u8>> {
        if self.casts.is_none() {
            let schema = positional(batch);
            let make = |(n, column): (usize, &ArrayRef)| match Special::of(column.data_type()) {
                None | Some(Special::Variant | Special::Vector(_)) => Ok(None),
                Some(_) => context.expression_in_zone(&format!("CAST(c{n} AS VARCHAR)"), &schema).map(Some),
            };
            self.casts = Some(batch.columns().iter().enumerate().map(make).collect::<Result<_>>()?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let named = RecordBatch::try_new_with_options(positional(batch), batch.columns().to_vec(), &options)?;
        let mut columns = Vec::with_capacity(batch.num_columns());
        let casts = self.casts.as_deref().unwrap_or_default();
        for ((column, made), field) in batch.columns().iter().zip(casts).zip(self.schema.fields()) {
            let values = match made {
                Some(made) => {
                    let made = made.evaluate(&named).and_then(|v| v.into_array(named.num_rows()));
                    made.map_err(crate::plan::explain)?
                }
                None if Special::of(column.data_type()) == Some(Special::Variant) => json_texts(column)?,
                None => Arc::clone(column),
            };
            columns.push(cast(&values, field.data_type())?);
        }
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let failed = |source| Error::internal("cannot write a Parquet file", source);
        self.writer.write(&rows).map_err(failed)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

fn json_texts(column: &ArrayRef) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(column.len());
    let mut text = String::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        write_json(column, row, &mut text)?;
        builder.append_value(&text);
    }
    Ok(Arc::new(builder.finish()))
}

/// The type of a column in a Parquet file.
fn file_type(data_type: &DataType) -> DataType {
    match Special::of(data_type) {
        Some(Special::Vector(_)) | None => {}
        Some(_) => return DataType::Utf8,
    }
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
