# `make demo` and `make test` do all their own set-up, in this folder alone. They need Python 3.10 or later, and Rust,
# which is fetched into .rust where it is missing.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.test
CARGO  := cargo --config net.git-fetch-with-cli=true

RUST_SOURCES   := $(shell find native/chunk native/driver native/http2 native/transport -name '*.rs' -o -name 'Cargo.toml') native/Cargo.toml native/Cargo.lock
PYTHON_SOURCES := e6data_adbc adbc_driver_e6data checks tests tools benchmarks

# Tests start some hundreds of interpreters, each of which would compile the package and its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-slow check lint types rust wheel counts storm kill-storm reliability coverage mutants matrix suites bench bench-check tpch fuzz fuzz-scan rooms findings docs pictures site site-check generate clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The environment: the packages of a group, and the driver in release mode, found by its name inside this environment.
$(VENV)/.demo $(VENV)/.test: pyproject.toml tools/set_up.py $(RUST_SOURCES)
	@$(PYTHON) tools/set_up.py $(patsubst .%,%,$(notdir $@))

ifdef WHEEL
demo: ## Query the local engine (or E6DATA_URI) through the driver manager and print the frames; WHEEL=path needs no Rust.
	@$(PYTHON) tools/set_up.py demo --wheel "$(WHEEL)"
	@.venv-wheel/bin/python tools/demo.py
else
demo: $(VENV)/.demo ## Query the local engine (or E6DATA_URI) through the driver manager and print the frames; WHEEL=path needs no Rust.
	@$(BIN)/python tools/demo.py
endif

test: $(STAMP) ## Run the Python tests.
	@$(BIN)/python -m pytest -n 2

test-fast: $(STAMP) ## Run the tests that take no more than a moment each, most of them (a minute).
	@$(BIN)/python -m pytest -n 2 -m "not slow and not seconds and not rooms"

test-slow: $(STAMP) ## Run the tests that kill, race and close at random moments (some minutes).
	@$(BIN)/python -m pytest -n 2 -m slow

check: test lint types rust wheel counts ## Everything that has to be green: tests, style, types, Rust, the wheel.

counts: $(STAMP) ## Count the Python calls of a query (by Python 3.12 or later).
	@$(BIN)/python -m checks.call_counts

lint: $(STAMP) ## Check formatting and style.
	$(BIN)/python -m ruff format --check $(PYTHON_SOURCES)
	$(BIN)/python -m ruff check $(PYTHON_SOURCES)
	$(BIN)/python -m tools.generate_docs --check

types: $(STAMP) ## Check types, and the native module's stub against the module.
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy --strict tests/typing
	$(BIN)/python -m mypy.stubtest e6data_adbc._native --mypy-config-file pyproject.toml

