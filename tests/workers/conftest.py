"""Fixtures of the tests of workers: a child process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workers.bench import Bench

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
