# `make` alone prints this help.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE := tests/browser/node_modules
# How many tests at a time; 0 = one after the other, in one process. Many of them wait for brokers more than they work.
WORKERS ?= 2
BENCHES ?= reporter sdk policies streams rules anomaly lake notify alerts whole api dashboard

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

$(NODE)/.installed: tests/browser/package.json
	cd tests/browser && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

node-tools: $(NODE)/.installed ## axe-core and TypeScript from npm, for tests of the dashboard and check-js

test: test-parts test-browser ## all tests but the slow fault suite

test-parts: $(STAMP) ## those that need no browser
	$(BIN)/python -m pytest -m "not fault and not slow" -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# By themselves: Playwright keeps a loop in the main thread, in which no asynchronous test could run. In their order: all
# of them share one fleet, to which some add.
test-browser: $(STAMP) $(NODE)/.installed ## the pages of the dashboard in Chromium
	$(BIN)/python -m pytest tests/browser -p no:randomly $(BROWSER_ARGS)

test-faults: $(STAMP) ## kill processes and brokers under load, count what landed
	$(BIN)/python -m pytest -m "fault or slow" $(PYTEST_ARGS)

check: $(STAMP) ## ruff, mypy strict, import contracts, schema compatibility
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/fleetpulse schemas check

check-js: $(NODE)/.installed ## the dashboard's scripts against their types (TypeScript, strict)
	@$(NODE)/.bin/tsc -p sinks/dashboard/jsconfig.json

bench: $(STAMP) ## the figures of the README, one part after the other: about half an hour (BENCHES="lake rules": some)
	@set -e; for name in $(BENCHES); do echo "== fleetpulse bench $$name"; $(BIN)/fleetpulse bench $$name; done

bench-dashboard: $(STAMP) ## the dashboard in a real browser against its bars; needs Chromium (apt-get install chromium)
	@$(BIN)/fleetpulse bench dashboard

bench-api: $(STAMP) ## gateway, API, policies and SDK against their bars; needs wrk (apt-get install wrk)
	@$(BIN)/fleetpulse bench api

screenshots: $(STAMP) ## pictures of every page of the dashboard, both themes and phone, into build/screenshots; needs Chromium
	@$(BIN)/python tests/browser/screenshots.py --out build/screenshots

clean: ## remove what running has left: data folder, caches
	rm -rf .fleetpulse .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help install run node-tools test test-parts test-browser test-faults check check-js bench bench-api bench-dashboard screenshots clean