rust: ## Format, lint and test the Rust code.
	cd native && $(CARGO) fmt --all --check
	cd native && $(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	cd native && $(CARGO) test --workspace --locked --quiet

wheel: $(STAMP) ## Build the wheel and use it from a clean environment.
	$(BIN)/python tools/wheel_check.py

storm: $(STAMP) ## Run the long storm: 10,000 queries under random faults, compared with the server's ledger.
	GRPC_VERBOSITY=ERROR $(BIN)/python -m checks.reliability storm

kill-storm: $(STAMP) ## Kill loads 200 times a destination and let them race 50 times; KILL_STORM="--seed 2 --only duckdb" for parts.
	$(BIN)/python -m checks.kill_storm $${KILL_STORM:-}

reliability: $(STAMP) ## Measure the reliability goals at full length (over an hour); RELIABILITY="--only forks,idle" for parts.
	GRPC_VERBOSITY=ERROR $(BIN)/python -m checks.reliability $${RELIABILITY:-}

coverage: $(STAMP) ## Measure the branches that tests take in sessions, calls and queries (some minutes).
	GRPC_VERBOSITY=ERROR $(BIN)/python -m checks.reliability coverage

mutants: $(STAMP) ## Change the rules of repetition one place at a time, and see which changes the tests notice (15 minutes).
	$(BIN)/python -m checks.mutants

matrix: $(STAMP) ## Run tests against other versions of Python, gRPC, pyarrow and the driver manager.
	$(BIN)/python -m checks.matrix

suites: $(STAMP) ## Run the suites of strangers (those of Polars and ADBC from SOURCES=CHECKOUTS) and say why what fails fails.
	$(BIN)/python -m checks.suites $(addprefix --source ,$(SOURCES))

bench: $(STAMP) ## Measure against the peers; BENCH_ARGUMENTS=--quick for a short run.
	$(BIN)/python -m benchmarks $${BENCH_ARGUMENTS:-}

bench-check: $(STAMP) ## Fail if a ratio measured in this process fell far below the recorded one.
	$(BIN)/python -m benchmarks.check

tpch: $(STAMP) ## Compare the 22 queries of TPC-H at TPCH_SCALE (default 1) through the driver with DuckDB itself.
	$(BIN)/python -m checks.tpch --scale $${TPCH_SCALE:-1}

fuzz: $(STAMP) ## Fuzz the decoder and HTTP/2 for FUZZ_SECONDS (default 60) a target.
	$(BIN)/python -m checks.fuzz $${FUZZ_SECONDS:-60}

fuzz-scan: $(STAMP) ## Compare random plans over a scan with Polars in memory; FUZZ_PLANS (default 100000), FUZZ_SEED (default 1).
	$(BIN)/python -W ignore -m checks.fuzz_scan $${FUZZ_PLANS:-100000} --seed $${FUZZ_SEED:-1}

rooms: $(STAMP) ## Run tests beside packages that exclude others, each in an environment of its own; ROOMS="polars-floor" for some.
	$(BIN)/python -m checks.rooms $(ROOMS)

findings: ## Run the scripts about surprising behaviour of other libraries, each in a folder of its own (some minutes).
	@failed=0; for script in findings/*.sh; do echo "== $$script"; timeout 150 "$$script" || failed=1; done; exit $$failed

docs: $(STAMP) ## Write the generated parts of docs/.
	$(BIN)/python -m tools.generate_docs

pictures: $(STAMP) ## Draw the pictures of docs/pictures anew from what the command line shows on the local engine.
	@test -x .venv-site/bin/python || $(PYTHON) -m venv .venv-site
	@.venv-site/bin/python -m pip install --quiet --disable-pip-version-check 'pyte==0.8.2'
	@.venv-site/bin/python tools/draw_pictures.py $(VENV)

site: ## Build the site of docs/ into dist/site, with its links checked.
	@test -x .venv-site/bin/mkdocs || $(PYTHON) -m venv .venv-site
	@.venv-site/bin/python -m pip install --quiet --disable-pip-version-check -r tools/site/requirements.txt
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --quiet --config-file tools/site/mkdocs.yml

site-check: site ## Open the site in a Chromium of the system: widths, search, copying; leaves pictures in dist/site-pictures.
	@.venv-site/bin/python -m pip install --quiet --disable-pip-version-check 'playwright>=1.50'
	.venv-site/bin/python checks/site.py

generate: ## Write the protobuf classes anew from protos/.
	@test -x .venv-generate/bin/python || $(PYTHON) -m venv .venv-generate
	@.venv-generate/bin/python -m pip install --quiet 'grpcio-tools==1.62.3' 'setuptools<80'
	.venv-generate/bin/python tools/generate_wire.py

clean: ## Remove what was built.
	rm -rf $(VENV) .rust .venv-wheel .venv-generate .venv-mutants .venv-suites .venv-upstream .venv-counts .venv-rooms .venv-bench .venv-bench-dlt .venv-site native/target native/fuzz/target dist
	find . -name '*.so' -path './e6data_adbc/*' -delete
