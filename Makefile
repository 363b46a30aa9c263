# Every task of this project. `make help` lists them; `make dev` is all the set-up there is.

VENV ?= .venv
BIN := $(VENV)/bin
# The stamp carries the checksum of what was asked for: a second `make dev` does nothing.
STAMP := $(VENV)/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
# One thread per process: two frameworks that both spin on every core slow each other a hundredfold.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

# Tests run file by file in so many processes; each takes a core and 1.5 GB, for both frameworks.
JOBS ?= 2
SPLIT = -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help dev demo test test-all fuzz speed lint types ci clean

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: $(STAMP) ## make .venv with both frameworks and the tools

demo: $(STAMP) ## train one model in both frameworks and compare
	$(BIN)/dualnet demo

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest $(SPLIT)

test-all: $(STAMP) ## run the tests, the slow ones too
	$(BIN)/python -m pytest $(SPLIT) -m "slow or not slow"

fuzz: $(STAMP) ## hold 10,000 random graphs of both frameworks to one another; goes on where it was stopped
	$(BIN)/python -m tests.fuzz --jobs $(JOBS)

speed: $(STAMP) ## see that nothing has got slower beyond the noise: some minutes, on an idle machine
	$(BIN)/python benchmarks/gate.py

lint: $(STAMP) ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## check types
	$(BIN)/mypy

ci: ## everything CI does, in an environment of its own
	.ci/run

clean: ## remove what was built; keeps .venv
	rm -rf build dist *.egg-info .ci/venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find backends benchmarks dualnet specs tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python on PATH that has wheels of both frameworks; `make dev PYTHON=...` overrules it.
SUITS = -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p $(SUITS) && echo $$p && break; done)

$(STAMP):
	@$(or $(PYTHON),false) $(SUITS) || { \
	  echo "dualnet needs Python 3.11, 3.12 or 3.13; found: $(or $(PYTHON),none of them on PATH)." \
	       "Install one, or name it: make dev PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing dualnet with torch and keras into $(VENV): about 2 GB, some minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[torch,keras,dev]'
	@rm -f $(VENV)/installed-* && touch $@
