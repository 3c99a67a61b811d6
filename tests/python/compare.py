"""Holds Basalt's answers against DuckDB's over the same CSV files."""

import datetime
import decimal
import math

import duckdb

from conftest import ROOT, datagen, statements


class Pair:
    """The same tables in Basalt and in DuckDB."""

    def __init__(self, server, suite, directory, *generate):
        self.server = server
        self.folder = ROOT / "tests" / suite
        self.peer = duckdb.connect(config={"threads": 2})
        datagen(directory, *generate)
        for statement in statements(self.folder / "schema.sql"):
            server.query(statement)
            self.peer.execute(statement.split("CLUSTER BY")[0])
            table = statement.split()[2]
            path = directory / f"{table}.csv"
            server.load_csv(table, path)
            self.peer.execute(f"COPY {table} FROM '{path}' (DELIMITER '|', HEADER false, QUOTE '\"', NULL '\\N')")
            path.unlink()

    def compare(self, name, adapt=lambda sql: sql):
        text = (self.folder / f"{name}.sql").read_text()
        sql = adapt(text)
        ours, types = self.server.query(sql)
        theirs = self.peer.execute(sql.replace("'\\\\1'", "'\\1'")).fetchall()
        assert len(ours) == len(theirs), f"{name}: {len(ours)} rows, DuckDB has {len(theirs)}"
        ours = [[value(cell, kind) for cell, kind in zip(row, types)] for row in ours]
        theirs = [list(row) for row in theirs]
        if text.startswith("-- ties:"):
            rank = text.split("column ")[1].split()[0] if "column " in text.splitlines()[0] else None
            if rank is None:
                return len(ours)
            ours = [[row[int(rank) - 1]] for row in ours]
            theirs = [[row[int(rank) - 1]] for row in theirs]
        if same(ours, theirs, types):
            return len(ours)
        # rows of equal rank may stand in any order
        ours, theirs = sorted(ours, key=order), sorted(theirs, key=order)
        for mine, other in zip(ours, theirs):
            assert len(mine) == len(other) and all(equal(a, b) for a, b in zip(mine, other)), f"{name}: {mine} != {other}"
        return len(ours)


def value(cell, kind):
    """A cell as a Python value, by its type's name."""
    if kind.startswith("Nullable("):
        kind = kind[9:-1]
    if cell is None:
        return None
    if kind.startswith(("Int", "UInt")):
        return int(cell)
    if kind.startswith("Float"):
        return float(cell)
    if kind.startswith("Decimal"):
        return decimal.Decimal(cell)
    if kind == "Boolean":
        return cell == "1"
    if kind == "Date":
        return datetime.date.fromisoformat(cell)
    if kind == "Timestamp":
        return datetime.datetime.fromisoformat(cell)
    assert kind == "String", kind
    return cell


def equal(a, b):
    if a is None or b is None:
        return a is b
    number = (int, float, decimal.Decimal)
    if isinstance(a, number) and isinstance(b, number):
        if isinstance(a, float) or isinstance(b, float):
            # an average of decimals may be a float there and a decimal of limited scale here
            scale = max((-x.as_tuple().exponent for x in (a, b) if isinstance(x, decimal.Decimal)), default=None)
            rounding = 0.0 if scale is None else 10.0 ** -scale
            return math.isclose(a, b, rel_tol=1e-9, abs_tol=rounding)
        return a == b
    if isinstance(a, datetime.datetime) != isinstance(b, datetime.datetime):
        return str(a)[:10] == str(b)[:10]
    return a == b


def same(ours, theirs, _types):
    return all(len(m) == len(t) and all(equal(a, b) for a, b in zip(m, t)) for m, t in zip(ours, theirs))


def order(row):
    """Floats last and rounded: a difference in their last digits must not change the order."""
    exact = [(cell is None, str(cell)) for cell in row if not isinstance(cell, (float, decimal.Decimal))]
    rough = [f"{float(cell):.6e}" for cell in row if isinstance(cell, (float, decimal.Decimal))]
    return exact, rough
