# The commands of this repository. Each target sets up what it needs first; see docs/adr/0002-set-up.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SILENT:

# The Python that makes .venv: 3.11 or newer.
PYTHON ?= python3
# Further arguments, as in: make test PYTEST_ARGS="-k nsh"
DEMO_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

SET_UP = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m scripts.set_up

.PHONY: help demo test test-deep bench lint fuzz lock clean

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Set up, then the main job: from packages to verified packets; exit 0 only if every check held
	$(SET_UP) demo
	exec .venv/bin/mano demo $(DEMO_ARGS)

test: ## Set up, lint, then the test suite (at most 15 minutes on 2 cores)
	$(SET_UP) test
	scripts/lint
	exec scripts/test $(PYTEST_ARGS)

test-deep: ## Set up, then the tests that take longer (at most 60 minutes)
	$(SET_UP) test
	exec scripts/test --deep $(PYTEST_ARGS)

bench: ## Set up, then the benchmarks; prints medians and ratios
	$(SET_UP) demo
	exec .venv/bin/python -m benchmarks.run $(BENCH_ARGS)

lint: ## Format, style, types, import contracts
	$(SET_UP) lint
	exec scripts/lint

fuzz: ## Set up, then coverage-guided fuzzing, and every property-based test with many random examples
	$(SET_UP) test
	exec scripts/test --fuzz $(PYTEST_ARGS)

lock: ## Write requirements/*.txt anew from their inputs; UPGRADE=1 takes the newest versions
	$(SET_UP) lint
	exec scripts/lock

clean: ## Remove what set-up, builds and tests made inside this directory
	rm -rf .venv .stamps build dist ./*.egg-info mano/dashboard/dist mano/dashboard/node_modules
	rm -rf .fuzz .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
