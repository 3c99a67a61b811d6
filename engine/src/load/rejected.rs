//! Logs of bad rows: one per load that had any, a bounded number of lines each, the newest logs kept in memory.

use crate::{Principal, Role};
use std::collections::VecDeque;

/// Distinct lines kept per load.
const LINES_MAX: usize = 50;
/// Longest row text kept in a line, bytes.
const ROW_BYTES_MAX: usize = 4096;
/// Logs kept.
const LOGS_MAX: usize = 1000;

/// Bad rows of one load: counted all, shown some.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    rows: u64,
    lines: Vec<String>,
    /// The bad row that stands first in its piece: where, and why it is bad.
    first: Option<(usize, String)>,
}

impl Rejected {
    /// Counts a bad row that begins at byte `at` of its piece, and shows it when there is room.
    pub fn add(&mut self, reason: &str, at: usize, row: &[u8]) {
        self.rows += 1;
        if self.first.as_ref().is_none_or(|(first, _)| at < *first) {
            self.first = Some((at, reason.to_string()));
        }
        if self.lines.len() >= LINES_MAX {
            return;
        }
        let shown = &row[..row.len().min(ROW_BYTES_MAX)];
        let more = if shown.len() < row.len() { "…" } else { "" };
        self.keep(format!("Error: {reason}. Row: {}{more}", String::from_utf8_lossy(shown)));
    }

    /// Takes over what was found in a later part of the input.
    pub fn append(&mut self, other: Rejected) {
        self.rows += other.rows;
        other.lines.into_iter().for_each(|line| self.keep(line));
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Where in its piece the first bad row stands, and why it is bad.
    pub fn first(&self) -> Option<(usize, &str)> {
        self.first.as_ref().map(|(at, reason)| (*at, reason.as_str()))
    }

    /// One line per bad row shown.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    fn keep(&mut self, line: String) {
        if self.lines.len() < LINES_MAX && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

/// The newest logs, by name.
#[derive(Debug, Default)]
pub(super) struct RejectedLogs {
    logs: VecDeque<RejectedLog>,
}

#[derive(Debug)]
struct RejectedLog {
    name: String,
    owner: String,
    text: String,
}

impl RejectedLogs {
    /// Keeps a log under `name`; the oldest goes when there are too many.
    pub fn keep(&mut self, name: String, owner: &Principal, text: String) {
        if self.logs.len() >= LOGS_MAX {
            self.logs.pop_front();
        }
        self.logs.push_back(RejectedLog { name, owner: owner.name.clone(), text });
    }

    /// The log called `name`, if `principal` may see it: its own, or any for an admin.
    pub fn text(&self, principal: &Principal, name: &str) -> Option<String> {
        let log = self.logs.iter().rev().find(|log| log.name == name)?;
        (principal.role == Role::Admin || principal.name == log.owner).then(|| log.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_counted_and_some_are_shown() {
        let mut rejected = Rejected::default();
        for row in 0..200 {
            rejected.add("bad", row, format!("{row}").as_bytes());
        }
        let mut later = Rejected::default();
        later.add("worse", 0, &vec![b'x'; ROW_BYTES_MAX + 1]);
        rejected.append(later);
        assert_eq!(rejected.rows(), 201);
        assert_eq!(rejected.text().lines().count(), LINES_MAX);
        assert!(rejected.text().starts_with("Error: bad. Row: 0\nError: bad. Row: 1\n"));
    }

    #[test]
    fn a_log_is_shown_to_its_owner_and_to_admins() {
        let principal = |name: &str, role| Principal { name: name.into(), role };
        let mut logs = RejectedLogs::default();
        logs.keep("a".into(), &principal("ann", Role::Writer), "text".into());
        assert_eq!(logs.text(&principal("ann", Role::Writer), "a").as_deref(), Some("text"));
        assert_eq!(logs.text(&principal("bob", Role::Writer), "a"), None);
        assert_eq!(logs.text(&principal("root", Role::Admin), "a").as_deref(), Some("text"));
        for n in 0..LOGS_MAX {
            logs.keep(format!("n{n}"), &principal("bob", Role::Writer), String::new());
        }
        assert_eq!(logs.text(&principal("root", Role::Admin), "a"), None, "the oldest log has gone");
    }
}
