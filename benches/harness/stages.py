"""Results paged out, files uploaded to a stage, and files copied into a table: what clients with a lot of data do."""

import http.client
import json
import os
import shutil
import statistics
import time

from . import data, schema
from .basalt import AUTHORIZATION, Failed

ARROW = "application/vnd.apache.arrow.stream"
BOUNDARY = "----------------basalt-bench"


def page_out(server, sql, arrow):
    """(rows, bytes of bodies, seconds) of a result read page by page, bodies not parsed beyond what paging needs."""
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
    body = {"sql": sql, "pagination": {"wait_time_secs": 30}}
    if arrow:
        headers["Accept"] = ARROW
        body["arrow_result_version_max"] = 2
    connection = http.client.HTTPConnection(server.host, int(server.port), timeout=600, blocksize=1 << 20)
    begin, rows, size = time.perf_counter(), 0, 0
    connection.request("POST", "/v1/query", json.dumps(body), headers)
    while True:
        reply = connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise Failed(f"status {reply.status}: {content[:300]!r}")
        size += len(content)
        rows += int(reply.headers.get("X-DATABEND-QUERY-PAGE-ROWS") or 0)
        uri = _next_uri(content)
        if uri is None or uri.endswith("/final"):
            break
        connection.request("GET", uri, headers=headers)
    seconds = time.perf_counter() - begin
    if uri:
        connection.request("GET", uri, headers={"Authorization": AUTHORIZATION})
        connection.getresponse().read()
    return rows, size, seconds


def _next_uri(content):
    """`next_uri` of a reply; in an Arrow body the reply's JSON stands in the schema's metadata, at the beginning."""
    key = b'"next_uri":'
    where = content.find(key)
    if where < 0:
        raise Failed(f"a reply without next_uri: {content[:300]!r}")
    text, _ = json.JSONDecoder().raw_decode(content[where + len(key):where + len(key) + 500].decode("utf-8", "replace"))
    return text


def paging(bench, rows):
    title = f"paging {rows:,} rows"
    bench.say(title)
    with bench.server("paging") as server:
        server.query("CREATE TABLE wide AS SELECT number AS n, number * 7 AS m, concat('row ', CAST(number AS VARCHAR)) AS t, "
                     f"CAST(number AS DOUBLE) / 3 AS f FROM numbers({rows})")
        bench.settle(server)
        for name, arrow in (("JSON", False), ("Arrow", True)):
            before = server.memory()[0]
            got, size, seconds = page_out(server, "SELECT * FROM wide", arrow)
            if got != rows:
                bench.report.note(f"{title}, {name}: {got} rows came")
            bench.report.row(title, "basalt", f"{name}: bodies", size / 1e6 / seconds, "MB/s")
            bench.report.row(title, "basalt", f"{name}: rows", rows / seconds, "rows/s")
            bench.report.row(title, "basalt", f"{name}: memory above rest, at the end", server.memory()[0] - before, "MB")
        bench.report.row(title, "basalt", "most memory (RSS)", server.memory()[1], "MB")


def upload(server, stage, name, chunks, length):
    """Seconds for one multipart upload."""
    head = (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"{name}\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n").encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection(server.host, int(server.port), timeout=3600, blocksize=1 << 20)

    def body():
        yield head
        yield from chunks
        yield tail

    headers = {"Authorization": AUTHORIZATION, "x-databend-stage-name": stage,
               "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
               "Content-Length": str(len(head) + length + len(tail))}
    begin = time.perf_counter()
    connection.request("PUT", "/v1/upload_to_stage", body(), headers)
    reply = connection.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise Failed(f"upload: status {reply.status}: {content[:300]!r}")
    return time.perf_counter() - begin


def stage_upload(bench, size):
    title = f"upload of {size / 2**30:g} GiB to a stage"
    bench.say(title)
    block = os.urandom(1 << 20)
    with bench.server("upload") as server:
        server.query("CREATE STAGE uploads")
        before = server.memory()[0]
        seconds = upload(server, "uploads", "big.bin", (block for _ in range(size >> 20)), size)
        bench.report.row(title, "basalt", "durable", size / 1e6 / seconds, "MB/s")
        bench.report.row(title, "basalt", "most memory above rest", server.memory()[1] - before, "MB")
        listed = server.query("LIST @uploads")
        if [int(row[1]) for row in listed] != [size]:
            bench.report.note(f"{title}: LIST shows {listed}")


def copy_parquet(bench, scale, files=100):
    """COPY INTO from many Parquet files beside DuckDB's insert from the same files."""
    title = f"COPY of {files} Parquet files, lineitem SF {scale:g}"
    bench.say(title)
    source = data.generate("tpch", scale, "parquet")
    directory = bench.work / "pieces"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    pieces = _cut(source / "lineitem.parquet", directory, files)
    megabytes = sum(piece.stat().st_size for piece in pieces) / 1e6
    with bench.server("copy") as server:
        server.query("CREATE STAGE pieces")
        for piece in pieces:
            content = piece.read_bytes()
            upload(server, "pieces", piece.name, [content], len(content))
        server.query(schema.standard(source, "lineitem"))
        begin = time.perf_counter()
        answer = server.query("COPY INTO lineitem FROM @pieces FILE_FORMAT = (TYPE = PARQUET)")
        ours = time.perf_counter() - begin
        rows = int(server.query("SELECT count(*) FROM lineitem")[0][0])
        bench.report.row(title, "basalt", "durable and queryable", megabytes / ours, "MB/s")
        bench.report.row(title, "basalt", "rows", rows / ours, "rows/s")
        bench.report.row(title, "basalt", "most memory (RSS)", server.memory()[1], "MB")
        if len(answer) != files:
            bench.report.note(f"{title}: {len(answer)} files were copied")
    if "duckdb-native" in bench.arguments.peers:
        theirs = _duckdb(bench, source, directory, rows)
        bench.report.row(title, "duckdb-native", "INSERT … read_parquet, with CHECKPOINT", megabytes / theirs, "MB/s")
        bench.report.row(title, "duckdb-native", "ratio of seconds, basalt / this", ours / theirs, "×")
    shutil.rmtree(directory, ignore_errors=True)


def _cut(path, directory, files):
    import pyarrow.parquet as pq
    table = pq.read_table(path)
    step = -(-table.num_rows // files)
    pieces = []
    for number in range(files):
        piece = directory / f"part-{number:03}.parquet"
        pq.write_table(table.slice(number * step, step), piece, compression="zstd")
        pieces.append(piece)
    return pieces


def _duckdb(bench, source, directory, rows):
    import duckdb
    times = []
    for _ in range(2):
        path = bench.work / "copy.db"
        path.unlink(missing_ok=True)
        connection = duckdb.connect(str(path), config={"threads": 2})
        connection.execute(schema.standard(source, "lineitem"))
        begin = time.perf_counter()
        connection.execute(f"INSERT INTO lineitem SELECT * FROM read_parquet('{directory}/*.parquet')")
        connection.execute("CHECKPOINT")
        times.append(time.perf_counter() - begin)
        found = connection.execute("SELECT count(*) FROM lineitem").fetchone()[0]
        connection.close()
        path.unlink()
        if found != rows:
            raise Failed(f"DuckDB has {found} rows, Basalt {rows}")
    return statistics.median(times)
