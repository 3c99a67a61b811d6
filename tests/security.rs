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
        format!("CREATE STAGE s URL = 'fs://{path}'"),
        "CREATE STAGE s URL = 'http://127.0.0.1:1/'".into(),
        "SELECT $1 FROM 's3://bucket/x.csv' (FILE_FORMAT => 'csv')".into(),
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

/// A session of a user made by SQL.
fn of(server: &TestServer, user: &str) -> SqlClient {
    SqlClient::new(server.base(), user, "pw of a user")
}

async fn user(root: &SqlClient, name: &str) {
    root.run(&format!("CREATE USER {name} IDENTIFIED BY 'pw of a user'")).await;
}

#[tokio::test]
async fn users_made_by_sql_come_in_and_are_put_out_at_once() {
    let server = TestServer::start().await;
    let root = server.sql();
    let unknown = of(&server, "ann").query("SELECT 1").await.unwrap_err();
    assert_eq!((unknown.status, unknown.code), (Some(StatusCode::UNAUTHORIZED), 2201), "{unknown}");
    user(&root, "ann").await;
    let ann = of(&server, "ann");
    assert_eq!(ann.one("SELECT current_user()").await, "'ann'@'%'");
    let wrong = SqlClient::new(server.base(), "ann", "guess").query("SELECT 1").await.unwrap_err();
    assert_eq!((wrong.status, wrong.code), (Some(StatusCode::UNAUTHORIZED), 5100), "{wrong}");
    root.run("CREATE TABLE t (a INT)").await;
    assert_eq!(ann.fail("SELECT * FROM t").await.code, 1063);
    root.run("GRANT SELECT ON default.t TO ann").await;
    ann.run("SELECT * FROM t").await;
    root.run("REVOKE SELECT ON default.t FROM ann").await;
    assert_eq!(ann.fail("SELECT * FROM t").await.code, 1063, "at the next statement");
    root.run("DROP USER ann").await;
    assert_eq!(ann.query("SELECT 1").await.unwrap_err().status, Some(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn a_session_token_ends_with_its_user() {
    let server = TestServer::start().await;
    let root = server.sql();
    user(&root, "ann").await;
    let ann = of(&server, "ann");
    let login = ann.request(Method::POST, "/v1/session/login").json(&serde_json::json!({})).send().await.unwrap();
    let login: serde_json::Value = login.json().await.unwrap();
    let token = login["tokens"]["session_token"].as_str().expect("a token").to_string();
    let ask = || {
        let request = ann.http().post(server.url("/v1/query")).bearer_auth(&token);
        request.json(&serde_json::json!({"sql": "SELECT 1"})).send()
    };
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    for sql in [
        "ALTER USER ann WITH DISABLED = true",
        "ALTER USER ann IDENTIFIED BY 'another' WITH DISABLED = false",
        "CREATE OR REPLACE USER ann IDENTIFIED BY 'pw of a user'",
        "DROP USER ann",
    ] {
        root.run(sql).await;
        assert_eq!(ask().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{sql}");
    }
}

#[tokio::test]
async fn the_session_object_gives_no_rights() {
    let server = TestServer::start().await;
    let root = server.sql();
    user(&root, "ann").await;
    root.run("CREATE TABLE t (a INT)").await;
    let ann = of(&server, "ann");
    ann.run("SELECT 1").await;
    for forged in [
        serde_json::json!({"role": "account_admin"}),
        serde_json::json!({"role": "account_admin", "secondary_roles": ["account_admin"]}),
        serde_json::json!({"role": "root", "user": "root", "internal": "{\"user\":\"root\"}"}),
    ] {
        ann.set_session(forged.clone());
        assert_eq!(ann.fail("SELECT * FROM t").await.code, 1063, "{forged}");
        ann.set_session(forged.clone());
        assert_eq!(ann.one("SELECT current_role()").await, "public", "{forged}");
    }
}

#[tokio::test]
async fn loads_need_insert() {
    let server = TestServer::start().await;
    let root = server.sql();
    user(&root, "ann").await;
    root.run("CREATE TABLE t (a INT)").await;
    let load = || async {
        let request = root.http().put(server.url("/api/default/t/_stream_load"));
        let request = request.basic_auth("ann", Some("pw of a user")).header("Expect", "100-continue").body("1\n2\n");
        request.send().await.unwrap().text().await.unwrap()
    };
    let refused = load().await;
    assert!(refused.contains("Fail") && refused.contains("Insert"), "{refused}");
    root.run("GRANT INSERT ON default.t TO ann").await;
    let loaded = load().await;
    assert!(loaded.contains("\"Success\""), "{loaded}");
    assert_eq!(root.one("SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn who_forwards_is_believed_only_when_trusted() {
    let ask = |server: &TestServer, forwarded: &str| {
        let http = of(server, "ann");
        let request = http.request(Method::POST, "/v1/query").header("X-Forwarded-For", forwarded);
        let request = request.json(&serde_json::json!({"sql": "SELECT 1"}));
        async move { request.send().await.unwrap().status() }
    };
    for (trusted, forwarded, wanted) in [
        (None, "10.1.2.3", StatusCode::UNAUTHORIZED),
        (Some("127.0.0.1"), "10.1.2.3", StatusCode::OK),
        (Some("127.0.0.1"), "10.1.2.3, 192.168.0.9", StatusCode::UNAUTHORIZED),
        (Some("127.0.0.1"), "192.168.0.9, 10.1.2.3", StatusCode::OK),
        (Some("127.0.0.1"), "10.1.2.3, nonsense", StatusCode::UNAUTHORIZED),
        (Some("10.9.9.9"), "10.1.2.3", StatusCode::UNAUTHORIZED),
    ] {
        let mut builder = TestServer::builder();
        if let Some(proxy) = trusted {
            builder = builder.set("trusted_proxies", proxy);
        }
        let server = builder.start().await;
        let root = server.sql();
        user(&root, "ann").await;
        root.run("CREATE NETWORK POLICY inside ALLOWED_IP_LIST = ('10.0.0.0/8')").await;
        root.run("ALTER USER ann WITH SET NETWORK POLICY = 'inside'").await;
        assert_eq!(ask(&server, forwarded).await, wanted, "{trusted:?} {forwarded}");
    }
}

#[tokio::test]
async fn a_users_own_queries_are_its_own() {
    let server = TestServer::start().await;
    let root = server.sql();
    user(&root, "ann").await;
    user(&root, "ben").await;
    let (ann, ben) = (of(&server, "ann"), of(&server, "ben"));
    ann.run("SELECT 'canary of ann'").await;
    for sql in ["SELECT sql FROM system.queries", "SELECT extra_info FROM system.processes"] {
        assert!(!ben.run(sql).await.lines().join("\n").contains("of ann"), "{sql}");
    }
    let all = root.run("SELECT sql FROM system.queries").await.lines().join("\n");
    assert!(all.contains("canary of ann"), "{all}");
    assert!(!all.contains("pw of a user"), "a password is shown");
}
