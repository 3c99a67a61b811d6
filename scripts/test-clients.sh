#!/usr/bin/env bash
# Installs the `bendsql` client at a pinned version into the cache directory (it builds for long, so CI leaves it out)
# and talks with it to a fresh server.
set -euo pipefail
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

passed=0 failed=0
check() { # name, expected, sql
  local got
  got=$("$tools/bin/bendsql" --host 127.0.0.1 --port "$port" --user root --output tsv --query "$3" 2>&1) || true
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
rows=$("$tools/bin/bendsql" --host 127.0.0.1 --port "$port" --user root --output tsv --query "SELECT number FROM numbers(200000)" | wc -l)
if [ "$rows" -eq 200000 ]; then passed=$((passed + 1)); echo "ok   200000 rows"; else failed=$((failed + 1)); echo "FAIL 200000 rows: $rows"; fi
if "$tools/bin/bendsql" --host 127.0.0.1 --port "$port" --user root --query "SELECT nope" >"$work/err" 2>&1 || ! grep -q 1058 "$work/err"; then
  grep -q 1058 "$work/err" && { passed=$((passed + 1)); echo "ok   error code"; } || { failed=$((failed + 1)); echo "FAIL error code"; cat "$work/err"; }
else failed=$((failed + 1)); echo "FAIL an unknown column was accepted"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
