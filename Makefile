# Two commands: `make run` starts isapy on the sample configuration, `make test` checks everything.
# PYTHON names the interpreter that .venv is made with (3.11 or later): the distribution's, which is optimised, where it
# has everything, and otherwise the first python3 of PATH (docs/decisions/067-the-distributions-python.md).

HAS_ALL := import ensurepip, os, sys, sysconfig; sys.exit(sys.version_info < (3, 11) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
PYTHON ?= $(shell /usr/bin/python3 -c '$(HAS_ALL)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
MINUTES ?= 60
SECONDS ?= 60
SEED ?=
# What the tests convert and run from its source: a release for Python 2 cannot be installed.
SOURCES := isapi-wsgi==0.4.2
# Test files run beside one another, one more than there are processors: most of them wait for processes.
TEST_PROCESSES ?= $(shell expr $$(nproc) + 1)
# What the tests run beside isapy: git's and Mercurial's own CGI programs, gitweb, a wiki, a C compiler and Python's
# headers for it, load, a browser.
DEBIAN := git curl gitweb perl libcgi-pm-perl libtemplate-perl mercurial usemod-wiki php-cgi php-fpm libscgi-perl gcc g++ libc6-dev python3-dev procps wrk chromium openssl testssl.sh slowhttptest

# Python keeps what it has parsed beside the sources, whatever the environment says: isapy starts hundreds of times here.
unexport PYTHONDONTWRITEBYTECODE

# A Python that is no longer there, or was replaced by another version, has taken along what was installed for it.
STAMPS := $(VENV)/.made $(VENV)/.installed $(VENV)/.installed-test
$(if $(wildcard $(STAMPS)),$(shell $(BIN)/python -c 'import pip' 2>/dev/null || rm -f $(STAMPS)))

.PHONY: run test prepare check-format lint types unit install install-test debian compile chaos fuzz bench clean

run: $(VENV)/.installed
	@$(BIN)/isapy run --config conf/applicationHost.config

test: prepare compile check-format lint types unit

# Beside one another: one waits for servers of packages while the other compiles.
prepare:
	@$(MAKE) --silent --jobs 2 install-test debian

install: $(VENV)/.installed

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("isapy needs Python 3.11 or later, this is %s: make PYTHON=/path/to/python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@[ -e $(BIN)/python ] || rm -f $(BIN)/python*  # links that lead nowhere, which venv would leave
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { echo "python venv is missing: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	@echo "installing isapy into $(VENV), and compiling what every request runs through: a minute or two ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

install-test: $(VENV)/.installed-test

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.made
	@echo "installing isapy and what the tests need into $(VENV), and compiling: a minute or two ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest $(VENV)/sources $(SOURCES)
	@touch $(VENV)/.installed $@

# The hot modules, if their sources changed since; without this they run as Python, and everything works the same.
compile: install-test
	@$(BIN)/python -m host.compiled.build

debian:
	@sh tests/install_debian_packages.sh $(DEBIAN)

check-format:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy host extensions filters tests bench

# Thousands of tests start real processes and wait for them: what fails beside others is asked once more by itself, and
# both answers are shown (docs/decisions/056-a-failed-test-is-asked-again.md). What fails again, or never ran, fails.
unit:
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder || { \
		echo "asking again what failed, without other tests beside it ..."; \
		$(BIN)/python -m pytest -v --last-failed --last-failed-no-failures=none --maxfail=1; }

# An hour of kills, recycling, changes and switches under load; SEED repeats a run, MINUTES makes it shorter.
chaos: install-test debian
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# What strangers send, changed by a fuzzer: SECONDS for each reader; findings and what it has learnt stay in .fuzz/.
# In Python alone: the fuzzer sees which lines were reached.
fuzz: install-test
	ISAPY_COMPILED=off $(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

bench: install
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) host/compiled/*/ build dist .mypy_cache .ruff_cache .pytest_cache
