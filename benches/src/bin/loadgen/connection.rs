//! One kept-open HTTP/1.1 connection: requests with a body out, whole answers in. Just enough of the protocol for a
//! server under test (Content-Length and chunked bodies), so that measuring costs little.

use crate::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    authorization: String,
    /// Bytes read; those before `consumed` belong to earlier answers.
    buffer: Vec<u8>,
    consumed: usize,
    request: Vec<u8>,
}

/// An answer. The body is valid until the next request.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(host: &str, authorization: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: host.to_owned(),
            authorization: authorization.to_owned(),
            buffer: Vec::with_capacity(16 << 10),
            consumed: 0,
            request: Vec::new(),
        })
    }

    pub async fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.host,
            self.authorization,
            body.len()
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.exchange().await
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n", self.host, self.authorization);
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.exchange().await
    }

    async fn exchange(&mut self) -> Result<Answer> {
        self.stream.write_all(&self.request).await?;
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let head_end = self.read_head().await?;
        let head = std::str::from_utf8(&self.buffer[..head_end])?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("answer without a status")?;
        let length = header(head, "content-length").map(str::parse::<usize>).transpose()?;
        let chunked = header(head, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        let start = head_end + 4;
        let body = match length {
            Some(length) => {
                self.fill(start + length).await?;
                self.consumed = start + length;
                self.buffer[start..start + length].to_vec()
            }
            None if chunked => self.read_chunks(start).await?,
            None => return Err("answer has neither a length nor chunks".into()),
        };
        Ok(Answer { status, body })
    }

    async fn read_head(&mut self) -> Result<usize> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.buffer[searched..], b"\r\n\r\n") {
                return Ok(searched + at);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err("answer's head is too long".into());
            }
            searched = self.buffer.len().saturating_sub(3);
            self.read_more().await?;
        }
    }

    async fn read_chunks(&mut self, mut at: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                match find(&self.buffer[at..], b"\r\n") {
                    Some(offset) => break at + offset,
                    None => self.read_more().await?,
                }
            };
            let line = std::str::from_utf8(&self.buffer[at..line_end])?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            let data = line_end + 2;
            self.fill(data + size + 2).await?;
            body.extend_from_slice(&self.buffer[data..data + size]);
            at = data + size + 2;
            if size == 0 {
                self.consumed = at;
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("server closed the connection".into());
        }
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let head = "HTTP/1.1 200 OK\r\nContent-LENGTH: 12\r\nx: y";
        assert_eq!(header(head, "content-length"), Some("12"));
        assert_eq!(header(head, "transfer-encoding"), None);
    }
}
