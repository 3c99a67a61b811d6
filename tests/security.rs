//! Closed doors: no password only on loopback, no SQL and no load reaches the server's files or other hosts, no route
//! answers strangers.

use basalt_tests::{SqlClient, TestServer, wait_for};
use reqwest::{Method, StatusCode, header};
use std::time::Duration;

#[tokio::test]
async fn root_without_a_password_only_on_loopback() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let mut server = TestServer::builder().listen(listen).prepare();
        let status = server.try_launch().await.expect_err("must refuse to start");
        assert_eq!(status.code(), Some(2), "{listen}\n{}", server.log());
        assert!(server.log().contains("password"), "{}", server.log());
    }
    let mut server = TestServer::builder().listen("127.0.0.1:0").arg("--listen").arg("0.0.0.0:0").prepare();
    assert_eq!(server.try_launch().await.expect_err("one open address is enough").code(), Some(2));
}

/// A server whose root has a password.
async fn locked() -> TestServer {
    TestServer::builder().env("BASALT_ROOT_PASSWORD", "s3cret pass").start().await
}

#[tokio::test]
async fn with_a_password_every_route_asks_for_it() {
    let server = locked().await;
    let root = SqlClient::new(server.base(), "root", "s3cret pass");
    assert_eq!(root.one("SELECT 1").await, "1");
    root.run("CREATE TABLE t (a INT)").await;
    let routes = [
        "/v1/query",
        "/v1/query/x",
        "/v1/query/x/page/0",
        "/v1/query/x/final",
        "/v1/query/x/kill",
        "/v1/session/login",
        "/v1/session/logout",
        "/v1/session/refresh",
        "/v1/session/heartbeat",
        "/v1/verify",
        "/api/default/t/_stream_load",
        "/v1/upload_to_stage",
        "/v1/streaming_load",
        "/v1/catalog/databases",
        "/v1/discovery_nodes",
        "/v1/users",
    ];
    let methods =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
    let http = root.http();
    for path in routes {
        for variant in [
            path.to_string(),
            format!("/{path}"),
            format!("{path}/"),
            path.to_uppercase(),
            path.replacen('/', "/./", 1),
        ] {
            for method in &methods {
                for credentials in [None, Some(("root", "")), Some(("root", "wrong")), Some(("nobody", "s3cret pass"))]
                {
                    let mut request =
                        http.request(method.clone(), server.url(&variant)).body("{\"sql\": \"SELECT 1\"}");
                    request = request.header(header::CONTENT_TYPE, "application/json");
                    if let Some((user, password)) = credentials {
                        request = request.basic_auth(user, Some(password));
                    }
                    let reply = request.send().await.unwrap();
                    let status = reply.status();
                    let text = reply.text().await.unwrap();
                    let slowed = status == StatusCode::SERVICE_UNAVAILABLE
                        && (*method == Method::HEAD || text.contains("too many failed logins"));
                    assert!(
                        slowed
                            || status.is_client_error()
                            || status == StatusCode::NOT_IMPLEMENTED
                            || text.contains("\"Status\": \"Fail\""),
                        "{method} {variant} {credentials:?}: {status} {text}"
                    );
                    assert!(!text.contains("\"data\""), "{method} {variant} {credentials:?}: {text}");
                }
                if matches!(path, "/v1/query/x" | "/v1/session/refresh") {
                    break;
                }
            }
        }
    }
    wait_for("root is let in again after the failed logins", Duration::from_secs(90), || async {
        root.query("SELECT count(*) FROM t").await.is_ok_and(|answer| answer.lines() == ["0"])
    })
    .await;
    assert_eq!(http.get(server.url("/v1/health")).send().await.unwrap().status(), StatusCode::OK, "health is open");
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_its_code() {
    let server = locked().await;
    let error = SqlClient::new(server.base(), "root", "nope").query("SELECT 1").await.unwrap_err();
    assert_eq!((error.status, error.code), (Some(StatusCode::UNAUTHORIZED), 5100), "{error}");
    let error = SqlClient::new(server.base(), "ghost", "nope").query("SELECT 1").await.unwrap_err();
    assert_eq!(error.status, Some(StatusCode::UNAUTHORIZED), "{error}");
}

#[tokio::test]
async fn sql_reaches_no_file_and_no_host() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let secret = server.dir().join("secret.csv");
    std::fs::write(&secret, "canary-7f3a,1\n").unwrap();
    let path = secret.display();
    sql.run("CREATE TABLE t (a STRING, b INT)").await;
    sql.run("INSERT INTO t VALUES ('x', 1)").await;
    let statements = [
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM \"{path}\""),
        format!("SELECT * FROM 'file://{path}'"),
        "SELECT * FROM '/etc/passwd'".into(),
        "SELECT * FROM 'http://127.0.0.1:1/x.csv'".into(),
        "SELECT * FROM 's3://bucket/x.parquet'".into(),
        format!("COPY t TO '{path}.out'"),
        format!("COPY (SELECT 1) TO '{path}.out' STORED AS CSV"),
        format!("COPY INTO t FROM 'fs://{path}' FILE_FORMAT = (TYPE = CSV)"),
        format!("COPY INTO 'fs://{path}.out' FROM t FILE_FORMAT = (TYPE = CSV)"),
        format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{path}'"),
        format!("CREATE EXTERNAL TABLE x (a TEXT, b TEXT) STORED AS CSV LOCATION 'file://{path}'"),
        format!("CREATE TABLE x AS SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM read_parquet('{path}')"),
        format!("SELECT read_text('{path}')"),
        format!("SELECT pg_read_file('{path}')"),
        format!("SELECT load_file('{path}')"),
        format!("LOAD DATA INFILE '{path}' INTO TABLE t"),
        format!("SELECT * INTO OUTFILE '{path}.out' FROM t"),
        format!("INSERT INTO t SELECT * FROM '{path}'"),
        format!("INSERT OVERWRITE DIRECTORY '{path}.out' SELECT 1"),
        format!("ATTACH DATABASE '{path}' AS x"),
        "INSTALL httpfs".into(),
        "LOAD httpfs".into(),
        "PRAGMA database_list".into(),
        "SET datafusion.execution.batch_size = 1".into(),
        "SET datafusion.runtime.memory_limit = '1G'".into(),
        format!("SET datafusion.runtime.temp_directory = '{path}'"),
        "SHOW datafusion.execution.batch_size".into(),
        "SELECT * FROM information_schema.df_settings".into(),
        "PREPARE p AS SELECT 1".into(),
        "EXECUTE p".into(),
        "CREATE FUNCTION f AS (x) -> x".into(),
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE python AS 'import os'".into(),
    ];
    for statement in &statements {
        match sql.query(statement).await {
            Ok(answer) => panic!("accepted: {statement}: {:?}", answer.rows),
            Err(error) => {
                assert!(!error.is_unknown(), "{statement}");
                assert!(!error.message.contains("canary"), "{statement}: {error}");
                assert!(error.code != 0, "{statement}: {error}");
            }
        }
    }
    let out = server.dir().join("secret.csv.out");
    assert!(!out.exists(), "a file was written");
    assert_eq!(sql.one("SELECT count(*) FROM t").await, "1");
    for text in ["SELECT a FROM t", "SELECT count(*) FROM t WHERE b > 0"] {
        let plan = sql.run(&format!("EXPLAIN VERBOSE {text}")).await.lines().join("\n");
        assert!(!plan.contains(&server.dir().display().to_string()), "EXPLAIN shows a server path:\n{plan}");
    }
}

#[tokio::test]
async fn a_foreign_page_may_not_post_to_an_open_server() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let post = || sql.request(Method::POST, "/v1/query").json(&serde_json::json!({"sql": "SELECT 1"}));
    assert_eq!(post().send().await.unwrap().status(), StatusCode::OK);
    for (name, value) in
        [("Origin", "https://evil.example"), ("Host", "evil.example"), ("Sec-Fetch-Site", "cross-site")]
    {
        let status = post().header(name, value).send().await.unwrap().status();
        assert!(status.is_client_error(), "{name}: {value}: {status}");
    }
}

#[tokio::test]
async fn secrets_do_not_reach_logs_or_tables() {
    let server = locked().await;
    let root = SqlClient::new(server.base(), "root", "s3cret pass");
    root.run("SELECT 1").await;
    SqlClient::new(server.base(), "root", "other s3cret").query("SELECT 1").await.unwrap_err();
    assert!(!server.log().contains("s3cret"), "{}", server.log());
    for text in ["SELECT * FROM system.queries", "SELECT * FROM system.settings"] {
        assert!(!root.run(text).await.lines().join("\n").contains("s3cret"), "{text}");
    }
    let metrics = root.http().get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("s3cret"));
}
