//! What the catalogue, its committer and its snapshots share.

use crate::{Clock, ids::Ids, lock::DirectoryLock, pins::Pins, rocks::Rocks, state::State};
use arc_swap::ArcSwap;
use std::{path::PathBuf, sync::Arc};

/// An open catalogue. Fields are dropped in order: the directory is let go last.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) rocks: Rocks,
    /// The state after the newest commit; replaced by the committer only.
    pub(crate) head: ArcSwap<State>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) ids: Ids,
    pub(crate) epoch: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dir: PathBuf,
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) lock: DirectoryLock,
}
