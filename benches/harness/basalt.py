"""A Basalt server as its users meet it: the release binary, talked to over HTTP."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .data import BIN

AUTHORIZATION = "Basic " + base64.b64encode(b"root:").decode()


class Failed(Exception):
    pass


class Server:
    def __init__(self, directory, settings=None, keep=False):
        self.directory = Path(directory)
        self.settings = settings or {}
        if self.directory.exists() and not keep:
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, limit_secs=120):
        command = [str(BIN / "basalt"), "serve", "--data-dir", str(self.directory / "data"), "--listen", "127.0.0.1:0"]
        for key, value in {"cpu_threads": 2, **self.settings}.items():
            command += ["--set", f"{key}={value}"]
        self.log = open(self.directory / "server.log", "ab")
        begin = time.perf_counter()
        # Variables of that name are settings of the server; those of the shell are not meant for it.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BASALT_")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        line = self.process.stdout.readline()
        self.start_secs = time.perf_counter() - begin
        if "listening on" not in line:
            raise Failed(f"server did not start: {line!r}, see {self.directory}/server.log")
        address = line.split("http://", 1)[1].split()[0].strip("/,")
        self.host, self.port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(self.host, int(self.port), timeout=3600, blocksize=1 << 20)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def _call(self, method, path, body=None, headers=None):
        try:
            self.connection.request(method, path, body=body, headers={"Authorization": AUTHORIZATION, **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise

    def query(self, sql, settings=None):
        """All rows of a statement; the latency is measured by the caller around this."""
        body = {"sql": sql, "pagination": {"wait_time_secs": 30}}
        if settings:
            body["session"] = {"settings": {k: str(v) for k, v in settings.items()}}
        status, answer = self._call("POST", "/v1/query", json.dumps(body), {"Content-Type": "application/json"})
        rows = []
        while True:
            if status != 200:
                raise Failed(f"status {status}: {answer[:500]!r}")
            reply = json.loads(answer)
            if reply.get("error"):
                raise Failed(json.dumps(reply["error"])[:500])
            rows += reply.get("data") or []
            uri = reply.get("next_uri")
            if not uri or uri.endswith("/final"):
                self._last_final = uri
                return rows
            status, answer = self._call("GET", uri)

    def finish(self):
        """Ends the last query, as clients do."""
        if getattr(self, "_last_final", None):
            self._call("GET", self._last_final)
            self._last_final = None

    def stream_load(self, table, path, separator="|", database="default"):
        """Loads a CSV file; the server's answer when it says that the rows are there."""
        with open(path, "rb") as body:
            headers = {"column_separator": separator, "format": "csv", "Expect": "100-continue", "timeout": "14400",
                       "Content-Length": str(os.path.getsize(path))}
            status, answer = self._call("PUT", f"/api/{database}/{table}/_stream_load", body, headers)
        reply = json.loads(answer)
        if status != 200 or reply.get("Status") != "Success":
            raise Failed(f"stream load of {table}: status {status}: {answer[:800]!r}")
        return reply

    def memory(self):
        """(resident now, at most) in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        figures = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Vm")}
        return figures.get("VmRSS", 0.0), figures.get("VmHWM", 0.0)

    def cpu_secs(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def store_bytes(self):
        return sum(p.stat().st_size for p in (self.directory / "data").rglob("*") if p.is_file())
