"""What the Python tests share: a real server process, and a tiny client of /v1/query made of the standard library."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _target(name):
    configured = os.environ.get("CARGO_TARGET_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or str(pathlib.Path.home() / ".cache")
    return str(pathlib.Path(configured or pathlib.Path(cache) / "basalt" / "target") / "release" / name)


BINARY = os.environ.get("TEST_SERVER") or _target("basalt")
DATAGEN = os.environ.get("TEST_DATAGEN") or _target("basalt-datagen")


class SqlError(Exception):
    def __init__(self, error):
        super().__init__(f"[{error['code']}] {error['message']}")
        self.code = error["code"]


class Server:
    """One server on a fresh directory and a free port."""

    def __init__(self, directory, *arguments):
        self.directory = directory
        self.log = open(directory / "log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data-dir", str(directory / "data"), "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("BASALT_")})
        for line in self.process.stdout:
            if " listening on http://" in line:
                self.address = line.split(" listening on http://")[1].split()[0].rstrip("/")
                break
        else:
            raise RuntimeError(f"the server ended: {(directory / 'log').read_text()[-4000:]}")
        self.dsn = f"databend://root:@{self.address}/default?sslmode=disable"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0
        self.log.close()

    def raw(self, method, path, body=None, headers=None):
        """The reply as it comes."""
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"root:").decode())
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        return urllib.request.urlopen(request, timeout=600)

    def request(self, method, path, body=None, headers=None):
        with self.raw(method, path, body, headers) as reply:
            return json.load(reply)

    def query(self, sql, session=None):
        """All rows of a statement, cells as text or None; and the types of the columns."""
        body = json.dumps({"sql": sql, "session": session or {"database": "default"}}).encode()
        reply = self.request("POST", "/v1/query", body, {"Content-Type": "application/json"})
        rows, types = [], []
        while True:
            if reply["error"]:
                raise SqlError(reply["error"])
            types = types or [field["type"] for field in reply["schema"]]
            rows += reply["data"]
            if not reply["next_uri"]:
                return rows, types
            reply = self.request("GET", reply["next_uri"])

    def load_csv(self, table, path, database="default", separator="|"):
        with open(path, "rb") as body:
            reply = self.request("PUT", f"/api/{database}/{table}/_stream_load", body,
                                 {"column_separator": separator, "enclose": "\"", "Content-Length": str(os.path.getsize(path))})
        assert reply["Status"] == "Success", reply
        return reply


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


def datagen(out, *arguments):
    subprocess.run([DATAGEN, *arguments, "--format", "csv", "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


def statements(path):
    """The statements of a file, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    return [text.strip() for text in "\n".join(lines).split(";") if text.strip()]


def wait_until(what, check, seconds=10):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)
