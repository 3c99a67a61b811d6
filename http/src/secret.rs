//! The server's own secret: made at the first start, kept in the data directory, readable by its owner only.

use rand::RngCore;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const NAME: &str = "secret";
const BYTES: usize = 32;

/// A fresh one.
pub fn random() -> [u8; BYTES] {
    let mut secret = [0; BYTES];
    rand::rng().fill_bytes(&mut secret);
    secret
}

/// The secret of a data directory, made if there is none.
pub fn of_directory(directory: &Path) -> io::Result<[u8; BYTES]> {
    let path = directory.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            let message = format!("{} has {} bytes instead of {BYTES}", path.display(), bytes.len());
            io::Error::new(io::ErrorKind::InvalidData, message)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(directory, &path),
        Err(error) => Err(error),
    }
}

/// Durable under another name before it gets its own: a crash leaves none or a whole one.
fn make(directory: &Path, path: &Path) -> io::Result<[u8; BYTES]> {
    let secret = random();
    let new = directory.join("secret.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = of_directory(directory.path()).unwrap();
        assert_eq!(of_directory(directory.path()).unwrap(), first);
        let mode = fs::metadata(directory.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(directory.path().join(NAME), b"short").unwrap();
        assert!(of_directory(directory.path()).unwrap_err().to_string().contains("5 bytes"));
    }
}
