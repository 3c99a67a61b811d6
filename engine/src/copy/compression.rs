//! Compression of files: streams unpacked as they are read, bytes packed as they are written.

use crate::{ByteStream, Error, Result};
use bytes::Bytes;
use futures::StreamExt;
use std::io::{self, BufReader, Read, Write};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_IN_FLIGHT: usize = 4;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    /// By the end of the file's name.
    Auto,
    Gzip,
    Bzip2,
    Zstd,
    /// With the zlib header.
    Deflate,
    RawDeflate,
    Xz,
    /// Pages of Parquet.
    Snappy,
    Lz4,
}

impl Compression {
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name.to_lowercase().as_str() {
            "none" | "" => Compression::None,
            "auto" => Compression::Auto,
            "gzip" | "gz" => Compression::Gzip,
            "bz2" | "bzip2" => Compression::Bzip2,
            "zstd" => Compression::Zstd,
            "deflate" => Compression::Deflate,
            "raw_deflate" | "rawdeflate" => Compression::RawDeflate,
            "xz" => Compression::Xz,
            "brotli" | "zip" => {
                return Err(Error::Unsupported { what: format!("compression {}", name.to_uppercase()) });
            }
            _ => return Err(unknown(name)),
        })
    }

    /// Compression inside of a file.
    pub fn parse_of_pages(name: &str) -> Result<Self> {
        Ok(match name.to_lowercase().as_str() {
            "auto" => Compression::Auto,
            "none" => Compression::None,
            "zstd" => Compression::Zstd,
            "snappy" => Compression::Snappy,
            "gzip" => Compression::Gzip,
            "lz4" => Compression::Lz4,
            _ => return Err(unknown(name)),
        })
    }

    /// How names of compressed text files end.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None | Compression::Auto | Compression::Snappy | Compression::Lz4 => "",
            Compression::Gzip => ".gz",
            Compression::Bzip2 => ".bz2",
            Compression::Zstd => ".zst",
            Compression::Deflate => ".deflate",
            Compression::RawDeflate => ".raw_deflate",
            Compression::Xz => ".xz",
        }
    }

    /// What it is for a file of this name.
    pub fn of_file(self, path: &str) -> Result<Self> {
        if self != Compression::Auto {
            return Ok(self);
        }
        let end = path.rsplit('.').next().unwrap_or_default().to_lowercase();
        Ok(match end.as_str() {
            "gz" | "gzip" => Compression::Gzip,
            "bz2" => Compression::Bzip2,
            "zst" | "zstd" => Compression::Zstd,
            "deflate" => Compression::Deflate,
            "raw_deflate" => Compression::RawDeflate,
            "xz" => Compression::Xz,
            "br" | "zip" => return Err(Error::Unsupported { what: format!("compression of file `{path}`") }),
            _ => Compression::None,
        })
    }

    /// Unpacks a stream as it comes, on a thread of its own.
    pub fn unpack(self, input: ByteStream) -> ByteStream {
        if matches!(self, Compression::None | Compression::Auto | Compression::Snappy | Compression::Lz4) {
            return input;
        }
        let starting = async move {
            let (out, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
            let handle = Handle::current();
            tokio::task::spawn_blocking(move || {
                let reader = StreamReader { input, handle, current: Bytes::new() };
                if let Err(error) = self.pump(reader, &out) {
                    let named = io::Error::new(error.kind(), format!("{self:?} data is damaged: {error}"));
                    // The reader may have gone: then nobody wants to know.
                    let _ = out.blocking_send(Err(named));
                }
            });
            ReceiverStream::new(receiver)
        };
        futures::stream::once(starting).flatten().boxed()
    }

    fn pump(self, input: StreamReader, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        let input = BufReader::with_capacity(CHUNK_BYTES, input);
        match self {
            Compression::Gzip => copy(&mut flate2::bufread::MultiGzDecoder::new(input), out),
            Compression::Bzip2 => copy(&mut bzip2::bufread::MultiBzDecoder::new(input), out),
            Compression::Zstd => copy(&mut zstd::stream::read::Decoder::with_buffer(input)?, out),
            Compression::Deflate => copy(&mut flate2::bufread::ZlibDecoder::new(input), out),
            Compression::RawDeflate => copy(&mut flate2::bufread::DeflateDecoder::new(input), out),
            Compression::Xz => copy(&mut liblzma::bufread::XzDecoder::new_multi_decoder(input), out),
            Compression::None | Compression::Auto | Compression::Snappy | Compression::Lz4 => copy(&mut { input }, out),
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::InvalidArgument { message: format!("unknown compression `{name}`") }
}

fn copy(input: &mut impl Read, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut filled = 0;
        while filled < chunk.len() {
            match input.read(&mut chunk[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        let last = filled < chunk.len();
        chunk.truncate(filled);
        if filled > 0 && out.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
        if last {
            return Ok(());
        }
    }
}

/// A stream as a reader, for a thread that may block.
struct StreamReader {
    input: ByteStream,
    handle: Handle,
    current: Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.handle.block_on(self.input.next()) {
                None => return Ok(0),
                Some(next) => self.current = next?,
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// Packs what is written into it.
pub(crate) enum Packer {
    None(Vec<u8>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Bzip2(bzip2::write::BzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Deflate(flate2::write::ZlibEncoder<Vec<u8>>),
    RawDeflate(flate2::write::DeflateEncoder<Vec<u8>>),
    Xz(liblzma::write::XzEncoder<Vec<u8>>),
}

impl Packer {
    pub fn new(compression: Compression) -> Result<Self> {
        let failed = |source| Error::internal("cannot start to compress", source);
        let level = flate2::Compression::default();
        Ok(match compression {
            Compression::None | Compression::Auto | Compression::Snappy | Compression::Lz4 => Packer::None(Vec::new()),
            Compression::Gzip => Packer::Gzip(flate2::write::GzEncoder::new(Vec::new(), level)),
            Compression::Bzip2 => {
                Packer::Bzip2(bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default()))
            }
            Compression::Zstd => Packer::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 0).map_err(failed)?),
            Compression::Deflate => Packer::Deflate(flate2::write::ZlibEncoder::new(Vec::new(), level)),
            Compression::RawDeflate => Packer::RawDeflate(flate2::write::DeflateEncoder::new(Vec::new(), level)),
            Compression::Xz => Packer::Xz(liblzma::write::XzEncoder::new(Vec::new(), 6)),
        })
    }

    /// Adds bytes, and takes what has been packed so far.
    pub fn write(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let failed = |source| Error::internal("cannot compress", source);
        match self {
            Packer::None(out) => out.extend_from_slice(bytes),
            Packer::Gzip(writer) => writer.write_all(bytes).map_err(failed)?,
            Packer::Bzip2(writer) => writer.write_all(bytes).map_err(failed)?,
            Packer::Zstd(writer) => writer.write_all(bytes).map_err(failed)?,
            Packer::Deflate(writer) => writer.write_all(bytes).map_err(failed)?,
            Packer::RawDeflate(writer) => writer.write_all(bytes).map_err(failed)?,
            Packer::Xz(writer) => writer.write_all(bytes).map_err(failed)?,
        }
        Ok(std::mem::take(match self {
            Packer::None(out) => out,
            Packer::Gzip(writer) => writer.get_mut(),
            Packer::Bzip2(writer) => writer.get_mut(),
            Packer::Zstd(writer) => writer.get_mut(),
            Packer::Deflate(writer) => writer.get_mut(),
            Packer::RawDeflate(writer) => writer.get_mut(),
            Packer::Xz(writer) => writer.get_mut(),
        }))
    }

    /// The last bytes.
    pub fn finish(self) -> Result<Vec<u8>> {
        let failed = |source| Error::internal("cannot compress", source);
        match self {
            Packer::None(out) => Ok(out),
            Packer::Gzip(writer) => writer.finish().map_err(failed),
            Packer::Bzip2(writer) => writer.finish().map_err(failed),
            Packer::Zstd(writer) => writer.finish().map_err(failed),
            Packer::Deflate(writer) => writer.finish().map_err(failed),
            Packer::RawDeflate(writer) => writer.finish().map_err(failed),
            Packer::Xz(writer) => writer.finish().map_err(failed),
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_packed_is_unpacked() {
        use Compression as C;
        let text: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        for compression in [C::None, C::Gzip, C::Bzip2, C::Zstd, C::Deflate, C::RawDeflate, C::Xz] {
            let mut packer = Packer::new(compression).unwrap();
            let mut packed = Vec::new();
            for part in text.chunks(10_000) {
                packed.extend(packer.write(part).unwrap());
            }
            packed.extend(packer.finish().unwrap());
            assert!(compression == C::None || packed.len() < text.len(), "{compression:?}");
            let parts: Vec<_> = packed.chunks(7_777).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            let mut unpacked = Vec::new();
            let mut stream = compression.unpack(futures::stream::iter(parts).boxed());
            while let Some(part) = stream.next().await {
                unpacked.extend_from_slice(&part.unwrap());
            }
            assert!(unpacked == text, "{compression:?}");
        }
    }

    #[tokio::test]
    async fn damaged_data_is_an_error() {
        let input = futures::stream::iter([Ok(Bytes::from_static(b"not gzip at all"))]).boxed();
        let mut stream = Compression::Gzip.unpack(input);
        assert!(stream.next().await.unwrap().is_err());
    }
}
