//! The text of a cell and the name of a type, for every type, at top level and nested.

use basalt_tests::TestServer;

#[tokio::test]
async fn every_scalar_type() {
    let server = TestServer::start().await;
    let sql = server.sql();
    // expression, type name, text
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("true", "Boolean", Some("1")),
        ("false", "Boolean", Some("0")),
        ("NULL", "NULL", None),
        ("CAST(-128 AS TINYINT)", "Int8", Some("-128")),
        ("CAST(-32768 AS SMALLINT)", "Int16", Some("-32768")),
        ("CAST(-2147483648 AS INT)", "Int32", Some("-2147483648")),
        ("CAST(-9223372036854775808 AS BIGINT)", "Int64", Some("-9223372036854775808")),
        ("CAST(255 AS TINYINT UNSIGNED)", "UInt8", Some("255")),
        ("CAST(65535 AS SMALLINT UNSIGNED)", "UInt16", Some("65535")),
        ("CAST(4294967295 AS INT UNSIGNED)", "UInt32", Some("4294967295")),
        ("CAST(18446744073709551615 AS BIGINT UNSIGNED)", "UInt64", Some("18446744073709551615")),
        ("CAST(1.5 AS FLOAT)", "Float32", Some("1.5")),
        ("CAST(300 AS DOUBLE)", "Float64", Some("300.0")),
        ("CAST(0.1 AS DOUBLE)", "Float64", Some("0.1")),
        ("CAST('0.0000031' AS DOUBLE)", "Float64", Some("3.1e-6")),
        ("CAST('36900000000000000' AS DOUBLE)", "Float64", Some("3.69e+16")),
        ("CAST('nan' AS DOUBLE)", "Float64", Some("NaN")),
        ("CAST('inf' AS DOUBLE)", "Float64", Some("Infinity")),
        ("CAST('-inf' AS DOUBLE)", "Float64", Some("-Infinity")),
        ("CAST(1.5 AS DECIMAL(10, 2))", "Decimal(10, 2)", Some("1.50")),
        ("CAST(-0.01 AS DECIMAL(38, 10))", "Decimal(38, 10)", Some("-0.0100000000")),
        ("'plain'", "String", Some("plain")),
        ("'quote \" and \\\\ back'", "String", Some("quote \" and \\ back")),
        ("''", "String", Some("")),
        ("CAST('2024-02-29' AS DATE)", "Date", Some("2024-02-29")),
        ("CAST('0001-01-01' AS DATE)", "Date", Some("0001-01-01")),
        ("CAST('2024-02-29 01:02:03.000004' AS TIMESTAMP)", "Timestamp", Some("2024-02-29 01:02:03.000004")),
        ("CAST('1969-12-31 23:59:59' AS TIMESTAMP)", "Timestamp", Some("1969-12-31 23:59:59.000000")),
        ("1", "UInt8", Some("1")),
        ("-1", "Int8", Some("-1")),
        ("256", "UInt16", Some("256")),
        ("1 + 2", "UInt8", Some("3")),
        ("'{\"a\": [1, null]}'::VARIANT", "Variant", Some("{\"a\":[1,null]}")),
        ("'1,2,3'::BITMAP", "Bitmap", Some("<bitmap binary>")),
        ("'1 day 2 hours'::INTERVAL", "Interval", Some("1 day 2:00:00")),
        ("'2024-02-29 01:02:03 +0800'::TIMESTAMP_TZ", "Timestamp_Tz", Some("2024-02-29 01:02:03.000000 +0800")),
        ("'POINT(1 2)'::GEOMETRY", "Geometry", Some("{\"type\": \"Point\", \"coordinates\": [1,2]}")),
        ("'[0.5,1.5]'::VECTOR(2)", "Vector(2)", Some("[0.5,1.5]")),
        ("CAST('1.5' AS DECIMAL(76, 2))", "Decimal(76, 2)", Some("1.50")),
        ("to_binary('ab')", "Binary", Some("6162")),
    ];
    for (expression, type_name, text) in cases {
        let answer = sql.run(&format!("SELECT {expression} AS c")).await;
        assert_eq!(answer.types[0], *type_name, "{expression}");
        assert_eq!(answer.rows[0][0].as_deref(), *text, "{expression}");
    }
}

