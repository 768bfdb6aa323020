# Each verb sets up what it needs: Python 3.11 or newer as `python3`, git and make are enough.
#   make demo     a tour of Holdfast; installs what Holdfast and its command line need, nothing else
#   make test     the whole test suite, and the seconds of each part; make test ARGS="tests/unit -k merge"
#   make test-postgres-16   what runs on PostgreSQL, on version 16 (an ordinary run has a part of that)
#   make test-valkey-8       what runs on Valkey, on version 8.1 (an ordinary run has it on 9.1)
#   make lint     style, types, and which room may import which
#   make format   rewrite the sources in the house style
#   make bench    the measurements behind the performance table; make bench ARGS=…
#   make soak     the tests in their long form
#   make clean    remove what these verbs made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

# A stamp in the environment marks what is installed there; a newer pyproject.toml makes it stale.
ENVIRONMENT := $(VENV)/.made
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
MEASUREMENT := $(VENV)/.measurement

.PHONY: demo test test-postgres-16 test-valkey-8 lint format bench soak clean

demo: $(RUNTIME)
	@$(BIN)/holdfast demo

test: $(DEVELOPMENT)
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

test-postgres-16: $(DEVELOPMENT)
	@HOLDFAST_POSTGRES=16 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -k postgres $(ARGS)

test-valkey-8: $(DEVELOPMENT)
	@$(PIP) install --group valkey8
	@HOLDFAST_VALKEY=8 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -k valkey $(ARGS)

lint: $(DEVELOPMENT)
	@status=0; for tool in "ruff check" "ruff format --check" "lint-imports --no-logo" mypy basedpyright; do \
	  echo "== $$tool"; $(BIN)/$$tool || status=1; \
	done; exit $$status

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: $(MEASUREMENT)
	@$(BIN)/python -m bench $(ARGS)

soak: $(DEVELOPMENT)
	@HOLDFAST_SOAK=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal --timeout 3600 -o faulthandler_timeout=3500 $(ARGS)

clean:
	rm -rf $(VENV) dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find src tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(ENVIRONMENT):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Holdfast needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0])'
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUNTIME): pyproject.toml $(ENVIRONMENT)
	@$(PIP) install --editable '.[cli]'
	@touch $@

# Dependency groups need pip 25.1, which is newer than what Python 3.11 and 3.12 bring.
$(DEVELOPMENT): pyproject.toml $(RUNTIME)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --group dev
	@touch $@

$(MEASUREMENT): pyproject.toml $(DEVELOPMENT)
	@$(PIP) install --group bench
	@$(PIP) install --group peers || echo "Not all peers can be installed here: the measurements leave out those that are missing"
	@touch $@
