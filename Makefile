# What people type. Everything a target needs, it installs: a virtual environment in .venv, and with
# `make machine` an engine and images on a machine that has none.

# An environment in which nothing is ever compiled would compile all modules again at each start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo demo-shop test test-fast test-long test-kinds fuzz check bench machine format clean

help:
	@sed -n 's/^## //p' Makefile

# What people install, for `make demo`. Modules are compiled as they are imported: most never are.
.venv/local: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@echo "installing into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[local]'
	@touch $@

.venv/ready: .venv/local
	@echo "installing what the tests need into .venv"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

## make demo      a guestbook, running: in containers where an engine is, else as plain processes
demo: .venv/local
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py

## make demo-shop the example shop, running in containers, with an order placed
demo-shop: .venv/local
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo-shop.sh

## make test      every test; those that need an engine or a cluster are skipped where none answers
test: .venv/ready
	@$(BIN)/python -m pytest -n 4 --dist loadfile --durations 25

## make test-fast   what starts no program: no shell, no Helm, no engine
# Each worker collects all tests for itself: three keep two cores busy, and a fourth costs more than it saves.
test-fast: .venv/ready
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not programs" tests/unit tests/examples tests/cli

## make test-long   tests of a minute and more: data carried between backends, requests during a promotion, a rehearsal
test-long: .venv/ready
	@DEVENV_TEST_REQUIRE_LONG=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m long --durations 0

## make test-kinds  each kind whose real server can be had: an operation, down, up, the data is there
test-kinds: .venv/ready
	@bash tests/machine/machine.sh --kinds
	@DEVENV_TEST_REQUIRE_KINDS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m kinds --durations 0

## make fuzz      inputs by chance for what reads people's files; SEED=7 SECONDS=60 ROUNDS=1000 TARGETS="kong env"
fuzz: .venv/ready
	@$(BIN)/python -m tests.fuzz $(TARGETS) $(SEED:%=--seed %) $(ROUNDS:%=--rounds %) $(SECONDS:%=--seconds %)

## make check     format, lint, types, imports
check: .venv/ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n 0 tests/unit/test_imports.py tests/unit/test_encoding.py

## make bench     ratios against docker compose and kubectl, in one run
bench: .venv/ready
	@$(BIN)/python -m tests.bench

## make machine   an engine, images, Minikube and Helm, on a machine that has none (root on Debian)
machine:
	@bash tests/machine/machine.sh
	@bash tests/machine/cluster.sh || test $$? = 3  # 3: it said what to install
	@for major in 3 4; do bash tests/machine/helm.sh $$major || test $$? = 3; done

format: .venv/ready
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache
