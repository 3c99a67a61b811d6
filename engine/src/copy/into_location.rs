//! `COPY INTO place`: the rows of a query as files, all of them or none. Files are written as streams; those of our own
//! stages appear together, in one commit.

use super::{
    format::{FileFormat, Kind},
    options::UnloadOptions,
    source::{format_of, place},
    text::{BatchWriter, ParquetFile, TextWriter},
};
use crate::{
    Error, Result,
    access::Privilege,
    plan::StatementContext,
    sql::CopyIntoLocation,
    stage::{Stage, StageFile, StoredFile, check_path, list_found, open_external, put_edits},
};
use arrow::{
    array::{Array, AsArray, RecordBatch, UInt32Array},
    compute::{cast, take_record_batch},
    datatypes::DataType,
};
use basalt_meta::Changes;
use basalt_storage::{FileStore, FileWriter};
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;
use futures::StreamExt;
use md5::{Digest, Md5};
use std::{collections::BTreeMap, sync::Arc};

/// Directories of one COPY that may be open at the same time.
const PARTITIONS_MAX: usize = 256;

/// What was written.
pub(crate) struct Unloaded {
    /// Path within the stage, bytes, rows.
    pub files: Vec<(String, u64, u64)>,
    pub input_bytes: u64,
    pub options: UnloadOptions,
}

/// Runs the query and writes its rows.
pub(crate) async fn copy_into_location(context: &StatementContext, copy: &CopyIntoLocation) -> Result<Unloaded> {
    let connection = Some(&copy.connection).filter(|c| !c.is_empty());
    let (stage, path) = place(context, &copy.location, connection, Privilege::Write)?;
    let mut said = stage.record.copy_options.clone();
    said.retain(|name, _| matches!(name.as_str(), "single" | "max_file_size"));
    said.extend(copy.options.clone());
    let options = UnloadOptions::parse(&said)?;
    let format = format_of(context, copy.file_format.as_ref(), &stage)?;
    if matches!(format.kind, Kind::Avro(_)) {
        return Err(Error::Unsupported { what: "unloading to Avro".into() });
    }
    if copy.partition_by.is_some() && options.single {
        let message = "PARTITION BY writes many files, SINGLE one".into();
        return Err(Error::InvalidArgument { message });
    }
    let store = match &stage.record.url {
        None => context.parts.storage.files(),
        Some(url) => open_external(&context.parts, url, &stage.record.connection)?,
    };
    let planned = context.plan_query(&copy.query).await?;
    let partition = match &copy.partition_by {
        Some(expr) => Some(context.expression_ast_in_zone(expr, &planned.schema)?),
        None => None,
    };
    let mut unload = Unload {
        context,
        store,
        stage,
        path,
        format,
        options,
        schema: planned.schema.clone(),
        open: BTreeMap::new(),
        done: Vec::new(),
        numbers: BTreeMap::new(),
        input_bytes: 0,
    };
    let mut rows = context.run(planned.physical)?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(crate::plan::explain)?;
        let batch = RecordBatch::try_new_with_options(
            planned.schema.clone(),
            batch.columns().to_vec(),
            &arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?;
        unload.take(batch, partition.as_ref()).await?;
    }
    unload.finish().await
}

struct Unload<'a> {
    context: &'a StatementContext,
    store: FileStore,
    stage: Stage,
    path: String,
    format: FileFormat,
    options: UnloadOptions,
    schema: arrow::datatypes::SchemaRef,
    /// Open files by partition.
    open: BTreeMap<String, OpenFile>,
    done: Vec<(StoredFile, u64)>,
    /// How many files each partition has.
    numbers: BTreeMap<String, usize>,
    input_bytes: u64,
}

struct OpenFile {
    path: String,
    object: String,
    file: FileWriter,
    encoder: BatchWriter,
    md5: Md5,
    rows: u64,
}

