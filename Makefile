# Everything needs Python 3.11 or newer, git and make, and nothing else. See `make help`.

PYTHON ?= python3
ARGS ?=
CMD ?= help

WORKBENCH = .venv/bin/python -m workbench

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-reset test nightly bench-engine bench-ledger bench-metering bench-month-end bench-pages bench-quote bench-rating bench-utilisation lint types format shell manage

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

venv:
	@command -v $(PYTHON) >/dev/null || { echo "cardhour: $(PYTHON) is not installed: install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -m workbench.bootstrap

demo: venv ## Start the whole exchange with a demo market (PORT=8000, CARDHOUR_CLOCK_SPEED=120)
	@exec $(WORKBENCH) demo

demo-reset: venv ## Delete the demo's data, so that the next make demo starts afresh
	@exec $(WORKBENCH) demo-reset

test: venv ## Lint, types, import contracts, migrations and all tests (ARGS="-k offer" goes to pytest)
	@exec $(WORKBENCH) test $(ARGS)

nightly: venv ## The engine's properties on 100,000 random markets (ARGS="-k promises --hypothesis-seed=20261122")
	@exec $(WORKBENCH) nightly $(ARGS)

bench-ledger: venv ## How fast invoices are posted to the ledger (ARGS="--invoices 100000")
	@exec .venv/bin/python -m benchmarks.ledger.run $(ARGS)

bench-engine: venv ## The engine against its peers (ARGS="--instance small --regime tight --seed 1")
	@.venv/bin/python -m benchmarks.solvers
	@exec .venv/bin/python -m benchmarks.engine.run $(ARGS)

bench-quote: venv ## How long a quote takes (ARGS="--instance national --regime tight --seed 1")
	@exec .venv/bin/python -m benchmarks.engine.quotes $(ARGS)

bench-metering: venv ## How fast meter events are taken in (ARGS="--rounds 5 --seed 1")
	@exec .venv/bin/python -m benchmarks.metering.run $(ARGS)

bench-rating: venv ## How fast readings are rated (ARGS="--rounds 5 --seed 1")
	@exec .venv/bin/python -m benchmarks.rating.run $(ARGS)

bench-month-end: venv ## How long a month takes to rate and to close (ARGS="--agreements 2000")
	@exec .venv/bin/python -m benchmarks.rating.month_end $(ARGS)

bench-pages: venv ## How long pages take on a national market (ARGS="--rate 20 --seconds 60")
	@exec .venv/bin/python -m benchmarks.pages.run $(ARGS)

bench-utilisation: venv ## How long utilisation takes to answer on a national market (ARGS="--rounds 9")
	@exec .venv/bin/python -m benchmarks.utilisation.run $(ARGS)

lint: venv ## ruff, import contracts, templates
	@exec $(WORKBENCH) lint

types: venv ## mypy
	@exec $(WORKBENCH) types

format: venv ## Format the code and the templates
	@exec $(WORKBENCH) format

shell: venv ## A Django shell on the demo's databases
	@exec $(WORKBENCH) manage shell

manage: venv ## manage.py on the demo's databases (CMD="migrate --plan")
	@exec $(WORKBENCH) manage $(CMD)
