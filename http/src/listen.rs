//! Where the server listens and which face a listener shows: `[FACE@]ADDR`.

use std::net::{SocketAddr, ToSocketAddrs};

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Every HTTP dialect (their paths do not collide).
    Plain,
    Databend,
    /// Databend's admin API and nothing else.
    DatabendAdmin,
    /// The node of a StarRocks cluster that takes the bytes of loads.
    StarrocksBe,
}

/// One `--listen` argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub face: Face,
    pub address: String,
}

/// Faces that the design names and that are not built yet: naming one is a clear error, not a silent plain listener.
const NOT_BUILT: [&str; 6] = ["starrocks-fe", "s3", "mysql", "druid", "aistore", "databend-meta"];

impl Listen {
    /// Parses `[FACE@]ADDR`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (face, address) = match text.split_once('@') {
            None => (Face::Plain, text),
            Some((face, address)) => (parse_face(face)?, address),
        };
        let port = address.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|p| p.parse::<u16>().is_err()) {
            return Err(format!("`{address}` is not an address: expected HOST:PORT, e.g. 127.0.0.1:8000"));
        }
        Ok(Self { face, address: address.to_string() })
    }

    /// The socket addresses behind the name.
    pub fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(self.address.to_socket_addrs()?.collect())
    }
}

fn parse_face(name: &str) -> Result<Face, String> {
    match name {
        "plain" => Ok(Face::Plain),
        "databend" => Ok(Face::Databend),
        "databend-admin" => Ok(Face::DatabendAdmin),
        "starrocks-be" => Ok(Face::StarrocksBe),
        other if NOT_BUILT.contains(&other) => Err(format!("face `{other}` is not built in this version")),
        other => Err(format!("unknown face `{other}`: known are plain, databend, databend-admin, starrocks-be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_and_addresses() {
        assert_eq!(Listen::parse("127.0.0.1:8000").unwrap().face, Face::Plain);
        let be = Listen::parse("starrocks-be@[::1]:8040").unwrap();
        assert_eq!((be.face, be.address.as_str()), (Face::StarrocksBe, "[::1]:8040"));
        assert!(Listen::parse("s3@127.0.0.1:9000").unwrap_err().contains("not built"));
        assert!(Listen::parse("nonsense@127.0.0.1:1").unwrap_err().contains("unknown face `nonsense`"));
        assert!(Listen::parse("localhost").unwrap_err().contains("HOST:PORT"));
        assert!(Listen::parse("127.0.0.1:99999").is_err());
    }
}
