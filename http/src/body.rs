//! Request bodies: held in memory up to a limit (queries) or streamed to the engine (loads), never too large, never too
//! slow, decompressed on threads of their own.

mod decompress;

use crate::{limits::Limits, metrics as names};
use axum::body::{Body, BodyDataStream};
use basalt_engine::ByteStream;
use bytes::{Bytes, BytesMut};
pub use decompress::Compression;
use futures::{Stream, StreamExt, stream};
use std::{
    io,
    time::{Duration, Instant},
};

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("body size {got} exceeds the limit of {limit} bytes (setting `{setting}`)")]
    TooLarge { got: u64, limit: u64, setting: &'static str },
    #[error("no data for {limit_secs} s (setting `body_chunk_timeout_secs`)")]
    Stalled { limit_secs: u64 },
    #[error(
        "body comes too slowly: {bytes_per_sec} bytes/s, at least {min} are demanded (setting `body_bytes_per_sec_min`)"
    )]
    TooSlow { bytes_per_sec: u64, min: u64 },
    #[error("body broke off: {message}")]
    Broken { message: String },
    #[error("decompressed data exceeds {ratio}:1 of the compressed size (setting `decompression_ratio_max`)")]
    Bomb { ratio: u64 },
    #[error("cannot decompress {format}: {message}")]
    Compressed { format: &'static str, message: String },
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge { .. } | BodyError::Bomb { .. } => io::ErrorKind::FileTooLarge,
            BodyError::Stalled { .. } | BodyError::TooSlow { .. } => io::ErrorKind::TimedOut,
            BodyError::Broken { .. } => io::ErrorKind::UnexpectedEof,
            BodyError::Compressed { .. } => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// The whole body of a query.
pub async fn collect(body: Body, limits: &Limits) -> Result<Bytes, BodyError> {
    let setting = "query_body_bytes_max";
    let mut pace = Pace::new(body, limits, limits.query_body_bytes_max as u64, setting);
    let Some(first) = pace.next().await? else { return Ok(Bytes::new()) };
    let Some(second) = pace.next().await? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = pace.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The body of a load, decompressed. Nothing is read before the stream is first polled: until then the client that
/// asked for `100 Continue` has not been told to send.
pub fn stream(body: Body, compression: Compression, limits: &Limits) -> ByteStream {
    let received = received(Pace::new(body, limits, limits.load_body_bytes_max, "load_body_bytes_max"));
    match compression {
        Compression::None => received.map(|chunk| chunk.map_err(io::Error::from)).boxed(),
        format => decompress::stream(received.boxed(), format, limits),
    }
}

fn received(pace: Pace) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    let counter = metrics::counter!(names::LOAD_BODY_BYTES_TOTAL);
    stream::try_unfold((pace, counter), |(mut pace, counter)| async move {
        let Some(chunk) = pace.next().await? else { return Ok(None) };
        counter.increment(chunk.len() as u64);
        Ok(Some((chunk, (pace, counter))))
    })
}

/// A body read at no less than a minimal pace. Only time spent waiting for the client counts, so a server that is
/// slow itself blames nobody.
struct Pace {
    body: BodyDataStream,
    limit: u64,
    setting: &'static str,
    chunk_timeout: Duration,
    bytes_per_sec_min: u64,
    total: u64,
    waited: Duration,
    window_bytes: u64,
}

/// The pace is averaged over this much waiting.
const PACE_WINDOW: Duration = Duration::from_secs(30);

impl Pace {
    fn new(body: Body, limits: &Limits, limit: u64, setting: &'static str) -> Self {
        Self {
            body: body.into_data_stream(),
            limit,
            setting,
            chunk_timeout: limits.body_chunk_timeout,
            bytes_per_sec_min: limits.body_bytes_per_sec_min,
            total: 0,
            waited: Duration::ZERO,
            window_bytes: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let started = Instant::now();
        let next = tokio::time::timeout(self.chunk_timeout, self.body.next()).await;
        let next = next.map_err(|_| BodyError::Stalled { limit_secs: self.chunk_timeout.as_secs() })?;
        let Some(chunk) = next else { return Ok(None) };
        let chunk = chunk.map_err(|e| BodyError::Broken { message: innermost(&e) })?;
        self.total += chunk.len() as u64;
        if self.total > self.limit {
            return Err(BodyError::TooLarge { got: self.total, limit: self.limit, setting: self.setting });
        }
        self.check_pace(started.elapsed(), chunk.len() as u64)?;
        Ok(Some(chunk))
    }

    fn check_pace(&mut self, waited: Duration, bytes: u64) -> Result<(), BodyError> {
        self.waited += waited;
        self.window_bytes += bytes;
        if self.waited < PACE_WINDOW {
            return Ok(());
        }
        let bytes_per_sec = self.window_bytes / self.waited.as_secs().max(1);
        if bytes_per_sec < self.bytes_per_sec_min {
            return Err(BodyError::TooSlow { bytes_per_sec, min: self.bytes_per_sec_min });
        }
        (self.waited, self.window_bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
