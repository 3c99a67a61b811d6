//! One owner per data directory: a locked file beside the database, and a refusal of file systems on which locks
//! and syncs cannot be trusted. RocksDB takes a lock of its own on top.

use crate::{Error, Result};
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

const LOCK_FILE: &str = "LOCK";

/// `f_type` of file systems that live on another machine: NFS, SMB, CIFS, SMB2.
const NETWORK_FILE_SYSTEMS: [u64; 4] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42];

/// Holds the directory until dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory, creating it readable by its owner only.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        create_private(dir)?;
        refuse_network(dir)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { dir: dir.display().to_string() }),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Creates the directory and its parents with mode 0700; an existing directory keeps its mode.
pub(crate) fn create_private(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    Ok(())
}

fn refuse_network(dir: &Path) -> Result<()> {
    let kind = rustix::fs::statfs(dir).map_err(std::io::Error::from)?.f_type;
    // The field's signedness differs between targets; the magic numbers are 32 bits wide.
    let kind = (kind as u64) & 0xFFFF_FFFF;
    if NETWORK_FILE_SYSTEMS.contains(&kind) {
        return Err(Error::NetworkFileSystem { dir: dir.display().to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_owner_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let first = DirectoryLock::take(&dir).unwrap();
        assert!(matches!(DirectoryLock::take(&dir), Err(Error::Locked { .. })));
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        drop(first);
        DirectoryLock::take(&dir).unwrap();
    }
}
