# make lab · make test · … : each sets up what it needs. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
STACK ?= pinned
VENV := $(CURDIR)/.venv$(if $(filter-out pinned,$(STACK)),-$(STACK))
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(STACK)
CONSTRAINTS := tests/stacks/$(STACK).txt
LESSONS ?= $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
LAB_FLAGS ?=
TESTS ?= $(if $(filter colab,$(STACK)),tests/test_colab.py,tests)
# Colab's stack is what Colab comes with: the lessons' first cell adds the rest, as it does there.
PACKAGES = $(if $(filter colab,$(STACK)),-r $(CONSTRAINTS) -r <(grep -E '^(torch|papermill|pytest)' requirements.txt),-r requirements.txt -c $(CONSTRAINTS))
CPU_TORCH := https://download.pytorch.org/whl/cpu
# What is imported is compiled then, once; most of 17,000 files never are. Containers that forbid it
# (PYTHONDONTWRITEBYTECODE) would compile at every import.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install -q --no-compile

.PHONY: help lab test notebooks world links bench lint clean
help: ## list these targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

lab: $(READY) ## open JupyterLab at lesson 01 (about two minutes the first time)
	@cd notebooks && $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_FLAGS) 01_tensors.ipynb

test: $(READY) ## run every lesson and every test; STACK=colab: the lessons as in Google Colab
	@STACK=$(STACK) $(BIN)/python -m pytest $(TESTS)

notebooks: $(READY) ## run the lessons and write their outputs back (LESSONS=notebooks/… for one)
	@$(BIN)/python tests/lesson_runner.py $(LESSONS)

world: $(READY) ## re-make the pocket world: catalogue, then base model (about an hour)
	@$(BIN)/python data/make_catalogue.py
	@$(BIN)/python data/make_base.py

links: $(READY) ## write the repository's address into badges and first cells: REPO=owner/name [REF=main]
	@$(BIN)/python tests/links.py $(REPO) $(REF)

bench: $(READY) ## measure the budgets on this machine
	@$(BIN)/python tests/bench.py

lint: $(READY) ## check the style of the Python files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

clean: ## remove what was installed and what runs wrote
	@rm -rf build .venv .venv-* .pytest_cache .ruff_cache *.egg-info

# The environment. The mark is made last: without it a half-made environment starts over. The stack
# names its pip: an old one takes twice as long.
$(READY): requirements.txt pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This course needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Install one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@[ -e $@ ] || { echo "Making $(notdir $(VENV)) …"; $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "Could not make $(VENV). On Debian and Ubuntu: apt install python3-venv"; exit 1; }; }
	@rm -f $@
	@if [ "$$(uname -sm)" = "Linux x86_64" ] && [ -z "$$PIP_FIND_LINKS" ] && ! command -v nvidia-smi >/dev/null; then \
	  echo "Installing torch for the CPU …"; \
	  $(INSTALL) torch -c $(CONSTRAINTS) -c <(grep '^torch' requirements.txt) --index-url $(CPU_TORCH) \
	  || echo "No CPU build of torch to be had; the next step takes the default one (several GB)."; fi
	@echo "Installing the packages of $(CONSTRAINTS) (a minute or two, once) …"
	@{ $(INSTALL) pip -c $(CONSTRAINTS) && $(INSTALL) $(PACKAGES); } || { \
	  echo "The installation failed; the lines above say why. Nothing half-made is kept in use:"; \
	  echo "mend the cause (network? disk space?) and run the same make command again."; exit 1; }
	@touch $@
