//! The floor file: the highest commit known to be on disk, kept beside RocksDB and not in it.
//!
//! A log that lost its end opens without complaint. The floor tells: it is written at every open and every clean
//! shutdown, and a directory that recovers to less than it is refused instead of serving a shorter history.

use crate::{Error, Result, Version};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

const FLOOR_FILE: &str = "FLOOR";
const NEW_FLOOR_FILE: &str = "FLOOR.new";
const CRC_BYTES: usize = 4;

/// Refuses a recovered history that ends before the floor.
pub(crate) fn check(dir: &Path, recovered: Version) -> Result<()> {
    match read(dir)? {
        Some(expected) if recovered < expected => Err(Error::CommitsMissing { found: recovered, expected }),
        _ => Ok(()),
    }
}

/// Records that all commits up to `version` are on disk.
pub(crate) fn raise(dir: &Path, version: Version) -> Result<()> {
    let mut bytes = version.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let new = dir.join(NEW_FLOOR_FILE);
    let mut file = File::create(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(FLOOR_FILE))?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

fn read(dir: &Path) -> Result<Option<Version>> {
    let bytes = match fs::read(dir.join(FLOOR_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let damaged = || Error::Damaged { kind: "floor file", key: FLOOR_FILE.to_owned() };
    let (body, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(damaged)?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return Err(damaged());
    }
    let number: [u8; 8] = body.try_into().map_err(|_| damaged())?;
    Ok(Some(Version(u64::from_be_bytes(number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_below_the_floor_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), Version(0)).unwrap();
        raise(dir.path(), Version(7)).unwrap();
        check(dir.path(), Version(7)).unwrap();
        let error = check(dir.path(), Version(6)).unwrap_err();
        assert!(matches!(error, Error::CommitsMissing { found: Version(6), expected: Version(7) }));
    }

    #[test]
    fn a_damaged_floor_is_named() {
        let dir = tempfile::tempdir().unwrap();
        raise(dir.path(), Version(7)).unwrap();
        let path = dir.path().join(FLOOR_FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(check(dir.path(), Version(9)), Err(Error::Damaged { kind: "floor file", .. })));
    }
}
