//! What the writers of a crash test tried and were told, kept outside the server: the truth the restarted server is
//! compared with.

use std::{collections::BTreeMap, sync::Mutex};

/// What a writer was told about one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Sent; no answer came (yet). It may be there or not, but wholly.
    Unknown,
    /// Acknowledged: must be there.
    Done,
    /// Refused: must not be there.
    Refused,
}

/// One operation: `rows` rows under one name in each of `tables` tables.
#[derive(Debug, Clone)]
pub struct Entry {
    pub rows: u64,
    pub outcome: Outcome,
    /// Acknowledged deletion of these rows; `Unknown` while a deletion is under way.
    pub deleted: Option<Outcome>,
    /// Kind of the operation: who checks it, and how.
    pub kind: &'static str,
}

/// All operations by name. Names are never used twice.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Ledger {
    /// Written before the request goes out.
    pub fn attempt(&self, name: &str, kind: &'static str, rows: u64) {
        let entry = Entry { rows, outcome: Outcome::Unknown, deleted: None, kind };
        let old = self.entries.lock().unwrap().insert(name.into(), entry);
        assert!(old.is_none(), "operation {name} tried twice");
    }

    /// Written after the answer came.
    pub fn settle(&self, name: &str, outcome: Outcome) {
        self.entries.lock().unwrap().get_mut(name).expect("attempted first").outcome = outcome;
    }

    pub fn delete(&self, name: &str, outcome: Outcome) {
        self.entries.lock().unwrap().get_mut(name).expect("attempted first").deleted = Some(outcome);
    }

    /// A name of this kind that was acknowledged and not yet deleted.
    pub fn any_done(&self, kind: &str, nth: usize) -> Option<String> {
        let entries = self.entries.lock().unwrap();
        let done: Vec<_> = entries
            .iter()
            .filter(|(_, e)| e.kind == kind && e.outcome == Outcome::Done && e.deleted.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        if done.is_empty() { None } else { Some(done[nth % done.len()].clone()) }
    }

    pub fn entries(&self) -> BTreeMap<String, Entry> {
        self.entries.lock().unwrap().clone()
    }

    pub fn count(&self, outcome: Outcome) -> usize {
        self.entries.lock().unwrap().values().filter(|e| e.outcome == outcome).count()
    }

    /// Compares what the server shows (rows and distinct rows by name) with what must, may and must not be there.
    /// Names whose fate is now known are settled, so that they are held to it in later rounds.
    pub fn check(&self, kinds: &[&str], seen: &BTreeMap<String, (u64, u64)>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut entries = self.entries.lock().unwrap();
        for (name, &(rows, distinct)) in seen {
            if rows != distinct {
                wrong.push(format!("{name}: {rows} rows, {distinct} different ones: doubled"));
            }
            if !entries.contains_key(name) {
                wrong.push(format!("{name}: {rows} rows nobody sent"));
            }
        }
        for (name, entry) in entries.iter_mut().filter(|(_, e)| kinds.contains(&e.kind)) {
            let rows = seen.get(name).map_or(0, |s| s.0);
            if rows != 0 && rows != entry.rows {
                wrong.push(format!("{name} ({}): {rows} of {} rows: half visible", entry.kind, entry.rows));
                continue;
            }
            let here = rows == entry.rows;
            match (entry.outcome, entry.deleted) {
                (Outcome::Done, None | Some(Outcome::Refused)) if !here => {
                    wrong.push(format!("{name} ({}): acknowledged and lost", entry.kind));
                }
                (Outcome::Done, Some(Outcome::Done)) if here => {
                    wrong.push(format!("{name} ({}): deletion acknowledged, rows are there", entry.kind));
                }
                (Outcome::Done, Some(Outcome::Unknown)) => {
                    entry.deleted = Some(if here { Outcome::Refused } else { Outcome::Done });
                }
                (Outcome::Refused, _) if here => wrong.push(format!("{name} ({}): refused and there", entry.kind)),
                (Outcome::Unknown, _) => entry.outcome = if here { Outcome::Done } else { Outcome::Refused },
                _ => {}
            }
        }
        wrong
    }
}
