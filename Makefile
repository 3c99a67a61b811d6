# Every way to build, try, test and measure Basalt. `make help` lists the targets.
#
# There is one build profile (release) for all of them, in a target directory outside the checkout, so that a build is
# done once and shared (docs/decisions/0002-one-build-profile.md). Python packages for tests and the demo are pinned in
# tests/requirements.txt and live in a virtual environment in the same cache directory.

SHELL := /bin/bash
export BUILD_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/basalt
export CARGO_TARGET_DIR ?= $(BUILD_CACHE)/target
export VENV ?= $(BUILD_CACHE)/venv
PYTHON ?= python3
CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help deps build demo test test-rust test-python test-crash test-clients bench lint docs

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

deps: ## install what building and testing need (Debian packages, pinned Python packages)
	@PYTHON="$(PYTHON)" scripts/deps.sh

build: ## build the release binaries; bin/basalt points to the server
	$(CARGO) build --release --workspace --bins
	@mkdir -p bin
	@ln -sfn "$(CARGO_TARGET_DIR)/release/basalt" bin/basalt
	@ln -sfn "$(CARGO_TARGET_DIR)/release/basalt-datagen" bin/basalt-datagen
	@bin/basalt version

demo: deps build ## load real flights and TPC-H over HTTP, ask questions (SF=1 for more, NO_KEEP=1 ends the server)
	@$(PYTHON) scripts/demo.py

test: deps build ## all tests CI needs: Rust, SQL answers, Python clients, answers compared with DuckDB
	@scripts/test.sh all

test-rust: build ## only what `cargo test` runs
	@scripts/test.sh rust

test-python: deps build ## only the Python clients and the comparisons with DuckDB
	@scripts/test.sh python

test-crash: build ## the long kill -9 loop (ROUNDS=50)
	BASALT_KILL_ROUNDS=$(or $(ROUNDS),50) $(CARGO) test --release --workspace --test it -- recovery --nocapture

test-clients: build ## clients that build for long: installs a pinned bendsql and runs it against a server
	@scripts/test-clients.sh

bench: deps build ## measure beside the peers (benches/README.md); leaves a table and a plot in benches/results
	@benches/run.sh

lint: ## formatting, clippy and docs without warnings; cargo deny where it is installed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --document-private-items
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	  else echo "cargo deny is not installed: skipped"; fi

docs: ## the API documentation of the workspace
	$(CARGO) doc --release --workspace --no-deps --document-private-items
	@echo "$(CARGO_TARGET_DIR)/doc/basalt_engine/index.html"
