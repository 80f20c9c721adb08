# `make` lists the targets. Each makes .venv first, from the locked requirements, where it needs it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
KERNELS := $(shell find equivalence cythonized -name '*.pyx')

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' $(MAKEFILE_LIST) | while read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

.PHONY: equiv
equiv: $(VENV)/.run ## prove a chain equal to its table, refute a planted fault, compare real lists
	@PATH="$(abspath $(BIN)):$$PATH" examples/demo.sh

.PHONY: test
test: packages ## run the whole test suite; first, install the system packages that it misses
	@$(MAKE) $(VENV)/.dev
	@$(BIN)/pytest -q -n auto --dist worksteal

.PHONY: packages
packages: ## install the system packages that tests use (as root or by sudo), or say what is missing
	@.ci/packages

.PHONY: check
check: $(VENV)/.dev ## lint, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench-speedybox
bench-speedybox: $(VENV)/.dev ## measure: SpeedyBox's experiments on derived fast paths
	$(BIN)/python benchmarks/bench_speedybox.py

.PHONY: bench
bench: $(VENV)/.dev ## measure: each benchmark prints its own table
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python "$$bench"; done

.PHONY: fuzz
fuzz: $(VENV)/.dev ## for SECONDS=60: all that reads what others wrote, coverage-guided
	@nice $(BIN)/python tests/robustness/fuzz.py --seconds $(or $(SECONDS),60)

.PHONY: fuzz-networks
fuzz-networks: $(VENV)/.dev ## for SECONDS=60: random networks, compiled, against the reference
	@NFVERIFY_WERROR=1 $(BIN)/python tests/fuzz.py --seconds $(or $(SECONDS),60)

.PHONY: soak
soak: $(VENV)/.dev ## PACKETS=1000000000 through a compiled chain: memory and behaviour must stay
	@$(BIN)/python tests/robustness/soak.py --packets $(or $(PACKETS),1000000000)

.PHONY: docs
docs: $(VENV)/.dev ## run every command shown in README.md and docs/, and check their links
	@$(BIN)/pytest -q tests/docs

.PHONY: man
man: $(VENV)/.run ## write the manual pages into build/man (a wheel brings them along)
	@$(BIN)/python -m nfverify.cli.manual build/man
	@echo "man -l build/man/nfverify.1"

.PHONY: dist
dist: $(VENV)/.dev ## build the wheel and the sdist into dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

.PHONY: lock
lock: $(VENV)/.dev ## resolve the dependencies of pyproject.toml anew and pin them
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade --extra build \
		-o requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) --upgrade --extra build --extra dev \
		-c requirements.lock -o requirements-dev.lock pyproject.toml

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find equivalence cythonized -name '*.so' -delete -o -name '_kernel.c' -delete

# The tools a fresh system may lack; each missing one is named with the package that brings it.
define FIND_PYTHON
for candidate in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		python=$$candidate; break; fi; done; \
missing=(); \
if [ -z "$${python-}" ]; then missing+=("Python 3.11 or later (package python3.11)"); \
elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	missing+=("the venv module of Python $$version (package python$$version-venv)"); fi; \
command -v gcc >/dev/null || missing+=("a C compiler (package gcc)"); \
if [ $${#missing[@]} -gt 0 ]; then \
	printf 'missing: %s\n' "$${missing[@]}" >&2; \
	echo 'On Debian and Ubuntu: apt-get install PACKAGE…, then run make again.' >&2; exit 1; fi
endef

$(VENV)/.run: requirements.lock pyproject.toml setup.py $(KERNELS)
	@$(FIND_PYTHON); \
	echo "making $(VENV) with $$("$$python" --version)"; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@$(PIP) install --quiet -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import nfverify.equivalence.rulesets._kernel' 2>/dev/null || echo \
		'note: the ruleset kernel could not be compiled (is python3-dev there?): its slower Python twin runs'
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@$(PIP) install --quiet -r requirements-dev.lock
	@touch $@
