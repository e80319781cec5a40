# Everything a fresh machine needs is Python >= 3.11 and make. `make` alone says what there is.

# git on Windows and most zip programs write the links of src/hstore as text files, which tools cannot follow: mend them.
MENDED := $(shell for folder in store engine workers cli migrations; do \
	[ -d src/hstore/$$folder ] || ln -sfn ../../$$folder src/hstore/$$folder; done)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Exact versions of all that is installed here, build tools included; `make lock` writes the file anew.
LOCK ?= locks/dev.txt
LOCKED := $(if $(LOCK),--constraint $(LOCK) --build-constraint $(LOCK))
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTHON313 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3.13) $(shell command -v python3.13))

.PHONY: help demo test test-long test-programs test-bridges test-crate test-newest test-spark coverage wheel-test smoke-313 \
	check docs bench bench-quality faults lock lock-programs format clean
help:
	@echo "make demo    a real search on a real MongoDB, then what the log says of it (set-up included)"
	@echo "make test    the whole suite, but what is marked long"
	@echo "make test-long   what is marked long: more cases of what the suite shows, at more length"
	@echo "make check   linters, types, import contracts"
	@echo "make coverage    tests that need no server, and which lines and branches they reach"
	@echo "make wheel-test  build the wheel, install it into an empty environment, run the README's quick start there"
	@echo "make smoke-313   a part of the suite on Python 3.13, where there is one"
	@echo "make test-programs  packages that were written for hyperopt (lale, nevergrad, NNI, Ray Tune), on hstore; 2 GB"
	@echo "make test-bridges  MLflow with its server, Hydra, MCP and XGBoost, which the suite skips where they are not installed; 1.6 GB"
	@echo "make test-crate  the RO-Crates of hstore report, by roc-validator"
	@echo "make test-newest the whole suite with the newest versions of all that hstore needs, instead of $(LOCK)"
	@echo "make test-spark  SparkTrials on a real Spark (needs Java)"
	@echo "make docs    the site of the pages in docs/, in build/site, and the page of hyperopt's names"
	@echo "make bench   speed, as ratios to peers measured in the same run; make bench scale: searches of up to 100,000 trials"
	@echo "make bench-quality  what a search reaches at equal budget, beside peers (with the benchmark in ../shared/quality);"
	@echo "             EXTERNAL=1: on COCO's functions, HPOLib's tables and models of scikit-learn"
	@echo "make faults  searches while everything dies and stores lose data, then the check; then the same with the code broken on purpose"
	@echo "make lock    write $(LOCK) anew, with the newest versions; make lock-programs those of locks/programs"

$(VENV)/base: pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(LOCK),--constraint $(LOCK)) --upgrade "pip>=25.3"
	$(PIP) $(LOCKED) --editable ".[embedded]"
	@touch $@

$(VENV)/demo: $(VENV)/base
	$(PIP) $(LOCKED) --group demo
	@touch $@

# A package written for hyperopt, to be run on hstore. In a folder of its own and without what it pins (hyperopt 0.2.7,
# scipy 1.15, …), for it would replace the oracle, and brings a package called tests.
$(VENV)/hpsklearn: $(VENV)/base
	$(PIP) --no-deps --upgrade --target $@ hyperopt-sklearn==1.1.1
	@touch $@

# Other such packages, in environments of their own: what they need clashes. Their locks leave hyperopt out, in whose
# place hstore stands.
PROGRAMS := lale nevergrad nni ray
$(VENV)/programs/%/installed: locks/programs/%.txt pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/dev: $(VENV)/base
	$(PIP) $(LOCKED) --group dev
	@touch $@

# Optuna, pyspark and what they need are not in the lock.
$(VENV)/bench: $(VENV)/base
	$(PIP) $(LOCKED) --group bench
	@touch $@

$(VENV)/docs: $(VENV)/dev
	$(PIP) $(LOCKED) --group docs
	@touch $@

# Not in the lock, with which they clash: benchmarks of others and the packages that have their tables, 350 MB; and what
# hstore hands searches to and takes them from, the whole of MLflow with its server among it, 1.6 GB.
$(VENV)/programs/bench-external/installed: NEEDED := --editable . --group bench-external
$(VENV)/programs/bridges/installed: NEEDED := --editable ".[embedded]" --group dev --group bridges "mlflow>=3"
$(VENV)/programs/bench-external/installed $(VENV)/programs/bridges/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.3"
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(NEEDED)
	@touch $@

$(VENV)/spark: $(VENV)/dev
	$(PIP) $(LOCKED) --group spark
	@touch $@

demo: $(VENV)/demo
	$(BIN)/python examples/digits.py

# Many tests wait for processes: with six at a time two cores have something to do. More cores run one a core.
test: $(VENV)/dev $(VENV)/hpsklearn
	$(BIN)/pytest -n $(shell $(PYTHON) -c "import os; print(max(6, os.cpu_count() or 1))")

test-long: $(VENV)/dev $(VENV)/hpsklearn
	$(BIN)/pytest -m long

