"""What is measured: each suite fills a report with rows of figures. Sizes come in as arguments."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import data, queries, schema
from .basalt import Failed, Server
from .peer import measure

PEERS = ["duckdb-native", "duckdb-parquet", "chdb-native", "databend-native", "datafusion-parquet"]
HERE = Path(__file__).resolve().parents[1]


class Bench:
    def __init__(self, arguments, report):
        self.arguments, self.report = arguments, report
        self.work = data.CACHE / "bench-work"
        self.work.mkdir(parents=True, exist_ok=True)

    def say(self, text):
        print(text, flush=True)

    def server(self, name, settings=None, keep=False):
        extra = dict(pair.split("=", 1) for pair in self.arguments.set)
        return Server(self.work / f"basalt-{name}", {**(settings or {}), **extra}, keep)

    # Peers, one process each.

    def peers(self, suite, size, what, statements=None, engines=None):
        csv = data.generate(suite, size, "csv") if what == "load" else None
        parquet = data.generate(suite, size, "parquet")
        results = {}
        for engine in engines or self.arguments.peers:
            job = {"engine": engine, "suite": suite, "csv": csv and str(csv), "parquet": str(parquet), "what": what,
                   "work": str(self.work / engine), "runs": self.arguments.runs, "statements": statements}
            self.say(f"  {engine} …")
            results[engine] = self._peer(job)
            shutil.rmtree(job["work"], ignore_errors=True)
        return {engine: figures for engine, figures in results.items() if figures}

    def _peer(self, job):
        done = subprocess.run([sys.executable, "-m", "harness.peer", json.dumps(job)], cwd=HERE, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=4 * 3600)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode == 0 and lines:
            return json.loads(lines[-1])
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]
        self.report.note(f"{job['engine']}: skipped ({reason})")
        return None

    # Basalt.

    def create_and_load(self, server, suite, size):
        """Loads every table by CSV stream load; seconds per table."""
        csv, parquet = data.generate(suite, size, "csv"), data.generate(suite, size, "parquet")
        seconds = {}
        for table in data.TABLES[suite]:
            server.query(schema.basalt(parquet, suite, table))
            begin = time.perf_counter()
            answer = server.stream_load(table, csv / f"{table}.csv")
            seconds[table] = time.perf_counter() - begin
            rows = int(server.query(f"SELECT count(*) FROM {table}")[0][0])
            if rows != answer["NumberLoadedRows"]:
                raise Failed(f"{table}: loaded {answer['NumberLoadedRows']} rows, {rows} are visible")
        return seconds

    def basalt_queries(self, server, suite, runs=None):
        figures = {"engine": "basalt", "queries": {}, "failed": {}}
        for name, sql in queries.read(suite).items():
            try:
                figures["queries"][name] = measure(lambda: server.query(sql), runs or self.arguments.runs)
                server.finish()
            except (Failed, OSError) as error:
                figures["failed"][name] = str(error)[:300]
        figures["rss_mb"] = server.memory()[1]
        return figures

    def settle(self, server, limit_secs=60):
        """Waits until background merging is quiet: two seconds with little processor time."""
        end = time.monotonic() + limit_secs
        while time.monotonic() < end:
            before = server.cpu_secs()
            time.sleep(2)
            if server.cpu_secs() - before < 0.2:
                return

    # Suites.

    def query_suite(self, suite, size):
        title = f"{suite} {size:.12g}"
        self.say(f"{title}: Basalt over HTTP, then its peers")
        data.generate(suite, size, "parquet")
        with self.server(suite) as server:
            seconds = self.create_and_load(server, suite, size)
            csv = data.generate(suite, size, "csv")
            megabytes = data.size_bytes(csv, suite, "csv") / 1e6
            self.report.row(title, "basalt", "CSV stream load", megabytes / sum(seconds.values()), "MB/s")
            self.settle(server)
            results = {"basalt": self.basalt_queries(server, suite)}
            results["basalt"]["store_bytes"] = server.store_bytes()
        results |= self.peers(suite, size, "queries")
        self.report.queries(title, results)

    def load(self, scale):
        title = f"load TPC-H SF {scale:g} CSV"
        self.say(title)
        megabytes = data.size_bytes(data.generate("tpch", scale, "csv"), "tpch", "csv") / 1e6
        with self.server("load") as server:
            seconds = self.create_and_load(server, "tpch", scale)
            total, lineitem = sum(seconds.values()), seconds["lineitem"]
            self.report.row(title, "basalt", "durable and queryable", megabytes / total, "MB/s")
            size = (data.generate("tpch", scale, "csv") / "lineitem.csv").stat().st_size / 1e6
            self.report.row(title, "basalt", "lineitem only", size / lineitem, "MB/s")
            self.report.row(title, "basalt", "processor time", server.cpu_secs(), "s")
            self.report.row(title, "basalt", "most memory", server.memory()[1], "MB")
        for engine, figures in self.peers("tpch", scale, "load",
                                          engines=[e for e in self.arguments.peers if e != "duckdb-parquet"]).items():
            self.report.row(title, engine, "loaded (not all sync)", megabytes / figures["load_total_secs"], "MB/s")
            self.report.row(title, engine, "sync afterwards", figures["sync_secs"], "s")

    def loadgen(self, server, *arguments):
        command = [data.BIN / "basalt-loadgen", "query", "--host", f"{server.host}:{server.port}", *map(str, arguments)]
        done = subprocess.run(command, text=True, capture_output=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return json.loads(done.stdout)

    def _latency(self, title, what, figures):
        self.report.row(title, "basalt", f"{what}: p50", figures["p50_ms"], "ms")
        self.report.row(title, "basalt", f"{what}: p99", figures["p99_ms"], "ms")
        self.report.row(title, "basalt", f"{what}: rate", figures["per_second"], "/s")
        if figures["errors"]:
            self.report.note(f"{title}, {what}: {figures['errors']} errors, first: {figures['first_error']}")

    def select1(self):
        title = "SELECT 1"
        self.say(title)
        with self.server("select1") as server:
            for connections in (1, 64):
                for final in ((), ("--final",)):
                    figures = self.loadgen(server, "--sql", "SELECT 1", "--connections", connections, "--seconds",
                                           self.arguments.seconds, "--expect-rows", 1, *final)
                    name = f"{connections} connection{'s' if connections > 1 else ''}{', with final' if final else ''}"
                    self._latency(title, name, figures)

    def insert(self):
        title = "single-row durable INSERT"
        self.say(title)
        with self.server("insert") as server:
            probe = subprocess.run([data.BIN / "basalt-loadgen", "fsync", "--dir", server.directory / "data"], text=True,
                                   capture_output=True, check=True)
            floor = json.loads(probe.stdout)
            self.report.row(title, "file system", "4 KiB append + fdatasync: p50", floor["p50_ms"], "ms")
            server.query("CREATE TABLE events (id BIGINT NOT NULL, name VARCHAR, amount DECIMAL(12, 2))")
            acknowledged, first = 0, 1
            for connections in (1, 64):
                figures = self.loadgen(server, "--sql", "INSERT INTO events VALUES ({n}, 'event {n}', 12.50)",
                                       "--connections", connections, "--seconds", self.arguments.seconds, "--first", first)
                acknowledged += figures["acknowledged"]
                first += 10_000_000
                self._latency(title, f"{connections} connection{'s' if connections > 1 else ''}", figures)
                if connections == 1:
                    self.report.row(title, "basalt", "1 connection: above one fsync", figures["p50_ms"] - floor["p50_ms"],
                                    "ms")
            rows, ids = map(int, server.query("SELECT count(*), count(DISTINCT id) FROM events")[0])
            if not rows == ids == acknowledged:
                self.report.note(f"{title}: {acknowledged} acknowledged, but {rows} rows with {ids} ids are there")

    def point(self, orders):
        title = f"point read, {orders:,} orders"
        self.say(title)
        scale = orders / 1_500_000
        directory = data.DATA / f"tpch-{scale:.12g}"
        for fmt in ("csv", "parquet"):
            if not (directory / f"orders.{fmt}").exists():
                subprocess.run([data.BIN / "basalt-datagen", "tpch", "--scale", str(scale), "--format", fmt, "--out",
                                directory, "--tables", "orders"], check=True, stdout=subprocess.DEVNULL)
        with self.server("point") as server:
            server.query(schema.standard(directory, "orders") + " CLUSTER BY (o_orderkey)")
            server.stream_load("orders", directory / "orders.csv")
            self.settle(server)
            for connections in (1, 16):
                figures = self.loadgen(server, "--sql", "SELECT * FROM orders WHERE o_orderkey = {order}", "--range",
                                       int(orders), "--connections", connections, "--seconds", self.arguments.seconds,
                                       "--expect-rows", 1)
                self._latency(title, f"{connections} connection{'s' if connections > 1 else ''}", figures)
        self._point_peers(title, directory, orders)

    def _point_peers(self, title, directory, orders):
        keys = [((r >> 3) << 5) | (r & 7) for r in range(1, int(orders), max(1, int(orders) // 200))]
        code = {"duckdb-native": f"import duckdb; c=duckdb.connect('{self.work}/point.db',config={{'threads':2}}); "
                                 f"c.execute(\"CREATE OR REPLACE TABLE orders AS FROM read_parquet('{directory}/orders.parquet')\"); "
                                 "run=lambda q: c.execute(q).fetchall()",
                "datafusion-parquet": "import datafusion as d; c=d.SessionContext(d.SessionConfig().with_target_partitions(2)); "
                                      f"c.register_parquet('orders','{directory}/orders.parquet'); run=lambda q: c.sql(q).collect()"}
        for engine in (e for e in self.arguments.peers if e in code):
            body = f"{code[engine]}\nimport time,statistics as s\nt=[]\nfor k in {keys}:\n b=time.perf_counter()\n " \
                   "run(f'SELECT * FROM orders WHERE o_orderkey = {k}')\n t.append((time.perf_counter()-b)*1e3)\n" \
                   " if sum(t)>20e3: break\nprint(s.median(t))"
            done = subprocess.run([sys.executable, "-c", body], text=True, capture_output=True)
            if done.returncode == 0:
                self.report.row(title, engine, "in-process: p50", float(done.stdout.split()[-1]), "ms")
            else:
                self.report.note(f"{title}: {engine} skipped ({done.stderr.strip().splitlines()[-1][:200]})")
        (self.work / "point.db").unlink(missing_ok=True)

    def segments(self, count):
        title = f"{count:,} segments"
        self.say(title)
        # A partition each, small enough to stay as they are: nothing may fold or merge them while they are counted.
        settings = {"fold_after_secs": 86_400}
        with self.server("segments", settings) as server:
            server.query("CREATE TABLE many (part INT NOT NULL, value BIGINT NOT NULL) PARTITION BY (part)")
            begin = time.perf_counter()
            for start in range(0, count, 10_000):
                server.query(f"INSERT INTO many SELECT number + {start}, number FROM numbers({min(10_000, count - start)})")
            self.report.row(title, "basalt", "made in", time.perf_counter() - begin, "s")
            self._planning(title, server, "before a restart")
            server.stop()
            server.start()
            self.report.row(title, "basalt", "start-up", server.start_secs, "s")
            self._planning(title, server, "after a restart")

    def _planning(self, title, server, when):
        server.query("SELECT 1")
        for what, sql in (("EXPLAIN of a point query", "EXPLAIN SELECT * FROM many WHERE part = 77"),
                          ("point query", "SELECT * FROM many WHERE part = 77")):
            times = []
            for _ in range(20):
                begin = time.perf_counter()
                server.query(sql)
                times.append((time.perf_counter() - begin) * 1e3)
            self.report.row(title, "basalt", f"{what}, {when}: first", times[0], "ms")
            self.report.row(title, "basalt", f"{what}, {when}: p50", statistics.median(times), "ms")

    def spill(self, scale, limit_bytes):
        title = f"TPC-H SF {scale:g} within {limit_bytes / 2**30:g} GiB"
        self.say(title)
        with self.server("spill", {"memory_limit_bytes": limit_bytes}) as server:
            self.create_and_load(server, "tpch", scale)
            self.settle(server)
            figures = self.basalt_queries(server, "tpch", runs=2)
        self.report.queries(title, {"basalt": figures})
        self.report.row(title, "basalt", "queries that finish", len(figures["queries"]), "of 22")
        self.report.row(title, "basalt", "most memory (RSS)", figures["rss_mb"], "MB")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))) / 2**20
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {os.uname().release}"
