//! Stream load: CSV and JSON, labels, ratios, columns, compression, the error log, and the exact answer.

use basalt_tests::{SqlClient, TestServer, wait_for};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::{io::Write, process::Command, time::Duration};

async fn start() -> (TestServer, SqlClient) {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT, name STRING, v DOUBLE)").await;
    (server, sql)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn csv_is_durable_queryable_and_answered_as_documented() {
    let (mut server, sql) = start().await;
    let load = server.load("default", "t").csv().label("l-1").ok("1,one,1.5\n2,two,2.5\n3,\\N,\n").await;
    let keys: Vec<_> = load.body.as_object().unwrap().keys().cloned().collect();
    for key in [
        "TxnId",
        "Label",
        "Db",
        "Table",
        "Status",
        "Message",
        "NumberTotalRows",
        "NumberLoadedRows",
        "NumberFilteredRows",
        "NumberUnselectedRows",
        "LoadBytes",
        "LoadTimeMs",
        "BeginTxnTimeMs",
        "StreamLoadPlanTimeMs",
        "ReadDataTimeMs",
        "WriteDataTimeMs",
        "CommitAndPublishTimeMs",
    ] {
        assert!(keys.iter().any(|k| k == key), "{key} in {keys:?}");
    }
    assert_eq!((load.text("Label"), load.text("Db"), load.text("Table")), ("l-1", "default", "t"));
    assert_eq!(load.text("Message"), "OK");
    assert!(load.count("TxnId") > 0);
    assert_eq!((load.count("NumberTotalRows"), load.count("NumberLoadedRows")), (3, 3));
    assert_eq!(load.count("LoadBytes"), 26);
    assert_eq!(sql.run("SELECT * FROM t ORDER BY id").await.lines(), ["1|one|1.5", "2|two|2.5", "3|NULL|NULL"]);
    server.kill().await;
    server.launch().await;
    assert_eq!(server.sql().one("SELECT count(*) FROM t").await, "3", "acknowledged means durable");
}

#[tokio::test]
async fn the_answer_is_pretty_json_in_order() {
    let (server, _) = start().await;
    let url = server.url("/api/default/t/_stream_load");
    let reply = server.sql().http().put(url).basic_auth("root", Some("")).header("column_separator", ",");
    let text = reply.body("1,a,1").send().await.unwrap().text().await.unwrap();
    let order = ["\"TxnId\"", "\"Label\"", "\"Db\"", "\"Table\"", "\"Status\"", "\"Message\"", "\"NumberTotalRows\""];
    let places: Vec<_> = order.iter().map(|key| text.find(key).unwrap_or_else(|| panic!("{key} in {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("\n    \"TxnId\""), "four blanks of indent: {text}");
}

#[tokio::test]
async fn a_repeated_label_loads_once() {
    let (server, sql) = start().await;
    let first = server.load("default", "t").csv().label("once").ok("1,a,1\n").await;
    let again = server.load("default", "t").csv().label("once").send("1,a,1\n2,b,2\n").await.unwrap();
    assert_eq!(again.status, "Label Already Exists", "{}", again.body);
    assert_eq!(again.text("ExistingJobStatus"), "FINISHED");
    assert!(again.text("Message").contains("once"), "{}", again.body);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "1");
    assert!(first.count("TxnId") > 0);
    // a failed load leaves its label free
    let bad =
        server.load("default", "t").csv().label("retry").header("strict_mode", "true").send("x,a,1\n").await.unwrap();
    assert_eq!(bad.status, "Fail", "{}", bad.body);
    server.load("default", "t").csv().label("retry").ok("3,c,3\n").await;
    // labels are per database
    sql.run("CREATE DATABASE other").await;
    sql.run("CREATE TABLE other.t (id INT, name STRING, v DOUBLE)").await;
    server.load("other", "t").csv().label("once").ok("1,a,1\n").await;
}

#[tokio::test]
async fn bad_rows_count_against_the_ratio_and_are_logged() {
    let (server, sql) = start().await;
    let body = "1,a,1\nx,b,2\n3,c\n4,d,4\n";
    let strict =
        |ratio: &str| server.load("default", "t").csv().header("strict_mode", "true").header("max_filter_ratio", ratio);
    let refused = strict("0.2").send(body).await.unwrap();
    assert_eq!(refused.status, "Fail");
    assert!(refused.text("Message").contains("too many filtered rows"), "{}", refused.body);
    assert_eq!(refused.count("NumberFilteredRows"), 2);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0", "all or nothing");

    let accepted = strict("0.5").ok(body).await;
    assert_eq!(
        (accepted.count("NumberTotalRows"), accepted.count("NumberLoadedRows"), accepted.count("NumberFilteredRows")),
        (4, 2, 2)
    );
    let log = server
        .sql()
        .http()
        .get(accepted.text("ErrorURL"))
        .basic_auth("root", Some(""))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(log.lines().count() >= 2, "{log}");
    assert!(log.contains("x,b,2") && log.contains("3,c"), "{log}");
    assert_eq!(sql.run("SELECT id FROM t ORDER BY id").await.lines(), ["1", "4"]);
}

