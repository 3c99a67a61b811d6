use crate::{
    CloseReason, Error, QueryRequest, QueryState,
    fixture::{PATIENCE, rig, rig_with},
};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn constants_and_their_names() {
    let rig = rig().await;
    let (names, _) = rig.batches("SELECT 1, 1, COUNT(*), 1+2 AS x, Upper('a'), 'it''s' FROM numbers(3)").await.unwrap();
    assert_eq!(names, ["1", "1", "count(*)", "x", "upper('a')", "'it''s'"]);
    assert_eq!(
        rig.value("select count(*) from (select number + 1 from numbers(5)) where \"number + 1\" > 2").await,
        "3"
    );
    assert_eq!(rig.value("select version()").await, rig.engine.settings().version_text);
    assert_eq!(rig.value("select database(), today() = current_date()").await, "default|true");
}

#[tokio::test(flavor = "multi_thread")]
async fn arithmetic_does_not_lie() {
    let rig = rig().await;
    let cases = [
        ("select 18446744073709551615 + 1", "18446744073709551615 + 1"),
        (
            "select a * b from (select cast(4611686018427387904 as bigint) a, cast(2 as bigint) b)",
            "4611686018427387904 * 2",
        ),
        ("select -cast(-9223372036854775808 as bigint)", "-9223372036854775808"),
        ("select number / 0 from numbers(3)", "/ 0"),
        ("select number % (number - number) from numbers(3)", "% 0"),
        ("select cast(1.5 as decimal(4, 2)) / cast(0 as decimal(4, 2))", "/ 0"),
        ("select sum(cast(9223372036854775807 as bigint)) from numbers(2)", "18446744073709551614"),
        ("select cast('abc' as int)", "abc"),
        ("select cast(number + 3000000000 as int) from numbers(1)", "3000000000"),
    ];
    for (sql, value) in cases {
        let error = rig.error(sql).await;
        assert!(matches!(error, Error::Evaluation { .. }), "{sql}: {error:?}");
        assert!(error.to_string().contains(value), "{sql}: {error}");
    }
    assert_eq!(rig.value("select 7 / 2, 7 % 4, 0.1 + 0.2 = 0.3").await, "3.5|3|true");
    assert_eq!(
        rig.value("select sum(number), sum(number + 1) from numbers(1000000)").await,
        "499999500000|500000500000"
    );
    assert_eq!(rig.value("select count_if(number % 2 = 0), sum_if(number, number < 3) from numbers(10)").await, "5|3");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_exist() {
    let rig = rig().await;
    assert!(matches!(rig.error("select * from nothing").await, Error::UnknownTable { .. }));
    assert!(matches!(rig.error("select * from nowhere.t").await, Error::UnknownDatabase { .. }));
    let error = rig.error("select numbr from numbers(1)").await;
    assert!(matches!(&error, Error::UnknownColumn { hint, .. } if hint.contains("number")), "{error:?}");
    let error = rig.error("select uper('a')").await;
    assert!(matches!(&error, Error::UnknownFunction { hint, .. } if hint.contains("upper")), "{error:?}");
    assert!(matches!(rig.error("selec 1").await, Error::Syntax { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_door_to_the_machine() {
    let rig = rig().await;
    for sql in [
        "select * from '/etc/passwd'",
        "select * from 'file:///etc/passwd'",
        "select * from \"/etc/passwd.csv\"",
        "copy (select 1) to '/tmp/x.csv'",
        "create external table t stored as csv location '/etc/passwd'",
        "set datafusion.execution.batch_size = 1",
        "select * from read_csv('/etc/passwd')",
    ] {
        assert!(rig.start(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_come_in_order_and_can_be_read_again() {
    let rig = rig().await;
    let mut request = QueryRequest::new("select number from numbers(25)", rig.session.clone());
    request.page_rows = 10;
    let handle = rig.engine.query(request).await.unwrap();
    let first = handle.page(0, PATIENCE).await.unwrap().unwrap();
    assert_eq!((first.rows, first.more), (10, true));
    let again = handle.page(0, PATIENCE).await.unwrap().unwrap();
    assert_eq!(first.batches, again.batches);
    assert!(matches!(handle.page(2, PATIENCE).await, Err(Error::PageOutOfRange { requested: 2, current: 1 })));
    assert_eq!(handle.page(1, PATIENCE).await.unwrap().unwrap().rows, 10);
    assert!(matches!(handle.page(0, PATIENCE).await, Err(Error::PageOutOfRange { .. })));
    let last = handle.page(2, PATIENCE).await.unwrap().unwrap();
    assert_eq!((last.rows, last.more), (5, false));
    let end = handle.page(3, PATIENCE).await.unwrap().unwrap();
    assert_eq!((end.rows, end.more), (0, false));
    assert_eq!(handle.pages_served(), 3);
    assert_eq!(handle.state(), QueryState::Succeeded);
    assert_eq!(handle.stats().result.rows, 25);
    handle.close(CloseReason::Finalized);
    assert!(matches!(handle.page(2, PATIENCE).await, Err(Error::QueryClosed { .. })));
    assert_eq!(handle.schema().unwrap().fields().len(), 1, "the schema stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_slows_the_plan() {
    let rig = rig().await;
    let mut request = QueryRequest::new("select number from numbers(100000000000)", rig.session.clone());
    request.page_rows = 1000;
    request.buffer_rows = 10_000;
    let handle = rig.engine.query(request).await.unwrap();
    handle.page(0, PATIENCE).await.unwrap().unwrap();
    let mut before = 0;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = handle.stats().result.rows;
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(before < 100_000, "the plan went on: {before} rows");
    let begun = Instant::now();
    handle.close(CloseReason::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(handle.state(), QueryState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_plan_stops_when_it_is_cancelled() {
    let rig = rig().await;
    let sql = "select count(*) from numbers(100000000000) a where sqrt(number) < 0";
    let handle = rig.start(sql).await.unwrap();
    assert!(handle.page(0, Duration::from_millis(100)).await.unwrap().is_none());
    let begun = Instant::now();
    handle.close(CloseReason::Cancelled);
    assert!(matches!(handle.page(0, PATIENCE).await, Err(Error::Cancelled { .. })));
    // Its place is free again within two seconds: the executor has really stopped.
    while rig.value("select value from system.metrics where metric = 'basalt_queries_running'").await != "1" {
        assert!(begun.elapsed() < Duration::from_secs(2), "the plan still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_one_query() {
    let rig = rig().await;
    let mut request = QueryRequest::new("select 1", rig.session.clone());
    request.id = Some("mine".into());
    let first = rig.engine.query(request.clone()).await.unwrap();
    request.sql = "select 2".into();
    let second = rig.engine.query(request).await.unwrap();
    let rows = |page: std::sync::Arc<crate::ResultPage>| page.batches.clone();
    let first = rows(first.page(0, PATIENCE).await.unwrap().unwrap());
    assert_eq!(first, rows(second.page(0, PATIENCE).await.unwrap().unwrap()));
    let other = crate::Principal { name: "other".into(), role: crate::Role::Writer };
    assert!(matches!(rig.engine.find_query(&other, "mine"), Err(Error::ForeignQuery { .. })));
    let mut stolen = QueryRequest::new("select 3", crate::Session::new(other));
    stolen.id = Some("mine".into());
    assert!(matches!(rig.engine.query(stolen).await, Err(Error::QueryIdTaken { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_nobody_asks_for_are_dropped() {
    let rig = rig_with(|settings| settings.result_timeout = Duration::from_millis(300)).await;
    let handle = rig.start("select 1").await.unwrap();
    let begun = Instant::now();
    while handle.closed().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(handle.closed(), Some(CloseReason::TimedOut));
    assert!(matches!(handle.page(0, PATIENCE).await, Err(Error::QueryClosed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_its_time() {
    let mut rig = rig().await;
    rig.session.settings.insert("max_execute_time_in_seconds".into(), "1".into());
    let error = rig.error("select count(*) from numbers(100000000000) where sqrt(number) < 0").await;
    assert!(matches!(error, Error::DeadlineExceeded { setting: "max_execute_time_in_seconds", .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_are_values() {
    let rig = rig().await;
    let mut request = QueryRequest::new("select ? || 'b', ? + 1, ? is null", rig.session.clone());
    request.parameters = Some(crate::Parameters::Positional(vec!["a' --".into(), 41.into(), serde_json::Value::Null]));
    let handle = rig.engine.query(request).await.unwrap();
    let page = handle.page(0, PATIENCE).await.unwrap().unwrap();
    let cell = |i: usize| arrow::util::display::array_value_to_string(page.batches[0].column(i), 0).unwrap();
    assert_eq!([cell(0), cell(1), cell(2)], ["a' --b", "42", "true"]);
    assert!(matches!(rig.error("select ?").await, Error::InvalidArgument { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_chains_do_not_end_the_process() {
    let rig = rig().await;
    let sum = format!("select {}", vec!["number"; 100_000].join(" + "));
    let either = format!("select 1 from numbers(1) where {}", vec!["number = 5"; 100_000].join(" or "));
    let union = vec!["select 1"; 5_000].join(" union all ");
    let nested = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    for sql in [sum + " from numbers(1)", either, union, nested] {
        // An answer or a clear error; what matters is that there is one.
        if let Err(error) = rig.rows(&sql).await {
            assert!(!matches!(error, Error::Internal { .. }), "{error:?}");
        }
    }
    let chain = vec!["number"; 200].join(" + ");
    assert_eq!(rig.value(&format!("select {chain} from numbers(2) where number = 1")).await, "200");
    let either = vec!["number = 1"; 5_000].join(" or ");
    assert_eq!(rig.value(&format!("select count(*) from numbers(3) where {either}")).await, "1");
    let union = vec!["select number from numbers(1)"; 300].join(" union all ");
    assert_eq!(rig.value(&format!("select count(*) from ({union})")).await, "300");
}
