# Everything starts from `make setup`, which the other targets call by themselves.
# It needs Python 3.11 or newer, and the network only when pyproject.toml or constraints.txt changed.

VENV ?= .venv
PORT ?= 8000
# How many processes run the tests.
JOBS ?= 2
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PORT

.PHONY: help setup run test test-fast lint fmt bench clean-servers

help:
	@echo "make setup | run | test | test-fast | lint | fmt | bench"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt bin/setup
	@VENV="$(VENV)" bin/setup

run: setup
	@$(BIN)/python manage.py up --demo $(ARGS)

test: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

test-fast: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow" $(ARGS)

lint: export DJANGO_SETTINGS_MODULE = config.settings.test
lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py lintmigrations --quiet ok ignore
	@$(BIN)/mypy

fmt: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup
	@$(BIN)/python manage.py bench claims --tasks 20000 --workers 16 $(ARGS)

# The test cluster stays up between runs; this stops it, and any other embedded server.
clean-servers: setup
	@$(BIN)/python -m config.embedded stop test
	@$(BIN)/python -m config.embedded stop main