#[tokio::test]
async fn columns_are_nullable_unless_told_otherwise() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (a INT, b INT NOT NULL, c STRING NULL, d DECIMAL(10,2), e TIMESTAMP NOT NULL)").await;
    let answer = sql.run("SELECT * FROM t").await;
    assert_eq!(answer.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(answer.types, ["Nullable(Int32)", "Int32", "Nullable(String)", "Nullable(Decimal(10, 2))", "Timestamp"]);
}

#[tokio::test]
async fn nested_types() {
    let server = TestServer::start().await;
    let sql = server.sql();
    let answer = sql.run("SELECT [1, NULL, 3] AS a").await;
    assert_eq!(answer.rows[0][0].as_deref(), Some("[1,NULL,3]"));
    assert!(answer.types[0].contains("Array(") && answer.types[0].contains(" NULL)"), "{:?}", answer.types);
    let answer = sql.run("SELECT ['x', 'y \"q\"'] AS a").await;
    assert_eq!(answer.rows[0][0].as_deref(), Some(r#"["x","y \"q\""]"#));
}

#[tokio::test]
async fn stored_values_come_back_as_they_were() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run(
        "CREATE TABLE t (b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INT, i64 BIGINT, u64 BIGINT UNSIGNED, f FLOAT, \
         d DOUBLE, dec DECIMAL(20,4), s STRING, bin BINARY, da DATE, ts TIMESTAMP)",
    )
    .await;
    sql.run(
        "INSERT INTO t VALUES (true, -1, -2, -3, -4, 18446744073709551615, 1.25, -2.5, 12345.6789, 'ünïcode', \
         'bytes'::BINARY, '2024-02-29', '2024-02-29 12:34:56.789'), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let want = "1|-1|-2|-3|-4|18446744073709551615|1.25|-2.5|12345.6789|ünïcode|6279746573|2024-02-29|\
                2024-02-29 12:34:56.789000";
    assert_eq!(sql.run("SELECT * FROM t WHERE b").await.lines(), [want]);
    assert_eq!(sql.run("SELECT * FROM t WHERE b IS NULL").await.lines(), [["NULL"; 13].join("|")]);
    sql.run("OPTIMIZE TABLE t COMPACT").await;
    assert_eq!(sql.run("SELECT * FROM t WHERE b").await.lines(), [want], "the same after compaction");
}

#[tokio::test]
async fn timestamps_follow_the_session_time_zone() {
    let server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (ts TIMESTAMP)").await;
    sql.run("INSERT INTO t VALUES ('2024-07-01 12:00:00')").await;
    sql.run("SET timezone = 'Asia/Tokyo'").await;
    assert_eq!(sql.one("SELECT ts FROM t").await, "2024-07-01 21:00:00.000000");
    let reply = sql.start("SELECT ts FROM t").await.unwrap();
    assert_eq!(reply["settings"]["timezone"], "Asia/Tokyo", "{reply}");
}

#[tokio::test]
async fn settings_say_how_bytes_shapes_and_times_are_shown() {
    let server = TestServer::start().await;
    let sql = server.sql();
    for (setting, value, expression, text) in [
        ("binary_output_format", "BASE64", "to_binary('ab')", "YWI="),
        ("binary_output_format", "UTF-8", "to_binary('ab')", "ab"),
        ("geometry_output_format", "WKT", "'POINT(1 2)'::GEOMETRY", "POINT(1 2)"),
        ("geometry_output_format", "EWKT", "'SRID=4326;POINT(1 2)'::GEOMETRY", "SRID=4326;POINT(1 2)"),
        ("http_json_result_mode", "driver", "'1970-01-02'::DATE", "1"),
        ("http_json_result_mode", "driver", "'1970-01-01 00:00:01'::TIMESTAMP", "1000000"),
        ("format_null_as_str", "1", "NULL", "NULL"),
    ] {
        sql.run(&format!("SET {setting} = '{value}'")).await;
        assert_eq!(sql.one(&format!("SELECT {expression}")).await, text, "{setting} = {value}");
        sql.run(&format!("UNSET {setting}")).await;
    }
}
