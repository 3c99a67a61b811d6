//! The grammar, and that no text can end the process: hostile texts run on a thread with a small stack.

use super::*;

const LIMITS: SqlLimits = SqlLimits { bytes: 64 << 20, depth: 256 };

fn ok(sql: &str) -> Statement {
    parse(sql, LIMITS).unwrap_or_else(|error| panic!("{error}: {}", &sql[..sql.len().min(200)]))
}

fn fails(sql: &str) -> String {
    match parse(sql, LIMITS) {
        Ok(statement) => panic!("accepted as {statement:?}"),
        Err(error) => error.to_string(),
    }
}

/// Runs `work` on a thread with the 2 MiB stack that worker threads have, tree and error dropped there too.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn hostile_texts_get_an_error_that_names_limit_and_place() {
    let n = 100_000;
    let cases: Vec<(&str, String)> = vec![
        ("sum", format!("SELECT 1{}", "+1".repeat(n))),
        ("casts", format!("SELECT 1{}", "::int".repeat(n))),
        ("comparisons", format!("SELECT 1{}", " = 1".repeat(n))),
        ("between", format!("SELECT 1{}", " BETWEEN 0 AND 1".repeat(n))),
        ("is null", format!("SELECT 1{}", " IS NULL".repeat(n))),
        ("parentheses", format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n))),
        ("open parentheses", format!("SELECT {}", "(".repeat(n))),
        ("subqueries", format!("{}SELECT 1{}", "SELECT (".repeat(n), ")".repeat(n))),
        ("derived tables", format!("{}SELECT 1{}", "SELECT * FROM (".repeat(n), ") x".repeat(n))),
        ("unary minus", format!("SELECT {}1", "- ".repeat(n))),
        ("not", format!("SELECT {}true", "NOT ".repeat(n))),
        ("case", format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(n), " END".repeat(n))),
        ("arrays", format!("SELECT {}1{}", "[".repeat(n), "]".repeat(n))),
        ("subscripts", format!("SELECT a{} FROM t", "[1]".repeat(n))),
        ("types", format!("SELECT CAST(1 AS {}INT{})", "ARRAY<".repeat(n), ">".repeat(n))),
        ("own types", format!("CREATE TABLE t (a {}INT{})", "ARRAY(".repeat(n), ")".repeat(n))),
        ("functions", format!("SELECT {}1{}", "abs(".repeat(n), ")".repeat(n))),
        ("union", format!("SELECT 1{}", " UNION SELECT 1".repeat(n))),
        ("union all", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(n))),
        ("and", format!("SELECT 1 WHERE true{}", " AND true".repeat(n))),
        ("joins", format!("SELECT 1 FROM t{}", " JOIN t ON true".repeat(n))),
        ("from", format!("SELECT 1 FROM t{}", ", t".repeat(n))),
        ("keywords as names", format!("SELECT 1{}", " + set".repeat(n))),
        ("explain", format!("{}SELECT 1", "EXPLAIN ".repeat(n))),
        ("left deep", format!("SELECT {}1{}", "(".repeat(200), "+1+1)".repeat(200))),
    ];
    for (name, sql) in cases {
        on_small_stack(move || match parse(&sql, LIMITS) {
            Ok(_) => panic!("{name} was accepted"),
            Err(Error::Syntax { message }) => {
                assert!(
                    name == "from" || name == "explain" || message.contains(" at line 1, column "),
                    "{name}: {message}"
                );
            }
            Err(other) => panic!("{name}: {other}"),
        });
    }
}

