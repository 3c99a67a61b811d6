//! The endpoints of the web console and of control planes: databases, tables, columns, searches, users, roles, nodes.

use basalt_tests::{SqlClient, TestServer};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn start() -> (TestServer, SqlClient) {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE DATABASE shop").await;
    sql.run("CREATE TABLE shop.orders (id BIGINT NOT NULL, what VARCHAR DEFAULT 'x', at TIMESTAMP) CLUSTER BY (id)")
        .await;
    sql.run("INSERT INTO shop.orders (id) VALUES (1), (2), (3)").await;
    sql.run("CREATE VIEW shop.late AS SELECT id, what FROM shop.orders").await;
    (server, sql)
}

async fn get(sql: &SqlClient, path: &str) -> Value {
    let reply = sql.request(Method::GET, path).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK, "{path}");
    reply.json().await.unwrap()
}

async fn status(sql: &SqlClient, path: &str) -> (StatusCode, Value) {
    let reply = sql.request(Method::GET, path).send().await.unwrap();
    (reply.status(), reply.json().await.unwrap())
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn databases_and_their_tables() {
    let (_server, sql) = start().await;
    let databases = get(&sql, "/v1/catalog/databases").await;
    assert!(names(&databases["databases"]).contains(&"shop"), "{databases}");
    assert_eq!(databases["warnings"], json!([]));
    let tables = get(&sql, "/v1/catalog/databases/shop/tables").await;
    assert_eq!(names(&tables["tables"]), ["late", "orders"]);
    let orders = &tables["tables"][1];
    assert_eq!(
        (&orders["database"], &orders["catalog"], &orders["num_rows"], &orders["cluster_by"], &orders["engine"]),
        (&json!("shop"), &json!("default"), &json!(3), &json!("(id)"), &json!("FUSE"))
    );
    assert!(orders["create_time"].as_str().unwrap().contains('T'), "{orders}");
    let (status, error) = status(&sql, "/v1/catalog/databases/nope/tables").await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!(1003)));
}

#[tokio::test]
async fn one_table_and_its_fields() {
    let (_server, sql) = start().await;
    let table = get(&sql, "/v1/catalog/databases/shop/tables/orders").await;
    assert_eq!(table["table"]["name"], "orders");
    assert!(table["table"]["create_query"].as_str().unwrap().to_uppercase().contains("CREATE TABLE"), "{table}");
    let fields = get(&sql, "/v1/catalog/databases/shop/tables/orders/fields?catalog=default").await;
    assert_eq!(names(&fields["fields"]), ["id", "what", "at"]);
    assert_eq!((&fields["fields"][0]["type"], &fields["fields"][0]["nullable"]), (&json!("Int64"), &json!(false)));
    assert_eq!(
        (&fields["fields"][2]["type"], &fields["fields"][2]["nullable"]),
        (&json!("Timestamp NULL"), &json!(true))
    );
    assert!(fields["fields"][1]["default"].as_str().unwrap().contains('x'), "{fields}");
    assert_eq!(fields["fields"][0]["default"], Value::Null);
    let view = get(&sql, "/v1/catalog/databases/shop/tables/late/fields?resolve_view=true").await;
    assert_eq!(names(&view["fields"]), ["id", "what"]);
    for (path, code) in [
        ("/v1/catalog/databases/shop/tables/nope", 1025),
        ("/v1/catalog/databases/shop/tables/nope/fields", 1025),
        ("/v1/catalog/databases/nope/tables/orders/fields", 1003),
        ("/v1/catalog/databases/nope/streams", 1003),
        ("/v1/catalog/databases/shop/tables/orders/fields?catalog=other", 404),
    ] {
        let (status, error) = status(&sql, path).await;
        assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!(code)), "{path}");
    }
    assert_eq!(get(&sql, "/v1/catalog/databases/shop/streams").await["streams"], json!([]));
}

#[tokio::test]
async fn names_that_would_break_statements_do_not() {
    let (_server, sql) = start().await;
    sql.run("CREATE TABLE shop.\"a\"\"; DROP TABLE orders --\" (x INT)").await;
    let path = "/v1/catalog/databases/shop/tables/a%22%3B%20DROP%20TABLE%20orders%20--/fields";
    assert_eq!(names(&get(&sql, path).await["fields"]), ["x"]);
    assert_eq!(sql.one("SELECT count(*) FROM shop.orders").await, "3");
}

#[tokio::test]
async fn searches_and_counts() {
    let (_server, sql) = start().await;
    let search = async |what: &str, keyword: &str| -> Value {
        let path = format!("/v1/catalog/search/{what}");
        let reply = sql.request(Method::POST, &path).json(&json!({"keyword": keyword})).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.json().await.unwrap()
    };
    assert_eq!(names(&search("tables", "rder").await["tables"]), ["orders"]);
    assert_eq!(search("tables", "rder").await["tables"][0]["total_columns"], 3);
    assert_eq!(names(&search("databases", "ho").await["databases"]), ["shop"]);
    assert_eq!(names(&search("databases", "nothing").await["databases"]), Vec::<&str>::new());
    let stats = get(&sql, "/v1/catalog/stats").await;
    assert_eq!(stats["tables"], 2);
    assert!(stats["databases"].as_u64().unwrap() >= 2);
    let bad = sql.request(Method::POST, "/v1/catalog/search/tables").body("{}").send().await.unwrap();
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nodes_roles_and_the_hint() {
    let (server, sql) = start().await;
    assert_eq!(get(&sql, "/v1/discovery_nodes").await, json!([{"address": server.address()}]));
    let roles = get(&sql, "/v1/roles").await;
    assert!(names(&roles["roles"]).contains(&"account_admin"), "{roles}");
    assert!(roles["roles"].as_array().unwrap().iter().any(|r| r["is_current"] == true && r["is_default"] == true));
    let hint = sql.request(Method::GET, "/").send().await.unwrap();
    assert!(hint.text().await.unwrap().contains("/v1/query"));
    assert_eq!(sql.request(Method::GET, "/health").send().await.unwrap().status(), StatusCode::OK);
}
