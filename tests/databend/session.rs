//! The session object, its settings and transactions, login, heartbeat, logout, cookies.

use basalt_tests::TestServer;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn use_and_set_travel_in_the_session_object() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE DATABASE d1").await;
    let answer = sql.run("USE d1").await;
    assert_eq!(answer.affect, json!({"type": "UseDB", "name": "d1"}));
    assert_eq!(sql.session().unwrap()["database"], "d1");
    assert_eq!(sql.one("SELECT current_database()").await, "d1");
    sql.run("CREATE TABLE t (a INT)").await;
    sql.run("INSERT INTO t VALUES (7)").await;
    assert_eq!(server.sql().one("SELECT a FROM d1.t").await, "7");
    assert_eq!(server.sql().fail("SELECT a FROM t").await.code, 1025, "another session is in `default`");

    let answer = sql.run("SET max_threads = 2").await;
    assert_eq!(
        answer.affect,
        json!({"type": "ChangeSettings", "keys": ["max_threads"], "values": ["2"], "is_globals": [false]})
    );
    let session = sql.session().unwrap();
    assert_eq!(session["settings"], json!({"max_threads": "2"}));
    assert_eq!(session["database"], "d1", "the database stays");
    assert_eq!(session["txn_state"], "AutoCommit");
    assert!(session["internal"].is_string() || session["internal"].is_null(), "{session}");
    sql.run("UNSET max_threads").await;
    assert_eq!(sql.session().unwrap()["settings"].get("max_threads"), None);
    assert_eq!(sql.fail("USE nope").await.code, 1003);
    assert_eq!(sql.one("SELECT current_database()").await, "d1", "a failed USE changes nothing");
}

#[tokio::test]
async fn unknown_settings_are_errors_in_set_and_at_login() {
    let server = TestServer::start().await;
    let sql = server.sql();
    assert_eq!(sql.fail("SET no_such_setting = 1").await.code, 2801);
    assert_eq!(sql.fail("SET max_threads = 'many'").await.code, 2803);
    let login = |body: Value| sql.request(Method::POST, "/v1/session/login").json(&body).send();
    assert_eq!(login(json!({"settings": {"no_such_setting": "1"}})).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(login(json!({"database": "nope"})).await.unwrap().status(), StatusCode::BAD_REQUEST);
    // inside a query's session an unknown setting is ignored with a warning
    let mut body = sql.body("SELECT 1");
    body["session"] = json!({"database": "default", "settings": {"no_such_setting": "1"}});
    let reply = sql.start_with(body, None).await.unwrap();
    assert_eq!(reply["data"], json!([["1"]]));
    assert!(reply["warnings"].as_array().is_some_and(|w| !w.is_empty()), "{reply}");
}

#[tokio::test]
async fn login_heartbeat_logout() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let login = sql.request(Method::POST, "/v1/session/login?disable_session_token=true").json(&json!({})).send();
    let login: Value = login.await.unwrap().json().await.unwrap();
    assert!(login["version"].as_str().unwrap().starts_with("1.2."), "{login}");
    assert!(!login["session_id"].as_str().unwrap().is_empty());
    assert_eq!(login.get("tokens"), None, "switched off by the parameter");

    let paged = server.sql().paging(json!({"wait_time_secs": 5, "max_rows_per_page": 10}));
    let reply = paged.start("SELECT number FROM numbers(100)").await.unwrap();
    let (node, id) = (reply["node_id"].as_str().unwrap(), reply["id"].as_str().unwrap());
    let beat =
        sql.request(Method::POST, "/v1/session/heartbeat").json(&json!({"node_to_queries": {node: [id, "gone"]}}));
    let beat: Value = beat.send().await.unwrap().json().await.unwrap();
    assert_eq!(beat["queries_to_remove"], json!(["gone"]));
    paged.drain(reply.clone()).await.unwrap();
    let beat = sql.request(Method::POST, "/v1/session/heartbeat").json(&json!({"node_to_queries": {node: [id]}}));
    let beat: Value = beat.send().await.unwrap().json().await.unwrap();
    assert_eq!(beat["queries_to_remove"], json!([id]), "a finished query is forgotten");

    let logout = sql.request(Method::POST, "/v1/session/logout").send().await.unwrap();
    assert_eq!(logout.status(), StatusCode::OK);
}

