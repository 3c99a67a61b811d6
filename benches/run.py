"""Measures Basalt beside its peers and writes a table, the raw figures and a plot to benches/results (README.md)."""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import stages, suites  # noqa: E402
from harness.basalt import Failed  # noqa: E402
from harness.report import Report  # noqa: E402


def parse():
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--peers", default=",".join(suites.PEERS), help="peers by comma, or `none`")
    shared.add_argument("--runs", type=int, default=3, help="runs of each query; hot is the best but the first")
    shared.add_argument("--seconds", type=float, default=5, help="length of a latency measurement")
    shared.add_argument("--set", action="append", default=[], help="setting of the Basalt server: key=value")
    shared.add_argument("--name", help="name of the result files")
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="suite", required=True)
    add = lambda name, text: commands.add_parser(name, help=text, parents=[shared])  # noqa: E731
    add("quick", "every suite, small: a few minutes")
    add("full", "every suite at the sizes of the README's table: an hour or two")
    add("tpch", "22 queries").add_argument("--scale", type=float, default=1)
    add("clickbench", "43 queries").add_argument("--rows", type=int, default=10_000_000)
    add("ssb", "13 queries over the star").add_argument("--scale", type=float, default=1)
    add("load", "CSV in, durable and queryable").add_argument("--scale", type=float, default=1)
    add("point", "reads by sort key").add_argument("--orders", type=int, default=6_000_000)
    add("insert", "single-row durable INSERTs, 1 and 64 connections")
    add("select1", "SELECT 1, 1 and 64 connections")
    add("segments", "planning and start-up").add_argument("--count", type=int, default=100_000)
    spill = add("spill", "TPC-H within a memory limit")
    spill.add_argument("--scale", type=float, default=10)
    spill.add_argument("--limit-gib", type=float, default=4)
    add("paging", "a large result, page by page").add_argument("--rows", type=int, default=10_000_000)
    add("upload", "a file to a stage").add_argument("--gib", type=float, default=1)
    add("copy", "COPY INTO from a hundred Parquet files").add_argument("--scale", type=float, default=1)
    arguments = parser.parse_args()
    arguments.peers = [] if arguments.peers == "none" else arguments.peers.split(",")
    unknown = set(arguments.peers) - set(suites.PEERS)
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; known: {', '.join(suites.PEERS)}")
    return arguments


def steps(bench, arguments):
    gib = 2**30
    if arguments.suite == "quick":
        return [bench.select1, bench.insert, lambda: bench.load(0.3), lambda: bench.point(300_000),
                lambda: bench.query_suite("tpch", 0.3), lambda: bench.query_suite("clickbench", 500_000),
                lambda: bench.query_suite("ssb", 0.3), lambda: bench.segments(10_000), lambda: stages.paging(bench, 300_000),
                lambda: stages.stage_upload(bench, gib // 8), lambda: stages.copy_parquet(bench, 0.1)]
    if arguments.suite == "full":
        return [bench.select1, bench.insert, lambda: bench.load(1), lambda: bench.point(6_000_000),
                lambda: bench.query_suite("tpch", 1), lambda: bench.query_suite("clickbench", 10_000_000),
                lambda: bench.query_suite("ssb", 1), lambda: bench.segments(100_000), lambda: stages.paging(bench, 10_000_000),
                lambda: stages.stage_upload(bench, gib), lambda: stages.copy_parquet(bench, 1),
                lambda: bench.query_suite("tpch", 10), lambda: bench.spill(10, 4 * gib)]
    return [{
        "tpch": lambda: bench.query_suite("tpch", arguments.scale),
        "clickbench": lambda: bench.query_suite("clickbench", arguments.rows),
        "ssb": lambda: bench.query_suite("ssb", arguments.scale),
        "load": lambda: bench.load(arguments.scale),
        "point": lambda: bench.point(arguments.orders),
        "insert": bench.insert,
        "select1": bench.select1,
        "segments": lambda: bench.segments(arguments.count),
        "spill": lambda: bench.spill(arguments.scale, int(arguments.limit_gib * gib)),
        "paging": lambda: stages.paging(bench, arguments.rows),
        "upload": lambda: stages.stage_upload(bench, int(arguments.gib * gib)),
        "copy": lambda: stages.copy_parquet(bench, arguments.scale),
    }[arguments.suite]]


def main():
    arguments = parse()
    # Two processors for everyone, also on larger machines; the load generator shares them, as a client here would.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    report = Report(arguments.name or f"{time.strftime('%Y-%m-%d')}-{arguments.suite}", suites.machine())
    bench = suites.Bench(arguments, report)
    failures = 0
    for step in steps(bench, arguments):
        try:
            step()
        except (Failed, OSError) as error:
            failures += 1
            report.note(f"a suite ended early: {error}")
    report.save()
    print(f"\n{report.directory / report.name}.md, .csv, .json, .png")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
