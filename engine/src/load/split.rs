//! The stream of bytes in pieces of whole records, a few megabytes each, so that they can be read side by side.
//! At most one piece and one incomplete record are held.

use super::{
    ByteStream,
    csv::CsvScanner,
    json_text::{JsonError, rough_end, skip_blanks},
};
use crate::{Error, Result};
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;

/// Bytes of a piece, about.
const CHUNK_BYTES: usize = 4 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where records end.
#[derive(Debug)]
pub(super) enum Splitter {
    Csv {
        scanner: CsvScanner,
        headers_left: usize,
    },
    /// JSON documents one after the other.
    Documents,
    /// JSON arrays whose elements are the documents.
    Elements {
        inside: bool,
    },
}

/// A piece of the input.
#[derive(Debug)]
pub(super) enum Piece {
    Records(Bytes),
    /// Nothing after this can be understood.
    Malformed {
        reason: String,
        text: Bytes,
    },
}

/// Cuts a stream.
pub(super) struct PieceReader {
    body: ByteStream,
    splitter: Splitter,
    buffer: BytesMut,
    chunk_bytes: usize,
    record_bytes_max: usize,
    bytes: u64,
    at_start: bool,
    at_end: bool,
    /// Lines of headers that were taken off.
    skipped_lines: u64,
}

/// Where to cut the buffer.
enum Cut {
    At(usize),
    /// No record ends in the buffer.
    More,
    Malformed(String),
}

impl PieceReader {
    pub fn new(body: ByteStream, splitter: Splitter, record_bytes_max: usize) -> Self {
        Self {
            body,
            splitter,
            buffer: BytesMut::new(),
            chunk_bytes: CHUNK_BYTES,
            record_bytes_max,
            bytes: 0,
            at_start: true,
            at_end: false,
            skipped_lines: 0,
        }
    }

    /// Pieces of about this size instead.
    #[cfg(test)]
    pub fn with_chunk_bytes(self, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, ..self }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines that belong to no piece.
    pub fn skipped_lines(&self) -> u64 {
        self.skipped_lines
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        let mut want = self.chunk_bytes;
        loop {
            self.fill(want).await?;
            if std::mem::take(&mut self.at_start) && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.advance(BYTE_ORDER_MARK.len());
            }
            let cut = match self.cut() {
                Cut::At(0) if self.buffer.is_empty() && self.at_end => return Ok(None),
                // A header or bracket was taken off, and nothing else is there.
                Cut::At(0) if self.buffer.is_empty() => continue,
                Cut::At(cut) => cut,
                Cut::Malformed(reason) => {
                    self.at_end = true;
                    let text = self.buffer.split().freeze();
                    return Ok(Some(Piece::Malformed { reason, text }));
                }
                Cut::More if self.at_end => self.buffer.len(),
                Cut::More if self.buffer.len() > self.record_bytes_max => {
                    let message =
                        format!("a record is longer than {} bytes (or a quote is not closed)", self.record_bytes_max);
                    return Err(Error::BadData { message });
                }
                Cut::More => {
                    let more = (self.buffer.len() / 2).max(self.chunk_bytes / 64).max(1);
                    want = self.buffer.len() + more.min(CHUNK_BYTES);
                    continue;
                }
            };
            if cut > 0 {
                return Ok(Some(Piece::Records(self.buffer.split_to(cut).freeze())));
            }
            if self.at_end && self.buffer.is_empty() {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self, want: usize) -> Result<()> {
        while !self.at_end && self.buffer.len() < want {
            match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    self.buffer.extend_from_slice(&bytes);
                }
                Some(Err(error)) => {
                    return Err(Error::BadData { message: format!("the input could not be read to its end: {error}") });
                }
                None => self.at_end = true,
            }
        }
        Ok(())
    }

    fn cut(&mut self) -> Cut {
        match &mut self.splitter {
            Splitter::Csv { scanner, headers_left } => {
                while *headers_left > 0 {
                    match scanner.record_end(&self.buffer, 0) {
                        Some(end) => {
                            self.skipped_lines += memchr::memchr_iter(b'\n', &self.buffer[..end]).count() as u64;
                            self.buffer.advance(end);
                        }
                        None if self.at_end => self.buffer.clear(),
                        None => return Cut::More,
                    }
                    *headers_left -= 1;
                }
                if self.at_end {
                    return Cut::At(self.buffer.len());
                }
                scanner.last_record_end(&self.buffer).map_or(Cut::More, Cut::At)
            }
            Splitter::Documents if self.at_end => Cut::At(self.buffer.len()),
            Splitter::Documents => match line_between_documents(&self.buffer) {
                Some(cut) => Cut::At(cut),
                None => last_end(&self.buffer, 0, |_| false).map_or(Cut::More, |(end, _)| Cut::At(end)),
            },
            Splitter::Elements { inside } => cut_elements(&mut self.buffer, inside, self.at_end),
        }
    }
}

/// Position behind the last line break with `}` before and `{` behind it: inside of a document JSON has no such place.
fn line_between_documents(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    while let Some(at) = memchr::memrchr(b'\n', &text[..end]) {
        let before = text[..at].iter().rev().find(|b| !b.is_ascii_whitespace());
        let behind = text[at..].iter().find(|b| !b.is_ascii_whitespace());
        if before == Some(&b'}') && behind == Some(&b'{') {
            return Some(at + 1);
        }
        end = at;
    }
    None
}

/// End of the last whole value from `from` on, and whether `stop` ended the walk. What is no JSON is a value up to the
/// end of the text: the reader will say what is wrong with it.
fn last_end(text: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> Option<(usize, bool)> {
    let mut last = None;
    let mut at = from;
    loop {
        at = skip_blanks(text, at);
        while text.get(at) == Some(&b',') {
            at = skip_blanks(text, at + 1);
        }
        match text.get(at) {
            None => return last.map(|end| (end, false)),
            Some(byte) if stop(*byte) => return Some((at, true)),
            Some(_) => {}
        }
        match rough_end(text, at) {
            // A number at the end of the buffer may go on behind it.
            Ok(end) if end == text.len() && !matches!(text[at], b'{' | b'[' | b'"') => {
                return last.map(|end| (end, false));
            }
            Ok(end) => {
                last = Some(end);
                at = end;
            }
            Err(JsonError::Incomplete) => return last.map(|end| (end, false)),
            Err(_) => return Some((text.len(), false)),
        }
    }
}

fn cut_elements(buffer: &mut BytesMut, inside: &mut bool, at_end: bool) -> Cut {
    loop {
        buffer.advance(skip_blanks(buffer, 0));
        match (*inside, buffer.first()) {
            (false, None) if at_end => return Cut::At(0),
            (false, None) => return Cut::More,
            (false, Some(b'[')) => *inside = true,
            (false, Some(_)) => {
                return Cut::Malformed("the value should be array type with strip_outer_array=true".into());
            }
            (true, Some(b']')) => *inside = false,
            (true, _) => break,
        }
        buffer.advance(1);
    }
    match last_end(buffer, 0, |byte| byte == b']') {
        Some((end, _)) => Cut::At(end),
        None if at_end => Cut::Malformed("Unrecognized json format, error: the array is not closed".into()),
        None => Cut::More,
    }
}
