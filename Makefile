# Everything that one does with this repository. `make` alone explains the targets.
# Wants: Python 3.11 or newer with its venv module, make. All the rest comes hash-locked into $(VENV).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Handed to the command: make demo DEMO_ARGS=--exit
DEMO_ARGS  ?=
SERVE_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=
# How many processes run tests side by side, each a file at a time: one more than processors, for many tests wait
JOBS ?= $(shell expr $$(nproc) + 1)
# What may be missing, by name: make test SKIP="receivers browser". Nothing is skipped that is not named here.
SKIP ?=
export SKIP

SHELL       := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# uv has its own list of certificates and fails (UnknownIssuer) where the network has a CA of its own; pip is fine there
export UV_SYSTEM_CERTS := 1
export UV_LINK_MODE := copy
# a shell with this set never writes .pyc files, and every start would compile everything anew
unexport PYTHONDONTWRITEBYTECODE

##@ Use

.PHONY: help
help: ## this text
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@printf '%s\n' '' \
	  'Settings: DEMO_ARGS, SERVE_ARGS, BENCH_ARGS, PYTEST_ARGS go to the command (make demo DEMO_ARGS=--exit);' \
	  'SKIP names what make test may leave out (receivers, browser, proxy), JOBS how many tests run at a time; PYTHON chooses the interpreter (make PYTHON=python3.12 demo).'

.PHONY: demo
demo: $(VENV)/run.stamp ## shop visitors become webhooks, before your eyes (DEMO_ARGS=--exit ends by itself)
	@$(BIN)/goniec demo $(DEMO_ARGS) || { code=$$?; [ $$code = 130 ] || exit $$code; } # Ctrl-C is no error

.PHONY: serve
serve: $(VENV)/run.stamp ## the engine, on this machine
	@$(BIN)/goniec serve $(SERVE_ARGS)

.PHONY: bench
bench: $(VENV)/run.stamp ## how fast it is here, beside the bare client library
	@$(BIN)/goniec bench $(BENCH_ARGS)

##@ Work on it

.PHONY: test
# the gate stands before the repeated summary, so that the last line says how the tests went
test: lint $(if $(filter receivers,$(SKIP)),,receivers) ## all that CI runs: lint, types, floors, tests, coverage
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report= $(PYTEST_ARGS) | tee $(VENV)/pytest.log
	@echo 'covered of core and flow, where all must be:'
	@$(BIN)/coverage report --skip-covered --skip-empty --fail-under=100 || gate=$$?; \
	  tail -n 1 $(VENV)/pytest.log; exit $${gate:-0}
	@if [ -n "$$SKIP" ]; then echo "skipped, as asked: $$SKIP"; fi

.PHONY: check
check: test ## the same, by the name that CI calls

.PHONY: lint
lint: $(VENV)/dev.stamp ## ruff, mypy and the floors alone
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp ## look at every page of the panel, and write what was seen into docs/screenshots
	@SCREENSHOTS=1 $(BIN)/python -m pytest tests/e2e/panel/test_pages.py -k every_page $(PYTEST_ARGS)

.PHONY: soak
soak: $(VENV)/dev.stamp ## the long tests that make test leaves out
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

.PHONY: attack
attack: $(VENV)/dev.stamp $(VENV)-attack/attack.stamp ## a web scanner against the panel, signed in
	@$(BIN)/python -m pytest -m attack tests/e2e/panel/test_attack.py $(PYTEST_ARGS)

.PHONY: dev
dev: $(VENV)/dev.stamp ## only the environment with everything for working on it

.PHONY: receivers
receivers: $(VENV)-receivers/receivers.stamp ## only the webhook receivers that nobody here wrote, for the tests

.PHONY: lock
LOCK = $(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
lock: $(VENV)/venv.stamp ## write requirements/*.lock anew (UPGRADE=--upgrade for newer versions)
	@$(LOCK) pyproject.toml --group build -o requirements/run.lock
	@$(LOCK) pyproject.toml --all-extras --group build --group test --group lint -c requirements/run.lock -o requirements/dev.lock
	@$(LOCK) --group boot -o requirements/boot.lock
	@$(LOCK) --group receivers -o requirements/receivers.lock
	@$(LOCK) --group attack -o requirements/attack.lock
	@! grep -nE '://|^ *-' requirements/*.lock | grep -v ' --hash=sha256:'

.PHONY: clean
clean: ## remove the environments and caches, not your data
	@rm -rf $(VENV) $(VENV)-receivers $(VENV)-attack .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov dist
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environments ------------------------------------------------------------------------------------------------

# uv does not read pip's settings: where only they say how to reach an index, uv gives up and pip goes on
install = { [ -x $(BIN)/uv ] && VIRTUAL_ENV=$(1) $(BIN)/uv pip install -q --require-hashes -r $<; } || \
  $(1)/bin/python -m pip --disable-pip-version-check install -q --require-hashes -r $<

# run.lock is a part of dev.lock, so both may fill the same environment
$(VENV)/%.stamp: requirements/%.lock pyproject.toml | $(VENV)/venv.stamp
	@$(call install,$(VENV))
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

# A stamp and never bin/python: without python3-venv Debian's venv leaves half an environment behind
$(VENV)/venv.stamp: requirements/boot.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1): make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'this Python lacks its venv module. Debian, Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install -q --require-hashes -r $< || echo 'no uv: pip will do, more slowly' >&2
	@touch $@

# an environment of its own: the receivers' old pins may not enter the engine's
$(VENV)-receivers/receivers.stamp: requirements/receivers.lock | $(VENV)/venv.stamp
	@$(PYTHON) -m venv --clear $(VENV)-receivers
	@{ $(call install,$(VENV)-receivers); } || \
	  { echo 'no httpbin and gunicorn, which the tests want as receivers. Without them: make test SKIP=receivers' >&2; exit 1; }
	@touch $@

# the same for the scanner
$(VENV)-attack/attack.stamp: requirements/attack.lock | $(VENV)/venv.stamp
	@$(PYTHON) -m venv --clear $(VENV)-attack
	@{ $(call install,$(VENV)-attack); } || { echo 'no wapiti, which make attack wants' >&2; exit 1; }
	@touch $@
