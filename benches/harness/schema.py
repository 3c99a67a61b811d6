"""CREATE TABLE for every engine, from the columns of the generated Parquet files."""

from .data import SORT_KEYS, columns

STANDARD = {"int16": "SMALLINT", "int32": "INT", "int64": "BIGINT", "date": "DATE", "timestamp": "TIMESTAMP",
            "text": "VARCHAR"}
CLICKHOUSE = {"int16": "Int16", "int32": "Int32", "int64": "Int64", "date": "Date", "timestamp": "DateTime('UTC')",
              "text": "String"}


def _sql_type(kind, names):
    if kind.startswith("decimal"):
        return kind.upper() if names is STANDARD else "Decimal" + kind[len("decimal"):]
    return names[kind]


def sort_key(suite, table):
    return SORT_KEYS.get(f"{suite}:{table}") or SORT_KEYS.get(table)


def column_list(directory, table, names=STANDARD, not_null=" NOT NULL"):
    return ", ".join(f"{name} {_sql_type(kind, names)}{not_null}" for name, kind in columns(directory, table))


def standard(directory, table):
    return f"CREATE TABLE {table} ({column_list(directory, table)})"


def basalt(directory, suite, table):
    cluster = f" CLUSTER BY ({', '.join(sort_key(suite, table))})" if suite == "clickbench" else ""
    return standard(directory, table) + cluster


def clickhouse(directory, suite, table):
    body = column_list(directory, table, CLICKHOUSE, "")
    return f"CREATE TABLE {table} ({body}) ENGINE = MergeTree ORDER BY ({', '.join(sort_key(suite, table))})"


def clickhouse_structure(directory, table):
    return column_list(directory, table, CLICKHOUSE, "")
