"""Generated data, made once per size by `basalt-datagen` and kept in the cache directory; and what its columns are."""

import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

CACHE = Path(os.environ.get("BUILD_CACHE", Path.home() / ".cache/basalt"))
BIN = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target")) / "release"
DATA = Path(os.environ.get("BENCH_DATA", CACHE / "bench-data"))

TABLES = {
    "tpch": ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"],
    "ssb": ["dates", "customer", "supplier", "part", "lineorder"],
    "clickbench": ["hits"],
}

# The order in which engines that sort keep their rows: the usual key of each benchmark.
SORT_KEYS = {
    "hits": ["counterid", "eventdate", "userid", "eventtime", "watchid"],
    "region": ["r_regionkey"], "nation": ["n_nationkey"], "supplier": ["s_suppkey"], "customer": ["c_custkey"],
    "part": ["p_partkey"], "partsupp": ["ps_partkey", "ps_suppkey"], "orders": ["o_orderkey"],
    "lineitem": ["l_orderkey", "l_linenumber"],
    "ssb:customer": ["c_custkey"], "ssb:supplier": ["s_suppkey"], "ssb:part": ["p_partkey"], "dates": ["d_datekey"],
    "lineorder": ["lo_orderdate", "lo_orderkey"],
}


def generate(suite, size, fmt):
    """Directory with the suite's tables as `fmt` (csv: `|` between fields, no header; or parquet)."""
    directory = DATA / f"{suite}-{size:.12g}"
    command = {"tpch": ["tpch", "--scale", str(size)], "clickbench": ["hits", "--rows", str(int(size))],
               "ssb": ["ssb", "--scale", str(size)]}[suite]
    missing = [t for t in TABLES[suite] if not (directory / f"{t}.{fmt}").exists()]
    if missing:
        print(f"  generating {', '.join(missing)} as {fmt} into {directory}", flush=True)
        subprocess.run([BIN / "basalt-datagen", *command, "--format", fmt, "--out", directory,
                        "--tables", ",".join(missing)], check=True, stdout=subprocess.DEVNULL)
    return directory


def size_bytes(directory, suite, fmt):
    return sum((directory / f"{t}.{fmt}").stat().st_size for t in TABLES[suite])


def columns(directory, table):
    """(name, kind) of every column: kind is int16, int32, int64, date, timestamp, text or decimal(p,s)."""
    schema = pq.read_schema(directory / f"{table}.parquet")
    return [(field.name, _kind(field.type)) for field in schema]


def _kind(arrow_type):
    text = str(arrow_type)
    if text in ("int16", "int32", "int64"):
        return text
    if text.startswith("date"):
        return "date"
    if text.startswith("timestamp"):
        return "timestamp"
    if text.startswith("decimal"):
        return text.replace("decimal128", "decimal").replace(" ", "")
    return "text"