#[tokio::test]
async fn csv_options() {
    let (server, sql) = start().await;
    let rows = |statement: &'static str| async { sql.run(statement).await.lines() };
    server.load("default", "t").ok("1\ttab\t1\n").await;
    assert_eq!(rows("SELECT * FROM t").await, ["1|tab|1.0"]);
    sql.run("TRUNCATE TABLE t").await;

    let quoted = server.load("default", "t").csv().header("enclose", "\"").header("skip_header", "1");
    quoted.ok("id,name,v\n2,\"a,b\",2\n3,\"x \"\"y\"\" z\",3\n4,\"line\nbreak\",4\n").await;
    assert_eq!(rows("SELECT * FROM t ORDER BY id").await, ["2|a,b|2.0", "3|x \"y\" z|3.0", "4|line\nbreak|4.0"]);
    sql.run("TRUNCATE TABLE t").await;

    server.load("default", "t").header("column_separator", "\\x01").ok("5\x01five\x015\n").await;
    server
        .load("default", "t")
        .header("column_separator", "||")
        .header("row_delimiter", "##")
        .ok("6||six||6##7||sev||7")
        .await;
    server.load("default", "t").csv().header("trim_space", "true").ok("8 , eight , 8\n").await;
    assert_eq!(rows("SELECT * FROM t ORDER BY id").await, ["5|five|5.0", "6|six|6.0", "7|sev|7.0", "8|eight|8.0"]);
}

#[tokio::test]
async fn columns_and_where() {
    let (server, sql) = start().await;
    let load = server
        .load("default", "t")
        .csv()
        .header("columns", "raw, junk, n, id = CAST(raw AS INT) * 10, name = upper(n)")
        .header("where", "id <> 20");
    let answer = load.ok("1,zzz,one\n2,zzz,two\n3,zzz,three\n").await;
    assert_eq!((answer.count("NumberLoadedRows"), answer.count("NumberUnselectedRows")), (2, 1));
    assert_eq!(sql.run("SELECT id, name, v FROM t ORDER BY id").await.lines(), ["10|ONE|NULL", "30|THREE|NULL"]);
    let wrong = server.load("default", "t").csv().header("columns", "a, nope = a + 1").send("1\n").await.unwrap();
    assert_eq!(wrong.status, "Fail");
    assert!(wrong.text("Message").contains("nope"), "{}", wrong.body);
    let wrong = server.load("default", "t").csv().header("columns", "id, name = (SELECT 1)").send("1\n").await.unwrap();
    assert_eq!(wrong.status, "Fail", "no subqueries in a load: {}", wrong.body);
}

#[tokio::test]
async fn json_by_name_by_path_in_arrays() {
    let (server, sql) = start().await;
    let load = || server.load("default", "t").json();
    load().ok("{\"id\": 1, \"name\": \"one\", \"v\": 1.5}\n{\"v\": 2, \"id\": 2, \"extra\": [1]}\n").await;
    load()
        .header("strip_outer_array", "true")
        .ok("[{\"id\": 3, \"name\": \"three\"}, {\"id\": 4, \"name\": null}]")
        .await;
    load()
        .header("jsonpaths", "[\"$.a.b\", \"$.list[1]\"]")
        .header("columns", "id, name")
        .ok("{\"a\": {\"b\": 5}, \"list\": [\"x\", \"y\"]}")
        .await;
    load()
        .header("json_root", "$.rows")
        .header("strip_outer_array", "true")
        .ok("{\"rows\": [{\"id\": 6, \"name\": \"six\", \"v\": 6}]}")
        .await;
    assert_eq!(
        sql.run("SELECT * FROM t ORDER BY id").await.lines(),
        ["1|one|1.5", "2|NULL|2.0", "3|three|NULL", "4|NULL|NULL", "5|y|NULL", "6|six|6.0"]
    );
    let refused = load().send("[{\"id\": 7}]").await.unwrap();
    assert_eq!(refused.status, "Fail", "{}", refused.body);
    let refused = load().send("{\"id\": 8").await.unwrap();
    assert_eq!(refused.status, "Fail", "{}", refused.body);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "6");
}

