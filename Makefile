# Every target works on a fresh clone and does again only what has changed. `make` alone lists them.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS  += --no-print-directory

VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
BENCH    := .venv-bench
FUZZ     := .venv-fuzz
AWS      := .venv-aws
MUTANTS  := .venv-mutants

# Which tests `make coverage` runs, by the beginnings of their names.
COVERS   := $(foreach room,engine timing record runbook export rollback preview break_glass by_hand windows confirm,$(wildcard tests/unit/test_$(room)*.py))
# make test ARGS='tests/unit -k ttl'   COVERAGE=1 adds a report of lines and branches.
ARGS     ?=
COVERAGE ?=
# Each worker has servers of its own; 0 runs everything in one process, as a debugger wants it.
WORKERS  ?= 2
ROUNDS   ?= 20
ONLY     ?=
MINUTES  ?= 10
SEEDS    ?= 10000
FIRST    ?= 0

.PHONY: help install servers aws demo test coverage simulate lint format bench fuzz mutants reference docs clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name what; do printf '  make %-9s %s\n' "$$name" "$$what"; done

install: $(STAMP) ## the package and all development tools, in .venv

$(STAMP): pyproject.toml .ci/venv
	@.ci/venv $(VENV) -e . --group dev
	@touch $@

servers: ## the real DNS servers that tests/servers needs (Debian and Ubuntu; elsewhere: what to install)
	@.ci/servers tests/servers/packages.txt

# It wants another botocore than boto3 does.
aws: $(AWS)/.installed ## the server that stands for AWS in tests/servers, in .venv-aws

$(AWS)/.installed: pyproject.toml .ci/venv
	@.ci/venv $(AWS) --group aws
	@touch $@

demo: install ## a whole cutover on loopback, twice: to its end, and with a fault and its rollback
	@$(BIN)/dns-cutover demo

test: install servers aws ## every test; ARGS='…' goes to pytest, COVERAGE=1 adds a report, WORKERS=2
	@$(BIN)/python -m pytest -n $(WORKERS) $(if $(COVERAGE),--cov --cov-report=term) $(ARGS)

coverage: install ## branches of the rooms that decide: all of them, by the fast tests that are about them
	@$(BIN)/python -m pytest -q -n $(WORKERS) --cov-config=tests/coverage.toml --cov --cov-report=term $(COVERS)

simulate: install ## stories of runs with faults, over all cores, every crash with every fault; SEEDS=10000 FIRST=0
	@$(BIN)/python -m tests.simulation.seeds --count $(SEEDS) $(FIRST)
	@STRIDE=1 STORE_SEEDS=200 $(BIN)/python -m pytest -q -n $(WORKERS) tests/simulation/test_engine.py tests/simulation/test_stores.py

lint: install ## formatting, types, arrows between packages, dependencies, spelling, shell scripts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .
	@$(BIN)/codespell .
	@$(BIN)/shellcheck --severity=warning .ci/run .ci/servers .ci/venv integrations/github/*.sh

format: install ## rewrite the code as `make lint` wants it
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install $(BENCH)/.installed ## measurements, as a table and in build/bench.json; ROUNDS=20
	@.ci/servers tests/bench/packages.txt
	@$(BIN)/python tests/bench/run.py --rounds $(ROUNDS) --output build/bench.json

# What is measured against must not share an environment with what is measured.
$(BENCH)/.installed: pyproject.toml .ci/venv
	@.ci/venv $(BENCH) --group bench
	@touch $@

reference: install ## the pages and the schema that are made from the code
	@$(BIN)/dns-cutover checks --format markdown > docs/reference/checks.md
	@$(BIN)/dns-cutover resolvers --format markdown > docs/reference/resolvers.md
	@$(BIN)/dns-cutover schema --format markdown > docs/reference/plan.md
	@$(BIN)/dns-cutover schema > plans/plan.schema.json

fuzz: install $(FUZZ)/.installed ## feeds the loader: libFuzzer, then Hypothesis, each for MINUTES=10
	@mkdir -p build/fuzz/found
	@$(FUZZ)/bin/python tests/fuzz/seeds.py build/fuzz/corpus
	@$(FUZZ)/bin/python tests/fuzz/loader.py build/fuzz/corpus -dict=tests/fuzz/plan.dict -artifact_prefix=build/fuzz/found/ \
		-max_len=6000 -timeout=20 -rss_limit_mb=2048 -max_total_time=$$(( $(MINUTES) * 60 ))
	@$(BIN)/python tests/fuzz/again.py $(MINUTES)

# The fuzzer brings a runtime of its own, which has no place beside what people use.
$(FUZZ)/.installed: pyproject.toml .ci/venv
	@.ci/venv $(FUZZ) -e . --group dev --group fuzz
	@touch $@

mutants: install $(MUTANTS)/.installed ## the code that decides, made wrong in thousands of ways: a test must notice; ONLY='timing'
	@nice $(MUTANTS)/bin/python -m tests.mutants.run $(ONLY)

$(MUTANTS)/.installed: pyproject.toml .ci/venv
	@.ci/venv $(MUTANTS) -e . --group dev --group mutants
	@touch $@

docs: install reference $(VENV)/.docs ## the documentation, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/config/mkdocs.yml --site-dir "$(CURDIR)/site"
	@echo "site/index.html"

$(VENV)/.docs: $(STAMP)
	@.ci/venv $(VENV) --group docs
	@touch $@

clean: ## remove everything that these targets made
	@rm -rf $(VENV) $(BENCH) $(FUZZ) $(MUTANTS) build dist site htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
