//! S3, Google Cloud Storage and Azure through `object_store`. Its requests run where the store was opened, whatever
//! thread asks: CPU threads need no network driver. A PUT that returned is durable, so there is nothing to sync.

use crate::{Error, Result, paths};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path, prefix::PrefixStore};
use std::{ops::Range, sync::Arc};
use tokio::runtime::Handle;
use url::Url;

/// Larger objects go up in parts of this size.
const PART_BYTES: usize = 16 << 20;
/// Size of the parts of an [`Upload`].
pub(crate) const UPLOAD_PART_BYTES: usize = 8 << 20;
const SCHEMES: [&str; 6] = ["s3", "s3a", "gs", "az", "abfs", "abfss"];
/// What users may name: never the server's own files.
const USER_SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https"];

/// A prefix of a bucket.
#[derive(Debug)]
pub(crate) struct RemoteStore {
    store: Arc<dyn ObjectStore>,
    io: Handle,
}

impl RemoteStore {
    /// Must be called on the runtime that shall do the network's work. Options win over the environment.
    pub(crate) fn open(location: &str, options: &[(String, String)]) -> Result<Self> {
        let unusable = |reason: String| Error::Location { location: location.to_string(), reason };
        let url = Url::parse(location).map_err(|e| unusable(e.to_string()))?;
        let known = SCHEMES.contains(&url.scheme()) || (cfg!(test) && url.scheme() == "memory");
        if !known {
            return Err(unusable(format!("scheme is not one of {}", SCHEMES.join(", "))));
        }
        let environment = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let all: Vec<(String, String)> = environment.chain(options.iter().cloned()).collect();
        Self::connect(&url, &all, Handle::current())
    }

    /// A store that a user named: with the options given and nothing of the server's environment.
    pub(crate) fn open_for_user(location: &str, options: &[(String, String)], io: Handle) -> Result<Self> {
        let unusable = |reason: String| Error::Location { location: location.to_string(), reason };
        let url = Url::parse(location).map_err(|e| unusable(e.to_string()))?;
        let schemes = USER_SCHEMES;
        let known = schemes.contains(&url.scheme()) || (cfg!(test) && url.scheme() == "memory");
        if !known {
            return Err(unusable(format!("scheme is not one of {}", schemes.join(", "))));
        }
        Self::connect(&url, options, io)
    }

