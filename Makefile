# `make run` and `make test` install what they need. `make help` lists all targets.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
INSTALL := .ci/install

.DEFAULT_GOAL := help
.PHONY: help setup run dev env psql test cover lint format types messages bench load clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "==> creating .venv"
	@$(PYTHON) -m venv .venv || \
	  { echo "error: no virtual environment could be made (Debian: apt-get install python3-venv)" >&2; exit 2; }
	@touch $@

.venv/runtime: requirements.txt requirements-embedded.txt | .venv/made
	@$(INSTALL) requirements.txt requirements-embedded.txt
	@touch $@

.venv/development: requirements-dev.txt requirements-bench.txt .venv/runtime
	@$(INSTALL) requirements-dev.txt requirements-bench.txt
	@touch $@

setup: .venv/development ## install everything for development into .venv

run: .venv/runtime ## start the dashboard with demo agents on http://HOST:PORT
	@exec $(BIN)/python -m dashboard.all_in_one

dev: setup ## the same, restarted when code, templates, styles or texts change
	@exec $(BIN)/python -m tools.autoreload

env: .venv/runtime ## print the addresses that agents need, as lines for a shell
	@$(BIN)/python -m dashboard.embedded --print

psql: .venv/runtime ## psql on the running database, as its owner; or: echo 'SELECT 1' | make psql
	@exec $(BIN)/python -m tools.psql

# Only from the command line: an environment variable must not reduce what `make test` checks.
ifneq ($(origin only),command line)
  only :=
endif
# Four at a time, also on two cores: tests mostly wait for other processes.
TESTS := $(if $(only),$(only),-n 4)

# The checks run in parallel with the tests, which mostly wait. Browser tests run after the others, two at a time.
test: setup $(if $(only),,chromium) ## run all checks and tests, including those in a browser; only=tests/…: only these tests
	@$(MAKE) --no-print-directory -j3 $(if $(only),,lint types) tests

.PHONY: tests
tests: setup
	@echo "==> tests"
ifdef only
	@$(BIN)/python -m pytest $(only)
else
	@$(BIN)/python -m pytest -n 4 -m "not browser"; failed=$$?; \
	  $(BIN)/python -m pytest -n 2 -m browser && exit $$failed
endif

cover: setup $(if $(only),,chromium) ## run the tests with coverage, into build/coverage; only=tests/…: only these tests
	@$(BIN)/python -m pytest $(TESTS) --cov --cov-report=term:skip-covered --cov-report=html
	@echo "==> build/coverage/html/index.html shows each line"

.PHONY: frameworks
frameworks: .venv/development ## run the tests with DSPy, which `make test` leaves out: 400 MB
	@$(INSTALL) requirements-frameworks.txt
	@$(BIN)/python -m pytest tests/frameworks

SCRIPTS := static/js tests/javascript

lint: setup ## check code, imports, templates, styles and scripts
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> import contract"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports --no-cache
	@echo "==> templates"
	@$(BIN)/djangofmt --check templates
	@$(BIN)/djangofmt check templates
	@echo "==> styles"
	@$(BIN)/oxfmt --check static/css
	@$(BIN)/python -m tools.styles
	@echo "==> scripts"
	@$(BIN)/oxfmt --check $(SCRIPTS)
	@$(BIN)/oxlint --deny-warnings $(SCRIPTS)

format: setup ## format code, templates, styles and scripts
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/djangofmt check --fix templates
	@$(BIN)/djangofmt templates
	@$(BIN)/oxfmt static/css
	@$(BIN)/oxlint --fix $(SCRIPTS)
	@$(BIN)/oxfmt $(SCRIPTS)

types: setup ## check types: mypy, strict
	@echo "==> mypy"
	@$(BIN)/mypy

messages: setup ## collect texts for translation into locale/*/LC_MESSAGES/django.po
	@$(BIN)/python manage.py makemessages --all --no-obsolete --ignore .venv --ignore 'demo/texts/*'
	@$(BIN)/python manage.py makemessages --all --no-obsolete -d djangojs --ignore .venv --ignore 'static/vendor/*'

# An export keeps the pinned versions, except for `upgrade`, and those of the exports before it.
EXPORT = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command "make requirements" $(if $(upgrade),--upgrade-package $(upgrade))

.PHONY: requirements
requirements: setup ## export pyproject.toml's groups to requirements*.txt with hashes; upgrade=NAME: upgrade it
	@$(EXPORT) pyproject.toml --group dashboard -o requirements.txt
	@$(EXPORT) --group embedded -c requirements.txt -o requirements-embedded.txt
	@$(EXPORT) --group dev -c requirements.txt -c requirements-embedded.txt -o requirements-dev.txt
	@$(EXPORT) --group bench -c requirements.txt -c requirements-dev.txt -o requirements-bench.txt
	@$(EXPORT) --group frameworks -c requirements.txt -c requirements-dev.txt -o requirements-frameworks.txt

.PHONY: chromium
chromium:
	@./.ci/chromium

bench: setup ## measure performance, compared with alternatives
	@$(BIN)/python -m tools.bench

load: setup ## load a dashboard with agents and pages: AGENTS=100 PAGES=100 SECONDS=30 [URL=address of a running one]
	@env AGENTS="$(AGENTS)" PAGES="$(PAGES)" SECONDS="$(SECONDS)" URL="$(URL)" $(BIN)/python -m tools.load

chaos: setup ## outages and kills on real servers: lost writes, wrong claims, recovery times
	@$(BIN)/python -m tools.chaos

.PHONY: stress thorough mutants
stress: setup ## many writers during outages, verified afterwards: SEEDS=20 SECONDS=20 [JOBS=2] [REPORT=.data/stress]
	@env SEEDS="$(SEEDS)" SECONDS="$(SECONDS)" JOBS="$(JOBS)" REPORT="$(REPORT)" $(BIN)/python -m tools.stress

thorough: setup ## property-based tests with twenty times the examples of `make test`, each time new ones
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest $$(grep -rlE '^(from|import) hypothesis' tests --include='test_*.py')

mutants: setup ## mutation testing: remove one rule at a time, its tests must fail: MINUTES=60 WORKERS=2 [ONLY=part of a path] [SEED=1] [LIST=1]
	@env MINUTES="$(MINUTES)" WORKERS="$(WORKERS)" ONLY="$(ONLY)" SEED="$(SEED)" LIST="$(LIST)" $(BIN)/python -m tools.mutants

screenshots: setup chromium ## screenshots of every page with demo data, into docs/screenshots; only="list wall": these scenes
	@$(BIN)/python -m tools.screenshots $(only)

clean: ## remove everything that can be rebuilt; keeps .data
	@rm -rf .venv build dist staticfiles .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find locale -name '*.mo' -delete