test-programs: $(VENV)/dev $(VENV)/hpsklearn $(PROGRAMS:%=$(VENV)/programs/%/installed) test-bridges
	$(BIN)/pytest -n0 tests/cli/test_programs_of_others.py tests/engine/bridges/test_ray_search.py -m "long or not long"
	$(BIN)/pytest -n0 tests/cli/test_compat.py -k hyperopt_sklearn -m "long or not long"

test-bridges: $(VENV)/programs/bridges/installed
	$(VENV)/programs/bridges/bin/pytest -n 2 tests/engine/bridges tests/engine/callbacks tests/cli/test_mcp.py tests/cli/test_export.py \
		tests/docs/test_pages.py -k "not ray" -m "long or not long" -rs

test-newest:
	$(MAKE) test VENV=.venv-newest LOCK=

# Half as much again in CPU, so over the tests that need no server and no other process, nor hyperopt beside hstore.
coverage: $(VENV)/dev
	$(BIN)/pytest -n 2 tests/store tests/engine/space tests/engine/pruners tests/engine/evaluation tests/engine/search \
		tests/engine/audit tests/engine/algorithms/test_algorithms.py -m "not long and not durable" \
		--cov --cov-report=term:skip-covered \
		$(foreach name,$(NOT_COVERED),--ignore-glob "*/test_$(name).py") -k "not microseconds"
NOT_COVERED := server server_folder failover full_disk outages diagnosis edited_objective interrupted portable_bits same_as_hyperopt

wheel-test: $(VENV)/dev
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps $(LOCKED) --wheel-dir build/wheel .
	$(BIN)/python -m venv --clear .venv-wheel
	$(BIN)/python -m pip --python .venv-wheel/bin/python install --quiet --disable-pip-version-check \
		$(if $(LOCK),--constraint $(LOCK)) "$$(echo build/wheel/hstore-*.whl)[embedded]"
	.venv-wheel/bin/python .ci/quick_start.py README.md
	cd build/wheel && cp ../../tests/typing/users.py . && \
		$(abspath $(BIN))/mypy --strict --python-executable ../../.venv-wheel/bin/python users.py

ifeq ($(PYTHON313),)
smoke-313:
	@echo "make smoke-313: skipped, for there is no Python 3.13 here (PYTHON313=/path/to/python names one)"
else
smoke-313:
	$(MAKE) .venv-313/dev VENV=.venv-313 PYTHON=$(PYTHON313)
	.venv-313/bin/pytest tests/store/test_log.py tests/store/test_values.py tests/store/test_mongo.py tests/engine/space \
		tests/engine/test_fmin.py tests/engine/test_portable.py tests/engine/algorithms/test_every_algorithm.py \
		tests/engine/search/test_parallel.py tests/workers/test_start.py tests/cli/test_commands.py
endif

# With the oldest Python that hstore supports: it has what the later ones need as well.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[embedded]" --group dev --group demo --group docs
	mkdir -p locks
	{ echo "# Exact versions of what make installs here; make lock writes them anew."; \
		.venv-lock/bin/python -m pip list --disable-pip-version-check --format=freeze --exclude-editable; } > locks/dev.txt
	rm -rf .venv-lock

# The newest of each that can be had, with the newest of what it needs.
lock-programs: $(PROGRAMS:%=locks/programs/%.txt.new)
locks/programs/%.txt.new:
	rm -rf .venv-lock-$*
	$(PYTHON) -m venv .venv-lock-$*
	.venv-lock-$*/bin/python -m pip install --quiet --disable-pip-version-check --editable . "$(if $(filter ray,$*),ray[tune],$*)"
	{ echo "# What make test-programs installs for $*, without hyperopt and hstore; exact versions."; \
		.venv-lock-$*/bin/python -m pip freeze --disable-pip-version-check --exclude hyperopt --exclude hstore; } \
		| grep -v "^-e\|^# Editable" > locks/programs/$*.txt
	rm -rf .venv-lock-$*

test-crate: $(VENV)/dev $(VENV)/programs/roc-validator/installed
	$(BIN)/pytest -n0 tests/engine/report/test_crate.py

test-spark: $(VENV)/spark
	$(BIN)/pytest -n0 tests/workers/test_spark_trials.py

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A warning, such as a link that leads nowhere or a page in no list, ends it.
docs: $(VENV)/docs
	$(BIN)/python -m docs.hyperopt_names
	rm -rf build/site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html -d build/doctrees docs build/site
	@echo "build/site/index.html is the first page"

# `make bench scale` runs a section of it: what is named beside `bench` is no target of its own.
SECTIONS := durable memory suggest log heads signing start workers claims scale capacity optuna ui pruning objectives forged
.PHONY: $(SECTIONS)
$(SECTIONS):
	@:

bench: $(VENV)/bench
	$(BIN)/python -m bench $(filter $(SECTIONS),$(MAKECMDGOALS))

bench-quality: $(VENV)/dev $(if $(EXTERNAL),$(VENV)/programs/bench-external/installed)
	$(if $(EXTERNAL),$(VENV)/programs/bench-external/bin/python -m bench.external,$(BIN)/python -m bench.quality)

faults: $(VENV)/dev
	$(BIN)/python -m faults
	$(BIN)/python -m faults --controls
	$(BIN)/python -m faults.pickles
	$(MAKE) test-long
	$(BIN)/pytest -m hypothesis --hypothesis-profile=further

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-* build *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
