//! Input made to hurt: every case gets a right answer or a clear error, and the server lives, with flat memory.

use basalt_tests::{SqlClient, TestServer, wait_for};
use flate2::{Compression, write::GzEncoder};
use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::Value;
use std::{
    io::Write,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MIB: u64 = 1 << 20;

/// A right answer, or a refusal with a number and a text; and the server goes on.
async fn answer_or_clear_error(server: &mut TestServer, what: &str, statement: &str, right: Option<&str>) {
    let sql = server.sql();
    let result = tokio::time::timeout(Duration::from_secs(60), sql.query(statement)).await;
    let result = result.unwrap_or_else(|_| panic!("{what}: no answer within a minute"));
    assert!(server.is_alive(), "{what} killed the server\n{}", server.log());
    match (result, right) {
        (Ok(answer), Some(right)) => assert_eq!(answer.lines().first().map(String::as_str), Some(right), "{what}"),
        (Ok(_), None) => panic!("{what} must be refused"),
        (Err(error), _) => {
            assert!(!error.is_unknown(), "{what}: the connection broke: {error}");
            assert!(!error.message.is_empty() && error.message.len() < 10_000, "{what}: {error}");
            assert!(!error.message.to_lowercase().contains("panic"), "{what}: {error}");
        }
    }
    assert_eq!(sql.one("SELECT 1").await, "1", "after {what}");
}

#[tokio::test]
async fn long_and_deep_sql() {
    let mut server = TestServer::start().await;
    server.sql().run("CREATE TABLE t (a INT)").await;
    server.sql().run("INSERT INTO t VALUES (1)").await;
    let n = 100_000;
    let chain = |operator: &str, term: &str, count: usize| vec![term; count].join(operator);
    let nested =
        |open: &str, close: &str, count: usize| format!("SELECT {}1{}", open.repeat(count), close.repeat(count));
    let cases: Vec<(&str, String, Option<&str>)> = vec![
        ("100,000 terms of +", format!("SELECT {}", chain("+", "1", n)), Some("100000")),
        ("100,000 terms of AND", format!("SELECT a FROM t WHERE {}", chain(" AND ", "a=1", n)), Some("1")),
        ("100,000 terms of OR", format!("SELECT a FROM t WHERE {}", chain(" OR ", "a=1", n)), Some("1")),
        ("5,000 terms of OR", format!("SELECT a FROM t WHERE {}", chain(" OR ", "a=1", 5000)), Some("1")),
        ("100,000 terms of ||", format!("SELECT length({})", chain("||", "'x'", n)), Some("100000")),
        (
            "5,000 arms of UNION ALL",
            format!("SELECT count(*) FROM ({})", chain(" UNION ALL ", "SELECT 1", 5000)),
            Some("5000"),
        ),
        ("5,000 arms of EXCEPT", format!("SELECT count(*) FROM ({})", chain(" EXCEPT ", "SELECT 1", 5000)), Some("0")),
        ("100,000 parentheses", nested("(", ")", n), Some("1")),
        ("100,000 minus signs", nested("- ", "", n), Some("1")),
        ("100,000 NOTs", format!("SELECT {} true", "NOT ".repeat(n)), Some("1")),
        ("10,000 subqueries", format!("{}SELECT 1{}", "SELECT * FROM (".repeat(10_000), ")".repeat(10_000)), Some("1")),
        ("100,000 brackets", nested("[", "]", n), None),
        ("100,000 casts", format!("SELECT 1{}", "::int".repeat(n)), Some("1")),
        (
            "10,000 nested types",
            format!("SELECT CAST(NULL AS {}INT{})", "ARRAY(".repeat(10_000), ")".repeat(10_000)),
            None,
        ),
        ("10,000 nested functions", format!("SELECT {}1{}", "abs(".repeat(10_000), ")".repeat(10_000)), Some("1")),
        (
            "10,000 nested CASEs",
            format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(10_000), " END".repeat(10_000)),
            Some("1"),
        ),
        ("100,000 open parentheses", format!("SELECT {}", "(".repeat(n)), None),
        ("IN list of 100,000", format!("SELECT a FROM t WHERE a IN ({})", chain(",", "1", n)), Some("1")),
        ("5,000 columns", format!("SELECT {}", chain(",", "1", 5000)), Some(&ONES)),
        (
            "1,000 joins",
            format!("SELECT count(*) FROM {}", (0..1000).map(|i| format!("t t{i}")).collect::<Vec<_>>().join(",")),
            Some("1"),
        ),
        ("an unclosed string", "SELECT 'abc".into(), None),
        ("an unclosed comment", "SELECT 1 /* abc".into(), None),
        (
            "1,000 WITHs",
            format!(
                "WITH {} SELECT 1",
                (0..1000).map(|i| format!("c{i} AS (SELECT {i})")).collect::<Vec<_>>().join(",")
            ),
            Some("1"),
        ),
        ("NUL bytes", "SELECT '\0'".into(), Some("\0")),
    ];
    for (what, statement, right) in &cases {
        answer_or_clear_error(&mut server, what, statement, *right).await;
    }
    let huge = format!("SELECT '{}'", "x".repeat(100 << 20));
    let error = server.sql().fail(&huge).await;
    assert!(
        matches!(error.status, Some(StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST | StatusCode::OK)),
        "{error:?}"
    );
    assert!(server.is_alive());
}