#[tokio::test]
async fn cookies_only_for_clients_that_keep_them() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let post = || sql.request(Method::POST, "/v1/query").json(&json!({"sql": "SELECT 1"}));
    let plain = post().send().await.unwrap();
    assert!(plain.headers().get("set-cookie").is_none());
    let reply = post().header("Cookie", "cookie_enabled=true").send().await.unwrap();
    let cookies: Vec<_> =
        reply.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap().to_string()).collect();
    let id = cookies.iter().find_map(|c| c.strip_prefix("session_id=")).expect("a session cookie");
    let id = id.split(';').next().unwrap();
    assert!(cookies.iter().any(|c| c.starts_with("last_refresh_time=")), "{cookies:?}");
    let body: Value = reply.json().await.unwrap();
    assert_eq!(body["session_id"], id);
    let again = post().header("Cookie", format!("cookie_enabled=true; session_id={id}")).send().await.unwrap();
    let body: Value = again.json().await.unwrap();
    assert_eq!(body["session_id"], id, "the server keeps the id");
}

#[tokio::test]
async fn transactions_commit_and_roll_back_over_two_tables() {
    let server = TestServer::start().await;
    let (one, two) = (server.sql(), server.sql());
    one.run("CREATE TABLE a (x INT)").await;
    one.run("CREATE TABLE b (x INT)").await;
    one.run("BEGIN").await;
    assert_eq!(one.session().unwrap()["txn_state"], "Active");
    assert_eq!(one.session().unwrap()["need_sticky"], true);
    one.run("INSERT INTO a VALUES (1), (2)").await;
    one.run("INSERT INTO b SELECT x * 10 FROM a").await;
    assert_eq!(one.one("SELECT sum(x) FROM b").await, "30", "it sees its own writes");
    assert_eq!(two.one("SELECT count(*) FROM a").await, "0", "nobody else does");
    one.run("COMMIT").await;
    assert_eq!(one.session().unwrap()["txn_state"], "AutoCommit");
    assert_eq!(two.one("SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)").await, "4");

    one.run("BEGIN").await;
    one.run("DELETE FROM a").await;
    one.run("INSERT INTO b VALUES (99)").await;
    one.run("ROLLBACK").await;
    assert_eq!(one.one("SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)").await, "4");
}

#[tokio::test]
async fn a_transaction_reads_one_snapshot_and_conflicts_are_refused() {
    let server = TestServer::start().await;
    let (one, two) = (server.sql(), server.sql());
    one.run("CREATE TABLE a (id INT, x INT)").await;
    one.run("INSERT INTO a VALUES (1, 1), (2, 2)").await;
    one.run("BEGIN").await;
    assert_eq!(one.one("SELECT sum(x) FROM a").await, "3");
    two.run("UPDATE a SET x = 100 WHERE id = 1").await;
    assert_eq!(one.one("SELECT sum(x) FROM a").await, "3", "the snapshot stays");
    one.run("UPDATE a SET x = 50 WHERE id = 1").await;
    let error = one.fail("COMMIT").await;
    assert_eq!(error.code, 4001, "a write conflict: {error}");
    assert_eq!(two.one("SELECT x FROM a WHERE id = 1").await, "100", "the first writer won");
    assert_eq!(one.session().unwrap()["txn_state"], "AutoCommit");
}

#[tokio::test]
async fn an_error_fails_the_transaction_until_rollback() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE a (x INT)").await;
    sql.run("BEGIN").await;
    sql.run("INSERT INTO a VALUES (1)").await;
    assert_eq!(sql.fail("SELECT nope FROM a").await.code, 1058);
    assert_eq!(sql.session().unwrap()["txn_state"], "Fail");
    assert_eq!(sql.fail("SELECT 1").await.code, 4002);
    sql.run("ROLLBACK").await;
    assert_eq!(sql.one("SELECT count(*) FROM a").await, "0");
}

#[tokio::test]
async fn a_lost_transaction_is_said_to_be_lost() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE a (x INT)").await;
    sql.run("BEGIN").await;
    sql.run("INSERT INTO a VALUES (1)").await;
    let session = sql.session().unwrap();
    server.kill().await;
    server.launch().await;
    let sql = server.sql();
    sql.set_session(session);
    let error = sql.fail("INSERT INTO a VALUES (2)").await;
    assert!(matches!(error.code, 4003 | 5111), "{error}");
    assert_eq!(server.sql().one("SELECT count(*) FROM a").await, "0");
}
