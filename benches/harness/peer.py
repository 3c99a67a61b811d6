"""One peer engine in a process of its own: loads the tables, runs the queries, prints one JSON object.

usage: python -m harness.peer '<json: {"engine", "suite", "csv", "parquet", "work", "runs", "what"}>'
"""

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from . import queries, schema
from .data import TABLES

THREADS = 2


class DuckDb:
    """DuckDB on its own storage."""

    def __init__(self, job):
        import duckdb
        self.job, self.version = job, duckdb.__version__
        self.connection = duckdb.connect(str(Path(job["work"]) / "duck.db"), config={"threads": THREADS})
        self.connection.execute("SET preserve_insertion_order = true")

    def load(self, table, source):
        execute = self.connection.execute
        execute(schema.standard(Path(self.job["parquet"]), table))
        if source == "csv":
            execute(f"COPY {table} FROM '{self.job['csv']}/{table}.csv' (DELIMITER '|', HEADER false, NULL '\\N')")
        else:
            execute(f"INSERT INTO {table} SELECT * FROM read_parquet('{self.job['parquet']}/{table}.parquet')")

    def loaded(self):
        self.connection.execute("CHECKPOINT")

    def query(self, sql):
        return self.connection.sql(sql).to_arrow_table().num_rows


class DuckDbParquet(DuckDb):
    """DuckDB reading the Parquet files."""

    def load(self, table, _source):
        self.connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{self.job['parquet']}/{table}.parquet')")

    def loaded(self):
        pass


class ChDb:
    """chdb (ClickHouse in-process) on MergeTree, with column statistics made on insert."""

    def __init__(self, job):
        import chdb
        from chdb import session
        self.job, self.version = job, chdb.__version__
        self.session = session.Session(str(Path(job["work"]) / "chdb"))
        for setting in (f"max_threads = {THREADS}", f"max_insert_threads = {THREADS}",
                        "materialize_statistics_on_insert = 1", "format_csv_delimiter = '|'", "joined_subquery_requires_alias = 0"):
            self.session.query(f"SET {setting}")
        self.session.query("CREATE DATABASE IF NOT EXISTS bench")
        self.session.query("USE bench")

    def load(self, table, source):
        parquet = Path(self.job["parquet"])
        self.session.query(schema.clickhouse(parquet, self.job["suite"], table))
        if source == "csv":
            structure = schema.clickhouse_structure(parquet, table).replace("'", "\\'")
            rows = f"file('{self.job['csv']}/{table}.csv', 'CSV', '{structure}')"
        else:
            rows = f"file('{parquet}/{table}.parquet', 'Parquet')"
        self.session.query(f"INSERT INTO {table} SELECT * FROM {rows}")

    def loaded(self):
        pass

    def query(self, sql):
        sql = queries.lower_columns(sql, Path(self.job["parquet"]), TABLES[self.job["suite"]])
        return len(self.session.query(sql, "CSV").bytes() or b"")


class DataFusion:
    """DataFusion's Python package over plain Parquet files."""

    def __init__(self, job):
        import datafusion
        self.job, self.version = job, datafusion.__version__
        config = datafusion.SessionConfig().with_target_partitions(THREADS)
        self.context = datafusion.SessionContext(config)

    def load(self, table, source):
        if source == "parquet":
            self.context.register_parquet(table, f"{self.job['parquet']}/{table}.parquet")
            return
        import pyarrow.parquet as pq
        # The rows' own types, not guessed ones.
        shape = pq.read_schema(f"{self.job['parquet']}/{table}.parquet").remove_metadata()
        path = f"{self.job['csv']}/{table}.csv"
        self.context.register_csv(f"{table}_csv", path, schema=shape, has_header=False, delimiter="|")
        target = f"{self.job['work']}/{table}.parquet"
        self.context.sql(f"COPY {table}_csv TO '{target}' STORED AS PARQUET "
                         "OPTIONS (compression 'zstd(1)')").collect()

    def loaded(self):
        pass

    def query(self, sql):
        return sum(batch.num_rows for batch in self.context.sql(sql).collect())


class Databend:
    """Databend embedded (a build of 2024) on its own tables."""

    def __init__(self, job):
        # The embedded server writes below its working directory, and its tables where this variable says.
        os.chdir(job["work"])
        os.environ["DATABEND_DATA_PATH"] = str(Path(job["work"]) / "databend")
        import databend
        self.job, self.version = job, getattr(databend, "__version__", "1.2.453")
        self.context = databend.SessionContext()
        self.context.sql(f"SET max_threads = {THREADS}").collect()

    def load(self, table, source):
        self.context.sql(schema.standard(Path(self.job["parquet"]), table)).collect()
        if source == "csv":
            options = "(type = CSV, field_delimiter = '|')"
        else:
            options = "(type = PARQUET)"
        self.context.sql(f"COPY INTO {table} FROM 'fs://{self.job[source]}/' FILES = ('{table}.{source}') "
                         f"FILE_FORMAT = {options}").collect()

    def loaded(self):
        pass

    def query(self, sql):
        self.context.sql(queries.plain_intervals(sql)).collect()


ENGINES = {"duckdb-native": DuckDb, "duckdb-parquet": DuckDbParquet, "chdb-native": ChDb, "databend-native": Databend,
           "datafusion-parquet": DataFusion}


def measure(run, runs, limit_secs=120):
    """(first, hot) in seconds: hot is the best of the later runs. A slow query is run fewer times."""
    times = []
    for _ in range(max(runs, 2)):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
        if sum(times) > limit_secs and len(times) >= 2:
            break
    return times[0], min(times[1:])


def run(job):
    shutil.rmtree(job["work"], ignore_errors=True)
    Path(job["work"]).mkdir(parents=True)
    engine = ENGINES[job["engine"]](job)
    figures = {"engine": job["engine"], "version": engine.version, "queries": {}, "failed": {}, "load_secs": {}}
    source = "csv" if job["what"] == "load" else "parquet"
    for table in TABLES[job["suite"]]:
        begin = time.perf_counter()
        engine.load(table, source)
        figures["load_secs"][table] = time.perf_counter() - begin
    begin = time.perf_counter()
    engine.loaded()
    figures["load_total_secs"] = sum(figures["load_secs"].values()) + time.perf_counter() - begin
    begin = time.perf_counter()
    os.sync()
    figures["sync_secs"] = time.perf_counter() - begin
    statements = job.get("statements") or (queries.read(job["suite"]) if job["what"] == "queries" else {})
    for name, sql in statements.items():
        try:
            figures["queries"][name] = measure(lambda: engine.query(sql), job["runs"])
        except Exception as error:  # a peer that can't run a query is reported, not hidden
            figures["failed"][name] = f"{type(error).__name__}: {error}"[:300]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures["rss_mb"], figures["cpu_secs"] = usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    figures["store_bytes"] = sum(p.stat().st_size for p in Path(job["work"]).rglob("*") if p.is_file())
    return figures


if __name__ == "__main__":
    result = run(json.loads(sys.argv[1]))
    print("\n" + json.dumps(result), flush=True)
    # Embedded engines may hang or crash while they are torn down: the figures are out, leave.
    os._exit(0)
