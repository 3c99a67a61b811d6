//! The small results of the last queries, kept so that later ones can read them again (`RESULT_SCAN`). Bounded by number
//! and size; the oldest go first. What is too large is not kept at all.

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use parking_lot::Mutex;
use std::collections::VecDeque;

const RESULTS_MAX: usize = 512;
const RESULT_BYTES_MAX: usize = 1 << 20;
const ALL_BYTES_MAX: usize = 32 << 20;

/// Results by user and query.
#[derive(Debug, Default)]
pub(crate) struct Results {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    user: String,
    query_id: String,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Results {
    /// The rows of a query of this user, if they are still kept.
    pub fn get(&self, user: &str, query_id: &str) -> Option<(SchemaRef, Vec<RecordBatch>)> {
        let kept = self.kept.lock();
        let found = kept.iter().rev().find(|k| k.user == user && k.query_id == query_id)?;
        Some((found.schema.clone(), found.batches.clone()))
    }

    fn add(&self, result: Kept) {
        let mut kept = self.kept.lock();
        kept.push_back(result);
        let mut bytes: usize = kept.iter().map(|k| k.bytes).sum();
        while kept.len() > RESULTS_MAX || bytes > ALL_BYTES_MAX {
            let Some(oldest) = kept.pop_front() else {
                return;
            };
            bytes -= oldest.bytes;
        }
    }
}

/// A result that is on its way to the client.
pub(super) struct Recording<'a> {
    results: &'a Results,
    /// `None` once it has become too large.
    result: Option<Kept>,
}

impl<'a> Recording<'a> {
    pub fn new(results: &'a Results, user: &str, query_id: &str, schema: SchemaRef) -> Self {
        let (user, query_id) = (user.to_owned(), query_id.to_owned());
        Self { results, result: Some(Kept { user, query_id, schema, batches: Vec::new(), bytes: 0 }) }
    }

    pub fn add(&mut self, batch: &RecordBatch) {
        let Some(result) = &mut self.result else {
            return;
        };
        result.bytes += batch.get_array_memory_size();
        if result.bytes > RESULT_BYTES_MAX {
            self.result = None;
        } else {
            result.batches.push(batch.clone());
        }
    }

    /// All rows have come.
    pub fn done(self) {
        if let Some(result) = self.result {
            self.results.add(result);
        }
    }
}
