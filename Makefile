# Everything a fresh machine needs is Python >= 3.11 and make. `make` alone says what there is.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check bench bench-quality faults format clean
help:
	@echo "make demo    a real search on a real MongoDB, then what the log says of it (set-up included)"
	@echo "make test    the whole suite"
	@echo "make check   linters, types, import contracts"
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

.venv/dev: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@

.venv/bench: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --group bench
	@touch $@

demo: .venv/demo
	$(BIN)/python examples/digits.py

test: .venv/dev
	$(BIN)/pytest

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

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