static ONES: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| vec!["1"; 5000].join("|"));

#[tokio::test]
async fn tables_with_too_many_columns() {
    let mut server = TestServer::start().await;
    let columns = |n: usize| (0..n).map(|i| format!("c{i} INT")).collect::<Vec<_>>().join(", ");
    let error = server.sql().fail(&format!("CREATE TABLE wide ({})", columns(5000))).await;
    assert!(error.message.contains("4096") || error.message.contains("columns"), "{error}");
    assert!(server.is_alive());
    let sql = server.sql();
    sql.run(&format!("CREATE TABLE wide ({})", columns(2000))).await;
    let row = vec!["7"; 2000].join(",");
    server.load("default", "wide").csv().ok(format!("{row}\n")).await;
    assert_eq!(sql.one("SELECT c0 + c1999 FROM wide").await, "14");
}

#[tokio::test]
async fn results_that_explode() {
    let mut server = TestServer::builder().set("memory_limit_bytes", 512 * MIB).start().await;
    for (what, statement) in [
        ("a string of 100 GB", "SELECT length(repeat('x', 100000000000))"),
        ("padding to 100 GB", "SELECT length(lpad('x', 100000000000, 'y'))"),
        ("doubling strings", "SELECT length(repeat(repeat(repeat('x', 100000), 100000), 100000))"),
        ("an array of everything", "SELECT length(CAST(array_agg(number) AS VARCHAR)) FROM numbers(1000000000)"),
        ("a string of everything", "SELECT length(string_agg(CAST(number AS VARCHAR), ',')) FROM numbers(1000000000)"),
        ("a range of 10^15", "SELECT length(CAST(range(0, 1000000000000000) AS VARCHAR))"),
    ] {
        answer_or_clear_error(&mut server, what, statement, None).await;
        let resident = server.resident_bytes();
        assert!(resident < 2048 * MIB, "{what}: {} MiB resident", resident / MIB);
    }
}

#[tokio::test]
async fn a_query_larger_than_memory_spills_or_says_so() {
    let mut server = TestServer::builder().set("memory_limit_bytes", 256 * MIB).start().await;
    let sql = server.sql();
    let sorted =
        "SELECT number % 9973 AS k, CAST(number AS VARCHAR) || 'abcdefghijklmnopqrstuvwxyz' AS s FROM numbers(6000000)";
    let ranked = format!("SELECT row_number() OVER (ORDER BY s, k) AS place, s FROM ({sorted})");
    let spilled = sql.run(&format!("SELECT max(place), min(s) FROM ({ranked})")).await;
    assert_eq!(spilled.rows[0][0].as_deref(), Some("6000000"));
    let grouped =
        sql.query("SELECT count(*) FROM (SELECT number, count(*) FROM numbers(12000000) GROUP BY number)").await;
    let top = sql.query(&format!("SELECT count(*) FROM (SELECT * FROM ({sorted}) ORDER BY k, s LIMIT 5900000)")).await;
    assert!(top.as_ref().map_or_else(|e| e.message.contains("memory"), |a| a.lines() == ["5900000"]), "{top:?}");
    match grouped {
        Ok(answer) => assert_eq!(answer.lines(), ["12000000"]),
        Err(error) => assert!(error.message.to_lowercase().contains("memory"), "{error}"),
    }
    assert!(server.is_alive());
    let resident = server.resident_bytes();
    assert!(resident < 1024 * MIB, "{} MiB resident with a limit of 256", resident / MIB);
}

