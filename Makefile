# The two that matter: `make demo` shows sellerd at work, `make test` proves it. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo test check bench fuzz prove audit lock clean

help:
	@echo "make demo              sandbox marketplaces, the daemon, and what happens (ARGS=--once: by itself, to the end)"
	@echo "make test              all tests (ARGS=... goes to pytest)"
	@echo "make check             format, lint, strict types, import floors, known vulnerabilities of the pins"
	@echo "make bench             benchmarks beside their peers, which it installs (ARGS=orders: one family of them)"
	@echo "make fuzz READER=order look for bytes that a reader cannot bear (ARGS=-max_total_time=600: for ten minutes)"
	@echo "make prove             measure every promise in its long form: hours (ARGS=\"simulation --seeds 10\": a piece of it)"
	@echo "make audit             only the vulnerabilities; fails also where the advisories cannot be asked (needs the network)"
	@echo "make lock              pin the dependencies anew"

# --require-hashes: what is installed is what the lock file says, byte for byte.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/sellerd demo $(ARGS)

test: $(VENV)/.installed
	@scripts/install-test-servers
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/audit.py

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz $(READER) $(ARGS)

# What was measured goes into docs/promises.md.
prove: $(VENV)/.installed
	@scripts/install-test-servers
	$(BIN)/python -m tests.prove $(ARGS)

audit: $(VENV)/.installed
	$(BIN)/python scripts/audit.py --strict

# What runs and builds sellerd is pinned apart, the same as beside the tools of who works on it.
lock: $(VENV)/.installed
	$(BIN)/python -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet pip-tools
	.cache/lock/bin/pip-compile --quiet --extra dev --generate-hashes --no-strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml
	.cache/lock/bin/pip-compile --quiet --all-build-deps --constraint requirements.lock --generate-hashes --no-strip-extras \
	  --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	  --output-file requirements-run.lock pyproject.toml

clean:
	rm -rf $(VENV) .cache .coverage* .mypy_cache .ruff_cache .import_linter_cache .hypothesis
