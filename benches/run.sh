#!/usr/bin/env bash
# Measures Basalt beside its peers: benches/README.md. Arguments go to run.py; without any, `BENCH` (default: `quick`).
#   make bench                      a quick run of a few minutes
#   make bench BENCH=full           the table of the README: TPC-H SF 1 and 10, 10 million rows of hits, …
#   make bench BENCH="tpch --scale 1 --peers duckdb-native,datafusion-parquet"
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD_CACHE=${BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/basalt}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$BUILD_CACHE/target}
venv=${BENCH_VENV:-$BUILD_CACHE/bench-venv}

if ! { [ -x "$venv/bin/python" ] && cmp -s benches/requirements.txt "$venv/.requirements"; }; then
  echo "bench: Python packages into $venv"
  [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
  grep -vE '^(#|$)' benches/requirements.txt | while read -r package; do
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$package" ||
      echo "bench: $package cannot be installed here: its figures will be missing" >&2
  done
  cp benches/requirements.txt "$venv/.requirements"
fi

if [ $# -eq 0 ]; then
  read -r -a arguments <<<"${BENCH:-quick}"
  set -- "${arguments[@]}"
fi
exec "$venv/bin/python" benches/run.py "$@"
