//! Loads into a real engine: what is kept, what is refused, what is left behind.

use super::*;
use crate::{
    CsvOptions, JsonOptions, LoadFormat,
    fixture::{Rig, rig, rig_with},
    load::ColumnMapping,
};
use bytes::Bytes;

fn csv() -> CsvOptions {
    CsvOptions {
        column_separator: b",".to_vec(),
        row_delimiter: b"\n".to_vec(),
        enclose: None,
        escape: None,
        skip_header: 0,
        trim_space: false,
        null_text: "\\N".into(),
        empty_as_null: false,
    }
}

fn request(rig: &Rig, table: &str) -> LoadRequest {
    LoadRequest {
        session: rig.session.clone(),
        database: "default".into(),
        table: table.into(),
        label: None,
        format: LoadFormat::Csv(csv()),
        columns: None,
        filter: None,
        max_filter_ratio: 0.0,
        strict: false,
        timeout: None,
    }
}

fn body(text: impl Into<Bytes>) -> ByteStream {
    futures::stream::iter([Ok(text.into())]).boxed()
}

/// More rows than fit into an inline segment.
fn many(rows: usize) -> String {
    (0..rows).map(|n| format!("{n},name of number {n}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_loaded_and_a_label_loads_once() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR)").await;
    let labelled = LoadRequest { label: Some("first".into()), ..request(&rig, "t") };
    let report = rig.engine.load(labelled.clone(), body("1,x\n2,\\N\n")).await.unwrap();
    assert_eq!((report.outcome.clone(), report.rows_loaded, report.bytes), (LoadOutcome::Loaded, 2, 9));
    assert_eq!(rig.value("SELECT count(*), sum(a), count(b) FROM t").await, "2|3|1");
    let again = rig.engine.load(labelled, body("7,y\n")).await.unwrap();
    assert_eq!((again.outcome, again.rows_loaded, again.load_id), (LoadOutcome::LabelFinished, 2, report.load_id));
    assert_eq!(rig.value("SELECT count(*) FROM t").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_loads_with_one_label_one_runs() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a BIGINT, b VARCHAR)").await;
    let loads = (0..16).map(|n| {
        let labelled = LoadRequest { label: Some("race".into()), ..request(&rig, "t") };
        rig.engine.load(labelled, body(format!("{n},x\n")))
    });
    let reports = futures::future::join_all(loads).await;
    let loaded = reports.iter().filter(|r| r.as_ref().unwrap().outcome == LoadOutcome::Loaded).count();
    assert_eq!(loaded, 1);
    assert_eq!(rig.value("SELECT count(*) FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_counted_and_too_many_fail_the_load() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR)").await;
    let text = "1,x\nabc,y\n3\n4,z\n";
    let failed = LoadRequest { label: Some("l".into()), ..request(&rig, "t") };
    let report = rig.engine.load(failed.clone(), body(text)).await.unwrap();
    assert_eq!(report.outcome, LoadOutcome::TooManyFiltered);
    assert_eq!((report.rows_total, report.rows_loaded, report.rows_filtered), (4, 0, 2));
    let log = rig.engine.rejected_rows(&rig.session.principal, &report.rejected_log.unwrap()).unwrap();
    assert!(log.contains("Error: NULL value in non-nullable column 'a'. Row: abc,y\n"), "{log}");
    assert!(log.contains("Target column count: 2 doesn't match source value column count: 1."), "{log}");
    assert_eq!(rig.value("SELECT count(*) FROM t").await, "0");
    // The label is free again.
    let tolerant = LoadRequest { max_filter_ratio: 0.5, ..failed };
    let report = rig.engine.load(tolerant, body(text)).await.unwrap();
    assert_eq!((report.outcome, report.rows_loaded, report.rows_filtered), (LoadOutcome::Loaded, 2, 2));
    assert_eq!(rig.value("SELECT count(*), sum(a) FROM t").await, "2|5");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_mapped_computed_and_filtered() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a BIGINT, b VARCHAR DEFAULT 'none', c BIGINT)").await;
    let field = |name: &str| ColumnMapping::Field(name.into());
    let mapped = LoadRequest {
        columns: Some(vec![
            field("tmp"),
            field("A"),
            ColumnMapping::Expression { column: "c".into(), sql: "length(tmp) + a".into() },
        ]),
        filter: Some("c <> 12 and tmp <> 'drop'".into()),
        ..request(&rig, "t")
    };
    let report = rig.engine.load(mapped, body("xy,1\nxy,10\ndrop,5\n,2\n")).await.unwrap();
    assert_eq!((report.rows_total, report.rows_loaded, report.rows_unselected), (4, 2, 2));
    assert_eq!(rig.rows("SELECT a, b, c FROM t ORDER BY a").await.unwrap(), [["1", "none", "3"], ["2", "none", "2"]]);
    let unknown = LoadRequest {
        columns: Some(vec![ColumnMapping::Expression { column: "zz".into(), sql: "1".into() }]),
        ..request(&rig, "t")
    };
    let error = rig.engine.load(unknown, body("1\n")).await.unwrap_err();
    assert_eq!(error.to_string(), "Mapping column is not in table. column: zz");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_are_loaded_by_name() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (ts TIMESTAMP, page VARCHAR, added BIGINT DEFAULT 7, robot BOOLEAN)").await;
    let json = LoadRequest { format: LoadFormat::Json(JsonOptions::default()), ..request(&rig, "t") };
    let text = "{\"ts\":\"2015-09-12T00:46:58.771Z\",\"page\":\"a\\u00e9\",\"added\":36,\"robot\":true,\"more\":[1]}\n\
                {\"page\":null,\"robot\":false}\n";
    let report = rig.engine.load(json, body(text)).await.unwrap();
    assert_eq!(report.rows_loaded, 2);
    assert_eq!(rig.value("SELECT sum(added), count(page), max(page), count(ts) FROM t").await, "43|1|aé|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_leaves_nothing() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a BIGINT, b VARCHAR)").await;
    let broken: ByteStream =
        futures::stream::iter([Ok(Bytes::from(many(100_000))), Err(std::io::Error::other("connection reset"))]).boxed();
    let labelled = LoadRequest { label: Some("l".into()), ..request(&rig, "t") };
    assert!(rig.engine.load(labelled.clone(), broken).await.is_err());
    // The caller itself goes away while the input stalls.
    let stalled = futures::stream::iter([Ok(Bytes::from(many(100_000)))]).chain(futures::stream::pending()).boxed();
    let load = rig.engine.load(labelled.clone(), stalled);
    assert!(tokio::time::timeout(Duration::from_millis(300), load).await.is_err());
    assert_eq!(rig.value("SELECT count(*) FROM t").await, "0");
    // And the label is free again, as soon as the load has noticed.
    let mut left = 200;
    while rig.engine.parts().loads.running() > 0 && left > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        left -= 1;
    }
    let report = rig.engine.load(labelled, body(many(100_000))).await.unwrap();
    assert_eq!((report.outcome, report.rows_loaded), (LoadOutcome::Loaded, 100_000));
    assert_eq!(rig.value("SELECT count(*), sum(a) FROM t").await, "100000|4999950000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_beyond_its_time_or_number_is_refused() {
    let rig = rig_with(|settings| settings.load_concurrency_max = 1).await;
    rig.run("CREATE TABLE t (a BIGINT, b VARCHAR)").await;
    let slow = LoadRequest { timeout: Some(Duration::from_millis(200)), ..request(&rig, "t") };
    let endless: ByteStream = futures::stream::pending().boxed();
    let (slow, refused) = tokio::join!(rig.engine.load(slow, endless), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.engine.load(request(&rig, "t"), body("1,x\n")).await
    });
    assert!(matches!(slow, Err(Error::DeadlineExceeded { .. })), "{slow:?}");
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_row_of_a_key_wins_within_and_between_loads() {
    let rig = rig_with(|settings| settings.storage.segment_rows_max = 1000).await;
    rig.run("CREATE TABLE t (k BIGINT NOT NULL, v VARCHAR, UNIQUE KEY (k))").await;
    // Every key twice within the load, in different runs.
    let twice = |first: &str, second: &str| -> String {
        let pass = |word: &str| (0..3000).map(|n| format!("{n},{word}{n}\n")).collect::<String>();
        pass(first) + &pass(second)
    };
    rig.engine.load(request(&rig, "t"), body(twice("a", "b"))).await.unwrap();
    assert_eq!(rig.value("SELECT count(*), count(distinct k), min(v) FROM t").await, "3000|3000|b0");
    rig.engine.load(request(&rig, "t"), body("5,new\n5,newest\n9000,other\n")).await.unwrap();
    assert_eq!(rig.value("SELECT count(*), count(distinct k) FROM t").await, "3001|3001");
    assert_eq!(rig.value("SELECT v FROM t WHERE k = 5").await, "newest");
    let writers = (0..8).map(|n| rig.engine.load(request(&rig, "t"), body(format!("5,w{n}\n6,w{n}\n"))));
    for report in futures::future::join_all(writers).await {
        report.unwrap();
    }
    assert_eq!(rig.value("SELECT count(*), count(distinct k) FROM t").await, "3001|3001");
    let table = rig.engine.parts().catalog.snapshot();
    let database = table.database("default").unwrap();
    let id = table.table(database.id, "t").unwrap().table().id;
    crate::tasks::optimize(rig.engine.parts(), id).await.unwrap();
    assert_eq!(rig.value("SELECT count(*), count(distinct k) FROM t").await, "3001|3001");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_loads_are_folded() {
    let rig = rig_with(|settings| settings.fold_after = Duration::from_millis(200)).await;
    rig.run("CREATE TABLE t (a BIGINT, b VARCHAR)").await;
    for n in 0..100 {
        rig.engine.load(request(&rig, "t"), body(format!("{n},x\n"))).await.unwrap();
    }
    let segments = || {
        let snapshot = rig.engine.parts().catalog.snapshot();
        let database = snapshot.database("default").unwrap();
        snapshot.table(database.id, "t").unwrap().segments()
    };
    let mut left = 200;
    while segments() > 10 && left > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        left -= 1;
    }
    assert!(segments() <= 10, "{} segments are left", segments());
    assert_eq!(rig.value("SELECT count(*), sum(a) FROM t").await, "100|4950");
}

/// Not a test of correctness: prints how fast lineitem-shaped CSV becomes durable and queryable.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed() {
    let rig = rig_with(|settings| *settings = crate::EngineSettings::new(settings.data_dir.clone(), 2, 8 << 30)).await;
    rig.run(
        "CREATE TABLE t (l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT, \
         l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), \
         l_returnflag VARCHAR, l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, \
         l_shipinstruct VARCHAR, l_shipmode VARCHAR, l_comment VARCHAR)",
    )
    .await;
    let path = std::env::var("LINEITEM").expect("LINEITEM names a file of `|`-separated rows");
    let text = Bytes::from(std::fs::read(path).unwrap());
    for _ in 0..3 {
        let piped = LoadRequest {
            format: LoadFormat::Csv(CsvOptions { column_separator: b"|".to_vec(), ..csv() }),
            ..request(&rig, "t")
        };
        let pieces: Vec<_> =
            (0..text.len()).step_by(64 << 10).map(|at| Ok(text.slice(at..text.len().min(at + (64 << 10))))).collect();
        let started = Instant::now();
        let report = rig.engine.load(piped, futures::stream::iter(pieces).boxed()).await.unwrap();
        let rate = text.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
        println!("{rate:.0} MB/s: {report:?}");
    }
}
