#!/usr/bin/env bash
# Installs what building and testing need and what is not there yet: Debian packages (only as root or through sudo),
# and the pinned Python packages of tests/requirements.txt in a virtual environment outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
BUILD_CACHE=${BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/basalt}
VENV=${VENV:-$BUILD_CACHE/venv}

debian_packages() {
  local wanted=(clang libclang-dev lld cmake protobuf-compiler curl) missing=()
  command -v "$PYTHON" >/dev/null || wanted+=(python3)
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
  if ! command -v dpkg-query >/dev/null; then
    echo "deps: not a Debian system; these must be there: ${wanted[*]}" >&2
    return
  fi
  for package in "${wanted[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "deps: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "deps: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

rust_toolchain() {
  command -v cargo >/dev/null || { echo "deps: Rust 1.95 or newer (cargo, clippy, rustfmt) must be installed" >&2; exit 1; }
}

python_packages() {
  local stamp="$VENV/.requirements"
  if [ -x "$VENV/bin/python" ] && cmp -s tests/requirements.txt "$stamp"; then return; fi
  echo "deps: Python packages into $VENV"
  mkdir -p "$(dirname "$VENV")"
  [ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt
  cp tests/requirements.txt "$stamp"
}

debian_packages
rust_toolchain
python_packages
