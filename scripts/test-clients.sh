#!/usr/bin/env bash
# Installs the `bendsql` client at a pinned version into the cache directory (it builds for long, so CI leaves it out)
# and talks with it to a fresh server.
set -euo pipefail
export RUST_BACKTRACE=0
cd "$(dirname "$0")/.."
BUILD_CACHE=${BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/basalt}
BENDSQL_VERSION=${BENDSQL_VERSION:-0.34.1}
tools="$BUILD_CACHE/tools"
if ! "$tools/bin/bendsql" --version 2>/dev/null | grep -qF "$BENDSQL_VERSION"; then
  CARGO_TARGET_DIR="$BUILD_CACHE/tools-target" cargo install --locked --root "$tools" --version "$BENDSQL_VERSION" bendsql
fi

work=$(mktemp -d)
bin/basalt serve --data-dir "$work/data" --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do grep -q 'listening on' "$work/out" && break; sleep 0.1; done
port=$(grep -oE ':[0-9]+' "$work/out" | head -1 | tr -d :)
[ -n "$port" ] || { cat "$work/log"; exit 1; }

bendsql() { "$tools/bin/bendsql" --host 127.0.0.1 --port "$port" --user root "$@"; }
passed=0 failed=0
check() { # name, expected, sql
  local got
  got=$(bendsql --output tsv --query="$3" 2>&1) || true
  if [ "$got" = "$2" ]; then passed=$((passed + 1)); echo "ok   $1"
  else failed=$((failed + 1)); printf 'FAIL %s\n  expected: %q\n  got:      %q\n' "$1" "$2" "$got"; fi
}
check "select"       "1"                      "SELECT 1"
check "create"       ""                       "CREATE TABLE t (a INT, b STRING, d DECIMAL(10,2), ts TIMESTAMP)"
check "insert"       "2"                      "INSERT INTO t VALUES (1, 'x', 1.50, '2024-02-29 01:02:03'), (2, NULL, NULL, NULL)"
check "types"        $'1\tx\t1.50\t2024-02-29 01:02:03.000000' "SELECT * FROM t WHERE a = 1"
check "nulls"        $'2\tNULL\tNULL\tNULL'   "SELECT * FROM t WHERE a = 2"
check "many pages"   "499999500000"           "SELECT sum(number) FROM numbers(1000000)"
check "show tables"  "t"                      "SHOW TABLES"
is() { # name, expected, got
  if [ "$3" = "$2" ]; then passed=$((passed + 1)); echo "ok   $1"
  else failed=$((failed + 1)); printf 'FAIL %s\n  expected: %q\n  got:      %q\n' "$1" "$2" "$3"; fi
}
is "every row of many pages" 200000 "$(bendsql --output tsv --query="SELECT number FROM numbers(200000)" | wc -l)"
is "the number of an error" 1 "$(bendsql --query="SELECT nope" 2>&1 | grep -c 1058)"

# Loading, by way of a stage and straight into the statement.
seq 1 1000 | awk '{print $1 ",name " $1}' >"$work/rows.csv"
check "a table to load" "" "CREATE TABLE loaded (id INT, name STRING)"
for method in stage streaming; do
  bendsql --load-method "$method" --data "@$work/rows.csv" \
    --query="INSERT INTO loaded FROM @_databend_load FILE_FORMAT = (type = csv)" >"$work/out.$method" 2>&1 || cat "$work/out.$method"
done
check "loaded twice" $'2000\t1001000' "SELECT count(*), sum(id) FROM loaded"

# Files in and out of a stage, in one session of several statements.
printf '%s\n' "CREATE STAGE s;" "PUT fs://$work/rows.csv @s/in/;" "LIST @s;" \
  "SELECT count(*) FROM @s/in/rows.csv (FILE_FORMAT => 'csv');" "GET @s/in/ fs://$work/back/;" |
  bendsql --output tsv >"$work/session" 2>&1 || cat "$work/session"
is "a file came back as it went" "$(sha256sum <"$work/rows.csv")" "$(sha256sum <"$work/back/rows.csv" 2>/dev/null)"
is "its rows were counted in place" 1 "$(grep -cx 1000 "$work/session")"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
