//! Numbers never handed out before on a directory. Taken in blocks, so that few of them cost a synced write; what is
//! left of a block after a crash is skipped.

use crate::{
    Result,
    keys::Key,
    rocks::{Rocks, Write},
};
use parking_lot::Mutex;

const BLOCK: u64 = 4096;

/// The numbers of the current block.
#[derive(Debug)]
pub(crate) struct Ids {
    range: Mutex<std::ops::Range<u64>>,
}

impl Ids {
    pub(crate) fn open(rocks: &Rocks) -> Result<Self> {
        let first = rocks.get::<u64>(&Key::NextId)?.unwrap_or(1);
        Ok(Self { range: Mutex::new(first..first) })
    }

    /// The next number. Reserving a block fails only as a commit would, and then the process stops likewise.
    pub(crate) fn next(&self, rocks: &Rocks) -> u64 {
        let mut range = self.range.lock();
        if range.is_empty() {
            let end = range.start + BLOCK;
            write_next(rocks, end);
            range.end = end;
        }
        range.next().expect("the block was just refilled")
    }

    /// Gives back what is left of the block.
    pub(crate) fn close(&self, rocks: &Rocks) {
        let mut range = self.range.lock();
        if !range.is_empty() {
            write_next(rocks, range.start);
            range.end = range.start;
        }
    }
}

fn write_next(rocks: &Rocks, next: u64) {
    let mut batch = rocks.batch();
    batch.apply(&Write::put(&Key::NextId, &next));
    if let Err(error) = rocks.write_synced(batch) {
        tracing::error!(%error, "ids could not be reserved; stopping the process");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_over_crashes_and_dense_over_clean_ends() {
        let dir = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(dir.path(), 1 << 20).unwrap();
        let ids = Ids::open(&rocks).unwrap();
        let first: Vec<u64> = (0..BLOCK + 2).map(|_| ids.next(&rocks)).collect();
        assert_eq!(first, (1..=BLOCK + 2).collect::<Vec<_>>());
        let after_crash = Ids::open(&rocks).unwrap();
        assert_eq!(after_crash.next(&rocks), 2 * BLOCK + 1);
        after_crash.close(&rocks);
        assert_eq!(Ids::open(&rocks).unwrap().next(&rocks), 2 * BLOCK + 2);
    }
}
