//! Checksums of a segment's file: a CRC32C per block, so that any range can be verified alone, and one hash of it
//! all. (The Parquet library writes no page checksums.)

use basalt_meta::SegmentDetail;
use std::io::{self, Write};
use xxhash_rust::xxh3::Xxh3;

/// Bytes per checksummed block.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// Passes bytes on to `inner` and keeps their checksums.
pub(crate) struct ChecksumWriter<W> {
    /// None once taken.
    inner: Option<W>,
    bytes: u64,
    block_crcs: Vec<u32>,
    block_crc: u32,
    block_filled: usize,
    hash: Xxh3,
}

/// What is known of a finished file.
#[derive(Debug)]
pub(crate) struct FileSums {
    pub bytes: u64,
    pub checksum: u128,
    pub detail: SegmentDetail,
}

impl<W: Write> ChecksumWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        let hash = Xxh3::new();
        Self { inner: Some(inner), bytes: 0, block_crcs: Vec::new(), block_crc: 0, block_filled: 0, hash }
    }

    /// Ends the file: the writer below, and what is known of the bytes that went to it. `None` the second time.
    pub(crate) fn take(&mut self) -> Option<(W, FileSums)> {
        let inner = self.inner.take()?;
        if self.block_filled > 0 {
            self.block_crcs.push(self.block_crc);
        }
        let block_crcs = std::mem::take(&mut self.block_crcs);
        let detail = SegmentDetail { block_crcs, block_bytes: BLOCK_BYTES as u32 };
        Some((inner, FileSums { bytes: self.bytes, checksum: self.hash.digest128(), detail }))
    }

    fn open(&mut self) -> io::Result<&mut W> {
        self.inner.as_mut().ok_or_else(|| io::Error::other("written to after its end"))
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block_filled));
            self.block_crc = crc32c::crc32c_append(self.block_crc, now);
            self.block_filled += now.len();
            bytes = later;
            if self.block_filled == BLOCK_BYTES {
                self.block_crcs.push(self.block_crc);
                (self.block_crc, self.block_filled) = (0, 0);
            }
        }
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.open()?.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), W::flush)
    }
}

/// Hash of bytes that are in memory whole.
pub(crate) fn checksum(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cutting_of_writes_does_not_matter(pieces in proptest::collection::vec(0usize..100_000, 0..6)) {
            let all: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|i| ((i * 31) >> 3) as u8).collect();
            let mut writer = ChecksumWriter::new(Vec::new());
            let mut rest = &all[..];
            for piece in pieces {
                let (now, later) = rest.split_at(piece);
                writer.write_all(now).unwrap();
                rest = later;
            }
            let (written, sums) = writer.take().unwrap();
            prop_assert_eq!(&written, &all);
            prop_assert_eq!(sums.checksum, checksum(&all));
            let blocks: Vec<u32> = all.chunks(BLOCK_BYTES).map(crc32c::crc32c).collect();
            prop_assert_eq!(sums.detail.block_crcs, blocks);
        }
    }
}
