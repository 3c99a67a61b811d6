//! Bodies of several parts, read as streams: a part is handed on while it comes, so its size does not matter.
//!
//! The parser takes from its source as long as there is something, and keeps what it takes until it finds the end of a
//! part's head. Both are bounded here: one piece at a time, and a limit on what may come before the data of a part.

use super::error::ProtocolError;
use crate::{
    body::{self, BodyError, Compression},
    limits::Limits,
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use basalt_engine::ByteStream;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use multer::{Field, Multipart};
use parking_lot::Mutex;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

/// Bytes that may come between the data of two parts.
const BETWEEN_BYTES_MAX: u64 = 1 << 20;

/// The parts of a body.
pub struct Parts {
    multipart: Multipart<'static>,
    source: Arc<Watched>,
}

/// One part.
pub struct Part {
    pub file_name: Option<String>,
    pub body: ByteStream,
}

/// What parser and handler share.
#[derive(Debug, Default)]
struct Watched {
    /// Bytes that may still be read before a part's data begins.
    allowed: AtomicU64,
    /// What broke the body, if it was not its form.
    broken: Mutex<Option<BodyError>>,
}

impl Parts {
    /// The parts of a `multipart/form-data` body. Nothing is read yet.
    pub fn of(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Self, ProtocolError> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let boundary = multer::parse_boundary(content_type).map_err(|error| {
            ProtocolError::bad_request(format!("expected a body of type multipart/form-data: {error}"))
        })?;
        let source = Arc::new(Watched::default());
        let pieces =
            Pieces { inner: body::stream(body, Compression::None, limits), watched: Arc::clone(&source), gave: false };
        Ok(Self { multipart: Multipart::new(pieces, boundary), source })
    }

    /// The next part; the one before must have been read to its end.
    pub async fn next(&mut self) -> Result<Option<Part>, ProtocolError> {
        self.source.allowed.store(BETWEEN_BYTES_MAX, Ordering::Relaxed);
        let field = self.multipart.next_field().await.map_err(|error| self.failure(&error))?;
        self.source.allowed.store(u64::MAX, Ordering::Relaxed);
        Ok(field.map(|field| Part { file_name: field.file_name().map(str::to_string), body: data(field) }))
    }

    /// What a client that sends too much or too slowly is told, if that is what went wrong.
    pub fn broken(&self) -> Option<ProtocolError> {
        self.source.broken.lock().clone().map(ProtocolError::from)
    }

    fn failure(&self, error: &multer::Error) -> ProtocolError {
        let reason = match error {
            multer::Error::StreamReadFailed(source) => source.to_string(),
            other => other.to_string(),
        };
        let malformed = || ProtocolError::new(StatusCode::BAD_REQUEST, format!("malformed multipart body: {reason}"));
        self.broken().unwrap_or_else(malformed)
    }
}

fn data(field: Field<'static>) -> ByteStream {
    stream::try_unfold(field, |mut field| async move {
        match field.chunk().await {
            Ok(Some(chunk)) => Ok(Some((chunk, field))),
            Ok(None) => Ok(None),
            Err(multer::Error::StreamReadFailed(source)) => Err(io::Error::other(source)),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("malformed multipart body: {error}"))),
        }
    })
    .boxed()
}

/// The body, one piece per poll.
struct Pieces {
    inner: ByteStream,
    watched: Arc<Watched>,
    gave: bool,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if std::mem::take(&mut self.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = std::task::ready!(self.inner.poll_next_unpin(context));
        self.gave = piece.is_some();
        Poll::Ready(piece.map(|piece| self.watched.check(piece)))
    }
}

impl Watched {
    fn check(&self, piece: io::Result<Bytes>) -> io::Result<Bytes> {
        match piece {
            Ok(bytes) => {
                let allowed = self.allowed.load(Ordering::Relaxed);
                if allowed == u64::MAX {
                    return Ok(bytes);
                }
                if allowed == 0 {
                    let message = format!("more than {BETWEEN_BYTES_MAX} bytes before the data of a part");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                self.allowed.store(allowed.saturating_sub(bytes.len() as u64), Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) => {
                *self.broken.lock() = error.get_ref().and_then(|source| source.downcast_ref::<BodyError>()).cloned();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    async fn read(body: &str) -> Result<Vec<(Option<String>, String)>, String> {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, "multipart/form-data; boundary=X".parse().unwrap())]);
        let chunks: Vec<_> =
            body.as_bytes().chunks(1 << 20).map(|c| io::Result::Ok(Bytes::copy_from_slice(c))).collect();
        let body = Body::from_stream(stream::iter(chunks));
        let mut parts = Parts::of(&headers, body, &Limits::default()).map_err(|e| e.message)?;
        let mut read = Vec::new();
        while let Some(part) = parts.next().await.map_err(|e| e.message)? {
            let bytes: Vec<Bytes> = part.body.try_collect().await.map_err(|e| e.to_string())?;
            read.push((part.file_name, String::from_utf8(bytes.concat()).unwrap()));
        }
        Ok(read)
    }

    #[tokio::test]
    async fn names_keep_their_slashes_and_data_its_lines() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a/b.csv\"\r\n\r\n1\r\n2\r\n\r\n--X\r\n\
                    Content-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--X--\r\n";
        let parts = read(body).await.unwrap();
        assert_eq!(parts[0], (Some("a/b.csv".into()), "1\r\n2\r\n".into()));
        assert_eq!(parts[1], (None, "hello".into()));
    }

    #[tokio::test]
    async fn what_is_no_multipart_is_told_so() {
        assert!(read("--X\r\nContent-Disposition: form-data; name=\"upload\"\r\n\r\nnever ends").await.is_err());
        let endless = format!("--X\r\nContent-Disposition: form-data; {}", "x".repeat(3 << 20));
        assert!(read(&endless).await.unwrap_err().contains("before the data of a part"));
        let none = Parts::of(&HeaderMap::new(), Body::empty(), &Limits::default());
        assert!(none.err().unwrap().message.contains("multipart/form-data"));
    }
}
