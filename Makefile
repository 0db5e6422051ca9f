# `make run` and `make test` set up what they need. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
INSTALL := .ci/install

.DEFAULT_GOAL := help
.PHONY: help setup run dev env psql test cover lint format types messages bench load clean

help: ## this list
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

setup: .venv/development ## everything for development, in .venv

run: .venv/runtime ## the dashboard with demo agents on http://HOST:PORT
	@exec $(BIN)/python -m dashboard.all_in_one

dev: setup ## the same, started again as code, templates, styles and texts change
	@exec $(BIN)/python -m tools.autoreload

env: .venv/runtime ## the two lines that lead agents to the running dashboard
	@$(BIN)/python -m dashboard.embedded --print

psql: .venv/runtime ## psql at the running database, as its owner; or: echo 'SELECT 1' | make psql
	@exec $(BIN)/python -m tools.psql

# Only from the command line: a variable of the environment must not make `make test` check less.
ifneq ($(origin only),command line)
  only :=
endif
# Four at a time on two cores: much of a test is waiting for other processes.
TESTS := $(if $(only),$(only),-n 4)

# The checks run beside the tests, on what these leave of the processors.
test: setup $(if $(only),,chromium) ## everything that is checked, the browser included; only=tests/…: these tests alone
	@$(MAKE) --no-print-directory -j3 $(if $(only),,lint types) tests

.PHONY: tests
tests: setup
	@echo "==> tests"
	@$(BIN)/python -m pytest $(TESTS)

cover: setup $(if $(only),,chromium) ## the tests, and which lines they ran, into build/coverage; only=tests/…: by these alone
	@$(BIN)/python -m pytest $(TESTS) --cov --cov-report=term:skip-covered --cov-report=html
	@echo "==> build/coverage/html/index.html shows each line"

.PHONY: frameworks
frameworks: .venv/development ## the tests with DSPy, which `make test` leaves out: 400 MB
	@$(INSTALL) requirements-frameworks.txt
	@$(BIN)/python -m pytest tests/frameworks

SCRIPTS := static/js tests/javascript

lint: setup ## ruff and the import contract; templates, styles and scripts
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

format: setup ## write code, templates, styles and scripts as their formatters want them
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/djangofmt check --fix templates
	@$(BIN)/djangofmt templates
	@$(BIN)/oxfmt static/css
	@$(BIN)/oxlint --fix $(SCRIPTS)
	@$(BIN)/oxfmt $(SCRIPTS)

types: setup ## mypy, strict
	@echo "==> mypy"
	@$(BIN)/mypy

messages: setup ## collect the texts to translate into locale/*/LC_MESSAGES/django.po
	@$(BIN)/python manage.py makemessages --all --no-obsolete --ignore .venv --ignore 'demo/texts/*'
	@$(BIN)/python manage.py makemessages --all --no-obsolete -d djangojs --ignore .venv --ignore 'static/vendor/*'

# An export keeps the versions it has, apart from what `upgrade` names, and those of the exports before it.
EXPORT = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command "make requirements" $(if $(upgrade),--upgrade-package $(upgrade))

.PHONY: requirements
requirements: setup ## pyproject.toml's groups into requirements*.txt, with versions and hashes; upgrade=NAME: the newest of it
	@$(EXPORT) pyproject.toml --group dashboard -o requirements.txt
	@$(EXPORT) --group embedded -c requirements.txt -o requirements-embedded.txt
	@$(EXPORT) --group dev -c requirements.txt -c requirements-embedded.txt -o requirements-dev.txt
	@$(EXPORT) --group bench -c requirements.txt -c requirements-dev.txt -o requirements-bench.txt
	@$(EXPORT) --group frameworks -c requirements.txt -c requirements-dev.txt -o requirements-frameworks.txt

.PHONY: chromium
chromium:
	@./.ci/chromium

bench: setup ## measure, and compare with the ways not taken
	@$(BIN)/python -m tools.bench

load: setup ## real agents and pages on a dashboard: AGENTS=100 PAGES=100 SECONDS=30 [URL=a running one]
	@env AGENTS="$(AGENTS)" PAGES="$(PAGES)" SECONDS="$(SECONDS)" URL="$(URL)" $(BIN)/python -m tools.load

chaos: setup ## outages and kills on real servers: what is lost, what is claimed, how long it takes
	@$(BIN)/python -m tools.chaos

.PHONY: stress thorough mutants
stress: setup ## many writers and outages, then a judge: SEEDS=20 SECONDS=20 [JOBS=2] [REPORT=.data/stress]
	@env SEEDS="$(SEEDS)" SECONDS="$(SECONDS)" JOBS="$(JOBS)" REPORT="$(REPORT)" $(BIN)/python -m tools.stress

thorough: setup ## the property-based tests with twenty times the examples of `make test`, each time others
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest $$(grep -rlE '^(from|import) hypothesis' tests --include='test_*.py')

mutants: setup ## one rule taken out at a time, which its tests must notice: MINUTES=60 WORKERS=2 [ONLY=part of a path] [SEED=1] [LIST=1]
	@env MINUTES="$(MINUTES)" WORKERS="$(WORKERS)" ONLY="$(ONLY)" SEED="$(SEED)" LIST="$(LIST)" $(BIN)/python -m tools.mutants

screenshots: setup chromium ## pictures of every page on the demo agents' data, into docs/screenshots; only="list wall": these scenes
	@$(BIN)/python -m tools.screenshots $(only)

clean: ## what can be made anew; .data stays
	@rm -rf .venv build dist staticfiles .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find locale -name '*.mo' -delete
