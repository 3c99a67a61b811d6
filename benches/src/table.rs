//! A generated table and how it becomes a file: chunks are generated and encoded by several threads and written in
//! order, so the file's bytes don't depend on the number of threads.

use crate::{DelimitedEncoder, Result};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves},
    },
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

type MakeChunk = dyn Fn(usize) -> Box<dyn Iterator<Item = RecordBatch>> + Send + Sync;

/// One table, cut into chunks that can be made in any order.
pub struct TableSource {
    pub name: &'static str,
    pub schema: SchemaRef,
    chunks: usize,
    make: Box<MakeChunk>,
}

impl std::fmt::Debug for TableSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSource").field("name", &self.name).field("chunks", &self.chunks).finish_non_exhaustive()
    }
}

/// File format of generated tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Text without a header; empty text is an empty field.
    Csv { separator: u8 },
    /// What stock writers make: zstd(3), a row group per chunk, the library's defaults otherwise.
    Parquet,
}

/// Where and how tables are written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    pub dir: PathBuf,
    pub format: FileFormat,
    pub threads: usize,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    pub rows: u64,
    pub bytes: u64,
}

impl TableSource {
    pub fn new(
        name: &'static str,
        schema: SchemaRef,
        chunks: usize,
        make: impl Fn(usize) -> Box<dyn Iterator<Item = RecordBatch>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, schema, chunks: chunks.max(1), make: Box::new(make) }
    }

    /// All rows, chunk after chunk.
    pub fn batches(&self) -> impl Iterator<Item = RecordBatch> + '_ {
        (0..self.chunks).flat_map(|chunk| (self.make)(chunk))
    }

    /// Writes the table to `<dir>/<name>.<csv|parquet>`. The file appears under its name only when it is complete.
    pub fn write(&self, options: &WriteOptions) -> Result<Written> {
        std::fs::create_dir_all(&options.dir)?;
        let extension = match options.format {
            FileFormat::Csv { .. } => "csv",
            FileFormat::Parquet => "parquet",
        };
        let path = options.dir.join(format!("{}.{extension}", self.name));
        let partial = path.with_extension(format!("{extension}.partial"));
        let rows = match options.format {
            FileFormat::Csv { separator } => self.write_text(&partial, separator, options.threads)?,
            FileFormat::Parquet => self.write_parquet(&partial, options.threads)?,
        };
        std::fs::rename(&partial, &path)?;
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Written { path, rows, bytes })
    }

    fn write_text(&self, path: &Path, separator: u8, threads: usize) -> Result<u64> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let encoder = DelimitedEncoder::new(separator);
        let encode = |chunk: usize| {
            let (mut text, mut rows) = (Vec::new(), 0);
            for batch in (self.make)(chunk) {
                encoder.encode(&batch, &mut text)?;
                rows += batch.num_rows() as u64;
            }
            Ok((text, rows))
        };
        let mut total = 0;
        in_order(self.chunks, threads, encode, |(text, rows): (Vec<u8>, u64)| {
            total += rows;
            Ok(file.write_all(&text)?)
        })?;
        file.flush()?;
        Ok(total)
    }

    fn write_parquet(&self, path: &Path, threads: usize) -> Result<u64> {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
        // Without the Arrow schema in the file's metadata: a reader takes its own types, as with any other writer's file.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(File::create(path)?, self.schema.clone(), options)?;
        let (mut file, factory) = writer.into_serialized_writer()?;
        let mut total = 0;
        let encode = |chunk: usize| self.encode_row_group(chunk, &factory);
        in_order(self.chunks, threads, encode, |(columns, rows): (Vec<ArrowColumnChunk>, u64)| {
            if rows == 0 {
                return Ok(());
            }
            let mut group = file.next_row_group()?;
            for column in columns {
                column.append_to_row_group(&mut group)?;
            }
            group.close()?;
            total += rows;
            Ok(())
        })?;
        file.close()?;
        Ok(total)
    }

    fn encode_row_group(&self, chunk: usize, to: &ArrowRowGroupWriterFactory) -> Result<(Vec<ArrowColumnChunk>, u64)> {
        let mut columns = to.create_column_writers(chunk)?;
        let mut rows = 0;
        for batch in (self.make)(chunk) {
            for ((field, array), column) in self.schema.fields().iter().zip(batch.columns()).zip(&mut columns) {
                for leaf in compute_leaves(field, array)? {
                    column.write(&leaf)?;
                }
            }
            rows += batch.num_rows() as u64;
        }
        let columns = columns.into_iter().map(|c| c.close()).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok((columns, rows))
    }
}

/// Runs `work` for chunks `0..chunks` on `threads` threads and hands the results to `take` in order. Each thread is at
/// most one chunk ahead of what was taken.
fn in_order<T: Send>(
    chunks: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let threads = threads.clamp(1, chunks);
    std::thread::scope(|scope| {
        let lanes: Vec<Receiver<Result<T>>> = (0..threads)
            .map(|lane| {
                let (sender, receiver): (SyncSender<Result<T>>, _) = sync_channel(1);
                let work = &work;
                scope.spawn(move || {
                    for chunk in (lane..chunks).step_by(threads) {
                        if sender.send(work(chunk)).is_err() {
                            return; // the taker gave up
                        }
                    }
                });
                receiver
            })
            .collect();
        (0..chunks).try_for_each(|chunk| take(lanes[chunk % threads].recv()??))
    })
}

/// Year, month and day of a day counted from 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{ArrayRef, Int64Array},
        datatypes::{DataType, Field, Schema},
    };
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use std::sync::Arc;

    fn source() -> TableSource {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let of = schema.clone();
        TableSource::new("t", schema, 5, move |chunk| {
            let values = Arc::new(Int64Array::from_iter_values((0..3).map(|i| (chunk * 3 + i) as i64))) as ArrayRef;
            Box::new(std::iter::once(RecordBatch::try_new(of.clone(), vec![values]).unwrap()))
        })
    }

    #[test]
    fn text_keeps_order_with_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        for threads in [1, 2, 7] {
            let options =
                WriteOptions { dir: dir.path().to_path_buf(), format: FileFormat::Csv { separator: b',' }, threads };
            let written = source().write(&options).unwrap();
            let text = std::fs::read_to_string(&written.path).unwrap();
            let expected: String = (0..15).map(|n| format!("{n}\n")).collect();
            assert_eq!((text, written.rows), (expected, 15));
        }
    }

    #[test]
    fn parquet_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = source()
            .write(&WriteOptions { dir: dir.path().to_path_buf(), format: FileFormat::Parquet, threads: 2 })
            .unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(written.path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 5);
        let rows: usize = reader.build().unwrap().map(|b| b.unwrap().num_rows()).sum();
        assert_eq!(rows, 15);
    }

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(19_782), (2024, 2, 29));
    }
}
