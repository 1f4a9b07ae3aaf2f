# Two commands on a fresh machine with Python and make: `make compare` and `make test`. Each makes the environment that
# it needs, once: the stamps below are older than pyproject.toml or constraints.txt only when there is something to do.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

.PHONY: compare study test lint types tests bench docs clean

compare: $(VENV)/.lab
	$(BIN)/thalweg compare $(ARGS)

study: $(VENV)/.lab
	$(BIN)/thalweg compare mnist-cnn --tune 12 --seeds 5 --out thalweg-out/study $(ARGS)

test: lint types tests

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs

types: $(VENV)/.dev
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

# Slow tests come last, and those that could not begin within 13 minutes are left out, each with a sentence.
tests: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --slow-within 780

bench: $(VENV)/.lab
	$(BIN)/thalweg bench $(ARGS)

# Pages for rules, surfaces and commands, pictures and notebooks are made anew; the result is site/index.html.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.lab: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) --editable '.[lab]'
	touch $@

$(VENV)/.docs: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	touch $(VENV)/.lab $@

$(VENV)/.dev: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.lab $(VENV)/.docs $@

clean:
	rm -rf $(VENV) thalweg-out site .cache
