//! The decision table: which right a statement needs, asked through the engine as a user with exactly that right.

use crate::{
    Error, Principal, Role, Session,
    fixture::{Rig, rig},
};

const PASSWORD: &str = "pw";

/// A user made by SQL, logged in.
async fn login(rig: &Rig, name: &str) -> Session {
    Session::new(rig.engine.authenticate(name, PASSWORD, None).await.unwrap())
}

async fn user(rig: &Rig, name: &str) -> Session {
    rig.run(&format!("CREATE USER {name} IDENTIFIED BY '{PASSWORD}'")).await;
    login(rig, name).await
}

/// What a statement ends with for a session.
async fn ask(rig: &Rig, session: &Session, sql: &str) -> Result<(), Error> {
    let other = crate::QueryRequest::new(sql, session.clone());
    let handle = rig.engine.query(other).await?;
    for number in 0.. {
        let page = handle.page(number, crate::fixture::PATIENCE).await?.expect("patience is long");
        if !page.more {
            break;
        }
    }
    handle.close(crate::CloseReason::Finalized);
    Ok(())
}

fn is_denied(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::PermissionDenied { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_needs_its_right_and_no_other() {
    let rig = rig().await;
    rig.run("CREATE DATABASE d").await;
    rig.run("CREATE TABLE d.s (a INT, b STRING)").await;
    let ann = user(&rig, "ann").await;
    // Every statement, the right that is enough, and one that is not.
    let table: &[(&str, &str, &str)] = &[
        ("SELECT * FROM d.t", "SELECT ON d.t", "INSERT ON d.t"),
        ("SELECT * FROM d.t", "SELECT ON d.*", "UPDATE ON d.*"),
        ("SELECT * FROM d.t", "SELECT ON *.*", "SUPER ON *.*"),
        ("SELECT (SELECT max(a) FROM d.t)", "SELECT ON d.t", "DELETE ON d.t"),
        ("SELECT * FROM d.t AT (OFFSET => 0)", "SELECT ON d.t", "ALTER ON d.t"),
        ("EXPLAIN SELECT * FROM d.t", "SELECT ON d.t", "INSERT ON d.t"),
        ("SHOW CREATE TABLE d.t", "SELECT ON d.t", "INSERT ON d.t"),
        ("INSERT INTO d.t VALUES (1, 'x')", "INSERT ON d.t", "SELECT ON d.t"),
        ("INSERT OVERWRITE d.t VALUES (1, 'x')", "INSERT, DELETE ON d.t", "INSERT ON d.t"),
        ("UPDATE d.t SET a = 2", "UPDATE ON d.t", "INSERT ON d.t"),
        ("DELETE FROM d.t WHERE a = 7", "DELETE ON d.t", "UPDATE ON d.t"),
        ("DELETE FROM d.t", "DELETE ON d.*", "UPDATE ON d.*"),
        ("TRUNCATE TABLE d.t", "DELETE ON d.t", "DROP ON d.t"),
        ("ALTER TABLE d.t ADD COLUMN c INT", "ALTER ON d.t", "CREATE ON d.t"),
        ("DROP TABLE d.t", "DROP ON d.t", "DELETE ON d.t"),
        ("OPTIMIZE TABLE d.t COMPACT", "SUPER ON d.t", "ALTER ON d.t"),
        ("ANALYZE TABLE d.t", "SUPER ON *.*", "SELECT ON d.t"),
        ("CREATE TABLE d.x (a INT)", "CREATE ON d.*", "ALTER ON d.*"),
        ("CREATE VIEW d.x AS SELECT 1 AS a", "CREATE ON d.*", "INSERT ON d.*"),
        ("CREATE DATABASE e", "CREATE DATABASE ON *.*", "CREATE USER ON *.*"),
        ("DROP DATABASE d2", "DROP ON d2.*", "CREATE ON d2.*"),
        ("CREATE USER x IDENTIFIED BY 'x'", "CREATE USER ON *.*", "CREATE ROLE ON *.*"),
        ("CREATE ROLE x", "CREATE ROLE ON *.*", "CREATE USER ON *.*"),
        ("DROP ROLE IF EXISTS nothing", "DROP ROLE ON *.*", "CREATE ROLE ON *.*"),
        ("DROP USER IF EXISTS nobody", "DROP USER ON *.*", "CREATE USER ON *.*"),
        ("GRANT SELECT ON d.s TO ROLE public", "GRANT ON *.*", "SELECT ON d.s"),
        ("REVOKE SELECT ON d.s FROM ROLE public", "GRANT ON *.*", "SELECT ON d.s"),
        ("SET GLOBAL max_threads = 2", "SUPER ON *.*", "ALTER ON *.*"),
        ("VACUUM DROP TABLE", "SUPER ON *.*", "DROP ON *.*"),
        ("SHOW USERS", "GRANT ON *.*", "CREATE USER ON *.*"),
        ("CREATE NETWORK POLICY n ALLOWED_IP_LIST = ('::/0')", "SUPER ON *.*", "CREATE ON *.*"),
        ("CREATE PASSWORD POLICY n", "SUPER ON *.*", "CREATE ON *.*"),
        (
            "CREATE MASKING POLICY n AS (v INT) RETURNS INT -> v",
            "CREATE MASKING POLICY ON *.*",
            "CREATE ROW ACCESS POLICY ON *.*",
        ),
        ("USE d", "USAGE ON d.*", "SELECT ON d2.*"),
        (
            "MERGE INTO d.t USING d.s ON d.t.a = d.s.a WHEN MATCHED THEN DELETE",
            "SELECT, DELETE ON d.*",
            "DELETE ON d.*",
        ),
        ("CREATE TABLE d.x AS SELECT * FROM d.t", "CREATE, SELECT ON d.*", "CREATE ON d.*"),
    ];
    for (sql, enough, too_little) in table {
        for made in [
            "CREATE OR REPLACE TABLE d.t (a INT, b STRING)",
            "CREATE OR REPLACE DATABASE d2",
            "DROP TABLE IF EXISTS d.x",
            "DROP VIEW IF EXISTS d.v",
        ] {
            // `x` may be a view of the round before.
            if rig.rows(made).await.is_err() {
                rig.run("DROP VIEW IF EXISTS d.x").await;
            }
        }
        assert!(is_denied(&ask(&rig, &ann, sql).await), "without any right: {sql}");
        rig.run(&format!("GRANT {too_little} TO ann")).await;
        assert!(is_denied(&ask(&rig, &ann, sql).await), "with {too_little}: {sql}");
        rig.run(&format!("REVOKE {too_little} FROM ann")).await;
        rig.run(&format!("GRANT {enough} TO ann")).await;
        let done = ask(&rig, &ann, sql).await;
        assert!(done.is_ok(), "with {enough}: {sql}: {done:?}");
        let _ = rig.rows(&format!("REVOKE {enough} FROM ann")).await;
        rig.run("REVOKE ALL ON *.* FROM ann").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_read_with_its_authors_rights() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a INT)").await;
    rig.run("CREATE VIEW v AS SELECT a FROM t").await;
    let ann = user(&rig, "ann").await;
    rig.run("GRANT SELECT ON default.v TO ann").await;
    ask(&rig, &ann, "SELECT * FROM v").await.unwrap();
    assert!(is_denied(&ask(&rig, &ann, "SELECT * FROM t").await));
    rig.run("REVOKE SELECT ON default.v FROM ann").await;
    rig.run("GRANT SELECT ON default.t TO ann").await;
    assert!(is_denied(&ask(&rig, &ann, "SELECT * FROM v").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_creates_owns_and_what_is_dropped_takes_its_grants_along() {
    let rig = rig().await;
    rig.run("CREATE DATABASE d").await;
    rig.run("CREATE ROLE maker").await;
    let mut ann = user(&rig, "ann").await;
    rig.run("GRANT CREATE ON d.* TO ROLE maker").await;
    rig.run("GRANT ROLE maker TO ann").await;
    // Secondary roles make nothing: what would own it?
    assert!(is_denied(&ask(&rig, &ann, "CREATE TABLE d.t (a INT)").await));
    ann.role = Some("maker".into());
    ask(&rig, &ann, "CREATE TABLE d.t (a INT)").await.unwrap();
    for sql in ["INSERT INTO d.t VALUES (1)", "SELECT * FROM d.t", "GRANT SELECT ON d.t TO ROLE public"] {
        ask(&rig, &ann, sql).await.unwrap();
    }
    assert_eq!(rig.value("SELECT owner FROM system.tables WHERE name = 't'").await, "maker");
    let bob = user(&rig, "bob").await;
    ask(&rig, &bob, "SELECT * FROM d.t").await.unwrap();
    ask(&rig, &ann, "DROP TABLE d.t").await.unwrap();
    rig.run("UNDROP TABLE d.t").await;
    assert!(is_denied(&ask(&rig, &bob, "SELECT * FROM d.t").await), "the grant went with the table");
    assert!(is_denied(&ask(&rig, &ann, "SELECT * FROM d.t").await), "the ownership as well");
    rig.run("GRANT OWNERSHIP ON d.t TO ROLE maker").await;
    ask(&rig, &ann, "SELECT * FROM d.t").await.unwrap();
    rig.run("DROP ROLE maker").await;
    assert!(is_denied(&ask(&rig, &ann, "SELECT * FROM d.t").await));
    assert_eq!(rig.value("SELECT owner FROM system.tables WHERE name = 't'").await, "account_admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_sees_a_revoke() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a INT)").await;
    let mut ann = user(&rig, "ann").await;
    rig.run("GRANT SELECT ON default.t TO ann").await;
    let handle = rig.engine.query(crate::QueryRequest::new("BEGIN", ann.clone())).await.unwrap();
    ann.transaction = handle.session().transaction;
    ask(&rig, &ann, "SELECT * FROM t").await.unwrap();
    rig.run("REVOKE SELECT ON default.t FROM ann").await;
    assert!(is_denied(&ask(&rig, &ann, "SELECT * FROM t").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_or_changed_user_is_out_at_the_next_statement() {
    let rig = rig().await;
    let ann = user(&rig, "ann").await;
    ask(&rig, &ann, "SELECT 1").await.unwrap();
    rig.run("ALTER USER ann IDENTIFIED BY 'other'").await;
    assert!(matches!(ask(&rig, &ann, "SELECT 1").await, Err(Error::Unauthenticated { .. })));
    assert!(matches!(rig.engine.authenticate("ann", PASSWORD, None).await, Err(Error::Unauthenticated { .. })));
    rig.run(&format!("ALTER USER ann IDENTIFIED BY '{PASSWORD}'")).await;
    let ann = login(&rig, "ann").await;
    rig.run("ALTER USER ann WITH DISABLED = true").await;
    assert!(matches!(ask(&rig, &ann, "SELECT 1").await, Err(Error::LoginRefused { .. })));
    rig.run("ALTER USER ann WITH DISABLED = false").await;
    ask(&rig, &ann, "SELECT 1").await.unwrap();
    rig.run("DROP USER ann").await;
    rig.run(&format!("CREATE USER ann IDENTIFIED BY '{PASSWORD}'")).await;
    assert!(matches!(ask(&rig, &ann, "SELECT 1").await, Err(Error::Unauthenticated { .. })), "another ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_say_from_where_and_how_often() {
    let rig = rig().await;
    user(&rig, "ann").await;
    rig.run("CREATE NETWORK POLICY n ALLOWED_IP_LIST = ('10.0.0.0/8') BLOCKED_IP_LIST = ('10.1.0.0/16')").await;
    rig.run("ALTER USER ann WITH SET NETWORK POLICY = 'n'").await;
    let from = |text: &str| Some(text.parse().unwrap());
    rig.engine.authenticate("ann", PASSWORD, from("10.2.3.4")).await.unwrap();
    for outside in ["10.1.2.3", "192.168.0.1", "::1"] {
        let refused = rig.engine.authenticate("ann", PASSWORD, from(outside)).await;
        assert!(matches!(refused, Err(Error::LoginRefused { .. })), "{outside}");
    }
    let ann = login(&rig, "ann").await;
    assert!(rig.engine.check_principal(&ann.principal, from("10.2.3.4")).is_ok());
    assert!(rig.engine.check_principal(&ann.principal, from("10.1.2.3")).is_err());

    rig.run("CREATE PASSWORD POLICY p PASSWORD_MAX_RETRIES = 2").await;
    rig.run("CREATE USER bob IDENTIFIED BY 'Abcdefg1' WITH SET PASSWORD POLICY = 'p'").await;
    for _ in 0..2 {
        let wrong = rig.engine.authenticate("bob", "wrong", None).await;
        assert!(matches!(wrong, Err(Error::Unauthenticated { .. })));
    }
    let locked = rig.engine.authenticate("bob", "Abcdefg1", None).await;
    assert!(matches!(locked, Err(Error::LoginRefused { .. })), "{locked:?}");

    rig.run("CREATE USER guest IDENTIFIED WITH no_password").await;
    rig.engine.authenticate("guest", "anything", from("127.0.0.1")).await.unwrap();
    assert!(rig.engine.authenticate("guest", "anything", from("10.0.0.1")).await.is_err(), "not from elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_the_file_keep_their_coarse_roles() {
    let rig = rig().await;
    rig.run("CREATE TABLE t (a INT)").await;
    let session = |role| Session::new(Principal { name: "file".into(), role });
    let (reader, writer) = (session(Role::Reader), session(Role::Writer));
    ask(&rig, &reader, "SELECT * FROM t").await.unwrap();
    assert!(is_denied(&ask(&rig, &reader, "INSERT INTO t VALUES (1)").await));
    for sql in ["INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)", "OPTIMIZE TABLE t COMPACT", "DROP TABLE u"] {
        ask(&rig, &writer, sql).await.unwrap();
    }
    for sql in ["CREATE USER x IDENTIFIED BY 'x'", "GRANT SELECT ON t TO ROLE public", "DROP DATABASE default"] {
        assert!(is_denied(&ask(&rig, &writer, sql).await), "{sql}");
    }
}