#[tokio::test]
async fn deep_json_in_queries_and_loads() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT, name STRING)").await;
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    for body in
        [deep(100_000), format!("{{\"sql\": \"SELECT 1\", \"session\": {}}}", deep(100_000)), "{\"a\":".repeat(100_000)]
    {
        let request = sql.request(reqwest::Method::POST, "/v1/query").header("Content-Type", "application/json");
        let reply = request.body(body).send().await.expect("an answer");
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    }
    for body in [deep(100_000), format!("{{\"id\": 1, \"name\": {}}}", deep(100_000)), "{\"id\":".repeat(100_000)] {
        let answer = server.load("default", "t").json().send(body).await.expect("an answer");
        assert_eq!(answer.status, "Fail", "{}", answer.body);
    }
    let error = sql.query_with_params("SELECT ?", serde_json::from_str(&deep(100)).unwrap()).await;
    assert!(error.is_err());
    assert!(server.is_alive());
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
}

/// Sends a body of `blocks` times `block` between `head` and `tail` and watches the server's memory.
async fn flood(
    server: &mut TestServer,
    load: basalt_tests::StreamLoad,
    head: &str,
    block: Vec<u8>,
    blocks: usize,
) -> (String, u64) {
    let before = server.resident_bytes();
    let head = futures::stream::iter([Ok::<_, std::io::Error>(head.as_bytes().to_vec())]);
    let blocks = futures::stream::iter((0..blocks).map(move |_| Ok(block.clone())));
    let sending = load.send(reqwest::Body::wrap_stream(head.chain(blocks)));
    tokio::pin!(sending);
    let mut peak = before;
    let answer = loop {
        tokio::select! {
            answer = &mut sending => break answer,
            () = tokio::time::sleep(Duration::from_millis(50)) => peak = peak.max(server.resident_bytes()),
        }
    };
    assert!(server.is_alive(), "{}", server.log());
    let answer = answer.expect("the server answers before it closes");
    assert_eq!(answer.status, "Fail", "{}", answer.body);
    (answer.text("Message").to_string(), peak.saturating_sub(before))
}

#[tokio::test]
async fn a_json_line_of_one_gibibyte() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT, name STRING)").await;
    let load = server.load("default", "t").json();
    let (message, grown) = flood(&mut server, load, "{\"id\": 1, \"name\": \"", vec![b'a'; 1 << 20], 1024).await;
    assert!(!message.is_empty());
    assert!(grown < 256 * MIB, "memory grew by {} MiB", grown / MIB);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn an_unclosed_csv_quote() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT, name STRING)").await;
    let load = server.load("default", "t").csv().header("enclose", "\"");
    let block = "2,fine\n".repeat(150_000).into_bytes();
    let (message, grown) = flood(&mut server, load, "1,\"never closed\n", block, 256).await;
    assert!(!message.is_empty());
    assert!(grown < 256 * MIB, "memory grew by {} MiB", grown / MIB);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
    let short = server.load("default", "t").csv().header("enclose", "\"").send("1,\"open\n2,x\n").await.unwrap();
    assert_eq!(short.status, "Fail", "{}", short.body);
}

#[tokio::test]
async fn a_decompression_bomb() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT)").await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = "0\n".repeat(1 << 19);
    for _ in 0..2048 {
        encoder.write_all(zeros.as_bytes()).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 16 << 20, "2 GiB in {} bytes", bomb.len());
    let load = server.load("default", "t").csv().header("format", "gzip");
    let (message, grown) = flood(&mut server, load, "", bomb, 1).await;
    assert!(message.to_lowercase().contains("ratio") || message.to_lowercase().contains("decompress"), "{message}");
    assert!(grown < 512 * MIB, "memory grew by {} MiB", grown / MIB);
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "0");
}

async fn running(sql: &SqlClient, mark: &str) -> bool {
    let text = format!(
        "SELECT count(*) FROM system.queries WHERE state IN ('Starting', 'Running') AND position('{mark}' IN sql) > 0 AND position('system.queries' IN sql) = 0"
    );
    sql.one(&text).await != "0"
}

