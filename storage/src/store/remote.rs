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
const SCHEMES: [&str; 6] = ["s3", "s3a", "gs", "az", "abfs", "abfss"];

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
        let all = environment.chain(options.iter().cloned());
        let (store, prefix) = object_store::parse_url_opts(&url, all).map_err(|e| unusable(e.to_string()))?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), io: Handle::current() })
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

    pub(crate) async fn list_before(&self, epoch: u64) -> Result<Vec<String>> {
        let store = Arc::clone(&self.store);
        self.on_io(async move {
            let mut found = Vec::new();
            for directory in store.list_with_delimiter(None).await?.common_prefixes {
                if paths::parse_epoch(directory.as_ref()).is_none_or(|e| e >= epoch) {
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
