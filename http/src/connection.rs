//! One client connection's byte stream, watched: who sends heads too slowly, idles too long or takes no answer is
//! disconnected, and a connection that ends with unread input is closed so that the client can still read its answer.
//!
//! hyper's own header timeout also runs between requests, and its protocol detection has none at all, so both clocks
//! are kept here.

use crate::limits::Limits;
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// After our last byte, how long and how much we keep reading so that the client sees the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: usize = 256 << 20;

/// What the watcher of a connection looks at. Times are milliseconds since the connection began, 0 = unset.
#[derive(Debug)]
pub struct Activity {
    began: Instant,
    in_flight: AtomicUsize,
    idle_since_ms: AtomicU64,
    head_since_ms: AtomicU64,
    multiplexed: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            in_flight: AtomicUsize::new(0),
            idle_since_ms: AtomicU64::new(0),
            // The first head must come soon after connecting, or the connection is not worth keeping.
            head_since_ms: AtomicU64::new(1),
            multiplexed: AtomicBool::new(false),
        }
    }
}

impl Activity {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// A request's head is complete.
    pub fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since_ms.store(0, Relaxed);
        InFlight(Arc::clone(self))
    }

    fn bytes_read(&self, first: bool, bytes: &[u8]) {
        if first && bytes.starts_with(b"PRI") {
            self.multiplexed.store(true, Relaxed);
        }
        if self.in_flight.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            let _ = self.head_since_ms.compare_exchange(0, self.now_ms(), Relaxed, Relaxed);
        }
    }

    fn bytes_written(&self) {
        self.idle_since_ms.store(self.now_ms(), Relaxed);
    }

    /// When to look again, or why to close.
    pub fn verdict(&self, limits: &Limits) -> Result<Duration, &'static str> {
        if self.in_flight.load(Relaxed) > 0 {
            return Ok(limits.header_timeout.min(limits.idle_timeout));
        }
        let now = self.now_ms();
        let left = |since: u64, limit: Duration| limit.checked_sub(Duration::from_millis(now.saturating_sub(since)));
        let head_since = self.head_since_ms.load(Relaxed);
        if head_since > 0 {
            return left(head_since, limits.header_timeout).ok_or("head not complete in time");
        }
        let idle_left = left(self.idle_since_ms.load(Relaxed), limits.idle_timeout).ok_or("idle")?;
        Ok(idle_left.min(limits.header_timeout))
    }
}

/// Counts one request until it is answered.
#[derive(Debug)]
pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.bytes_written();
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The watched stream.
pub struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
    write_stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    seen_bytes: bool,
    linger: Option<Linger>,
}

/// Reading on after our side is closed.
struct Linger {
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Watched {
    pub fn new(stream: TcpStream, activity: Arc<Activity>, write_stall: Duration) -> Self {
        Self { stream, activity, write_stall, stalled: None, seen_bytes: false, linger: None }
    }

    fn watch_write<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.activity.bytes_written();
            return result;
        }
        let limit = self.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "client takes no data")))
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        if !new.is_empty() {
            let first = !std::mem::replace(&mut self.seen_bytes, true);
            self.activity.bytes_read(first, new);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch_write(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says "no more from us", then takes in what the client is still sending (a body nobody wanted), for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.linger = Some(Linger { deadline: Box::pin(sleep(LINGER)), bytes_left: LINGER_BYTES_MAX });
        }
        let this = &mut *self;
        let Some(linger) = &mut this.linger else { return Poll::Ready(Ok(())) };
        let mut scratch = [0u8; 16 << 10];
        while linger.bytes_left > 0 && linger.deadline.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    linger.bytes_left = linger.bytes_left.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_head_and_a_long_idle_are_noticed() {
        let limits = Limits { header_timeout: Duration::ZERO, idle_timeout: Duration::ZERO, ..Limits::default() };
        let patient = Limits::default();
        let activity = Arc::new(Activity::default());
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(activity.verdict(&limits), Err("head not complete in time"));
        let request = activity.request();
        assert!(activity.verdict(&limits).is_ok());
        drop(request);
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(activity.verdict(&limits), Err("idle"));
        assert!(activity.verdict(&patient).is_ok());
        activity.bytes_read(false, b"GET");
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(activity.verdict(&limits), Err("head not complete in time"));
    }

    #[test]
    fn http2_connections_may_exchange_frames_between_requests() {
        let activity = Arc::new(Activity::default());
        activity.bytes_read(true, b"PRI * HTTP/2.0");
        drop(activity.request());
        activity.bytes_read(false, b"ping");
        let impatient = Limits { header_timeout: Duration::ZERO, ..Limits::default() };
        assert!(activity.verdict(&impatient).is_ok());
    }
}
