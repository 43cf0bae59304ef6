# What people type. Everything a target needs, it installs: a virtual environment in .venv, and with
# `make machine` an engine and images on a machine that has none.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check bench machine format clean

help:
	@sed -n 's/^## //p' Makefile

.venv/ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[local]' --group dev
	@touch $@

## make demo      the example shop, running, with an order placed
demo: .venv/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

## make test      every test; those that need an engine or a cluster are skipped where none answers
test: .venv/ready
	@$(BIN)/python -m pytest -n 4 --dist loadfile --durations 25

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
