use crate::{
    Error,
    fixture::{Rig, rig, rig_with},
};
use basalt_meta::{Changes, ColumnStats, Edit, Location, Operation, Segment, SegmentDetail, SegmentId, StatValue};
use std::time::Instant;

/// 40,000 rows in four Parquet segments by key, 100 rows inline, some of both deleted.
async fn filled() -> Rig {
    let rig = rig().await;
    rig.run("create table t (k bigint not null, g int, s varchar, d decimal(15, 2)) cluster by (k)").await;
    for part in 0..4 {
        let first = part * 10_000;
        let sql = format!(
            "select cast(number + {first} as bigint), cast(number % 7 as int), 'v' || cast(number + {first} as varchar), \
             cast(number as decimal(15, 2)) / 100 from numbers(10000)"
        );
        rig.load_parquet("t", &sql).await;
    }
    rig.run("insert into t select cast(number + 40000 as bigint), 3, 'inline', 1.5 from numbers(100)").await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_and_inline_are_one_table() {
    let rig = filled().await;
    assert_eq!(
        rig.value("select count(*), min(k), max(k), count(g), sum(k) from t").await,
        "40100|0|40099|40100|803984950"
    );
    assert_eq!(rig.value("select count(*) from t where s = 'inline'").await, "100");
    assert_eq!(rig.value("select S, D from T where K = 12345").await, "v12345|23.45");
    assert_eq!(rig.value("select k from t order by k desc limit 1").await, "40099");
    assert_eq!(rig.value("select count(*) from t where k between 9990 and 10009").await, "20");
    let groups = rig.rows("select g, count(*) from t group by g order by g").await.unwrap();
    assert_eq!(groups.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_are_gone_from_rows_and_statistics() {
    let rig = filled().await;
    rig.run("delete from t where k = 0 or k = 40099 or k between 15000 and 24999").await;
    assert_eq!(rig.value("select count(*) from t").await, "30098");
    assert_eq!(rig.value("select min(k), max(k) from t").await, "1|40098");
    assert_eq!(rig.value("select count(*) from t where k = 20000").await, "0");
    assert_eq!(rig.value("select count(s) from t where k >= 14999 and k <= 25000").await, "2");
    let (_, batches) = rig.batches("select k from t where k < 10").await.unwrap();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 9);
    rig.run("delete from t where false").await;
    assert_eq!(rig.value("select count(*) from t").await, "30098");
    rig.run("delete from t where k in (select k from t where k < 100)").await;
    assert_eq!(rig.value("select count(*), min(k) from t").await, "29999|100");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_left_out_by_their_bounds() {
    let rig = filled().await;
    let handle = rig.start("select * from t where k = 31000").await.unwrap();
    let page = handle.page(0, crate::fixture::PATIENCE).await.unwrap().unwrap();
    assert_eq!(page.rows, 1);
    let stats = handle.stats();
    assert_eq!(stats.total_scan.rows, 10_000, "one segment of five is planned");
    assert!(stats.scanned.rows <= 10_000, "{stats:?}");
    let handle = rig.start("select * from t where k > 100000").await.unwrap();
    assert_eq!(handle.page(0, crate::fixture::PATIENCE).await.unwrap().unwrap().rows, 0);
    assert_eq!(handle.stats().total_scan.rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_and_go() {
    let rig = filled().await;
    rig.run("alter table t rename column s to label").await;
    rig.run("alter table t add column extra int").await;
    rig.run("alter table t drop column g").await;
    rig.run("insert into t values (50000, 'new', 2.5, 9)").await;
    assert_eq!(rig.value("select label, extra from t where k = 5").await, "v5|");
    assert_eq!(rig.value("select label, extra from t where k = 50000").await, "new|9");
    assert_eq!(rig.value("select count(*), count(extra), sum(extra) from t").await, "40101|1|9");
    assert_eq!(rig.value("select count(*) from t where extra is null").await, "40100");
    assert_eq!(rig.value("select count(*) from t where label = 'v77'").await, "1");
    rig.run("alter table t add column g varchar").await;
    assert_eq!(rig.value("select count(g) from t").await, "0", "a dropped column's values do not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_can_be_read() {
    let rig = rig().await;
    rig.run("create table t (a int)").await;
    rig.run("insert into t values (1)").await;
    rig.run("insert into t values (2)").await;
    let sql = "select snapshot_id from system.snapshots where \"table\" = 't' and rows = 1";
    let snapshot = rig.value(sql).await;
    assert_eq!(rig.value(&format!("select sum(a) from t at (snapshot => '{snapshot}')")).await, "1");
    let version = rig.value("select version from system.snapshots where \"table\" = 't' and rows = 1").await;
    assert_eq!(rig.value(&format!("select sum(x.a) from t at (version => {version}) x")).await, "1");
    assert_eq!(rig.value(&format!("select t.a from t at (version => {version})")).await, "1");
    assert_eq!(rig.value("select sum(a) from t at (timestamp => now())").await, "3");
    assert!(matches!(rig.error("select * from t at (snapshot => 'x')").await, Error::NoSuchVersion { .. }));
    assert!(matches!(rig.error("select * from t at (version => 1)").await, Error::NoSuchVersion { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_queries_with_names() {
    let rig = rig().await;
    rig.run("create table t (a int, b int)").await;
    rig.run("insert into t values (1, 10), (2, 20), (3, 30)").await;
    rig.run("create view v as select a + 1, b from t where a > 1").await;
    let (names, _) = rig.batches("select * from v").await.unwrap();
    assert_eq!(names, ["a + 1", "b"]);
    rig.run("create view w (x, y) as select * from v").await;
    assert_eq!(rig.value("select sum(x), sum(y) from w").await, "7|50");
    assert_eq!(rig.value("select count(*) from system.views").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn system_tables_tell_what_is_there() {
    let rig = filled().await;
    assert_eq!(rig.value("select num_rows, number_of_segments from system.tables where name = 't'").await, "40100|5");
    assert_eq!(rig.value("select count(*) from system.segments where kind = 'parquet'").await, "4");
    assert_eq!(
        rig.value("select data_type, ordinal_position from information_schema.columns where column_name = 'd'").await,
        "decimal(15, 2)|4"
    );
    // The statement that asks is still being planned while the rows are made.
    assert_eq!(rig.value("select count(*) from system.queries where state = 'Starting'").await, "1");
    for table in crate::system::table_names("system") {
        rig.run(&format!("select * from system.{table}")).await;
    }
    for table in crate::system::table_names("information_schema") {
        rig.run(&format!("select * from information_schema.{table}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_tables_answer() {
    let rig = rig().await;
    rig.run("create table t (a int, b varchar)").await;
    assert_eq!(rig.value("select count(*), max(a), min(b) from t").await, "0||");
    assert_eq!(rig.rows("select * from t where a = 1 order by b").await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_memory_is_spilled_or_refused() {
    let rig = rig_with(|settings| settings.memory_limit_bytes = 32 << 20).await;
    let sorted =
        rig.rows("select number from numbers(5000000) order by number % 1000, number limit 3 offset 4999997").await;
    match sorted {
        Ok(rows) => assert_eq!(rows.len(), 3),
        Err(error) => assert!(matches!(error, Error::MemoryExhausted { .. }), "{error:?}"),
    }
}

/// A table with 100,000 segments that exist in the catalogue only.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_macros)] // tells the figures
async fn planning_over_many_segments_leaves_all_but_one_out() {
    let rig = rig().await;
    rig.run("create table t (k bigint not null, v varchar, f double) cluster by (k)").await;
    let parts = rig.engine.parts();
    let snapshot = parts.catalog.snapshot();
    let table = snapshot.table(snapshot.database("default").unwrap().id, "t").unwrap().table().clone();
    for round in 0..20i64 {
        let segments = (0..5_000).map(|i| synthetic_segment(&table, round * 5_000 + i)).collect();
        let edit = Edit::AddSegments { table: table.id, operation: Operation::Append, segments, inline: Vec::new() };
        let changes = Changes { preconditions: Vec::new(), edits: vec![edit], at: parts.catalog.clock().now() };
        parts.catalog.commit(changes).await.unwrap();
    }
    let mut micros = Vec::new();
    for round in 0..20i64 {
        let context = crate::query::open_context(parts, rig.session.clone()).unwrap();
        let sql = format!("select v, f from t where k = {}", round * 4_999_000 + 17);
        let query = crate::sql::parse_query(&sql, context.sql_limits()).unwrap();
        let begun = Instant::now();
        let planned = context.plan_query(&query).await.unwrap();
        micros.push(begun.elapsed().as_micros());
        assert_eq!(context.counters.stats().total_scan.rows, 1_000, "one segment is left");
        drop(planned);
    }
    println!("planning over 100,000 segments: first {} µs, then {:?}", micros[0], &micros[1..]);
}

/// Segment `number`: keys `number * 1000` to `number * 1000 + 999`.
fn synthetic_segment(table: &basalt_meta::Table, number: i64) -> (Segment, SegmentDetail) {
    let bounds = |column: usize, min, max| ColumnStats {
        column: table.columns[column].id,
        min: Some(min),
        max: Some(max),
        nulls: 0,
        distinct: Some(1_000),
        exact: true,
    };
    let text = |n: i64| StatValue::Utf8(format!("value {n:012}"));
    let (first, last) = (number * 1_000, number * 1_000 + 999);
    let segment = Segment {
        id: SegmentId(number as u128 + 1),
        location: Location::Object(format!("1/00/{number}.seg")),
        partition: None,
        level: 0,
        rows: 1_000,
        bytes: 20_000,
        memory_bytes: 40_000,
        checksum: 0,
        schema_version: table.schema_version,
        sorted_by: table.sort_key.clone(),
        stats: vec![
            bounds(0, StatValue::Int(first), StatValue::Int(last)),
            bounds(1, text(first), text(last)),
            bounds(2, StatValue::Float(0.0), StatValue::Float(1.0)),
        ],
        added_at: basalt_meta::Version(0),
        removed_at: None,
    };
    (segment, SegmentDetail::default())
}

/// Figures for the report: `cargo test --release --workspace --lib -- --ignored --nocapture costs`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
#[allow(clippy::disallowed_macros)] // tells the figures
async fn costs() {
    let rig = filled().await;
    for sql in [
        "select 1",
        "select * from t where k = 12345",
        "select count(*) from t",
        "select g, sum(k) from t group by g",
        "select k, s from t order by k limit 5",
    ] {
        for _ in 0..200 {
            rig.run(sql).await;
        }
        let mut micros = Vec::new();
        for _ in 0..1000 {
            let begun = Instant::now();
            rig.run(sql).await;
            micros.push(begun.elapsed().as_micros());
        }
        micros.sort_unstable();
        println!("{sql}: p50 {} µs, p99 {} µs", micros[500], micros[990]);
    }
}
