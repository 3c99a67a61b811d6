//! Hands the query library readers of segments: `storage` does the reading (cached footers, verified ranges), here the
//! bytes are counted.

use crate::query::Counters;
use basalt_meta::{Segment, TableId};
use basalt_storage::{SegmentReader, Storage};
use bytes::Bytes;
use datafusion::{
    common::{Result, internal_datafusion_err},
    datasource::{listing::PartitionedFile, physical_plan::ParquetFileReaderFactory},
    parquet::{
        arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
        errors::Result as ParquetResult,
        file::metadata::ParquetMetaData,
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::future::BoxFuture;
use std::{ops::Range, sync::Arc};

/// Makes a reader for each segment of one table that a plan opens.
#[derive(Debug)]
pub(super) struct SegmentReaders {
    pub storage: Storage,
    pub table: TableId,
    pub counters: Arc<Counters>,
}

impl ParquetFileReaderFactory for SegmentReaders {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let segment = file
            .extension::<Arc<Segment>>()
            .ok_or_else(|| internal_datafusion_err!("a scanned file is no segment: {}", file.object_meta.location))?;
        let inner = self.storage.reader(self.table, segment.clone());
        Ok(Box::new(CountingReader { inner, counters: self.counters.clone() }))
    }
}

struct CountingReader {
    inner: SegmentReader,
    counters: Arc<Counters>,
}

impl AsyncFileReader for CountingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.counters.add_scanned_bytes(range.end - range.start);
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.counters.add_scanned_bytes(ranges.iter().map(|r| r.end - r.start).sum());
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.inner.get_metadata(options)
    }
}
