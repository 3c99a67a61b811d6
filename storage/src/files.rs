//! Files of users: whole objects that are written as a stream and read by ranges, in the server's own store or in one
//! that a user named. What they are called, who may read them and when they are removed is decided above; here they
//! are bytes under a path.

use crate::{
    ObjectStore, Result, Storage, paths,
    store::{
        Store,
        local::LocalFile,
        remote::{RemoteStore, UPLOAD_PART_BYTES, Upload},
        write_error,
    },
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use std::{collections::HashSet, io::Write, ops::Range, sync::Arc};
use tokio::runtime::Handle;

/// Bytes of a read of a stream.
const READ_BYTES: u64 = 1 << 20;
/// Reads of a stream that are on their way.
const READS_AHEAD: usize = 2;
/// Bytes collected before they are written to a local file.
const WRITE_BYTES: usize = 1 << 20;

/// Where files lie. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    store: Arc<Store>,
    /// The process life that makes names; `None` for a store of a user's, whose names are the user's.
    epoch: Option<u64>,
}

/// What a store of a user's says of one of its objects.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteFile {
    pub path: String,
    pub size: u64,
    pub etag: Option<String>,
    /// Microseconds since 1970.
    pub modified_micros: i64,
}

impl Storage {
    /// The files in the server's own store.
    pub fn files(&self) -> FileStore {
        FileStore { store: Arc::clone(&self.parts().store), epoch: Some(self.parts().catalog.epoch()) }
    }

    /// Removes files of dead epochs that are not among `kept`.
    pub async fn remove_orphan_files(&self, kept: &HashSet<String>) -> Result<usize> {
        let (store, epoch) = (&self.parts().store, self.parts().catalog.epoch());
        let found = store.list_before(paths::FILES, epoch).await?;
        let is_orphan = |path: &String| paths::parse_file_path(path).is_some_and(|e| e < epoch) && !kept.contains(path);
        let orphans: Vec<String> = found.into_iter().filter(is_orphan).collect();
        let count = orphans.len();
        store.delete(orphans).await?;
        store.remove_empty_directories(paths::FILES, epoch)?;
        Ok(count)
    }
}

impl FileStore {
    /// A store that a user named by URL, with the options given and nothing of the server's environment. Requests run
    /// on `io`.
    pub fn of_user(location: &str, options: &[(String, String)], io: Handle) -> Result<Self> {
        let store = Store::Remote(RemoteStore::open_for_user(location, options, io)?);
        Ok(Self { store: Arc::new(store), epoch: None })
    }

    /// A path never used before in the server's own store; in a user's store the name the user chose.
    pub fn path_for(&self, name: &str) -> String {
        self.epoch.map_or_else(|| name.to_string(), paths::fresh_file_path)
    }

    /// Starts a file. Nothing of it stays unless [`FileWriter::finish`] returns.
    pub async fn create(&self, path: &str) -> Result<FileWriter> {
        let body = match &*self.store {
            Store::Local(local) => Body::File(Some(local.create(path)?)),
            Store::Remote(remote) => Body::Upload(Some(remote.upload(path).await?)),
        };
        let (store, path) = (Arc::clone(&self.store), path.to_string());
        Ok(FileWriter { store, path, body, buffer: BytesMut::new(), size: 0, kept: false })
    }

    /// Bytes of a file, exactly those.
    pub async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.store.read(path, range).await
    }

    /// A file from its first byte to its last, a few reads ahead.
    pub fn stream(&self, path: &str, size: u64) -> BoxStream<'static, Result<Bytes>> {
        let (store, path): (Arc<Store>, Arc<str>) = (Arc::clone(&self.store), path.into());
        let starts = (0..size.div_ceil(READ_BYTES)).map(move |n| n * READ_BYTES);
        let reads = starts.map(move |start| {
            let (store, path) = (Arc::clone(&store), Arc::clone(&path));
            async move { store.read(&path, start..(start + READ_BYTES).min(size)).await }
        });
        futures::stream::iter(reads).buffered(READS_AHEAD).boxed()
    }

    /// Removes files; one that is gone already is fine.
    pub async fn delete(&self, paths: Vec<String>) -> Result<()> {
        self.store.delete(paths).await
    }

    /// Files below a prefix of a user's store, in name order. The server's own files are listed in the catalogue.
    pub async fn list(&self, prefix: &str) -> Result<Vec<RemoteFile>> {
        let Store::Remote(remote) = &*self.store else { return Ok(Vec::new()) };
        Ok(remote.list(prefix).await?.into_iter().map(remote_file).collect())
    }

    /// One file of a user's store.
    pub async fn head(&self, path: &str) -> Result<Option<RemoteFile>> {
        let Store::Remote(remote) = &*self.store else { return Ok(None) };
        Ok(remote.head(path).await?.map(remote_file))
    }

    /// The interface for the query library's readers; it cannot write.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        self.store.read_only()
    }
}

fn remote_file(meta: object_store::ObjectMeta) -> RemoteFile {
    RemoteFile {
        path: meta.location.to_string(),
        size: meta.size,
        etag: meta.e_tag,
        modified_micros: meta.last_modified.timestamp_micros(),
    }
}

/// A file being written.
#[derive(Debug)]
pub struct FileWriter {
    store: Arc<Store>,
    path: String,
    body: Body,
    buffer: BytesMut,
    size: u64,
    kept: bool,
}

#[derive(Debug)]
enum Body {
    File(Option<LocalFile>),
    Upload(Option<Upload>),
}

impl FileWriter {
    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes. At most a part is held in memory.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        let part = if matches!(self.body, Body::File(_)) { WRITE_BYTES } else { UPLOAD_PART_BYTES };
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = part - self.buffer.len();
            let taken = bytes.split_to(room.min(bytes.len()));
            self.buffer.extend_from_slice(&taken);
            if self.buffer.len() == part {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let bytes = self.buffer.split().freeze();
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.body {
            Body::File(file) => {
                let Some(mut taken) = file.take() else { return Err(crate::Error::Cancelled) };
                let writing = tokio::task::spawn_blocking(move || {
                    let outcome = taken.write_all(&bytes).map_err(write_error);
                    (taken, outcome)
                });
                let (taken, outcome) = writing.await.map_err(|_| crate::Error::Cancelled)?;
                *file = Some(taken);
                outcome
            }
            Body::Upload(upload) => match upload {
                Some(upload) => upload.part(bytes).await,
                None => Err(crate::Error::Cancelled),
            },
        }
    }

    /// Makes bytes and name durable. From here on the caller answers for the file; returns its size.
    pub async fn finish(mut self) -> Result<u64> {
        self.flush().await?;
        match &mut self.body {
            Body::File(file) => {
                let Some(file) = file.take() else { return Err(crate::Error::Cancelled) };
                let (store, path) = (Arc::clone(&self.store), self.path.clone());
                let syncing = tokio::task::spawn_blocking(move || {
                    file.sync()?;
                    store.sync_directories(std::iter::once(path.as_str()))
                });
                syncing.await.map_err(|_| crate::Error::Cancelled)??;
            }
            Body::Upload(upload) => {
                let Some(upload) = upload.take() else { return Err(crate::Error::Cancelled) };
                upload.complete().await?;
            }
        }
        self.kept = true;
        Ok(self.size)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Store::Local(local) = &*self.store
            && let Err(error) = local.delete(&self.path)
        {
            // An orphan: the next start removes it.
            tracing::warn!(path = self.path, %error, "could not remove an unfinished file");
        }
    }
}
