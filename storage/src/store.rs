//! The one door to the bytes: a durable local directory, or an object store by URL.
//!
//! An object is created once under a fresh name, made durable, and never changed; so there is no rename, no overwrite
//! and no lock. [`NewObject`] is the only way to create one: until [`UnpublishedObject::keep`] is called, dropping it removes
//! the object again. What is *in* an object, and whether anything refers to it, is not known here.

pub(crate) mod local;
mod read_only;
pub(crate) mod remote;

use crate::{Error, Result};
use bytes::Bytes;
use local::{LocalFile, LocalStore};
use object_store::ObjectStore;
use remote::RemoteStore;
use std::{io::Write, ops::Range, sync::Arc};

/// Where segments lie.
#[derive(Debug)]
pub(crate) enum Store {
    Local(LocalStore),
    Remote(RemoteStore),
}

impl Store {
    /// Opens `location`: a URL of a known object store, or else a local directory, which is created.
    pub(crate) fn open(location: &str, options: &[(String, String)]) -> Result<Self> {
        if location.contains("://") {
            return Ok(Self::Remote(RemoteStore::open(location, options)?));
        }
        Ok(Self::Local(LocalStore::open(location)?))
    }

    /// Starts an object under a name never used before.
    pub(crate) fn create(self: &Arc<Self>, path: &str) -> Result<NewObject> {
        let body = match &**self {
            Self::Local(store) => Body::File(store.create(path)?),
            Self::Remote(_) => Body::Memory(Vec::new()),
        };
        Ok(NewObject {
            body,
            object: UnpublishedObject { store: Arc::clone(self), path: path.to_string(), kept: false },
        })
    }

    /// Makes the names of new objects durable: syncs each of their directories once.
    pub(crate) fn sync_directories<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Result<()> {
        match self {
            Self::Local(store) => store.sync_directories(paths),
            Self::Remote(_) => Ok(()),
        }
    }

    /// Whether [`Store::read`] answers without waiting for a network.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Bytes of an object, exactly those. A local read is done on the calling thread.
    pub(crate) async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        match self {
            Self::Local(store) => store.read(path, range),
            Self::Remote(store) => store.read(path, range).await,
        }
    }

    /// Removes objects; one that is gone already is fine.
    pub(crate) async fn delete(self: &Arc<Self>, paths: Vec<String>) -> Result<()> {
        match &**self {
            Self::Remote(store) => store.delete(paths).await,
            Self::Local(_) => {
                let store = Arc::clone(self);
                let removing = tokio::task::spawn_blocking(move || {
                    let Self::Local(local) = &*store else { return Ok(()) };
                    paths.iter().try_for_each(|path| local.delete(path))
                });
                removing.await.map_err(|_| Error::Cancelled)?
            }
        }
    }

    /// Paths of all objects below `under` that epochs before `epoch` left behind, whoever made them.
    pub(crate) async fn list_before(self: &Arc<Self>, under: &'static str, epoch: u64) -> Result<Vec<String>> {
        match &**self {
            Self::Remote(store) => store.list_before(under, epoch).await,
            Self::Local(_) => {
                let store = Arc::clone(self);
                let listing = tokio::task::spawn_blocking(move || match &*store {
                    Self::Local(local) => local.list_before(under, epoch),
                    Self::Remote(_) => Ok(Vec::new()),
                });
                listing.await.map_err(|_| Error::Cancelled)?
            }
        }
    }

    /// Removes directories of epochs before `epoch` that have become empty.
    pub(crate) fn remove_empty_directories(&self, under: &str, epoch: u64) -> Result<()> {
        match self {
            Self::Local(store) => store.remove_empty_directories(under, epoch),
            Self::Remote(_) => Ok(()),
        }
    }

    /// A view for libraries that want this interface; it cannot write.
    pub(crate) fn read_only(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Local(store) => read_only::ReadOnly::view_of(store.library_view()),
            Self::Remote(store) => read_only::ReadOnly::view_of(store.library_view()),
        }
    }
}

/// An object being written.
#[derive(Debug)]
pub(crate) struct NewObject {
    body: Body,
    object: UnpublishedObject,
}

#[derive(Debug)]
enum Body {
    File(LocalFile),
    /// Object stores take whole objects; a segment is small enough for that.
    Memory(Vec<u8>),
}

impl NewObject {
    /// Makes the contents durable (not yet the name: [`Store::sync_directories`]). Blocks on a local store.
    pub(crate) async fn sync(self) -> Result<UnpublishedObject> {
        match self.body {
            Body::File(file) => {
                let object = self.object;
                let syncing = tokio::task::spawn_blocking(move || file.sync().map(|()| object));
                syncing.await.map_err(|_| Error::Cancelled)?
            }
            Body::Memory(bytes) => {
                if let Store::Remote(store) = &*self.object.store {
                    store.put(&self.object.path, bytes.into()).await?;
                }
                Ok(self.object)
            }
        }
    }
}

impl Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.body {
            Body::File(file) => file.write(bytes),
            Body::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.body {
            Body::File(file) => file.flush(),
            Body::Memory(_) => Ok(()),
        }
    }
}

/// An object nothing refers to yet. Dropping it removes its bytes.
#[derive(Debug)]
pub(crate) struct UnpublishedObject {
    store: Arc<Store>,
    path: String,
    kept: bool,
}

impl UnpublishedObject {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// From here on the caller answers for the object.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for UnpublishedObject {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        match &*self.store {
            Store::Remote(store) => store.delete_later(&self.path),
            Store::Local(store) => {
                if let Err(error) = store.delete(&self.path) {
                    // An orphan: the next start removes it.
                    tracing::warn!(path = self.path, %error, "could not remove unpublished segment");
                }
            }
        }
    }
}

/// Turns a failed write into what the caller can act on.
pub(crate) fn write_error(error: std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Error::NoSpace,
        _ => Error::Io(error),
    }
}
