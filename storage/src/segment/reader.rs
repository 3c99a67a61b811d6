//! Reading a segment's Parquet bytes: `parquet::arrow::async_reader::AsyncFileReader` over cached footers and
//! cached, checksum-verified ranges.
//!
//! Nothing is handed out that was not verified: a range is read as whole blocks, every block is compared with the
//! CRC32C its commit recorded, and only then is the range cut out. Ranges that share blocks are read together.

use crate::{
    Error, Result,
    cache::{Caches, Footer},
    metrics::{CACHED_BYTES, DAMAGED_BLOCKS, READ_BYTES},
    store::Store,
};
use basalt_meta::{Catalog, Location, Segment, SegmentDetail, TableId};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parquet::{
    DecodeResult,
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder},
};
use std::{ops::Range, sync::Arc};

/// Ranges are read together until they make up this much.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// Read at the end of a file in the hope that the footer is in it.
const FOOTER_GUESS_BYTES: u64 = 64 << 10;

/// Reads one segment. Implements parquet's `AsyncFileReader`.
#[derive(Debug, Clone)]
pub struct SegmentReader {
    store: Arc<Store>,
    caches: Arc<Caches>,
    catalog: Catalog,
    table: TableId,
    segment: Arc<Segment>,
    detail: Option<Arc<SegmentDetail>>,
}

/// Where rows stand within a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPositions {
    pub first: u64,
    pub rows: u64,
}

impl SegmentReader {
    pub(crate) fn new(
        store: Arc<Store>,
        caches: Arc<Caches>,
        catalog: Catalog,
        table: TableId,
        segment: Arc<Segment>,
    ) -> Self {
        Self { store, caches, catalog, table, segment, detail: None }
    }

    /// The footer with its page indexes, from the cache if possible.
    pub async fn metadata(&mut self) -> Result<Arc<ParquetMetaData>> {
        if let Some(footer) = self.caches.footer(self.segment.id) {
            self.detail = Some(Arc::clone(&footer.detail));
            return Ok(Arc::clone(&footer.metadata));
        }
        let detail = self.detail()?;
        let metadata = self.read_footer().await?;
        let footer = Arc::new(Footer::new(metadata, detail));
        self.caches.put_footer(self.segment.id, Arc::clone(&footer));
        Ok(Arc::clone(&footer.metadata))
    }

