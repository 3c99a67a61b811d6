//! The commit: one small change, durable.

use basalt_meta::{Catalog, CatalogSettings, Changes, Edit, SystemClock};
use criterion::Criterion;
use std::sync::Arc;

/// One change after the other, each waiting for its sync: the floor of a single writer's latency.
pub fn settings_one_by_one(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let catalog =
        Catalog::open(dir.path(), CatalogSettings::default(), Arc::new(SystemClock)).expect("a fresh catalogue opens");
    let mut number = 0u64;
    criterion.bench_function("commit one change", |bencher| {
        bencher.iter(|| {
            number += 1;
            let edit = Edit::PutSetting { name: "bench".into(), value: number.to_string() };
            let changes = Changes { edits: vec![edit], at: catalog.clock().now(), ..Changes::default() };
            catalog.commit_blocking(changes).expect("nothing conflicts")
        });
    });
    catalog.close().expect("nothing is waiting");
}
