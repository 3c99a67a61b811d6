//! Named points at which a test can have the process die, so that recovery is tested at every step of a commit.
//!
//! `BASALT_CRASH_POINT=commit.after_write` aborts at the first pass of that point, `commit.after_write:7` at the
//! seventh. Without the variable a point costs one load. Not here: what must hold after the crash (tests/recovery).

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Environment variable that names the point to die at.
pub const CRASH_POINT_VARIABLE: &str = "BASALT_CRASH_POINT";

#[derive(Debug)]
struct Target {
    name: String,
    /// Passes left until the process dies.
    passes_left: AtomicU64,
}

static TARGET: OnceLock<Option<Target>> = OnceLock::new();

/// Dies here (without unwinding, without flushing) when the environment asks for it.
pub fn crash_point(name: &str) {
    let target = TARGET.get_or_init(|| std::env::var(CRASH_POINT_VARIABLE).ok().and_then(|text| parse(&text)));
    let Some(target) = target else { return };
    if target.name != name {
        return;
    }
    if target.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
        tracing::error!(point = name, "crash point reached");
        std::process::abort();
    }
}

fn parse(text: &str) -> Option<Target> {
    if text.is_empty() {
        return None;
    }
    let (name, pass) = match text.rsplit_once(':') {
        Some((name, pass)) => (name, pass.parse().ok().filter(|&n: &u64| n > 0).unwrap_or(1)),
        None => (text, 1),
    };
    Some(Target { name: name.to_owned(), passes_left: AtomicU64::new(pass) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passes_are_read() {
        let plain = parse("commit.reply").unwrap();
        assert_eq!((plain.name.as_str(), plain.passes_left.into_inner()), ("commit.reply", 1));
        let seventh = parse("commit.after_write:7").unwrap();
        assert_eq!((seventh.name.as_str(), seventh.passes_left.into_inner()), ("commit.after_write", 7));
        assert!(parse("").is_none());
    }
}
