"""TPC-H, ClickBench and SSB: every query runs, and answers as DuckDB does on the same data."""

import pytest

from compare import Pair


@pytest.fixture(scope="module")
def tpch(shared_server, tmp_path_factory):
    return Pair(shared_server, "tpch", tmp_path_factory.mktemp("tpch"), "tpch", "--scale", "0.05")


@pytest.mark.parametrize("number", range(1, 23))
def test_tpch(tpch, number):
    tpch.compare(f"q{number:02}")


@pytest.fixture(scope="module")
def clickbench(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("hits-server"))
    yield Pair(server, "clickbench", tmp_path_factory.mktemp("hits"), "hits", "--rows", "60000")
    server.stop()


@pytest.mark.parametrize("number", range(1, 44))
def test_clickbench(clickbench, number):
    # fewer rows than the real table has: a lower bar for its two HAVINGs, and nearer OFFSETs
    clickbench.compare(f"q{number:02}", lambda sql: sql.replace("> 100000", "> 30").replace("OFFSET 1000", "OFFSET 3"))


@pytest.fixture(scope="module")
def ssb(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("ssb-server"))
    yield Pair(server, "ssb", tmp_path_factory.mktemp("ssb"), "ssb", "--scale", "0.02")
    server.stop()


@pytest.mark.parametrize("name", ["q11", "q12", "q13", "q21", "q22", "q23", "q31", "q32", "q33", "q34", "q41", "q42", "q43"])
def test_ssb(ssb, name):
    ssb.compare(name)