    /// Verified bytes of the file.
    pub async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let mut found: Vec<Option<Bytes>> = ranges.iter().map(|range| self.cached(range)).collect();
        let mut missing: Vec<usize> = (0..ranges.len()).filter(|&i| found[i].is_none()).collect();
        missing.sort_unstable_by_key(|&i| ranges[i].start);
        let mut rest = &missing[..];
        while let Some(&first) = rest.first() {
            self.check_bounds(&ranges[first])?;
            let mut cover = self.blocks_of(&ranges[first])?;
            let mut taken = 1;
            for &next in &rest[1..] {
                self.check_bounds(&ranges[next])?;
                let blocks = self.blocks_of(&ranges[next])?;
                let joined = cover.start..cover.end.max(blocks.end);
                if blocks.start > cover.end || joined.end - joined.start > GROUP_BYTES_MAX {
                    break;
                }
                cover = joined;
                taken += 1;
            }
            let bytes = self.read_blocks(cover.clone()).await?;
            for &index in &rest[..taken] {
                found[index] = Some(self.cut(&bytes, &cover, &ranges[index]));
            }
            rest = &rest[taken..];
        }
        Ok(found.into_iter().map(|bytes| bytes.expect("every missing range was read")).collect())
    }

    fn cached(&self, range: &Range<u64>) -> Option<Bytes> {
        if range.is_empty() {
            return Some(Bytes::new());
        }
        let bytes = self.caches.range(self.segment.id, range)?;
        metrics::counter!(CACHED_BYTES).increment(bytes.len() as u64);
        Some(bytes)
    }

    /// The part of verified blocks that was asked for, in a buffer of its own if it goes into the cache.
    fn cut(&self, bytes: &Bytes, cover: &Range<u64>, range: &Range<u64>) -> Bytes {
        let (start, end) = ((range.start - cover.start) as usize, (range.end - cover.start) as usize);
        if !self.caches.keeps_range(range.end - range.start) {
            return bytes.slice(start..end);
        }
        let own = Bytes::copy_from_slice(&bytes[start..end]);
        self.caches.put_range(self.segment.id, range, own.clone());
        own
    }

    /// A footer may be made of anything; what it points to must lie in the file.
    fn check_bounds(&self, range: &Range<u64>) -> Result<()> {
        if range.start <= range.end && range.end <= self.segment.bytes {
            return Ok(());
        }
        Err(self.damaged(format!("bytes {}..{} lie outside its {} bytes", range.start, range.end, self.segment.bytes)))
    }

    fn blocks_of(&mut self, range: &Range<u64>) -> Result<Range<u64>> {
        let block = u64::from(self.detail()?.block_bytes);
        let end = (range.end.div_ceil(block) * block).min(self.segment.bytes);
        Ok(range.start / block * block..end)
    }

    async fn read_blocks(&mut self, cover: Range<u64>) -> Result<Bytes> {
        let detail = self.detail()?;
        let Location::Object(path) = &self.segment.location else {
            return Err(self.damaged("inline rows were asked for as a file".to_string()));
        };
        let bytes = self.store.read(path, cover.clone()).await?;
        let block = detail.block_bytes as usize;
        let first = (cover.start / block as u64) as usize;
        for (index, content) in bytes.chunks(block).enumerate() {
            if detail.block_crcs.get(first + index) != Some(&crc32c::crc32c(content)) {
                metrics::counter!(DAMAGED_BLOCKS).increment(1);
                return Err(self.damaged(format!("checksum of block {} (of {block} bytes) is wrong", first + index)));
            }
        }
        metrics::counter!(READ_BYTES).increment(bytes.len() as u64);
        Ok(bytes)
    }

    fn detail(&mut self) -> Result<Arc<SegmentDetail>> {
        if let Some(detail) = &self.detail {
            return Ok(Arc::clone(detail));
        }
        let detail = match self.caches.footer(self.segment.id) {
            Some(footer) => Arc::clone(&footer.detail),
            None => Arc::new(self.catalog.segment_detail(self.table, self.segment.id)?),
        };
        let blocks = self.segment.bytes.div_ceil(u64::from(detail.block_bytes.max(1)));
        if detail.block_bytes == 0 || detail.block_crcs.len() as u64 != blocks {
            return Err(self.damaged(format!("{} block checksums recorded, {blocks} needed", detail.block_crcs.len())));
        }
        self.detail = Some(Arc::clone(&detail));
        Ok(detail)
    }

    async fn read_footer(&mut self) -> Result<ParquetMetaData> {
        let length = self.segment.bytes;
        let decoder = ParquetMetaDataPushDecoder::try_new(length).map_err(|e| self.damaged(e.to_string()))?;
        let mut decoder = decoder.with_page_index_policy(PageIndexPolicy::Optional);
        let block = u64::from(self.detail()?.block_bytes);
        let start = length.saturating_sub(FOOTER_GUESS_BYTES) / block * block;
        let mut wanted: Vec<Range<u64>> = std::iter::once(start..length).collect();
        loop {
            for range in &wanted {
                self.check_bounds(range)?;
                let cover = self.blocks_of(range)?;
                let bytes = self.read_blocks(cover.clone()).await?;
                decoder.push_range(cover, bytes).map_err(|e| self.damaged(e.to_string()))?;
            }
            match decoder.try_decode().map_err(|e| self.damaged(e.to_string()))? {
                DecodeResult::Data(metadata) => return Ok(metadata),
                DecodeResult::NeedsData(ranges) => wanted = ranges,
                DecodeResult::Finished => return Err(self.damaged("footer ended early".to_string())),
            }
        }
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged { path: crate::paths::display(&self.segment), reason }
    }
}

impl AsyncFileReader for SegmentReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let mut bytes = self.read(vec![range]).await.map_err(external)?;
            Ok(bytes.pop().expect("one range was asked for"))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.read(ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move { self.metadata().await.map_err(external) }.boxed()
    }
}

/// Wraps our error so that it is found again behind the library's.
fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
