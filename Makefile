# make lab · make test · … : each target sets up what it needs. `make` alone lists them.
# Every path is relative, because the folder's own path may contain spaces and make cannot quote them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
STACKS := pinned colab oldest newest classic
STACK ?= pinned
VENV := .venv$(if $(filter-out pinned,$(STACK)),-$(STACK))
BIN := $(VENV)/bin
MARK := $(VENV)/made-by-make
READY := $(VENV)/ready
TOOLS := $(VENV)/tools
CONSTRAINTS := tests/stacks/$(STACK).txt
LESSONS ?= $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
LAB_FLAGS ?=
# Two workers with one thread each: threads of both would wait in turns. Lessons are given out one by
# one; other tests of a file stay together, as they share what it sets up. Colab's lessons run in one
# process: the first one installs what the others need.
TESTS ?= $(if $(filter colab,$(STACK)),tests/lessons/test_colab.py,tests)
ONE_BY_ONE := $(if $(filter colab,$(STACK)),,-n 2 --dist load --maxschedchunk 1)
PYTEST = STACK=$(STACK) OMP_NUM_THREADS=$(if $(filter colab,$(STACK)),2,1) $(BIN)/python -m pytest
QUICK = $(PYTEST) -n 2 --dist loadfile -m "not gpu and not browser and not lesson" $(TESTS)
ifneq ($(words $(filter $(STACKS) site,$(STACK))),1)
$(error STACK=$(STACK) is unknown; take one of $(STACKS))
endif

# What each stack installs. pinned: the tested versions. colab: what Colab comes with; the lessons'
# first cell adds the rest, as it does there. oldest: the lowest versions that requirements.txt
# admits. newest: the newest that exist. classic: the classic Notebook with Colab's version of the
# widgets. site: what builds the site and tests it; no torch.
PACKAGES_pinned := -r requirements.txt
PACKAGES_colab := -r $(CONSTRAINTS) -r <(grep -E '^(torch|papermill|pytest)' requirements.txt)
PACKAGES_oldest := -r requirements.txt -c <(grep '^torch==' tests/stacks/pinned.txt)
PACKAGES_newest := -r <(sed -nE 's/^([A-Za-z][A-Za-z0-9_-]*).*/\1/p' requirements.txt) --editable .
PACKAGES_classic := -r requirements.txt -r $(CONSTRAINTS)
PACKAGES_site := -r $(CONSTRAINTS)
CPU_TORCH := https://download.pytorch.org/whl/cpu

# Skip byte-compilation at install time: most of the 17,000 files are never imported. Unset
# PYTHONDONTWRITEBYTECODE so that Python caches the files that are.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install -q --no-compile

SITE = $(MAKE) --no-print-directory STACK=site

.PHONY: help lab test quick test-browser test-gpu site test-site build-site browse-site pictures notebooks world experiments links progress doctor bench mutants kills lint clean
help: ## list these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

lab: $(READY) ## open JupyterLab at lesson 1 (about two minutes the first time)
	@$(BIN)/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) --notebook-dir="$$PWD" $(LAB_FLAGS) notebooks/01_tensors.ipynb

test: $(READY) ## run every lesson and every test (STACK=colab, oldest or newest: with those versions)
	@$(PYTEST) $(ONE_BY_ONE) -m lesson $(TESTS); lessons=$$?; $(QUICK); quick=$$?; \
	for code in $$lessons $$quick; do case $$code in 0|5) ;; *) exit 1;; esac; done # 5: none of the kind

quick: $(READY) ## run all tests except those that run lessons (some minutes)
	@$(QUICK)

test-browser: $(TOOLS) ## run the lessons in JupyterLab and move their widgets, in Chromium (or STACK=classic)
	@$(PYTEST) -m browser $(if $(filter tests,$(TESTS)),tests/browser,$(TESTS))

test-gpu: $(READY) ## measure lesson 8 on this machine's CUDA card (writes a 16 GB checkpoint)
	@$(BIN)/python -m pytest -m gpu tests/gpu

site: ## build the course's site from the committed lessons, in build/site
	@$(SITE) build-site

test-site: ## build the site and read it in a browser (needs Chromium or Chrome)
	@$(SITE) browse-site

build-site: $(READY) # with STACK=site
	@$(BIN)/python tests/tools/build_site.py

browse-site: $(READY) # with STACK=site
	@$(BIN)/python -m pytest tests/site

