# Every target installs what it needs; `make` alone explains itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# the lab needs root; a user with sudo is enough
SUDO := $(shell [ "$$(id -u)" -eq 0 ] || echo sudo -n -E)

.PHONY: help setup lab-tools demo test unit check soak bench bench-latency lab-up lab-down format docs promtool

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup lab-tools ## the main job: from YAML to one OpenStack with two hypervisors, on real daemons in a lab (about 6 min the first time, 3 then)
	@$(SUDO) $(BIN)/python -m tests.lab.demo

test: setup lab-tools promtool ## every test, the lab's included (about 40 min, a few more the first time; see docs/how-to/run-the-lab.md)
	$(SUDO) scripts/test.sh $(PYTEST_ARGS)

unit: setup ## the tests that need no lab (seconds)
	scripts/unit.sh $(PYTEST_ARGS)

check: setup ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: setup lab-tools ## the long runs: 50 kills of bivisor, 30 minutes of a random stream of changes for the daemon on three controllers and 10 for one alone, a compute that hangs, rarer modes of volumes and images, a vCenter compute of OpenStack 2026.2 (about two hours)
	$(SUDO) $(BIN)/python -m pytest --require-lab -m soak $(PYTEST_ARGS)

bench: setup ## measure: ratios against two peers, CPU per host, start-up time
	$(SUDO) $(BIN)/python -m tests.bench

bench-latency: setup lab-tools ## measure, in the lab: how soon the daemon notices a change, and begins to repair it (about half an hour; the machine should rest)
	$(SUDO) $(BIN)/python -m tests.bench.latency $(BENCH_ARGS)

lab-up: setup lab-tools ## build and start the lab (about 6 min the first time, one minute then)
	@$(SUDO) $(BIN)/python -m tests.lab up

lab-down: setup ## stop the lab; leaves nothing behind but its caches
	@$(SUDO) $(BIN)/python -m tests.lab down

docs: setup ## write the reference pages (docs/reference) from the code
	$(BIN)/python scripts/generate_reference.py

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup:
	@scripts/setup.sh

lab-tools:
	@tests/lab/install.sh

promtool:
	@scripts/promtool.sh
