"""Databend's Python clients, unchanged, in what they do beside plain statements: big results, nulls, time zones, errors."""

import asyncio
import datetime
import decimal
import pathlib
import urllib.error

import pytest
from databend_driver import AsyncDatabendClient, BlockingDatabendClient


@pytest.fixture
def connection(server):
    return BlockingDatabendClient(server.dsn).get_conn()


def values(rows):
    return [tuple(row.values()) for row in rows]


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_a_million_rows_in_bounded_memory(server, connection):
    before = resident_bytes(server.process.pid)
    count, total, most = 0, 0, before
    for row in connection.query_iter("SELECT number, concat('row ', CAST(number AS VARCHAR)) FROM numbers(1000000)"):
        number, text = row.values()
        assert text == f"row {number}"
        count, total = count + 1, total + number
        if count % 50_000 == 0:
            most = max(most, resident_bytes(server.process.pid))
    assert (count, total) == (1_000_000, 499_999_500_000)
    assert most - before < 300 << 20, f"the server grew by {most - before} bytes"


TYPES = [
    ("BOOLEAN", "true", True),
    ("TINYINT", "-128", -128),
    ("SMALLINT", "-32768", -32768),
    ("INT", "-2147483648", -(2**31)),
    ("BIGINT", "-9223372036854775807", -(2**63) + 1),
    ("TINYINT UNSIGNED", "255", 255),
    ("SMALLINT UNSIGNED", "65535", 65535),
    ("INT UNSIGNED", "4294967295", 2**32 - 1),
    ("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1),
    ("FLOAT", "1.5", 1.5),
    ("DOUBLE", "-2.25", -2.25),
    ("DECIMAL(18, 4)", "12345.6789", decimal.Decimal("12345.6789")),
    ("DECIMAL(38, 10)", "-1.0000000001", decimal.Decimal("-1.0000000001")),
    ("VARCHAR", "'ünï ''quoted'' \\\\ text'", "ünï 'quoted' \\ text"),
    ("DATE", "'2024-02-29'", datetime.date(2024, 2, 29)),
]


@pytest.fixture(params=["json", "arrow"])
def either(request, server):
    """A connection whose results come as JSON or as Arrow."""
    return BlockingDatabendClient(f"{server.dsn}&query_result_format={request.param}").get_conn()


def test_arrow_bodies_are_asked_for_and_given(server):
    body = b'{"sql": "SELECT number FROM numbers(3)", "arrow_result_version_max": 2}'
    headers = {"Content-Type": "application/json", "Accept": "application/vnd.apache.arrow.stream"}
    reply = server.raw("POST", "/v1/query", body, headers)
    assert reply.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    data = reply.read()
    assert b"response_header" in data and b'"arrow_result_version":2' in data
    nothing = b'{"sql": "SELECT 1 WHERE false", "arrow_result_version_max": 2}'
    assert server.raw("POST", "/v1/query", nothing, headers).headers["Content-Type"] == "application/json"
    with pytest.raises(urllib.error.HTTPError) as error:
        server.raw("POST", "/v1/query", b'{"sql": "SELECT 1"}', headers)
    assert error.value.code == 400


def test_big_results_in_either_format(either):
    rows = [row.values() for row in either.query_iter("SELECT number, CAST(number AS VARCHAR) FROM numbers(30000) ORDER BY number")]
    assert rows == [(n, str(n)) for n in range(30000)]


@pytest.mark.parametrize("sql_type,literal,expected", TYPES, ids=[t[0] for t in TYPES])
def test_every_type_and_its_null(either, sql_type, literal, expected):
    connection = either
    connection.exec(f"CREATE TABLE t (n INT, x {sql_type})")
    connection.exec(f"INSERT INTO t VALUES (1, {literal}), (2, NULL)")
    assert values(connection.query_iter("SELECT x FROM t ORDER BY n")) == [(expected,), (None,)]


def test_time_zones_of_the_session(server, connection):
    connection.exec("CREATE TABLE t (ts TIMESTAMP)")
    tokyo = BlockingDatabendClient(server.dsn + "&timezone=Asia/Tokyo").get_conn()
    tokyo.exec("INSERT INTO t VALUES ('2024-07-01 12:00:00'), (NULL)")
    moment, nothing = values(tokyo.query_iter("SELECT ts FROM t ORDER BY ts NULLS LAST"))
    utc = connection.query_row("SELECT ts FROM t WHERE ts IS NOT NULL").values()[0]
    assert nothing == (None,)
    assert utc.replace(tzinfo=None) == datetime.datetime(2024, 7, 1, 3)
    shown = connection.query_row("SELECT CAST(ts AS VARCHAR) FROM t WHERE ts IS NOT NULL").values()[0]
    assert shown.replace("T", " ").startswith("2024-07-01 03:00:00")
    assert moment[0].utcoffset() in (None, datetime.timedelta(hours=9))
    wall = moment[0] if moment[0].tzinfo is None else moment[0].astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert wall.replace(tzinfo=None) == datetime.datetime(2024, 7, 1, 12)


def test_settings_and_roles_of_the_dsn(server):
    connection = BlockingDatabendClient(server.dsn + "&max_threads=3").get_conn()
    assert connection.query_row("SELECT value FROM system.settings WHERE name = 'max_threads'").values() == ("3",)
    with pytest.raises(Exception) as error:
        BlockingDatabendClient(server.dsn.replace("/default", "/nowhere")).get_conn().query_row("SELECT 1")
    assert "1003" in str(error.value) or "nowhere" in str(error.value)


def test_session_tokens(server):
    connection = BlockingDatabendClient(server.dsn + "&session_token=enable").get_conn()
    assert connection.query_row("SELECT 1").values() == (1,)
    connection.exec("CREATE TABLE t (a INT)")
    connection.exec("INSERT INTO t VALUES (1), (2)")
    assert connection.query_row("SELECT count(*) FROM t").values() == (2,)


def test_errors_name_their_place(connection):
    connection.exec("CREATE TABLE t (a INT)")
    for sql, code, word in [
        ("SELECT nope FROM t", 1058, "nope"),
        ("INSERT INTO t VALUES ('x1y')", 1006, "x1y"),
        ("SELECT * FROM t WHERE", 1005, ""),
        ("SELECT no_such_function(1)", 1008, "no_such_function"),
        ("CREATE TABLE t (a INT)", 2302, "t"),
        ("DROP DATABASE nowhere", 1003, "nowhere"),
    ]:
        with pytest.raises(Exception) as error:
            connection.exec(sql)
        assert str(code) in str(error.value) and word in str(error.value), (sql, str(error.value))


def test_a_failed_transaction_is_rolled_back(connection):
    connection.exec("CREATE TABLE t (a INT)")
    connection.exec("BEGIN")
    connection.exec("INSERT INTO t VALUES (1)")
    with pytest.raises(Exception):
        connection.exec("SELECT nope FROM t")
    with pytest.raises(Exception) as error:
        connection.exec("INSERT INTO t VALUES (2)")
    assert "4002" in str(error.value)
    connection.exec("ROLLBACK")
    assert connection.query_row("SELECT count(*) FROM t").values() == (0,)
    connection.exec("BEGIN")
    connection.exec("INSERT INTO t VALUES (3)")
    connection.exec("COMMIT")
    assert connection.query_row("SELECT count(*) FROM t").values() == (1,)


def test_wide_and_empty_results(connection):
    columns = ", ".join(f"number + {n} AS c{n}" for n in range(300))
    rows = values(connection.query_iter(f"SELECT {columns} FROM numbers(3)"))
    assert rows[2] == tuple(2 + n for n in range(300))
    connection.exec("CREATE TABLE empty (a INT, b VARCHAR)")
    result = connection.query_iter("SELECT * FROM empty")
    assert [field.name for field in result.schema().fields()] == ["a", "b"]
    assert values(result) == []
    assert connection.query_row("SELECT * FROM empty") is None


def test_asyncio_streams_and_writes(server):
    async def run():
        connection = await AsyncDatabendClient(server.dsn).get_conn()
        await connection.exec("CREATE TABLE t (a INT, b VARCHAR)")
        assert await connection.exec("INSERT INTO t SELECT number, 'x' FROM numbers(5000)") == 5000
        total = 0
        async for row in await connection.query_iter("SELECT a FROM t"):
            total += row.values()[0]
        assert total == sum(range(5000))
        assert await connection.exec("DELETE FROM t WHERE a < 100") in (0, 100)
        assert (await connection.query_row("SELECT count(*) FROM t")).values() == (4900,)

    asyncio.run(run())


def test_cursor_description_and_executemany(server):
    cursor = BlockingDatabendClient(server.dsn).cursor()
    cursor.execute("CREATE TABLE t (a INT, b VARCHAR, c DECIMAL(10, 2))")
    for row in [(1, "one", 1.5), (2, None, None)]:
        cursor.execute("INSERT INTO t VALUES (?, ?, ?)", row)
    cursor.execute("SELECT * FROM t ORDER BY a")
    assert [column[0] for column in cursor.description] == ["a", "b", "c"]
    rows = values(cursor.fetchall())
    assert rows == [(1, "one", decimal.Decimal("1.50")), (2, None, None)]
    cursor.close()
