//! What plans run on: the CPU threads, the memory pool, the spill directory, the closed registry of stores, and the
//! planner states that queries share. Nothing here knows a table or a statement.

mod memory;

use crate::{
    EngineSettings, Error, Result,
    functions::Functions,
    plan::{Planner, planner_state},
};
use basalt_storage::ObjectStore;
use datafusion::{
    common::{DataFusionError, Result as PlanResult},
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool},
        object_store::ObjectStoreRegistry,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use memory::StatementPool;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    future::Future,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{runtime::Handle, task::JoinHandle};
use url::Url;

/// Scheme under which segments are served to plans; the registry knows no other.
pub(crate) const SEGMENT_SCHEME: &str = "seg";

/// Stack of a CPU thread. Parsing, planning and dropping of deep trees happens here; pages are only touched when used.
const STACK_BYTES: usize = 64 << 20;

/// Cached planner states, at most: sessions choose the settings that make them.
const PLANNERS_MAX: usize = 64;

/// Consumers named in the message of a query that found no memory.
const CONSUMERS_SHOWN: usize = 5;

/// Settings that change how a plan is made: one cached planner state for each distinct set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlannerKey {
    /// Partitions a plan runs in.
    pub threads: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
}

/// The machinery under every plan.
pub(crate) struct Runtime {
    cpu: Option<tokio::runtime::Runtime>,
    handle: Handle,
    env: Arc<RuntimeEnv>,
    stores: Arc<SegmentStores>,
    planners: Mutex<HashMap<PlannerKey, Arc<Planner>>>,
    functions: Functions,
    default_key: PlannerKey,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("default_key", &self.default_key).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts the CPU threads and empties the spill directory. Segments are served once [`Runtime::serve`] was called.
    pub fn start(settings: &EngineSettings, functions: Functions) -> Result<Self> {
        let cpu = cpu_threads(settings.cpu_threads)?;
        let spill = settings.data_dir.join("spill");
        empty_directory(&spill).map_err(|source| Error::internal("cannot prepare the spill directory", source))?;
        let stores = Arc::new(SegmentStores::default());
        let shown = NonZeroUsize::new(CONSUMERS_SHOWN).expect("not zero");
        let pool = TrackConsumersPool::new(FairSpillPool::new(settings.memory_limit_bytes), shown);
        let spill_files = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill]))
            .with_max_temp_directory_size(settings.spill_limit_bytes);
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(spill_files)
            .with_object_store_registry(stores.clone())
            .build_arc()
            .map_err(|source| Error::internal("cannot prepare the query runtime", source))?;
        Ok(Self {
            handle: cpu.handle().clone(),
            cpu: Some(cpu),
            env,
            stores,
            planners: Mutex::new(HashMap::new()),
            functions,
            default_key: PlannerKey { threads: settings.cpu_threads.max(1), batch_rows: 8192 },
        })
    }

    /// Lets plans read segments from `store`.
    pub fn serve(&self, store: Arc<dyn ObjectStore>) {
        // A second store is refused: the registry is closed for good after the first.
        let _ = self.stores.segments.set(store);
    }

    /// The CPU threads.
    pub fn cpu(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future on the CPU threads.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    pub fn memory_pool(&self) -> &Arc<dyn MemoryPool> {
        &self.env.memory_pool
    }

    pub fn env(&self) -> &Arc<RuntimeEnv> {
        &self.env
    }

    pub fn default_key(&self) -> PlannerKey {
        self.default_key
    }

    /// The environment of a statement that may reserve at most `limit_bytes` of the pool.
    pub fn env_within(&self, limit_bytes: Option<usize>) -> Arc<RuntimeEnv> {
        let Some(limit) = limit_bytes else {
            return self.env.clone();
        };
        let mut env = self.env.as_ref().clone();
        env.memory_pool = Arc::new(StatementPool::new(self.env.memory_pool.clone(), limit));
        Arc::new(env)
    }

    /// The planner state for a set of settings; made once, then shared by all queries that have it.
    pub fn planner(&self, key: PlannerKey) -> Arc<Planner> {
        if let Some(state) = self.planners.lock().get(&key) {
            return state.clone();
        }
        let state = Arc::new(planner_state(key, &self.functions, self.env.clone()));
        let mut planners = self.planners.lock();
        if planners.len() >= PLANNERS_MAX {
            planners.clear();
        }
        planners.entry(key).or_insert(state).clone()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // A runtime must not be dropped where it would have to wait for its threads.
        if let Some(cpu) = self.cpu.take() {
            cpu.shutdown_background();
        }
    }
}

fn cpu_threads(threads: usize) -> Result<tokio::runtime::Runtime> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_stack_size(STACK_BYTES)
        .thread_name_fn(|| format!("basalt-cpu-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
        .enable_all()
        .build()
        .map_err(|source| Error::internal("cannot start the CPU threads", source))
}

fn empty_directory(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)
}

/// A registry with one store: nothing a statement says can reach another.
#[derive(Debug, Default)]
struct SegmentStores {
    segments: OnceLock<Arc<dyn ObjectStore>>,
}

impl ObjectStoreRegistry for SegmentStores {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> PlanResult<Arc<dyn ObjectStore>> {
        if url.scheme() != SEGMENT_SCHEME {
            return Err(DataFusionError::Plan(format!("locations are not readable: scheme=`{}`", url.scheme())));
        }
        self.segments.get().cloned().ok_or_else(|| DataFusionError::Plan("segments are not served yet".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_are_reachable() {
        let stores = SegmentStores::default();
        let memory: Arc<dyn ObjectStore> = Arc::new(datafusion::object_store::memory::InMemory::new());
        for url in
            ["file:///etc/passwd", "http://127.0.0.1/", "https://example.com/x", "s3://bucket/x", "gs://b", "data:,x"]
        {
            let url = Url::parse(url).unwrap();
            assert!(stores.register_store(&url, memory.clone()).is_none());
            assert!(stores.get_store(&url).is_err(), "{url}");
        }
        let segments = Url::parse("seg://local/").unwrap();
        assert!(stores.get_store(&segments).is_err(), "nothing is served before the store is known");
        stores.segments.set(memory).unwrap();
        assert!(stores.get_store(&segments).is_ok());
    }
}
