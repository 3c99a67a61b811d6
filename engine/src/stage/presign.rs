//! URLs that let their holder put or get one file without further credentials. Making them is the business of whoever
//! serves them; the engine only asks.

use crate::Result;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// What a URL shall allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresignMethod {
    Upload,
    Download,
}

/// The URL that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct PresignRequest {
    pub method: PresignMethod,
    pub user: String,
    /// `~` is the user's own.
    pub stage: String,
    pub path: String,
    pub expires: Duration,
    pub content_type: Option<String>,
}

/// A URL, and how it must be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PresignedUrl {
    pub method: String,
    pub headers: BTreeMap<String, String>,
    pub url: String,
}

type Sign = dyn Fn(&PresignRequest) -> Result<PresignedUrl> + Send + Sync;

/// Makes URLs.
#[derive(Clone)]
pub struct Presigner(Arc<Sign>);

impl Presigner {
    pub fn new(sign: impl Fn(&PresignRequest) -> Result<PresignedUrl> + Send + Sync + 'static) -> Self {
        Self(Arc::new(sign))
    }

    pub fn sign(&self, request: &PresignRequest) -> Result<PresignedUrl> {
        (self.0)(request)
    }
}

impl fmt::Debug for Presigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presigner")
    }
}
