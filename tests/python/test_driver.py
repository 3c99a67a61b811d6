"""The Databend driver from PyPI, unchanged: blocking, asyncio and DB-API cursor."""

import asyncio
import datetime
import decimal
import threading
import time

import pytest
from databend_driver import AsyncDatabendClient, BlockingDatabendClient

from conftest import wait_until


@pytest.fixture
def connection(server):
    return BlockingDatabendClient(server.dsn).get_conn()


def values(rows):
    return [tuple(row.values()) for row in rows]


def test_connect_and_version(connection):
    assert connection.query_row("SELECT 1").values() == (1,)
    assert connection.version().startswith("DatabendQuery v1.2.") or connection.version()


def test_ddl_insert_and_types(connection):
    connection.exec("CREATE TABLE t (b BOOLEAN, i INT, u BIGINT UNSIGNED, f DOUBLE, d DECIMAL(20, 4), s STRING, da DATE, ts TIMESTAMP)")
    written = connection.exec(
        "INSERT INTO t VALUES (true, -7, 18446744073709551615, 2.5, 12.3456, 'ünï', '2024-02-29', '2024-02-29 01:02:03.000004'),"
        " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    assert written == 2
    first, second = values(connection.query_iter("SELECT * FROM t ORDER BY i NULLS LAST"))
    assert first[:7] == (True, -7, 2**64 - 1, 2.5, decimal.Decimal("12.3456"), "ünï", datetime.date(2024, 2, 29))
    assert first[7].replace(tzinfo=None) == datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
    assert second == (None,) * 8
    names = [field.name for field in connection.query_iter("SELECT * FROM t").schema().fields()]
    assert names == ["b", "i", "u", "f", "d", "s", "da", "ts"]


def test_parameters(connection):
    evil = "it's; DROP TABLE t --"
    connection.exec("CREATE TABLE t (a INT, s STRING)")
    connection.exec("INSERT INTO t VALUES (?, ?)", (1, evil))
    assert connection.query_row("SELECT s FROM t WHERE a = ?", (1,)).values() == (evil,)
    assert connection.query_row("SELECT a FROM t WHERE s = :s", {"s": evil}).values() == (1,)


def test_two_hundred_thousand_rows(connection):
    expected = 0
    for row in connection.query_iter("SELECT number, CAST(number AS VARCHAR) AS s FROM numbers(200000) ORDER BY number"):
        number, text = row.values()
        assert number == expected and text == str(expected)
        expected += 1
    assert expected == 200_000


def test_an_iterator_left_early_frees_the_query(server, connection):
    rows = iter(connection.query_iter("SELECT number AS left_early FROM numbers(100000000)"))
    next(rows)
    del rows
    other = BlockingDatabendClient(server.dsn).get_conn()
    query = ("SELECT count(*) FROM system.queries WHERE state IN ('Starting', 'Running') "
             "AND position('left_early' IN sql) > 0 AND position('system.queries' IN sql) = 0")
    wait_until("the query ends", lambda: other.query_row(query).values() == (0,), 70)


def test_transactions(server, connection):
    other = BlockingDatabendClient(server.dsn).get_conn()
    connection.exec("CREATE TABLE t (a INT)")
    connection.exec("BEGIN")
    connection.exec("INSERT INTO t VALUES (1), (2)")
    assert connection.query_row("SELECT count(*) FROM t").values() == (2,)
    assert other.query_row("SELECT count(*) FROM t").values() == (0,)
    connection.exec("COMMIT")
    assert other.query_row("SELECT count(*) FROM t").values() == (2,)
    connection.exec("BEGIN")
    connection.exec("DELETE FROM t")
    connection.exec("ROLLBACK")
    assert connection.query_row("SELECT count(*) FROM t").values() == (2,)


def test_errors_carry_their_code(connection):
    for sql, code in [("SELECT nope", 1058), ("SELECT * FROM nope", 1025), ("SELEC 1", 1005), ("SELECT 1/0", 1006)]:
        with pytest.raises(Exception) as error:
            connection.query_all(sql)
        assert str(code) in str(error.value), (sql, str(error.value))
    assert connection.query_row("SELECT 1").values() == (1,), "the connection goes on"


def test_kill(server, connection):
    failure = []

    def run():
        try:
            connection.query_all("SELECT count(*) AS to_be_killed FROM numbers(1000000000000) WHERE number % 7 = 3")
        except Exception as error:  # noqa: BLE001
            failure.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    other = BlockingDatabendClient(server.dsn).get_conn()
    query = ("SELECT query_id FROM system.queries WHERE state IN ('Starting', 'Running') "
             "AND position('to_be_killed' IN sql) > 0 AND position('system.queries' IN sql) = 0")
    wait_until("the query runs", lambda: other.query_row(query) is not None)
    other.exec(f"KILL QUERY '{other.query_row(query).values()[0]}'")
    started = time.monotonic()
    thread.join(20)
    assert not thread.is_alive() and time.monotonic() - started < 15
    assert failure and ("1043" in failure[0] or "cancel" in failure[0].lower() or "kill" in failure[0].lower()), failure


def test_loads(connection, tmp_path):
    connection.exec("CREATE TABLE t (a INT, s STRING)")
    connection.exec("INSERT INTO t VALUES " + ", ".join(f"({i}, 's{i}')" for i in range(20_000)))
    assert connection.query_row("SELECT count(*), sum(a) FROM t").values() == (20_000, 199_990_000)


def test_asyncio(server):
    async def run():
        connection = await AsyncDatabendClient(server.dsn).get_conn()
        await connection.exec("CREATE TABLE t (a INT, s STRING)")
        await connection.exec("INSERT INTO t VALUES (1, 'one'), (2, NULL)")
        rows = await connection.query_iter("SELECT * FROM t ORDER BY a")
        assert [row.values() async for row in rows] == [(1, "one"), (2, None)]
        with pytest.raises(Exception, match="1025"):
            await connection.query_all("SELECT * FROM nope")
        many = await asyncio.gather(*(run_one(server, n) for n in range(16)))
        assert many == [n * 2 for n in range(16)]

    async def run_one(server, n):
        connection = await AsyncDatabendClient(server.dsn).get_conn()
        row = await connection.query_row(f"SELECT {n} * 2")
        return row.values()[0]

    asyncio.run(run())


def test_cursor(server):
    cursor = BlockingDatabendClient(server.dsn).cursor()
    cursor.execute("CREATE TABLE t (a INT, s STRING)")
    cursor.execute("INSERT INTO t VALUES (?, ?)", (1, "one"))
    cursor.execute("INSERT INTO t VALUES (2, 'two'), (3, 'three')")
    cursor.execute("SELECT * FROM t ORDER BY a")
    assert [column[0] for column in cursor.description] == ["a", "s"]
    assert cursor.fetchone().values() == (1, "one")
    assert values(cursor.fetchmany(1)) == [(2, "two")]
    assert values(cursor.fetchall()) == [(3, "three")]
    assert cursor.fetchone() is None
    cursor.close()


def test_settings_and_databases(connection):
    connection.exec("CREATE DATABASE shop")
    connection.exec("USE shop")
    assert connection.query_row("SELECT current_database()").values() == ("shop",)
    connection.exec("SET timezone = 'Asia/Tokyo'")
    assert connection.query_row("SELECT value FROM system.settings WHERE name = 'timezone'").values() == ("Asia/Tokyo",)
