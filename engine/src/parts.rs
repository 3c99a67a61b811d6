//! The parts of one running engine, shared by every operation.

use crate::{
    EngineSettings,
    functions::Functions,
    query::{Registry, Results},
    runtime::Runtime,
    statement::Transactions,
    table::ChunkCache,
    write::TableLocks,
};
use basalt_meta::Catalog;
use basalt_storage::Storage;

/// What every operation needs; held in one `Arc`.
#[derive(Debug)]
pub(crate) struct Parts {
    pub settings: EngineSettings,
    pub catalog: Catalog,
    pub storage: Storage,
    /// CPU threads, memory pool, spill directory, cached planner states.
    pub runtime: Runtime,
    /// The functions SQL may call.
    pub functions: Functions,
    /// Statistics of segments as columns, for planning.
    pub chunks: ChunkCache,
    /// Running and recently finished queries.
    pub queries: Registry,
    /// Small results that later queries may read.
    pub results: Results,
    pub transactions: Transactions,
    /// Client sessions with temporary tables.
    pub temporary: crate::session::temporary::TemporarySessions,
    /// One lock per unique-key table: its writers look for older rows of their keys one after the other.
    pub table_locks: TableLocks,
    /// Running loads by label, and logs of rejected rows.
    pub loads: crate::load::Loads,
    /// Objects of stage files that are read now or to be removed.
    pub stages: crate::stage::StageStore,
    pub tasks: crate::tasks::Supervisor,
}
