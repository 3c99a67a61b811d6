"""The queries of the suites, read from the folder `tests`, and what a dialect needs changed in them."""

import re
from pathlib import Path

from .data import columns

TESTS = Path(__file__).resolve().parents[2] / "tests"
FOLDERS = {"tpch": "tpch", "clickbench": "clickbench", "ssb": "ssb"}


def read(suite):
    """{name: SQL} in order; names are `q…`."""
    folder = TESTS / FOLDERS[suite]
    found = {p.stem: _strip(p.read_text()) for p in sorted(folder.glob("q*.sql"))}
    if not found:
        raise SystemExit(f"no queries in {folder}")
    return found


def _strip(text):
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";")


def lower_columns(sql, directory, tables):
    """Column names in lower case, outside of quotes: for engines that tell `URL` from `url`."""
    names = {name for table in tables for name, _ in columns(directory, table)}
    parts = re.split(r"('(?:[^']|'')*')", sql)
    return "".join(part if part.startswith("'") else
                   re.sub(r"[A-Za-z_]\w*", lambda m: m[0].lower() if m[0].lower() in names else m[0], part)
                   for part in parts)


def plain_intervals(sql):
    """`INTERVAL 3 MONTH` for `INTERVAL '3' MONTH`: older grammars know only the former."""
    return re.sub(r"INTERVAL\s+'(\d+)'\s+", r"INTERVAL \1 ", sql, flags=re.IGNORECASE)
