# Everything runs in a virtual environment that these targets make. Another interpreter: make PYTHON=python3.13 test
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCANNERS := $(sort $(notdir $(wildcard plugins/plugin_scanners/*)))
PROJECTS := pyproject.toml plugins/plugin_pypi/pyproject.toml plugins/plugin_htpasswd/pyproject.toml plugins/plugin_oidc/pyproject.toml \
	$(SCANNERS:%=plugins/plugin_scanners/%/pyproject.toml)
PYTEST := $(BIN)/python -m pytest
# What is not about disks does not wait for one; test-e2e and stress do.
IN_MEMORY := tools/in-memory.sh
# As many at a time as there are cores here; each file by one of them, so that it starts its server once.
PARALLEL := -n auto --dist loadfile
DAILY := tests/e2e/test_clients.py
SERVED := tests/web/test_server.py tests/web/test_jobs_served.py tests/web/test_adversity.py \
	tests/unit/test_scanning.py tests/unit/test_scanning_names.py tests/unit/test_cli_scan.py
STRESS := tests/e2e/test_hostile_uploads.py tests/e2e/test_large_upload.py tests/e2e/test_crash.py tests/e2e/test_scanning.py \
	tests/e2e/test_churn.py tests/e2e/test_backup.py
KINDS := $(wildcard plugins/plugin_pypi/tests/test_conformance_*.py) plugins/plugin_pypi/tests/test_json_api.py
CODE := orbitalreg plugins/plugin_pypi/orbitalreg_pypi plugins/plugin_htpasswd/orbitalreg_htpasswd plugins/plugin_oidc/orbitalreg_oidc_gitlab \
	$(foreach name,$(SCANNERS),plugins/plugin_scanners/$(name)/orbitalreg_$(name))
# Without byte code each process of the tests would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test test-plugins test-e2e test-api test-clients test-upstreams test-pythons test-deploy test-scanners scanners stress check format lint types layers docs crash churn soak soak-short bench bench-smoke clean

help:  ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(BIN)/orbitalreg: $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit("OrbitalReg needs Python 3.11 or later; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -e plugins/plugin_pypi -e plugins/plugin_htpasswd -e 'plugins/plugin_oidc[registry]' $(SCANNERS:%=-e plugins/plugin_scanners/%)
	@touch $@

$(BIN)/.developer: $(BIN)/orbitalreg requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

serve: $(BIN)/orbitalreg  ## a running server on the embedded default, in this folder
	@$(BIN)/orbitalreg serve

test: $(BIN)/.developer  ## the tests of every day: under three minutes
	$(IN_MEMORY) $(PYTEST) $(PARALLEL) -p no:schemathesis -m "not online" $(DAILY) tests/unit tests/graph tests/web plugins/plugin_pypi/tests plugins/plugin_htpasswd/tests $(SERVED:%=--ignore=%)

test-plugins: $(BIN)/.developer  ## the kit for plugin authors, the scanners, and what GitLab's jobs sign in with
	$(IN_MEMORY) $(PYTEST) $(PARALLEL) tests/kit plugins/plugin_oidc/tests $(SCANNERS:%=plugins/plugin_scanners/%/tests)

test-e2e: $(BIN)/.developer  ## several processes, faults of the disk and of upstreams, cold files
	$(PYTEST) $(PARALLEL) $(SERVED)
	$(PYTEST) tests/e2e $(DAILY:%=--ignore=%) $(STRESS:%=--ignore=%)

test-api: $(BIN)/.developer  ## the API, its document against the running server, and the client
	$(IN_MEMORY) $(PYTEST) $(PARALLEL) tests/api

stress: $(BIN)/.developer  ## hostile archives, a gigabyte, SIGKILLs, 1,000 random graphs: some minutes
	$(PYTEST) $(STRESS)
	ORBITALREG_GRAPHS=1000 $(PYTEST) tests/graph/test_oracle.py

test-clients: export ORBITALREG_LEDGER := $(CURDIR)/.venv-clients/ledger
test-clients: $(BIN)/.developer  ## eight real clients on every kind of repository; installs them once
	@mkdir -p .venv-clients && rm -f $(ORBITALREG_LEDGER)
	$(PYTEST) -n auto --dist worksteal tests/clients --ignore=tests/clients/test_page.py
	$(PYTEST) tests/clients/test_page.py

test-upstreams: $(BIN)/.developer  ## every kind of repository in full, and real servers as upstreams; some minutes
	ORBITALREG_KINDS=all $(IN_MEMORY) $(PYTEST) $(PARALLEL) $(KINDS)
	$(PYTEST) -n auto tests/upstreams
	$(PYTEST) $(PARALLEL) -m online $(DAILY) plugins/plugin_pypi/tests

test-pythons: $(BIN)/.developer  ## the tests of host, web and plugins on each supported CPython of this machine
	$(BIN)/python tools/pythons.py

test-deploy: $(BIN)/.developer  ## systemd, nginx, the image's steps, backups, a restored server in full, and wheels for each platform
	$(PYTEST) tests/deploy
	ORBITALREG_RESTORED=1 $(PYTEST) $(PARALLEL) $(KINDS)

scanners: .tools/.installed  ## the real scanners, pinned, into .tools/; Grype and osv-scanner where there is Go

.tools/.installed: $(BIN)/.developer tools/scanners.sh tools/scanners.txt
	PYTHON=$(BIN)/python tools/scanners.sh .tools
	@touch $@

test-scanners: $(BIN)/.developer  ## the real scanners of `make scanners` on real files, and that they agree
	$(PYTEST) -rs tests/scanners

check: format lint types layers test test-plugins test-e2e test-api stress docs  ## all that must hold before a change lands

format: $(BIN)/.developer  ## layout of the code
	$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff --quiet .; exit 1; }

lint: $(BIN)/.developer  ## faults that a linter sees
	$(BIN)/ruff check --quiet .

types: $(BIN)/.developer  ## strict types
	$(BIN)/mypy $(CODE)

layers: $(BIN)/.developer  ## imports run downward
	$(BIN)/lint-imports

docs: $(BIN)/.developer  ## the documentation as a site, in site/, and against the code
	$(BIN)/python -m sphinx -W --keep-going --quiet --doctree-dir site/.doctrees docs site
	@# On the disk: Syft looks at nothing below /dev.
	$(PYTEST) tests/docs

crash: $(BIN)/.developer  ## 200 SIGKILLs during uploads; some minutes
	ORBITALREG_CRASHES=200 $(PYTEST) tests/e2e/test_crash.py

churn: $(BIN)/.developer  ## a million uploads and deletions beside collectors that are killed: an hour or more
	ORBITALREG_CHURN=1000000 $(PYTEST) -s tests/e2e/test_churn.py

soak: $(BIN)/.developer  ## an hour of mixed work, and slow clients: nothing grows; samples and pictures into .soak/
	$(PYTEST) -s tests/soak

soak-short: $(BIN)/.developer  ## the same in a minute and a half
	ORBITALREG_SOAK_SECONDS=24 $(PYTEST) -s tests/soak

bench: $(BIN)/.developer  ## this server beside devpi, pypiserver, proxpi and nginx, into benchmarks/; up to 45 minutes, or a part: ONLY="remote herd"
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

bench-smoke: $(BIN)/.developer  ## the same in two minutes, tiny: it shows that it runs and nothing else
	$(BIN)/python -m benchmarks --smoke

clean:  ## remove what was made here; data stays
	rm -rf $(VENV) .tools .venv-clients .venv-3.* site .bench .soak dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
