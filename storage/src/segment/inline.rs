//! Inline segments: rows as one Arrow IPC stream, small enough to travel inside a commit.

use crate::{Error, Result, segment::checksum::checksum};
use arrow::{
    compute::concat_batches,
    ipc::{
        MetadataVersion,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
    record_batch::RecordBatch,
};
use basalt_meta::Segment;
use bytes::Bytes;

/// Buffers are aligned to this in the stream: less padding than the default, for rows are few.
const ALIGNMENT_BYTES: usize = 8;

pub(crate) fn encode_inline(batch: &RecordBatch) -> Result<Bytes> {
    let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?.into())
}

/// The rows again; what does not match the segment's record is damage.
pub(crate) fn decode_inline(segment: &Segment, ipc: &[u8]) -> Result<RecordBatch> {
    let damaged = |reason: String| Error::Damaged { path: crate::paths::display(segment), reason };
    if checksum(ipc) != segment.checksum {
        return Err(damaged("checksum is wrong".to_string()));
    }
    let reader = StreamReader::try_new(ipc, None).map_err(|e| damaged(e.to_string()))?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| damaged(e.to_string()))?;
    let batch = match <[RecordBatch; 1]>::try_from(batches) {
        Ok([one]) => one,
        Err(many) => concat_batches(&schema, &many)?,
    };
    if batch.num_rows() as u64 != segment.rows {
        return Err(damaged(format!("{} rows instead of {}", batch.num_rows(), segment.rows)));
    }
    Ok(batch)
}
