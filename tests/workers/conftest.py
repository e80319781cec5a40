"""Fixtures of the tests of workers: a child process, workers as processes, and searches for them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workers.bench import Bench
from tests.workers.hired import Begin, Hire, Objective, Search, Worker

from hstore.workers.child import Child


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One child for all tests of a file: whatever one of them does to it, the next must not notice."""
    child = Child(tmp_path_factory.mktemp("work"))
    yield Bench(child)
    child.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A child of the test's own."""
    child = Child(tmp_path)
    yield child
    child.close()


@pytest.fixture
def hire() -> Iterator[Hire]:
    """Start workers; none is left in the end."""
    with contextlib.ExitStack() as stack:

        def start(url: str, *options: str, path: Path | None = None) -> Worker:
            worker = Worker(url, *options, path=path)
            stack.callback(worker.close)
            return worker

        yield start


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin searches; none goes on after the test."""
    with contextlib.ExitStack() as stack:

        def start(url: str, objective: Objective, max_evals: int = 1, space: Any = None, **options: Any) -> Search:
            search = Search(url, objective, max_evals, space, **options)
            stack.callback(search.close)
            return search

        yield start