#[tokio::test]
async fn compressed_bodies() {
    let (server, sql) = start().await;
    let text: String = (0..5000).map(|i| format!("{i},name {i},{i}.5\n")).collect();
    server.load("default", "t").csv().header("format", "gzip").ok(gzip(&text)).await;
    server.load("default", "t").csv().header("compression", "gzip").ok(gzip(&text)).await;
    server.load("default", "t").csv().header("Content-Encoding", "gzip").ok(gzip(&text)).await;
    assert_eq!(sql.one("SELECT count(*) || '/' || sum(id) FROM t").await, "15000/37492500");
    let mut cut = gzip(&text);
    cut.truncate(cut.len() / 2);
    let refused = server.load("default", "t").csv().header("format", "gzip").send(cut).await.unwrap();
    assert_eq!(refused.status, "Fail", "{}", refused.body);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "15000", "half a file is no file");
}

#[tokio::test]
async fn wrong_requests_are_refused_with_a_reason() {
    let (server, sql) = start().await;
    for (name, value, word) in [
        ("format", "xlsx", "xlsx"),
        ("max_filter_ratio", "2", "ratio"),
        ("max_filter_ratio", "x", "ratio"),
        ("timeout", "soon", "timeout"),
        ("skip_header", "-1", "skip_header"),
        ("strict_mode", "perhaps", "strict"),
        ("label", "not a label!", "label"),
    ] {
        let answer = server.load("default", "t").csv().header(name, value).send("1,a,1\n").await.unwrap();
        assert_eq!(answer.status, "Fail", "{name}: {value}: {}", answer.body);
        assert!(answer.text("Message").to_lowercase().contains(word), "{name}: {value}: {}", answer.body);
    }
    for (database, table) in [("default", "nope"), ("nope", "t")] {
        let answer = server.load(database, table).csv().send("1,a,1\n").await.unwrap();
        assert_eq!(answer.status, "Fail", "{}", answer.body);
        assert!(answer.text("Message").contains("nope"), "{}", answer.body);
    }
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn not_null_and_too_many_digits_make_bad_rows() {
    let (server, sql) = start().await;
    sql.run("CREATE TABLE n (id INT NOT NULL, d DECIMAL(5,2))").await;
    let answer =
        server.load("default", "n").csv().header("max_filter_ratio", "0.9").ok("1,1.25\n\\N,2\n3,12345\n").await;
    assert_eq!(answer.count("NumberFilteredRows") + answer.count("NumberLoadedRows"), 3);
    assert_eq!(sql.one("SELECT count(*) FROM n WHERE id IS NULL").await, "0");
    assert_eq!(sql.one("SELECT d FROM n WHERE id = 1").await, "1.25");
}

#[tokio::test]
async fn curl_with_expect() {
    let (server, sql) = start().await;
    let file = server.dir().join("rows.csv");
    let text: String = (0..200_000).map(|i| format!("{i},row {i},0.25\n")).collect();
    std::fs::write(&file, &text).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--location-trusted", "-u", "root:"])
        .args(["-H", "Expect: 100-continue", "-H", "label: from-curl", "-H", "column_separator: ,", "-T"])
        .arg(&file)
        .arg(server.url("/api/default/t/_stream_load"))
        .output()
        .expect("curl is installed by make deps");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("\"Status\": \"Success\""), "{text}");
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "200000");
}

#[tokio::test]
async fn of_racing_loads_with_one_label_one_wins() {
    let (server, sql) = start().await;
    let body: String = (0..1000).map(|i| format!("{i},r,1\n")).collect();
    let loads = (0..32).map(|_| {
        let load = server.load("default", "t").csv().label("race");
        let body = body.clone();
        async move { load.send(body).await.unwrap() }
    });
    let answers = futures::future::join_all(loads).await;
    let won = answers.iter().filter(|a| a.status == "Success").count();
    assert_eq!(won, 1, "{:?}", answers.iter().map(|a| &a.status).collect::<Vec<_>>());
    for answer in answers.iter().filter(|a| a.status != "Success") {
        assert_eq!(answer.status, "Label Already Exists", "{}", answer.body);
        assert!(matches!(answer.text("ExistingJobStatus"), "RUNNING" | "FINISHED"));
    }
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "1000");
}

#[tokio::test]
async fn many_small_loads_are_folded_without_changing_the_rows() {
    let (server, sql) = start().await;
    for i in 0..100 {
        server.load("default", "t").csv().ok(format!("{i},x,{i}\n")).await;
    }
    assert_eq!(sql.one("SELECT count(*) || '/' || sum(id) FROM t").await, "100/4950");
    sql.run("OPTIMIZE TABLE t COMPACT").await;
    wait_for("few segments", Duration::from_secs(30), || async {
        sql.one("SELECT count(*) FROM system.segments WHERE \"table\" = 't'").await.parse::<u64>().unwrap() <= 10
    })
    .await;
    assert_eq!(sql.one("SELECT count(*) || '/' || sum(id) FROM t").await, "100/4950");
}