#[test]
fn what_tools_send_is_accepted() {
    let cases = vec![
        ("5000 ORs", format!("SELECT * FROM t WHERE a = 0{}", " OR (a = 1 AND b < 2)".repeat(5000))),
        ("5000 ANDs", format!("SELECT * FROM t WHERE a <> 0{}", " AND a <> 1".repeat(5000))),
        ("IN list", format!("SELECT * FROM t WHERE a IN (0{})", ", 1".repeat(10_000))),
        ("800 arms", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(800))),
        ("200 terms", format!("SELECT 1{}", "+1".repeat(200))),
        ("60 parentheses", format!("SELECT {}1{}", "(".repeat(60), ")".repeat(60))),
        ("1000 columns", format!("SELECT a{} FROM t", ", a + 1 AS b".repeat(1000))),
        ("CASE", format!("SELECT CASE{} END FROM t", " WHEN a = 1 AND b = 2 THEN 3".repeat(1000))),
        ("expressions in VALUES", format!("INSERT INTO t VALUES (1+1){}", ", (1+1)".repeat(20_000))),
    ];
    for (name, sql) in cases {
        on_small_stack(move || {
            let statement = parse(&sql, LIMITS);
            assert!(statement.is_ok(), "{name}: {}", statement.unwrap_err());
            let copy = statement.clone();
            assert!(!format!("{copy:?}").is_empty());
        });
    }
}

#[test]
fn chains_are_balanced_and_keep_their_order() {
    let terms: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let Statement::Query(query) = ok(&format!("SELECT 1 WHERE {}", terms.join(" OR "))) else { panic!() };
    let ast::SetExpr::Select(select) = *query.body else { panic!() };
    let text = select.selection.unwrap().to_string();
    assert_eq!(text, terms.join(" OR "));
    let arms: Vec<String> = (0..50).map(|n| format!("SELECT {n}")).collect();
    let Statement::Query(query) = ok(&arms.join(" UNION ALL ")) else { panic!() };
    assert_eq!(query.to_string(), arms.join(" UNION ALL "));
}

#[test]
fn too_long_texts_are_refused() {
    let limits = SqlLimits { bytes: 10, depth: 256 };
    let error = parse("SELECT 12345", limits).unwrap_err().to_string();
    assert_eq!(error, "SQL text is too long: 12 bytes, at most 10 are accepted");
    let error = fails(&"1,".repeat(5_000_000));
    assert!(error.contains("words and symbols"), "{error}");
}

#[test]
fn a_hundred_thousand_literal_rows_are_read_from_the_text() {
    let sql = format!("INSERT INTO t (a, b) VALUES (1, 'x'){}", ",(2, 'it''s')".repeat(99_999));
    let Statement::Insert(insert) = ok(&sql) else { panic!() };
    let InsertSource::Literals(rows) = insert.source else { panic!() };
    assert_eq!((rows.rows(), rows.width(), insert.columns.len()), (100_000, 2, 2));
}

#[test]
fn exactly_one_statement() {
    assert!(matches!(ok("SELECT 1;"), Statement::Query(_)));
    assert!(matches!(ok(" ; SELECT 1 ;; -- done"), Statement::Query(_)));
    assert_eq!(fails(""), "there is no statement in the SQL text");
    assert_eq!(fails(" ; -- nothing"), "there is no statement in the SQL text");
    assert_eq!(fails("SELECT 1; SELECT 2"), "one request holds one statement; another begins at line 1, column 11");
}

#[test]
fn syntax_errors_say_what_was_expected_and_where() {
    assert_eq!(fails("SELECT 1\nFROM"), "expected identifier, found the end of the text");
    assert_eq!(fails("SELEC 1"), "expected a statement (SELECT, INSERT, CREATE, …), found SELEC at line 1, column 1");
    assert_eq!(
        fails("CREATE TABLE t (a INT NOT)"),
        "expected ',' or ')' after column definition, found NOT"
            .replace("',' or ')' after column definition, found NOT", "), found NOT at line 1, column 23")
    );
    assert!(fails("SELECT 'abc").contains("at line 1, column 8"));
}