impl Unload<'_> {
    async fn take(&mut self, batch: RecordBatch, partition: Option<&Arc<dyn PhysicalExpr>>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let bytes = batch.get_array_memory_size() as u64;
        self.input_bytes += bytes;
        self.context.counters.add_written(batch.num_rows() as u64, bytes);
        let Some(partition) = partition else { return self.write(String::new(), batch).await };
        for (directory, rows) in split(&batch, partition)? {
            self.write(directory, rows).await?;
        }
        Ok(())
    }

    async fn write(&mut self, directory: String, batch: RecordBatch) -> Result<()> {
        if !self.open.contains_key(&directory) {
            if self.open.len() >= PARTITIONS_MAX {
                let fullest = self.open.iter().max_by_key(|(_, f)| f.file.size()).map(|(d, _)| d.clone());
                if let Some(fullest) = fullest {
                    self.close(&fullest).await?;
                }
            }
            let opened = self.start(&directory).await?;
            self.open.insert(directory.clone(), opened);
        }
        let Some(open) = self.open.get_mut(&directory) else { return Ok(()) };
        open.rows += batch.num_rows() as u64;
        let bytes = open.encoder.write(self.context, &batch)?;
        open.md5.update(&bytes);
        open.file.write(Bytes::from(bytes)).await?;
        let full = open.file.size() + open.encoder.buffered() >= self.options.max_file_size;
        if full && !self.options.single {
            self.close(&directory).await?;
        }
        Ok(())
    }

    async fn start(&mut self, directory: &str) -> Result<OpenFile> {
        let number = self.numbers.entry(directory.to_string()).or_insert(0);
        let path = file_path(&self.path, directory, &self.context.query_id, *number, &self.format, &self.options);
        *number += 1;
        check_path(&path)?;
        if !self.options.overwrite && (self.options.use_raw_path || !self.options.include_query_id) {
            let known = list_found(&self.context.parts, &self.stage, &path).await?;
            if known.files.iter().any(|f| f.file.path == path) {
                let message = format!("file `{path}` exists already (OVERWRITE = TRUE replaces it)");
                return Err(Error::InvalidArgument { message });
            }
        }
        let object = self.store.path_for(&path);
        let file = self.store.create(&object).await?;
        let encoder = match &self.format.kind {
            Kind::Parquet(_) => BatchWriter::Parquet(ParquetFile::new(&self.schema, self.format.compression)?),
            _ => BatchWriter::Text(TextWriter::new(&self.format, &self.schema)?),
        };
        Ok(OpenFile { path, object, file, encoder, md5: Md5::new(), rows: 0 })
    }

    async fn close(&mut self, directory: &str) -> Result<()> {
        let Some(open) = self.open.remove(directory) else { return Ok(()) };
        let OpenFile { path, object, mut file, encoder, mut md5, rows } = open;
        let bytes = encoder.finish()?;
        md5.update(&bytes);
        file.write(Bytes::from(bytes)).await?;
        let size = file.finish().await?;
        let md5 = hex::encode(md5.finalize());
        let file = StageFile {
            path,
            size,
            etag: Some(format!("\"{md5}\"")),
            md5: Some(md5),
            last_modified: self.context.parts.catalog.clock().now().0,
            creator: Some(self.context.session.principal.name.clone()),
        };
        self.done.push((StoredFile { object, file }, rows));
        Ok(())
    }

    /// Closes all files and shows them.
    async fn finish(mut self) -> Result<Unloaded> {
        if self.done.is_empty() && self.open.is_empty() && self.options.single {
            // One file was asked for, so there is one.
            let opened = self.start("").await?;
            self.open.insert(String::new(), opened);
        }
        let directories: Vec<String> = self.open.keys().cloned().collect();
        for directory in directories {
            self.close(&directory).await?;
        }
        if self.stage.record.url.is_none() && !self.done.is_empty() {
            self.publish().await?;
        }
        let files = self.done.into_iter().map(|(s, rows)| (s.file.path, s.file.size, rows)).collect();
        Ok(Unloaded { files, input_bytes: self.input_bytes, options: self.options })
    }

    async fn publish(&mut self) -> Result<()> {
        let parts = &self.context.parts;
        let stored: Vec<StoredFile> = self.done.iter().map(|(s, _)| s.clone()).collect();
        let (edits, preconditions, replaced) = put_edits(parts, &parts.catalog.snapshot(), &self.stage, &stored)?;
        let changes = Changes { preconditions, edits, at: parts.catalog.clock().now() };
        match parts.catalog.commit(changes).await.map_err(Error::from) {
            Ok(_) => {
                parts.stages.removed(replaced);
                Ok(())
            }
            // Whether it was committed is not known: the objects stay, and the next start removes those it may.
            Err(error @ Error::Internal { .. }) => Err(error),
            Err(error) => {
                parts.stages.removed(stored.into_iter().map(|s| s.object));
                Err(error)
            }
        }
    }
}

/// Where a file goes.
fn file_path(
    path: &str,
    directory: &str,
    query_id: &str,
    number: usize,
    format: &FileFormat,
    options: &UnloadOptions,
) -> String {
    if options.use_raw_path {
        return path.to_string();
    }
    let mut full = path.to_string();
    if !full.is_empty() && !full.ends_with('/') && !full.ends_with("data_") {
        full.push('/');
    }
    if !directory.is_empty() {
        full.push_str(directory);
        full.push('/');
    }
    if !full.ends_with("data_") {
        full.push_str("data_");
    }
    if options.include_query_id {
        let id: String =
            query_id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
        full.push_str(&id);
        full.push('_');
    }
    full.push_str(&format!("0000_{number:08}.{}", format.extension()));
    full
}

/// The rows of each value of the expression. NULL is a directory of its own.
fn split(batch: &RecordBatch, partition: &Arc<dyn PhysicalExpr>) -> Result<Vec<(String, RecordBatch)>> {
    let rows = batch.num_rows();
    let values = partition.evaluate(batch).and_then(|v| v.into_array(rows)).map_err(crate::plan::explain)?;
    if !matches!(values.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        let message = "PARTITION BY in COPY must be a text: the directory of a row's file".into();
        return Err(Error::Semantic { message });
    }
    let values = cast(&values, &DataType::Utf8View)?;
    let values = values.as_string_view();
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for row in 0..rows {
        let directory = if values.is_null(row) { "_NULL_" } else { values.value(row).trim_matches('/') };
        groups.entry(directory.to_string()).or_default().push(row as u32);
    }
    let taken =
        |(directory, rows): (String, Vec<u32>)| Ok((directory, take_record_batch(batch, &UInt32Array::from(rows))?));
    groups.into_iter().map(taken).collect()
}
