//! Queries whose first answer did not yet carry everything: what later answers need to know about the request.

use super::{pages::Manner, session::Echo};
use crate::app::App;
use basalt_engine::Principal;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// What the request that started a query leaves for the answers after the first.
#[derive(Debug)]
pub struct Owed {
    pub principal: Principal,
    pub echo: Echo,
    /// The page that last carried the session object, and that object.
    pub last_session: Mutex<(u64, Vec<u8>)>,
    pub manner: Manner,
}

/// By query id.
#[derive(Debug, Default)]
pub struct Unfinished {
    queries: Mutex<HashMap<String, Arc<Owed>>>,
}

/// Entries are removed when their query is finalised; those of forgotten queries, when so many have gathered.
const SWEEP_AT: usize = 1024;

impl Unfinished {
    pub(super) fn insert(&self, app: &App, id: &str, owed: Owed) {
        let mut queries = self.queries.lock();
        if queries.len() >= SWEEP_AT {
            queries.retain(|id, owed| app.engine.find_query(&owed.principal, id).is_ok());
        }
        queries.insert(id.to_string(), Arc::new(owed));
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Owed>> {
        self.queries.lock().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.queries.lock().remove(id);
    }
}
