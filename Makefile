.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
# Where the environment forbids Python to keep what it compiled, each process compiles its libraries anew: for seconds.
export PYTHONDONTWRITEBYTECODE :=
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes

.PHONY: help demo serve examples test soak check lint types arrows schema schema-check lock dashboard clients runtime clean

help: ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: ## Set up, and start the server with real demonstration data
	@$(MAKE) --no-print-directory --jobs 2 runtime dashboard
	@$(BIN)/fairmind demo

serve: ## Set up, and start the server without data
	@$(MAKE) --no-print-directory --jobs 2 runtime dashboard
	@$(BIN)/fairmind serve

examples: .venv/dev ## Set up what the examples use; then `.venv/bin/python examples/live.py`
	@:

test: .venv/dev ## Set up, and run the tests; `make test only=tests/engine` for a part
	@$(BIN)/pytest --numprocesses 3 $(only)

soak: .venv/dev ## Kill workers 20 times and the database 5 times under running jobs; takes minutes
	@FAIRMIND_SOAK=1 $(BIN)/pytest tests/jobs/test_resilience_workers.py tests/jobs/test_resilience_database.py

check: lint types arrows schema-check test ## Everything CI runs, in the order that fails fastest

lint: .venv/dev ## Style and common mistakes
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check .

types: .venv/dev ## Strict types in every package of ours, for each Python we resolve for
	@printf '%s\n' 3.11 3.12 3.13 | xargs -P 3 -I VERSION $(BIN)/mypy --python-version VERSION

arrows: .venv/dev ## The layers of docs/house.md
	@$(BIN)/lint-imports

schema: .venv/dev ## Rewrite schema.graphql from the code
	@$(BIN)/fairmind export-schema schema.graphql

schema-check: .venv/dev
	@$(BIN)/fairmind export-schema | diff -u schema.graphql - || (echo "run 'make schema' and commit schema.graphql"; exit 1)

clients: dashboard # those of the tests: of other makers, on npm
	@$(BIN)/python dashboard/build.py --clients

dashboard: .venv/tools ## Build the pages, with the node on the PATH or the one that PyPI carries
	@$(BIN)/python dashboard/build.py --check >/dev/null 2>&1 || $(UV) -r requirements-node.lock
	@$(BIN)/python dashboard/build.py

lock: .venv/tools ## Resolve all dependencies anew; versions and hashes, no addresses
	@$(COMPILE) requirements-tools.in --output-file requirements-tools.lock
	@$(COMPILE) requirements-node.in --output-file requirements-node.lock
	@$(COMPILE) pyproject.toml --extra dev --output-file requirements-dev.lock
	@$(COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock

runtime: .venv/runtime
	@:

.venv/tools: requirements-tools.lock
	@echo "Setting up .venv (once)"
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "FairMind needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@

.venv/runtime: .venv/tools requirements.lock pyproject.toml
	@$(UV) -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/tools requirements-dev.lock pyproject.toml
	@$(UV) -r requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@ .venv/runtime

clean: ## Remove what was set up and built; data is kept
	@rm -rf .venv dashboard/node_modules dashboard/dist
