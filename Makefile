# The only list of developer commands; CI and people run the same names. `make help` explains them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROUNDS ?= 50
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test test-docs check bench test-agents test-fault agents lock docs picture clean

help: ## Says what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Installs what the project needs, product and developer tools, into .venv

$(STAMP): requirements/dev.txt pyproject.toml tools/system_packages.sh
	@bash tools/system_packages.sh
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Runs the main job to its end: no key, no network
	@$(BIN)/ai-orchestrator demo

test: $(STAMP) ## Runs the tests (unit, property, integration, end to end)
	@$(PYTEST) tests -m "not agents and not fault and not pages" -n 4 --dist loadscope --no-loadscope-reorder -q

test-docs: $(STAMP) ## Types every command that the documentation shows, and looks at what comes
	@$(PYTEST) tests/docs -m pages -q -n 4

check: $(STAMP) ## Lint, types, layers, security
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet -r src -c pyproject.toml

agents: $(STAMP) ## Installs the pinned third-party agents into .agents
	@$(BIN)/python tools/install_agents.py

test-agents: agents ## Runs the real agents against the scripted model server, without network
	@$(PYTEST) tests/agents -m agents -q

test-fault: $(STAMP) ## Kills and upgrades the runner: at what it did, at journal points, at ROUNDS random moments
	@ROUNDS=$(ROUNDS) $(PYTEST) tests/fault tests/e2e -m fault -q -n 3

bench: $(STAMP) ## Shows the figures against their goals (STRICT=1: fails when one is missed)
	@$(BIN)/python bench/run.py $(if $(STRICT),--strict)

docs: $(STAMP) ## Writes the reference pages that are made from the code
	@$(BIN)/python -m ai_orchestrator.workflows.loading.schema > docs/reference/agents.schema.json
	@$(BIN)/python -m ai_orchestrator.cli.reference > docs/reference/cli.md
	@$(BIN)/python -m ai_orchestrator.cli.reference exit-codes > docs/reference/exit-codes.md
	@$(BIN)/python -m ai_orchestrator.workflows.loading.reference docs/reference/configuration.md docs/reference/workflows.md

picture: $(STAMP) ## Draws docs/demo.svg from a real run of the demo
	@$(BIN)/python tools/draw_demo.py

lock: $(STAMP) ## Resolves the dependencies anew, with hashes and without registry addresses
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements/product.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml --group dev -o requirements/dev.txt

clean: ## Removes what the other commands made
	@rm -rf $(VENV) .agents/*/node_modules .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
