//! Functions of texts. Positions count characters from 1, from the end where negative; NULL in, NULL out.
//!
//! `lower`, `upper`, `replace`, `lpad` and their like are the query library's, under more names.

mod encoding;
mod humanize;
mod pattern;
mod position;
mod shape;
mod sound;

use datafusion::{functions as library, logical_expr::ScalarUDF};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = shape::functions();
    list.extend(position::functions());
    list.extend(encoding::functions());
    list.extend(pattern::functions());
    list.extend(sound::functions());
    list.extend(humanize::functions());
    list.extend(renamed());
    list
}

/// The library's functions that only lack a name.
fn renamed() -> Vec<Arc<ScalarUDF>> {
    let more = |function: Arc<ScalarUDF>, names: &'static [&'static str]| {
        Arc::new(function.as_ref().clone().with_aliases(names.iter().copied()))
    };
    vec![
        more(library::string::lower(), &["lcase"]),
        more(library::string::upper(), &["ucase"]),
        more(library::core::nullif(), &[]),
    ]
}