#[tokio::test]
async fn a_client_that_leaves_mid_query() {
    let server = TestServer::start().await;
    let sql = server.sql().paging(serde_json::json!({"wait_time_secs": 60}));
    let statement = "SELECT count(*) AS left_alone FROM numbers(100000000000000) WHERE number % 7 = 3";
    let request = tokio::spawn(async move { sql.query(statement).await.map(drop) });
    let watch = server.sql();
    wait_for("the query runs", Duration::from_secs(10), || running(&watch, "left_alone")).await;
    request.abort();
    let left = Instant::now();
    wait_for("the query is cancelled", Duration::from_secs(2), || async { !running(&watch, "left_alone").await }).await;
    println!("cancelled {:?} after its client left", left.elapsed());
}

#[tokio::test]
async fn a_client_that_leaves_mid_load() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (id INT)").await;
    for announced in ["Content-Length: 10000000", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "PUT /api/default/t/_stream_load HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic cm9vdDo=\r\nlabel: leaver\r\n{announced}\r\n\r\n",
            server.address()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let rows = "1\n".repeat(500_000);
        let body = if announced.starts_with('T') { format!("{:x}\r\n{rows}\r\n", rows.len()) } else { rows };
        stream.write_all(body.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(stream);
    }
    wait_for("the label is free again", Duration::from_secs(10), || async {
        server.load("default", "t").csv().label("leaver").send("7\n").await.unwrap().status == "Success"
    })
    .await;
    assert_eq!(sql.run("SELECT id FROM t").await.lines(), ["7"], "nothing of the broken loads stays");
}

/// Writes raw bytes and reads until the server closes or `limit` passes.
async fn raw(server: &TestServer, bytes: &[u8], limit: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(limit, stream.read_to_end(&mut answer)).await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

#[tokio::test]
async fn a_header_sent_byte_by_byte_is_cut_off() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let start = Instant::now();
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let mut buffer = [0u8; 1024];
    loop {
        assert!(start.elapsed() < Duration::from_secs(25), "a slow head is not tolerated for {:?}", start.elapsed());
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) || (read.is_err() && stream.write_all(b"x").await.is_err()) {
            break;
        }
    }
    assert_eq!(server.sql().one("SELECT 1").await, "1");
}

#[tokio::test]
async fn broken_http_is_refused_and_the_connection_closed() {
    let mut server = TestServer::start().await;
    let post = "POST /v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic cm9vdDo=\r\nContent-Type: application/json\r\n";
    let cases = [
        "nonsense\r\n\r\n".to_string(),
        "GET / HTTP/9.9\r\n\r\n".to_string(),
        format!("{post}Content-Length: 17\r\nContent-Length: 18\r\n\r\n{{\"sql\":\"SELECT 1\"}}"),
        format!("{post}Content-Length: +17\r\n\r\n"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 0x11\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_string(),
        "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n".to_string(),
        format!("GET / HTTP/1.1\r\nHost: x\r\nBig: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(10_000)),
    ];
    for case in &cases {
        let (answer, closed) = raw(&server, case.as_bytes(), Duration::from_secs(20)).await;
        let shown: String = case.chars().take(200).collect();
        assert!(closed, "the connection stays open after {shown:?}: {answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{shown:?}: {answer}"
        );
    }
    assert!(server.is_alive());
    assert_eq!(server.sql().one("SELECT 1").await, "1");
}

#[tokio::test]
async fn many_idle_connections_do_not_keep_others_out() {
    let server = TestServer::start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(server.address()).await.unwrap());
    }
    assert_eq!(server.sql().one("SELECT 1").await, "1");
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let server = TestServer::start().await;
    let sql = server.sql();
    for name in ["a b", "select", "quote\"inside", "üñí", "../../etc/passwd", "semi;colon", "a.b", "x'y"] {
        let quoted = name.replace('"', "\"\"");
        sql.run(&format!("CREATE TABLE \"{quoted}\" (\"{quoted}\" INT)")).await;
        sql.run(&format!("INSERT INTO \"{quoted}\" VALUES (1)")).await;
        assert_eq!(sql.one(&format!("SELECT \"{quoted}\" FROM \"{quoted}\"")).await, "1", "{name}");
        assert!(sql.run("SHOW TABLES").await.lines().contains(&name.to_string()), "{name}");
        sql.run(&format!("DROP TABLE \"{quoted}\"")).await;
    }
    let long = "n".repeat(10_000);
    let error = sql.fail(&format!("CREATE TABLE {long} (a INT)")).await;
    assert!(!error.is_unknown() && error.message.len() < 20_000);
    let reply: Value = sql.start("SELECT 1 AS \"<script>alert(1)</script>\"").await.unwrap();
    assert_eq!(reply["schema"][0]["name"], "<script>alert(1)</script>");
}
