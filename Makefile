# `make` alone prints this help.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help: ## this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

install: $(STAMP) ## create .venv and install everything, pinned

run: $(STAMP) ## run the whole system on this machine until Ctrl-C
	@$(BIN)/fleetpulse up

test: $(STAMP) ## all tests but the slow fault suite
	$(BIN)/python -m pytest -m "not fault" $(PYTEST_ARGS)

test-faults: $(STAMP) ## kill processes and brokers under load, count what landed
	$(BIN)/python -m pytest -m fault $(PYTEST_ARGS)

check: $(STAMP) ## ruff, mypy strict, import contracts, schema compatibility
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/fleetpulse schemas check

bench: $(STAMP) ## the figures of the README: streams, lake, reporter, the whole
	$(BIN)/fleetpulse bench streams
	$(BIN)/fleetpulse bench lake
	$(BIN)/fleetpulse bench reporter
	$(BIN)/fleetpulse bench whole

clean: ## remove what running has left: data folder, caches
	rm -rf .fleetpulse .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help install run test test-faults check bench clean
