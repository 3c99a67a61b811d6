//! Decompression of a streamed body on a blocking thread, with bounds on what comes out.
//!
//! The decoders are synchronous readers, which all tell a truncated input from a finished one. Both sides of the
//! thread are short channels, so a slow consumer slows the client and nothing piles up.

use super::BodyError;
use crate::limits::Limits;
use basalt_engine::ByteStream;
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures::{StreamExt, stream::BoxStream};
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    /// With or without the zlib header: found out from the first bytes, since clients mean both.
    Deflate,
    Zstd,
    /// LZ4 frames.
    Lz4,
}

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_IN_FLIGHT: usize = 4;
/// Small inputs may expand as they like; beyond this the ratio counts.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// Decompresses `input` as it comes. Nothing happens before the result is first polled.
pub(super) fn stream(
    input: BoxStream<'static, Result<Bytes, BodyError>>,
    format: Compression,
    limits: &Limits,
) -> ByteStream {
    let bounds = Bounds { bytes_max: limits.load_body_bytes_max, ratio_max: limits.decompression_ratio_max };
    futures::stream::once(async move { start(input, format, bounds) }).flatten().boxed()
}

fn start(
    mut input: BoxStream<'static, Result<Bytes, BodyError>>,
    format: Compression,
    bounds: Bounds,
) -> ReceiverStream<io::Result<Bytes>> {
    let (raw, raw_receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let (out, out_receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    // Ends when the body ends or the decoding thread has gone.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = raw.closed() => return,
                chunk = input.next() => {
                    let Some(chunk) = chunk else { return };
                    if raw.send(chunk).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    tokio::task::spawn_blocking(move || {
        let input = ChunkReader { chunks: raw_receiver, current: Bytes::new(), read: 0, done: false };
        if let Err(error) = decode(input, format, bounds, &out) {
            let _ = out.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(out_receiver)
}

#[derive(Clone, Copy)]
struct Bounds {
    bytes_max: u64,
    ratio_max: u64,
}

fn decode(
    mut input: ChunkReader,
    format: Compression,
    bounds: Bounds,
    out: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    match format {
        Compression::None => copy(&mut input, bounds, out),
        Compression::Gzip => copy(&mut MultiGzDecoder::new(input), bounds, out),
        Compression::Zstd => copy(&mut zstd::stream::read::Decoder::with_buffer(input)?, bounds, out),
        Compression::Lz4 => copy(&mut Lz4Frames(FrameDecoder::new(input)), bounds, out),
        Compression::Deflate if has_zlib_header(input.fill_buf()?) => copy(&mut ZlibDecoder::new(input), bounds, out),
        Compression::Deflate => copy(&mut DeflateDecoder::new(input), bounds, out),
    }
    .map_err(|error| named(error, format))
}

fn has_zlib_header(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

/// What knows how many compressed bytes it has read.
trait Source: Read {
    fn input(&self) -> &ChunkReader;
}

impl Source for ChunkReader {
    fn input(&self) -> &ChunkReader {
        self
    }
}

impl Source for MultiGzDecoder<ChunkReader> {
    fn input(&self) -> &ChunkReader {
        self.get_ref()
    }
}

impl Source for ZlibDecoder<ChunkReader> {
    fn input(&self) -> &ChunkReader {
        self.get_ref()
    }
}

impl Source for DeflateDecoder<ChunkReader> {
    fn input(&self) -> &ChunkReader {
        self.get_ref()
    }
}

impl Source for zstd::stream::read::Decoder<'_, ChunkReader> {
    fn input(&self) -> &ChunkReader {
        self.get_ref()
    }
}

/// LZ4 frames one after the other: the decoder stops after each.
struct Lz4Frames(FrameDecoder<ChunkReader>);

impl Read for Lz4Frames {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(buf)?;
            if n > 0 || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(n);
            }
        }
    }
}

impl Source for Lz4Frames {
    fn input(&self) -> &ChunkReader {
        self.0.get_ref()
    }
}

fn copy(source: &mut impl Source, bounds: Bounds, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut written = 0u64;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let n = fill(source, &mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        written += n as u64;
        bounds.check(source.input().read, written)?;
        chunk.truncate(n);
        if out.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(()); // nobody wants the rest
        }
    }
}

/// Reads until `buf` is full or the input ends.
fn fill(source: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buf.len() {
        match source.read(&mut buf[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

impl Bounds {
    fn check(self, read: u64, written: u64) -> Result<(), BodyError> {
        if written > self.bytes_max {
            return Err(BodyError::TooLarge { got: written, limit: self.bytes_max, setting: "load_body_bytes_max" });
        }
        if written > RATIO_FREE_BYTES && written / read.max(1) > self.ratio_max {
            return Err(BodyError::Bomb { ratio: self.ratio_max });
        }
        Ok(())
    }
}

/// Names the format in a decoder's own errors; ours pass through.
fn named(error: io::Error, format: Compression) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<BodyError>()) {
        return error;
    }
    let format = match format {
        Compression::None => "data",
        Compression::Gzip => "gzip",
        Compression::Deflate => "deflate",
        Compression::Zstd => "zstd",
        Compression::Lz4 => "lz4",
    };
    BodyError::Compressed { format, message: error.to_string() }.into()
}

/// The received chunks as a reader for the decoding thread.
struct ChunkReader {
    chunks: mpsc::Receiver<Result<Bytes, BodyError>>,
    current: Bytes,
    read: u64,
    done: bool,
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.done {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => self.done = true,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, n: usize) {
        self.read += n as u64;
        self.current = self.current.slice(n..);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}