    fn connect(url: &Url, options: &[(String, String)], io: Handle) -> Result<Self> {
        let unusable = |reason: String| Error::Location { location: shown(url), reason };
        let (store, prefix) =
            object_store::parse_url_opts(url, options.iter().cloned()).map_err(|e| unusable(e.to_string()))?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), io })
    }

    /// Objects below a prefix, in name order.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<object_store::ObjectMeta>> {
        let (store, prefix) = (Arc::clone(&self.store), Path::from(prefix));
        let mut found = self
            .on_io(async move {
                let prefix = (!prefix.as_ref().is_empty()).then_some(prefix);
                Ok(store.list(prefix.as_ref()).try_collect::<Vec<_>>().await?)
            })
            .await?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    /// What is known of one object; `None` when there is none.
    pub(crate) async fn head(&self, path: &str) -> Result<Option<object_store::ObjectMeta>> {
        let (store, path) = (Arc::clone(&self.store), Path::from(path));
        self.on_io(async move {
            match store.head(&path).await {
                Ok(meta) => Ok(Some(meta)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Starts an object that goes up in parts.
    pub(crate) async fn upload(&self, path: &str) -> Result<Upload> {
        let (store, path) = (Arc::clone(&self.store), Path::from(path));
        let parts = self.on_io(async move { Ok(store.put_multipart(&path).await?) }).await?;
        Ok(Upload { parts: Some(parts), io: self.io.clone() })
    }

    pub(crate) async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), Path::from(path));
        self.on_io(async move {
            if bytes.len() <= PART_BYTES {
                store.put(&path, PutPayload::from_bytes(bytes)).await?;
                return Ok(());
            }
            put_in_parts(&*store, &path, bytes).await
        })
        .await
    }

    pub(crate) async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let (store, location) = (Arc::clone(&self.store), Path::from(path));
        let length = range.end - range.start;
        let outcome = self.on_io(async move { Ok(store.get_range(&location, range).await?) }).await;
        match outcome {
            Err(Error::Store(object_store::Error::NotFound { .. })) => Err(Error::Missing { path: path.to_string() }),
            Ok(bytes) if bytes.len() as u64 != length => {
                Err(Error::Damaged { path: path.to_string(), reason: "object is shorter than recorded".to_string() })
            }
            other => other,
        }
    }

    pub(crate) async fn delete(&self, paths: Vec<String>) -> Result<()> {
        let store = Arc::clone(&self.store);
        self.on_io(delete_all(store, paths)).await
    }

    /// Removes an object in the background; if that fails it stays as an orphan for the next start.
    pub(crate) fn delete_later(&self, path: &str) {
        let (store, path) = (Arc::clone(&self.store), path.to_string());
        self.io.spawn(async move {
            if let Err(error) = delete_all(store, vec![path.clone()]).await {
                tracing::warn!(path, %error, "could not remove unpublished segment");
            }
        });
    }

    pub(crate) async fn list_before(&self, under: &'static str, epoch: u64) -> Result<Vec<String>> {
        let store = Arc::clone(&self.store);
        self.on_io(async move {
            let mut found = Vec::new();
            let prefix = Path::from(under);
            for directory in store.list_with_delimiter(Some(&prefix)).await?.common_prefixes {
                let name = directory.parts().next_back();
                if name.and_then(|n| paths::parse_epoch(n.as_ref())).is_none_or(|e| e >= epoch) {
                    continue;
                }
                let objects = store.list(Some(&directory)).map_ok(|object| object.location.to_string());
                found.extend(objects.try_collect::<Vec<_>>().await?);
            }
            Ok(found)
        })
        .await
    }

    pub(crate) fn library_view(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    async fn on_io<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.io.spawn(work).await.map_err(|_| Error::Cancelled)?
    }
}

/// An object going up in parts. Dropped without an end, it is aborted.
pub(crate) struct Upload {
    parts: Option<Box<dyn object_store::MultipartUpload>>,
    io: Handle,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}

impl Upload {
    /// Sends one part; all but the last must be [`UPLOAD_PART_BYTES`] long.
    pub(crate) async fn part(&mut self, bytes: Bytes) -> Result<()> {
        let Some(mut parts) = self.parts.take() else { return Err(Error::Cancelled) };
        let sent = self.io.spawn(async move {
            let outcome = parts.put_part(PutPayload::from_bytes(bytes)).await;
            (parts, outcome)
        });
        let (parts, outcome) = sent.await.map_err(|_| Error::Cancelled)?;
        self.parts = Some(parts);
        Ok(outcome?)
    }

    pub(crate) async fn complete(mut self) -> Result<()> {
        let Some(mut parts) = self.parts.take() else { return Err(Error::Cancelled) };
        let done = self.io.spawn(async move { parts.complete().await.map(|_| ()) });
        Ok(done.await.map_err(|_| Error::Cancelled)??)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            self.io.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%error, "an interrupted upload was not aborted");
                }
            });
        }
    }
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

async fn put_in_parts(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<()> {
    let mut upload = store.put_multipart(path).await?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let part = rest.split_to(PART_BYTES.min(rest.len()));
        if let Err(error) = upload.put_part(PutPayload::from_bytes(part)).await {
            upload.abort().await?;
            return Err(error.into());
        }
    }
    upload.complete().await?;
    Ok(())
}

async fn delete_all(store: Arc<dyn ObjectStore>, paths: Vec<String>) -> Result<()> {
    let locations = futures::stream::iter(paths.into_iter().map(|path| Ok(Path::from(path)))).boxed();
    let mut outcomes = store.delete_stream(locations);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