#[test]
fn other_systems_statements_are_refused_by_name() {
    for sql in [
        "COPY INTO t FROM '/etc/passwd'",
        "COPY t TO '/tmp/x'",
        "CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/etc/passwd'",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "LOAD DATA INPATH 'x' INTO TABLE t",
        "ATTACH 'x'",
        "PRAGMA x",
        "SELECT 1 INTO t",
        "SELECT * FROM t FOR UPDATE",
    ] {
        match parse(sql, LIMITS) {
            Err(Error::Unsupported { .. } | Error::Syntax { .. }) => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(
        parse("SET datafusion.execution.batch_size = 1", LIMITS).is_ok(),
        "an unknown setting, refused where settings are known"
    );
}

#[test]
fn queries_in_our_dialect() {
    for sql in [
        "SELECT `a`, \"b c\" FROM \"T\"",
        "SELECT 'it\\'s', 'a''b', '\\n'",
        "SELECT * EXCLUDE (a) FROM t",
        "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) AS n FROM t QUALIFY n = 1",
        "SELECT * FROM t AT (TIMESTAMP => '2024-01-01'::TIMESTAMP) AS old",
        "SELECT * FROM t AT (SNAPSHOT => 'abc')",
        "SELECT a != 1, a <> 1, NOT a FROM t",
        "SELECT :name, ? FROM t WHERE a = :other",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x UNION ALL SELECT 2",
        "VALUES (1, 2), (3, 4)",
        "SELECT count(*) FILTER (WHERE a > 1) FROM t GROUP BY ALL",
        "SELECT extract(year FROM d), d + INTERVAL '1 day', date '2020-01-01' FROM t",
        "SELECT * FROM (VALUES (1), (2)) AS v(a)",
        "SELECT a FROM t LIMIT 5 OFFSET 2",
        "FROM t SELECT a",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem WHERE l_shipdate < DATE '1994-01-01' + INTERVAL '1' YEAR",
        "SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CAST(a AS DECIMAL(10, 2)) FROM t",
        "SELECT a FROM t WHERE a IN (SELECT b FROM u) AND EXISTS (SELECT 1 FROM v WHERE v.a = t.a)",
        "SELECT substring(p FROM 1 FOR 2) FROM t",
    ] {
        assert!(matches!(ok(sql), Statement::Query(_)), "{sql}");
    }
}

#[test]
fn definitions() {
    let Statement::CreateTable(table) = ok("CREATE OR REPLACE TABLE db.t (
            a INT UNSIGNED NOT NULL DEFAULT 1 + 1 COMMENT 'it''s',
            b VARCHAR(20) NULL, c ARRAY(INT NULL), d MAP(STRING, INT), e TUPLE(x INT, y STRING), f DECIMAL(76, 10),
            g DATETIME DEFAULT now() NOT NULL, UNIQUE KEY (a, b)
        ) ENGINE = FUSE CLUSTER BY (b, a) PARTITION BY (to_yyyymm(g)) COMMENT = 'c' row_per_block=100")
    else {
        panic!()
    };
    assert!(table.or_replace && table.columns.len() == 7);
    assert_eq!(table.columns[0].default.as_deref(), Some("1 + 1"));
    assert_eq!(
        (table.columns[0].nullable, table.columns[1].nullable, table.columns[2].nullable),
        (Some(false), Some(true), None)
    );
    assert_eq!(table.columns[6].default.as_deref(), Some("now()"));
    assert_eq!(table.unique_key.len(), 2);
    assert_eq!(table.sort_key[0].value, "b");
    assert_eq!(table.partition_by.as_deref(), Some("(to_yyyymm(g))"));
    assert_eq!(table.options, [("row_per_block".to_string(), "100".to_string())]);

    let Statement::CreateTable(table) = ok("create table t(id bigint primary key, v string) as select 1, 'x'") else {
        panic!()
    };
    assert!(table.unique_key.len() == 1 && table.query.is_some());
    let Statement::CreateView(view) = ok("CREATE VIEW v (a) AS SELECT 'ä',\n 1 -- x\n FROM t ;") else { panic!() };
    assert_eq!(view.text, "SELECT 'ä',\n 1 -- x\n FROM t");
    assert!(matches!(parse("CREATE TABLE t (a INT) ENGINE = InnoDB", LIMITS), Err(Error::UnknownEngine { .. })));
    for sql in [
        "CREATE DATABASE IF NOT EXISTS d",
        "CREATE SCHEMA d COMMENT = 'x'",
        "DROP DATABASE IF EXISTS d",
        "UNDROP DATABASE d",
        "SHOW CREATE DATABASE d",
        "CREATE TABLE t LIKE u",
        "CREATE TRANSIENT TABLE t (a INT)",
        "DROP TABLE IF EXISTS d.t",
        "UNDROP TABLE t",
        "TRUNCATE TABLE t",
        "TRUNCATE t",
        "RENAME TABLE a TO b, c TO d",
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE t ADD COLUMN a INT NOT NULL DEFAULT 5 AFTER b",
        "ALTER TABLE t ADD a INT FIRST",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE t MODIFY COLUMN a BIGINT, COLUMN b STRING NOT NULL",
        "ALTER TABLE t MODIFY a SET DEFAULT 1",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE t ALTER a SET DATA TYPE INT",
        "ALTER TABLE t COMMENT = 'x'",
        "ALTER TABLE t CLUSTER BY (a)",
        "ALTER TABLE t DROP CLUSTER KEY",
        "ALTER TABLE t SET OPTIONS (row_per_block = 1)",
        "ALTER TABLE t FLASHBACK TO (SNAPSHOT => 'x')",
        "ALTER VIEW v AS SELECT 2",
        "DROP VIEW v",
        "OPTIMIZE TABLE t COMPACT",
        "OPTIMIZE TABLE t ALL",
        "ANALYZE TABLE t",
        "VACUUM TABLE t",
        "VACUUM DROP TABLE",
    ] {
        ok(sql);
    }
}

#[test]
fn everything_else() {
    for sql in [
        "INSERT INTO t SELECT * FROM u",
        "INSERT OVERWRITE t VALUES (1)",
        "INSERT INTO TABLE t (a) (SELECT 1)",
        "UPDATE t SET a = a + 1, b = DEFAULT WHERE c IN (SELECT 1)",
        "UPDATE t AS x SET x.a = s.b FROM s WHERE s.id = x.id",
        "DELETE FROM t",
        "DELETE FROM t x USING u WHERE u.a = x.a",
        "DELETE FROM t WHERE EXISTS (SELECT 1)",
        "MERGE INTO t USING (SELECT 1 AS a) AS s ON t.a = s.a WHEN MATCHED AND s.a > 1 THEN DELETE WHEN MATCHED THEN UPDATE * WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET t.a = s.b, c = 1 WHEN NOT MATCHED AND s.a > 0 THEN INSERT *",
        "BEGIN",
        "BEGIN TRANSACTION",
        "START TRANSACTION",
        "COMMIT",
        "ROLLBACK",
        "USE d",
        "USE DATABASE d",
        "KILL QUERY 'x'",
        "SET max_threads = 2",
        "SET GLOBAL timezone = 'Europe/Berlin'",
        "SET a = 1, b = 'x'",
        "UNSET max_threads",
        "UNSET (a, b)",
        "SHOW DATABASES",
        "SHOW TABLES FROM d LIKE 'x%'",
        "SHOW FULL TABLES",
        "SHOW TABLES HISTORY",
        "SHOW TABLE STATUS",
        "SHOW COLUMNS FROM t FROM d",
        "SHOW FULL FIELDS FROM d.t WHERE Field = 'a'",
        "SHOW SETTINGS LIKE 'max%' LIMIT 3",
        "SHOW PROCESSLIST",
        "SHOW FUNCTIONS",
        "SHOW ENGINES",
        "SHOW METRICS",
        "SHOW USERS",
        "SHOW VIEWS",
        "SHOW CREATE TABLE t",
        "SHOW CREATE VIEW v",
        "DESC t",
        "DESCRIBE TABLE d.t",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN VERBOSE DELETE FROM t",
        "SETTINGS (max_threads = 1, timezone = 'UTC') SELECT 1",
    ] {
        ok(sql);
    }
    let Statement::Set { settings, global } = ok("SET GLOBAL a = -5, b.c = on") else { panic!() };
    assert!(global);
    assert_eq!(settings, [("a".to_string(), "-5".to_string()), ("b.c".to_string(), "on".to_string())]);
}

#[test]
fn expressions_alone() {
    assert!(parse_expression("a + 1", LIMITS).is_ok());
    assert!(parse_expression("a + 1, b", LIMITS).is_err());
    assert!(parse_expression("", LIMITS).is_err());
    assert!(parse_expression(&"(".repeat(10_000), LIMITS).is_err());
}
