# Everything a developer or a CI needs, from nothing but make and Python 3.11 or later.
# Each target makes its own environment in .venv/ first, once, from the hash-pinned lock.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env lock demo test faults lint format types house check bench clean

# Where nothing is kept of what was compiled, each of the many processes of the tests compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.installed
UV := $(BIN)/uv --system-certs

# The first Python that is new enough and can make environments. Override: make PYTHON=/path/to/python3
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	if $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$candidate; break; fi; done)

# Everything random in the tests and the campaigns comes from one seed of 32 bits, the order of sets among it:
# make faults SEED=1234 does again what was done under that seed.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
SEED := $(SEED)
SEEDED = PYTHONHASHSEED=$(SEED) LEDGER_FAULTS_SEED=$(SEED) $(BIN)/pytest --hypothesis-seed=$(SEED)
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=

help:
	@echo 'make demo    start a ledger on this machine and walk through it'
	@echo 'make test    every test but the fault campaigns (under 5 minutes on 2 cores)'
	@echo 'make faults  the fault campaigns (under 20 minutes); SEED=N repeats one'
	@echo 'make check   lint + types + house rules + test + faults: what CI runs'
	@echo 'make bench   the benchmarks'
	@echo 'make lint | format | types | house | lock | clean'

env: $(ENV)

$(ENV): pyproject.toml requirements-dev.lock
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or later with its venv module was not found' >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Resolve again, moving only what must move (UPGRADE=1: everything). requirements.lock is what a server needs, requirements-dev.lock is that and the tools.
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
	pyproject.toml
lock:
	@test -x $(BIN)/uv || { echo 'run `make env` first' >&2; exit 1; }
	$(UV) --no-config $(COMPILE) --group dev --output-file requirements-dev.lock
	$(UV) --no-config $(COMPILE) --constraints requirements-dev.lock --output-file requirements.lock

demo: $(ENV)
	$(BIN)/license-ledger demo

test: $(ENV)
	@echo 'tests, seed $(SEED); again with: make test SEED=$(SEED)'
	$(SEEDED) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not faults' $(PYTEST_ARGS)

faults: $(ENV)
	@echo 'fault campaigns, seed $(SEED); again with: make faults SEED=$(SEED)'
	$(SEEDED) -m faults $(PYTEST_ARGS)

lint: $(ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(ENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(ENV)
	$(BIN)/mypy

house: $(ENV)
	$(BIN)/pytest tests/test_house.py

check: lint types house test faults

bench: $(ENV)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
