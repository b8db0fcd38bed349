# AutoAL. `make` alone shows what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install run test test-cpus test-slow test-all lint type format docs bench tables study clean

help:  ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make .venv with the tested versions of everything

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: AutoAL needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	@echo "installing into $(VENV) (a few minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

run: install  ## Run AutoAL on the embedded digits (CPU, about a minute); ARGS="strategy=margin seed=1" changes it
	@$(BIN)/python train.py trainer=cpu $(ARGS)

test: install  ## Prove the installation: the test suite without its slow tests
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not slurm" $(ARGS)

test-cpus: install  ## The kernels' tests as on older processors: no pick may depend on the processor
	@for level in default avx2; do ATEN_CPU_CAPABILITY=$$level $(BIN)/python -m pytest -n $(WORKERS) -q \
		tests/kernels tests/ddp/test_sharded.py -m "not slow" $(ARGS) || exit 1; done

test-slow: install  ## The slow tests, and those on a real SLURM where it is installed
	@$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not slurm" $(ARGS)
	@$(BIN)/python -m pytest -m slurm -rs $(ARGS) || test $$? -eq 5

test-all: test-slow test  ## Every test

lint: install  ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

type: install  ## Check types
	@$(BIN)/mypy

format: install  ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: install  ## Build the documentation site into site/; open site/index.html
	@PYTHONPATH=. $(BIN)/python -m mkdocs build --strict --quiet

bench: install  ## Time the kernels, the data path and the search against their peers
	@for name in kernels kcenter datapath search ddp report heads studies; do $(BIN)/python -m experiments.benchmarks.$$name \
		|| exit 1; done

tables: install  ## Write every text's tables again, from experiments/*/results (3 minutes)
	@for name in foundation_study.report autoal_study.report autoal_study.rivals semi_supervised_study.report tables \
		digits_study.seeds_needed readme; do $(BIN)/python -m experiments.$$name || exit 1; done

study: install  ## Re-run a study: make study STUDY=autoal_study
	@test -f "experiments/$(STUDY)/run.py" || { echo "error: name a study, make study STUDY=..., one of:" \
		$$(cd experiments && ls */run.py | xargs -n 1 dirname); exit 1; }
	@$(BIN)/python -m experiments.$(STUDY).run $(ARGS)

clean:  ## Remove the environment and every cache (runs/ stays)
	@rm -rf $(VENV) build site .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
