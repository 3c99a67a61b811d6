//! A local directory that keeps its promises: files are created under their final name (never replaced), synced, and
//! their directories synced too, new parent directories included. `object_store`'s own local store syncs nothing.
//!
//! A failed sync ends the process: after it the kernel may have dropped the dirty pages and a second sync would lie.

use super::write_error;
use crate::{Error, Result, paths};
use bytes::Bytes;
use object_store::{ObjectStore, local::LocalFileSystem};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    collections::{BTreeSet, HashSet},
    fs::{DirBuilder, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    ops::Range,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

const WRITE_BUFFER_BYTES: usize = 256 << 10;

/// A directory of objects.
#[derive(Debug)]
pub(crate) struct LocalStore {
    root: PathBuf,
    /// Directories known to exist durably.
    directories: Mutex<HashSet<PathBuf>>,
    /// Open files for reading, so that a hot read needs no `open`.
    files: Cache<String, Arc<File>>,
    library_view: Arc<LocalFileSystem>,
}

impl LocalStore {
    pub(crate) fn open(location: &str) -> Result<Self> {
        let unusable = |reason: String| Error::Location { location: location.to_string(), reason };
        if location.is_empty() {
            return Err(unusable("it is empty".to_string()));
        }
        let root = std::path::absolute(location).map_err(|e| unusable(e.to_string()))?;
        create_directories(&root).map_err(|e| unusable(e.to_string()))?;
        let library_view = LocalFileSystem::new_with_prefix(&root).map_err(|e| unusable(e.to_string()))?;
        Ok(Self {
            root,
            directories: Mutex::default(),
            files: Cache::new(open_files_max()),
            library_view: Arc::new(library_view),
        })
    }

    pub(crate) fn create(&self, path: &str) -> Result<LocalFile> {
        let full_path = self.root.join(path);
        let parent = full_path.parent().expect("an object's path has a directory");
        self.make_directory(parent)?;
        basalt_meta::crash_point("seg.create");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&full_path).map_err(write_error)?;
        Ok(LocalFile { file: BufWriter::with_capacity(WRITE_BUFFER_BYTES, file) })
    }

    /// Makes `directory` and its parents up to the root, each synced into its own parent, once per process.
    fn make_directory(&self, directory: &Path) -> Result<()> {
        let mut known = self.directories.lock();
        if known.contains(directory) {
            return Ok(());
        }
        create_directories(directory).map_err(write_error)?;
        known.insert(directory.to_path_buf());
        Ok(())
    }

    pub(crate) fn sync_directories<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Result<()> {
        let directories: BTreeSet<&Path> = paths.filter_map(|path| Path::new(path).parent()).collect();
        for directory in directories {
            basalt_meta::crash_point("seg.dirsync");
            sync_directory(&self.root.join(directory))?;
        }
        Ok(())
    }

    pub(crate) fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let file = self.file(path)?;
        let length = usize::try_from(range.end - range.start).expect("ranges lie within one segment");
        let mut bytes = vec![0; length];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(bytes.into()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let reason = format!("file ends before byte {}", range.end);
                Err(Error::Damaged { path: path.to_string(), reason })
            }
            Err(error) => Err(Error::Io(error)),
        }
    }

    fn file(&self, path: &str) -> Result<Arc<File>> {
        if let Some(file) = self.files.get(path) {
            return Ok(file);
        }
        let file = match File::open(self.root.join(path)) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Missing { path: path.to_string() });
            }
            Err(error) => return Err(Error::Io(error)),
        };
        self.files.insert(path.to_string(), Arc::clone(&file));
        Ok(file)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        self.files.remove(path);
        tolerate_missing(std::fs::remove_file(self.root.join(path)))
    }

    pub(crate) fn list_before(&self, under: &str, epoch: u64) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for directory in self.epoch_directories_before(under, epoch)? {
            list_files(&self.root, &directory, &mut paths)?;
        }
        Ok(paths)
    }

    fn epoch_directories_before(&self, under: &str, epoch: u64) -> Result<Vec<PathBuf>> {
        let mut directories = Vec::new();
        let entries = match std::fs::read_dir(self.root.join(under)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(directories),
            other => other?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let old = name.to_str().and_then(paths::parse_epoch).is_some_and(|e| e < epoch);
            if old {
                directories.push(Path::new(under).join(name));
            }
        }
        Ok(directories)
    }

    pub(crate) fn remove_empty_directories(&self, under: &str, epoch: u64) -> Result<()> {
        for directory in self.epoch_directories_before(under, epoch)? {
            let directory = self.root.join(directory);
            for entry in std::fs::read_dir(&directory)? {
                remove_if_empty(&entry?.path())?;
            }
            remove_if_empty(&directory)?;
        }
        Ok(())
    }

    pub(crate) fn library_view(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.library_view) as Arc<dyn ObjectStore>
    }
}

/// A file being written.
#[derive(Debug)]
pub(crate) struct LocalFile {
    file: BufWriter<File>,
}

impl LocalFile {
    /// Writes out the buffer and syncs; a failed sync ends the process.
    pub(crate) fn sync(mut self) -> Result<()> {
        self.file.flush().map_err(write_error)?;
        basalt_meta::crash_point("seg.fsync");
        let started = std::time::Instant::now();
        if let Err(error) = self.file.get_ref().sync_all() {
            die_of_failed_sync(&error);
        }
        metrics::histogram!(crate::metrics::SYNC_SECONDS).record(started.elapsed());
        Ok(())
    }
}

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        basalt_meta::crash_point("seg.write");
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `create_dir_all`, with every new directory synced into its parent.
fn create_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent();
    if let Some(parent) = parent {
        create_directories(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
        other => other?,
    }
    parent.map_or(Ok(()), sync_directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    if let Err(error) = File::open(directory)?.sync_all() {
        die_of_failed_sync(&error);
    }
    Ok(())
}

fn die_of_failed_sync(error: &io::Error) -> ! {
    tracing::error!(%error, "sync failed: what is on disk is unknown, so the process ends and recovers at its next start");
    std::process::abort()
}

fn list_files(root: &Path, directory: &Path, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list_files(root, &path, paths)?;
        } else {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn remove_if_empty(directory: &Path) -> Result<()> {
    match std::fs::remove_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory) => Ok(()),
        other => tolerate_missing(other),
    }
}

fn tolerate_missing(outcome: io::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => Ok(other?),
    }
}

/// A quarter of the files this process may open.
fn open_files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(4096) / 4).unwrap_or(4096).clamp(16, 4096)
}