#[tokio::test]
async fn a_json_sample_of_the_real_shape() {
    let (server, sql) = start().await;
    sql.run(
        "CREATE TABLE wiki (time TIMESTAMP, page STRING, user STRING, language STRING, added BIGINT, deleted BIGINT, \
         isRobot BOOLEAN, comment STRING)",
    )
    .await;
    let mut body = String::new();
    for i in 0..2000u32 {
        let language = ["en", "de", "ru", "fr"][i as usize % 4];
        let document = json!({
            "time": format!("2015-09-12T{:02}:{:02}:{:02}.{:03}Z", i % 24, i % 60, (i * 7) % 60, i % 1000),
            "page": format!("Page_{}", i % 50), "user": if i % 3 == 0 { json!(null) } else { json!(format!("user \"{i}\"")) },
            "language": language, "added": i, "deleted": i % 5,
            "isRobot": i % 2 == 0, "comment": "ünïcode \u{1F600} \\ / \n", "delta": i, "nested": {"x": [1, 2, {"y": i}]},
        });
        body.push_str(&document.to_string());
        body.push('\n');
    }
    let answer = server.load("default", "wiki").json().ok(body).await;
    assert_eq!(answer.count("NumberLoadedRows"), 2000);
    assert_eq!(sql.one("SELECT sum(added) FROM wiki WHERE isRobot").await, "999000");
    assert_eq!(sql.one("SELECT count(*) FROM wiki WHERE user IS NULL").await, "667");
    assert_eq!(sql.one("SELECT max(time) FROM wiki").await.split('.').next().unwrap().len(), 19);
    assert_eq!(sql.one("SELECT DISTINCT comment FROM wiki").await, "ünïcode \u{1F600} \\ / \n");
}

#[tokio::test]
async fn times_are_read_in_the_zone_of_the_load() {
    let (server, sql) = start().await;
    sql.run("CREATE TABLE times (id INT, ts TIMESTAMP, day DATE, made TIMESTAMP, hour INT, text VARCHAR)").await;
    let columns = "id, ts, day, raw, made = CAST(raw AS TIMESTAMP), hour = to_hour(ts), text = replace(CAST(ts AS VARCHAR), 'T', ' ')";
    let load = |zone: &str, id: u8| {
        let row = format!("{id},2024-07-01 12:00:00,2024-07-01,2024-07-01 12:00:00\n");
        let load = server.load("default", "times").csv().header("columns", columns);
        let load = if zone.is_empty() { load } else { load.header("timezone", zone) };
        load.ok(row)
    };
    load("", 1).await;
    load("Asia/Shanghai", 2).await;
    load("America/New_York", 3).await;
    let shown = sql.run("SELECT id, ts, day, made, hour, text FROM times ORDER BY id").await.lines();
    assert_eq!(
        shown,
        [
            "1|2024-07-01 12:00:00.000000|2024-07-01|2024-07-01 12:00:00.000000|12|2024-07-01 12:00:00.000000",
            "2|2024-07-01 04:00:00.000000|2024-07-01|2024-07-01 04:00:00.000000|12|2024-07-01 12:00:00.000000",
            "3|2024-07-01 16:00:00.000000|2024-07-01|2024-07-01 16:00:00.000000|12|2024-07-01 12:00:00.000000",
        ]
        .map(String::from)
    );
    // JSON, and texts that say their offset themselves
    let body = r#"{"id": 4, "ts": "2024-07-01 12:00:00.000000"}{"id": 5, "ts": "2024-07-01T12:00:00Z"}"#;
    server.load("default", "times").json().header("timezone", "Asia/Tokyo").ok(body).await;
    let shown = sql.run("SELECT ts FROM times WHERE id > 3 ORDER BY id").await.lines();
    assert_eq!(shown, ["2024-07-01 03:00:00.000000", "2024-07-01 12:00:00.000000"]);
    // a condition sees the same clocks
    let filtered = server.load("default", "times").csv().header("columns", "id, ts");
    let filtered = filtered.header("where", "to_hour(ts) = 9").header("timezone", "Asia/Tokyo");
    let answer = filtered.ok("6,2024-07-01 09:30:00\n7,2024-07-01 10:30:00\n").await;
    assert_eq!((answer.count("NumberLoadedRows"), answer.count("NumberUnselectedRows")), (1, 1));
    let wrong = server.load("default", "times").csv().header("timezone", "Mars/Base").send("1\n").await.unwrap();
    assert_eq!(wrong.status, "Fail", "{}", wrong.body);
}
