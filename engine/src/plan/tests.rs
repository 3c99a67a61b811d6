use crate::{
    Error,
    fixture::{Rig, rig},
};
use std::time::Instant;

async fn letters() -> Rig {
    let rig = rig().await;
    rig.run("create table t (g varchar, x int)").await;
    rig.run("insert into t values ('a', 1), ('a', 2), ('b', 3), ('b', 5), ('c', 8), ('n', null)").await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn any_and_all_compare_with_every_row() {
    let rig = letters().await;
    let cases = [
        ("x = any (select x from t where g = 'a')", "1,2"),
        ("x = some (select x from t where g = 'a')", "1,2"),
        ("x <> all (select x from t where g = 'a')", "3,5,8"),
        ("x > all (select x from t where g = 'b')", "8"),
        ("x >= all (select x from t where g = 'b')", "5,8"),
        ("x < any (select x from t where g = 'b')", "1,2,3"),
        ("x <> any (select x from t where g = 'b')", "1,2,3,5,8"),
        ("x = all (select x from t where g = 'c')", "8"),
        ("x > any (select x from t where g = 'none')", ""),
        // Of an empty set everything is true, also for NULL.
        ("x > all (select x from t where g = 'none')", "1,2,3,5,8,"),
        // A NULL in the set: never surely greater than all, but surely smaller than one.
        ("x > all (select x from t where g in ('a', 'n'))", ""),
        ("x < any (select x from t where g in ('a', 'n'))", "1"),
        ("not x > any (select x from t where g in ('a', 'n'))", ""),
        ("not x > all (select x from t where g in ('a', 'n'))", "1,2"),
        ("x + 1 > all (select x from t where g = 'b') and g = 'b'", "5"),
        ("4 < any (select x from t) and x < 2", "1"),
    ];
    for (condition, wanted) in cases {
        let sql = format!("select x from t where {condition} order by x");
        let rows = rig.rows(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows.concat().join(","), wanted, "{sql}");
    }
    let correlated = "select x from t a where x < any (select b.x from t b where b.g = a.g)";
    assert!(matches!(rig.error(correlated).await, Error::Unsupported { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_keep_the_type_they_are_folded_to() {
    let rig = rig().await;
    assert_eq!(rig.value("select round(2.567, 2), round(1234.5), floor(2.7), ceil(2.1)").await, "2.57|1235|2|3");
    assert_eq!(
        rig.value("select cast(1e300 as double) * 10, 2.5e-3, -1E2, 0.1 + 0.2").await,
        "1e301|0.0025|-100.0|0.3"
    );
    assert_eq!(
        rig.value("select typeof(1e2), typeof(1.5), typeof('a'), typeof(null)").await,
        "DOUBLE|DECIMAL(2, 1)|VARCHAR|NULL"
    );
    assert_eq!(rig.value("select sum(a) from (select 1e1 as a union all select 2)").await, "12.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_under_their_users_names() {
    let rig = letters().await;
    assert_eq!(
        rig.value("select sign(-3.5), sign(0), sign(7), to_string(12), to_varchar(1.50)").await,
        "-1|0|1|12|1.50"
    );
    assert_eq!(
        rig.value("select to_int8('12'), to_uint64('7'), to_float64('2.5'), try_to_int32('x')").await,
        "12|7|2.5|"
    );
    assert_eq!(
        rig.value("select pow(2, 3), ifnull(null, 4), lpad('7', 3, '0'), position('b' in 'abc')").await,
        "8.0|4|007|2"
    );
    assert_eq!(rig.value("select split('a,b', ','), typeof(to_int8(1))").await, "[a, b]|TINYINT");
    assert_eq!(rig.value("select uniq(g), approx_count_distinct(g), count_distinct(x) from t").await, "4|4|5");
    assert_eq!(rig.value("select arg_min(g, x), arg_max(g, x) from t").await, "a|c");
    assert_eq!(
        rig.value("select to_timestamp('2024-01-02 03:04:05'), to_datetime(86400)").await,
        "2024-01-02T03:04:05|1970-01-02T00:00:00"
    );
    let names = rig.rows("select name from system.functions where name in ('arg_max', 'to_string', 'typeof')").await;
    assert_eq!(names.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_times_of_the_sessions_zone() {
    let mut rig = rig().await;
    rig.run("create table t (ts timestamp, d date)").await;
    rig.session.settings.insert("timezone".into(), "Asia/Tokyo".into());
    rig.run("insert into t values ('2024-07-01 03:00:00', '2024-07-01')").await;
    rig.run("insert into t select '2024-07-01 04:00:00', '2024-07-01'").await;
    rig.run("insert into t select to_timestamp('2024-07-01 05:00:00+09:00'), '2024-07-01'").await;
    assert_eq!(
        rig.value("select count(*), min(ts) from t where ts >= '2024-07-01 03:00:00'").await,
        "3|2024-06-30T18:00:00"
    );
    assert_eq!(
        rig.value("select cast(min(ts) as varchar), cast(min(ts) as date) from t").await,
        "2024-07-01 03:00:00.000000|2024-07-01"
    );
    assert_eq!(rig.value("select extract(hour from min(ts)), to_yyyymmdd(min(ts)) from t").await, "3|20240701");
    assert_eq!(rig.value("select date_trunc('day', min(ts)) = timestamp '2024-07-01 00:00:00' from t").await, "true");
    assert_eq!(rig.value("select count(*) from t where cast(d as timestamp) = '2024-07-01 00:00:00'").await, "3");
    let days = rig.rows("select cast(ts as date) as day, count(*) from t group by day").await.unwrap();
    assert_eq!(days, [["2024-07-01", "3"]]);
    assert_eq!(rig.value("select try_cast('x' as timestamp) is null").await, "true");
    assert!(matches!(rig.error("insert into t values ('soon', null)").await, Error::Evaluation { .. }));
    rig.session.settings.clear();
    assert_eq!(rig.value("select min(ts), cast(min(ts) as date) from t").await, "2024-06-30T18:00:00|2024-06-30");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_counts_the_segments_it_reads() {
    let rig = rig().await;
    rig.run("create table t (k bigint) cluster by (k)").await;
    for part in 0..7 {
        rig.load_parquet("t", &format!("select cast(number + {part} * 1000 as bigint) from numbers(1000)")).await;
    }
    for (sql, wanted) in [
        ("explain select sum(k) from t where k % 2 = 0", "segments=7"),
        ("explain analyze select sum(k) from t where k % 2 = 0", "segments=7"),
        ("explain select k from t where k = 10", "segments=1"),
    ] {
        let lines = rig.rows(sql).await.unwrap().concat().join("\n");
        assert!(lines.contains(wanted) && !lines.contains(".parquet"), "{sql}: {lines}");
    }
}

/// Figures: `cargo test --release --workspace --lib -- --ignored --nocapture wide`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
#[allow(clippy::disallowed_macros)] // tells the figures
async fn planning_over_a_wide_table() {
    let rig = rig().await;
    let types = ["bigint", "int", "varchar", "timestamp", "date"];
    let columns: Vec<String> = (0..105).map(|n| format!("c{n} {} not null", types[n % types.len()])).collect();
    rig.run(&format!("create table t ({})", columns.join(", "))).await;
    let values = ["number", "number % 100", "cast(number as varchar)", "now()", "today()"];
    let values: Vec<String> = (0..105).map(|n| format!("{} as v{n}", values[n % values.len()])).collect();
    for _ in 0..6 {
        rig.load_parquet("t", &format!("select {} from numbers(1000)", values.join(", "))).await;
    }
    for sql in ["select count(*) from t", "select min(c3), max(c3) from t", "select sum(c0) from t where c1 = 5"] {
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
