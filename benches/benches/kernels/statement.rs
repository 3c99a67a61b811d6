//! Statements and loads on an engine of its own.

use basalt_benches::{DelimitedEncoder, tpch};
use basalt_engine::{
    CsvOptions, Engine, EngineSettings, LoadFormat, LoadRequest, Principal, QueryRequest, Role, Session,
};
use criterion::{Criterion, Throughput};
use futures::{StreamExt, stream};
use std::time::Duration;
use tokio::runtime::Runtime;

const WAIT: Duration = Duration::from_secs(60);

/// An engine on a fresh directory with the orders of TPC-H, sorted by key.
struct Bench {
    runtime: Runtime,
    engine: Engine,
    orders: bytes::Bytes,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn open() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let runtime = Runtime::new().expect("a runtime starts");
        let settings = EngineSettings::new(dir.path().to_path_buf(), 2, 4 << 30);
        let engine = runtime.block_on(Engine::open(settings)).expect("a fresh directory opens");
        let bench = Self { runtime, engine, orders: orders(), _dir: dir };
        bench.run(
            "CREATE TABLE orders (o_orderkey BIGINT NOT NULL, o_custkey BIGINT, o_orderstatus VARCHAR, \
             o_totalprice DECIMAL(15, 2), o_orderdate DATE, o_orderpriority VARCHAR, o_clerk VARCHAR, \
             o_shippriority INT, o_comment VARCHAR) CLUSTER BY (o_orderkey)",
        );
        bench
    }

    fn run(&self, sql: &str) -> usize {
        self.runtime.block_on(async {
            let handle = self.engine.query(QueryRequest::new(sql, session())).await.expect("the statement is right");
            let (mut number, mut rows) = (0, 0);
            while let Some(page) = handle.page(number, WAIT).await.expect("the statement succeeds") {
                rows += page.rows;
                number += 1;
                if !page.more {
                    break;
                }
            }
            rows
        })
    }

    fn load(&self) {
        let request = LoadRequest {
            session: session(),
            database: "default".into(),
            table: "orders".into(),
            label: None,
            format: LoadFormat::Csv(CsvOptions { column_separator: b"|".to_vec(), ..csv() }),
            columns: None,
            filter: None,
            max_filter_ratio: 0.0,
            strict: true,
            timeout: None,
        };
        let pieces: Vec<_> = self.orders.chunks(1 << 20).map(|p| Ok(self.orders.slice_ref(p))).collect();
        let load = self.engine.load(request, stream::iter(pieces).boxed());
        self.runtime.block_on(load).expect("the rows fit the table");
    }
}

fn session() -> Session {
    Session::new(Principal { name: "root".into(), role: Role::Admin })
}

fn csv() -> CsvOptions {
    CsvOptions {
        column_separator: b"|".to_vec(),
        row_delimiter: b"\n".to_vec(),
        enclose: None,
        escape: None,
        skip_header: 0,
        trim_space: false,
        null_text: "\\N".into(),
        empty_as_null: false,
    }
}

fn orders() -> bytes::Bytes {
    let source = tpch::table("orders", 0.1, 1 << 20).expect("orders is a table of TPC-H");
    let encoder = DelimitedEncoder::new(b'|');
    let mut text = Vec::new();
    for batch in source.batches() {
        encoder.encode(&batch, &mut text).expect("the generator's types have a text form");
    }
    text.into()
}

/// What every request costs, and a read by key.
pub fn small(criterion: &mut Criterion) {
    let bench = Bench::open();
    bench.load();
    let mut group = criterion.benchmark_group("statement");
    for (name, sql) in [
        ("SELECT 1", "SELECT 1"),
        ("read by sort key", "SELECT * FROM orders WHERE o_orderkey = 300007"),
        ("count", "SELECT count(*) FROM orders"),
        ("one group", "SELECT o_orderpriority, count(*) FROM orders GROUP BY o_orderpriority"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| assert!(bench.run(sql) > 0)));
    }
    group.finish();
}

/// CSV bytes to a durable, visible segment.
pub fn load(criterion: &mut Criterion) {
    let bench = Bench::open();
    let mut group = criterion.benchmark_group("load");
    group.throughput(Throughput::Bytes(bench.orders.len() as u64)).sample_size(10);
    group.bench_function("orders, CSV", |bencher| bencher.iter(|| bench.load()));
    group.finish();
}
