//! Hot paths measured in-process, without HTTP: statements from text to page, a load from CSV bytes to its commit, and
//! the commit itself. For comparing two commits of this repository; peers are measured by the harness.

mod commit;
mod statement;

use criterion::{Criterion, criterion_group, criterion_main};

fn settings() -> Criterion {
    Criterion::default().sample_size(20)
}

criterion_group! {
    name = kernels;
    config = settings();
    targets = commit::settings_one_by_one, statement::small, statement::load
}
criterion_main!(kernels);
