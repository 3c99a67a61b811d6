//! Written through one interface, read through another; and a day in the life of a table.

use basalt_tests::{TestServer, wait_for};
use std::time::Duration;

#[tokio::test]
async fn loaded_by_one_protocol_and_queried_by_the_other() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE DATABASE shop").await;
    sql.run(
        "CREATE TABLE shop.orders (id BIGINT NOT NULL, customer STRING, placed TIMESTAMP, amount DECIMAL(12,2)) \
         CLUSTER BY (placed)",
    )
    .await;
    let csv: String = (0..10_000)
        .map(|i| {
            format!(
                "{i},customer {},2024-01-{:02} {:02}:00:00,{}.{:02}\n",
                i % 97,
                1 + i % 28,
                i % 24,
                i % 500,
                i % 100
            )
        })
        .collect();
    let load = server.load("shop", "orders").csv().label("day-1").ok(csv).await;
    assert_eq!(load.count("NumberLoadedRows"), 10_000);
    sql.run("USE shop").await;
    sql.run("INSERT INTO orders VALUES (10000, 'by hand', '2024-02-01 00:00:00', 1.01)").await;
    let json = "{\"id\": 10001, \"customer\": \"by json\", \"placed\": \"2024-02-02 00:00:00\", \"amount\": 2.02}";
    server.load("shop", "orders").json().ok(json).await;

    let top = "SELECT customer, count(*) AS n, sum(amount) AS total FROM orders GROUP BY customer ORDER BY total DESC, customer LIMIT 3";
    let before = sql.run(top).await.lines();
    sql.run("CREATE VIEW late AS SELECT * FROM orders WHERE placed >= '2024-02-01'").await;
    assert_eq!(sql.run("SELECT id, amount FROM late ORDER BY id").await.lines(), ["10000|1.01", "10001|2.02"]);

    sql.run("ALTER TABLE orders ADD COLUMN note STRING DEFAULT 'none'").await;
    sql.run("UPDATE orders SET note = 'checked' WHERE id < 10").await;
    assert_eq!(sql.one("SELECT count(*) FROM orders WHERE note = 'checked'").await, "10");
    assert_eq!(sql.one("SELECT count(*) FROM orders WHERE note = 'none'").await, "9992");
    sql.run("DELETE FROM orders WHERE id % 2 = 1 AND id < 10000").await;
    assert_eq!(sql.one("SELECT count(*) FROM orders").await, "5002");
    sql.run("OPTIMIZE TABLE orders COMPACT").await;
    assert_eq!(sql.one("SELECT count(*) FROM orders").await, "5002");

    server.restart().await;
    let sql = server.sql();
    sql.run("USE shop").await;
    assert_eq!(sql.one("SELECT count(*) FROM orders").await, "5002");
    assert_eq!(sql.one("SELECT count(*) FROM orders WHERE note = 'checked'").await, "5");
    assert_ne!(sql.run(top).await.lines(), before, "the deletions count");
    sql.run("DROP TABLE orders").await;
    sql.run("UNDROP TABLE orders").await;
    assert_eq!(sql.one("SELECT count(*) FROM late").await, "2");
}

#[tokio::test]
async fn old_versions_can_be_read() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (i INT)").await;
    sql.run("INSERT INTO t VALUES (1), (2), (3)").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let then = sql.one("SELECT now()").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    sql.run("DELETE FROM t WHERE i = 2").await;
    sql.run("INSERT INTO t VALUES (4)").await;
    sql.run("OPTIMIZE TABLE t COMPACT").await;
    let old = format!("SELECT i FROM t AT (TIMESTAMP => '{then}'::TIMESTAMP) ORDER BY i");
    assert_eq!(sql.run(&old).await.lines(), ["1", "2", "3"]);
    assert_eq!(sql.run("SELECT i FROM t ORDER BY i").await.lines(), ["1", "3", "4"]);
}

#[tokio::test]
async fn readers_see_whole_commits_while_writers_write() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE bank (account INT, amount BIGINT)").await;
    sql.run("INSERT INTO bank SELECT number, 100 FROM numbers(50)").await;
    let transfer = {
        let sql = server.sql();
        async move {
            let mut moved = 0;
            for i in 0..40u32 {
                let (from, to) = (i % 50, (i * 7 + 3) % 50);
                let text = format!(
                    "UPDATE bank SET amount = amount + CASE WHEN account = {from} THEN -5 ELSE 5 END WHERE account IN ({from}, {to}) AND {from} <> {to}"
                );
                moved += u32::from(sql.query(&text).await.is_ok());
            }
            moved
        }
    };
    let watch = async {
        let sql = server.sql();
        for _ in 0..60 {
            assert_eq!(sql.one("SELECT sum(amount) FROM bank").await, "5000");
        }
    };
    let (moved, ()) = tokio::join!(transfer, watch);
    assert!(moved > 30, "{moved}");
}

#[tokio::test]
async fn dropped_databases_take_their_tables_along() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE DATABASE d").await;
    sql.run("CREATE TABLE d.t (i INT)").await;
    sql.run("DROP DATABASE d").await;
    assert_eq!(sql.fail("SELECT * FROM d.t").await.code, 1003);
    sql.run("CREATE DATABASE d").await;
    assert_eq!(sql.fail("SELECT * FROM d.t").await.code, 1025);
    wait_for("the new database is empty", Duration::from_secs(5), || async {
        sql.run("SHOW TABLES FROM d").await.rows.is_empty()
    })
    .await;
}
