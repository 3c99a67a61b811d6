#!/usr/bin/env bash
# Runs the tests and ends with one line `N passed, N failed` over all runners.
# usage: scripts/test.sh all|rust|python
set -uo pipefail
cd "$(dirname "$0")/.."
BUILD_CACHE=${BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/basalt}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$BUILD_CACHE/target}
VENV=${VENV:-$BUILD_CACHE/venv}
what=${1:-all}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
broken=0

if [ "$what" != python ]; then
  TEST_SERVER="$CARGO_TARGET_DIR/release/basalt" \
    cargo test --release --workspace --no-fail-fast 2>&1 | tee "$log.rust" || broken=1
  cat "$log.rust" >>"$log"; rm -f "$log.rust"
fi
if [ "$what" != rust ]; then
  "$VENV/bin/python" -m pytest -q -p no:cacheprovider tests/python 2>&1 | tee "$log.python" || broken=1
  cat "$log.python" >>"$log"; rm -f "$log.python"
fi

# `test result: ok. 12 passed; 0 failed; …` of cargo, `10 passed, 1 failed in 3.2s` of pytest.
count() {
  grep -E '^test result:|^(=+ )?[0-9]+ (passed|failed|error|skipped).* in [0-9.]+s' "$log" |
    grep -oE "[0-9]+ $1" | awk '{n += $1} END {print n + 0}'
}
passed=$(count passed)
failed=$(($(count failed) + $(count error)))
[ "$broken" -ne 0 ] && [ "$failed" -eq 0 ] && { echo "a test run ended without a result (build failure?)"; failed=1; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
