"""Optuna's published storage tests, unchanged, over hstore's storage: in memory, and at length in a real MongoDB."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

from optuna.testing.pytest_storages import StorageTestCase

from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.store.store import Store


@pytest.fixture
def in_mongodb(mongo_url: str) -> Iterator[HstoreStorage]:
    found = HstoreStorage(mongo_url)
    yield found
    found.store.close()


class TestInMemory(StorageTestCase):  # type: ignore[misc]
    """All of Optuna's, over the same events without a server."""

    @pytest.fixture
    def storage(self) -> HstoreStorage:
        return HstoreStorage(store=Store.in_memory())

    def test_pickle_storage(self, storage: HstoreStorage) -> None:
        with pytest.raises(TypeError, match="a storage in memory cannot be pickled"):
            pickle.dumps(storage)


class TestPickled:
    """What a store in memory cannot do, in a real MongoDB."""

    @pytest.fixture
    def storage(self, in_mongodb: HstoreStorage) -> HstoreStorage:
        return in_mongodb

    test_pickle_storage = StorageTestCase.test_pickle_storage


@pytest.mark.long
class TestInMongoDB(StorageTestCase):  # type: ignore[misc]
    """All of Optuna's."""

    @pytest.fixture
    def storage(self, in_mongodb: HstoreStorage) -> HstoreStorage:
        return in_mongodb
