# One command for every day: make check. Set PYTHON to use another environment.
PYTHON ?= .venv/bin/python

.PHONY: check format test all
check:            ## format, lint, types, architecture and fast tests: three to four minutes
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

format:           ## put everything into shape
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

test:             ## the fast tests alone
	$(PYTHON) -m pytest

all: check        ## the slow and model tests too
	$(PYTHON) -m pytest -m "slow or model"