pictures: $(READY) ## take the README's pictures out of the committed lessons; draw the site's film
	@$(BIN)/python tests/tools/pictures.py
	@$(BIN)/python tests/tools/film.py

notebooks: $(READY) ## run the lessons and write their outputs back (LESSONS=notebooks/… for one)
	@$(BIN)/python tests/tools/run_lessons.py $(LESSONS)
	@$(BIN)/python tests/tools/pictures.py

world: $(READY) ## make the pocket world again: catalogue, then base model (about an hour)
	@$(BIN)/python data/make_catalogue.py
	@$(BIN)/python data/make_base.py

experiments: $(READY) ## record what lessons 5 and 9 draw: hours (NAME=… for some of it)
	@$(BIN)/python data/make_experiments.py "$(NAME)"

links: $(READY) ## write what README and lessons share; set the address with REPO=owner/name [REF=branch]
	@$(BIN)/python tests/tools/links.py "$(REPO)" "$(REF)"

progress: $(READY) ## show which exercises you have solved
	@$(BIN)/python -m helpers.progress

doctor: $(READY) ## say what this machine can run, and what to fix
	@$(BIN)/python -m helpers.doctor

bench: $(READY) ## measure speed and growth on this machine: 45 minutes (PARTS="training scoring" for some)
	@$(BIN)/python tests/tools/bench.py $(PARTS)

mutants: $(TOOLS) ## change the helpers one place at a time: do tests notice? Hours (FILES=… SAMPLE=60)
	@OMP_NUM_THREADS=1 $(BIN)/python tests/tools/mutants.py $(or $(SAMPLE),60) $(FILES)

kills: $(READY) ## kill small training runs at N=100 random moments: do they end as if unbroken?
	@$(BIN)/python tests/tools/kills.py $(or $(N),100)

lint: $(READY) ## check the style of the code, and that every imported package is declared
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/deptry . --config tests/deptry.toml

clean: ## remove what make installed and what runs wrote to build/ (trained adapters too)
	@for env in .venv .venv-*; do \
	  if [ -e "$$env/$(notdir $(MARK))" ]; then rm -rf "$$env"; fi; done
	@rm -rf build .pytest_cache .ruff_cache *.egg-info

# The environment. An incomplete one has no `ready` and is made again. A folder without our mark is
# somebody else's and is left alone. Each stack names its pip: an old pip takes twice as long.
$(READY): requirements.txt pyproject.toml $(CONSTRAINTS)
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This course needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)."; \
	  echo "Install one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@if [ -e $(VENV) ] && [ ! -e $(MARK) ]; then \
	  echo "$(VENV) was not made by make, so it is left as it is."; \
	  echo "Rename or remove it, then run the same command again."; exit 1; fi
	@[ -e $@ ] || { echo "Making $(VENV) …"; mkdir -p $(VENV) && touch $(MARK) && \
	  find $(VENV) -mindepth 1 -maxdepth 1 ! -path $(MARK) -exec rm -rf {} + && \
	  "$(PYTHON)" -m venv $(VENV) || { \
	  echo "Could not make $(VENV). On Debian and Ubuntu: apt install python3-venv"; exit 1; }; }
	@rm -f $@
# With PIP_FIND_LINKS set, pip already knows where to find a torch.
	@if [ "$$(uname -sm)" = "Linux x86_64" ] && [ -z "$$PIP_FIND_LINKS" ] && [ $(STACK) != site ] && ! command -v nvidia-smi >/dev/null; then \
	  echo "Installing torch for the CPU …"; \
	  $(INSTALL) torch -c $(CONSTRAINTS) -c <(grep '^torch' requirements.txt) --index-url $(CPU_TORCH) \
	  || echo "Could not install a CPU build of torch; the next step takes the default build (several GB)."; fi
	@echo "Installing the packages of $(CONSTRAINTS) (a minute or two, once) …"
	@{ $(INSTALL) pip -c $(CONSTRAINTS) && $(INSTALL) $(PACKAGES_$(STACK)) -c $(CONSTRAINTS); } || { \
	  echo "The installation failed; the lines above say why. The incomplete environment will not be used:"; \
	  echo "fix the cause (network? disk space?) and run the same command again."; exit 1; }
	@touch $@

# What only test-browser and mutants need, so that no learner installs it.
$(TOOLS): tests/stacks/tools.txt $(READY)
	@$(INSTALL) -r tests/stacks/tools.txt -c $(CONSTRAINTS)
	@touch $@
