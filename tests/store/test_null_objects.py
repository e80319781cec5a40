"""What a store in memory has in place of read models and claims takes the same calls, and finds nothing."""

import inspect
from typing import Any

import pytest

from hstore.store.claims import Claims, Wakeups
from hstore.store.null_objects import NoClaims, NoReadModels, NoWakeups
from hstore.store.read_models import ReadModels
from hstore.store.state import State
from hstore.store.store import Store


def methods(kind: type) -> dict[str, list[tuple[str, Any]]]:
    """Return name and kind of the parameters of each public method."""
    public = {name: call for name, call in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    return {
        name: [(p.name, p.kind) for p in inspect.signature(call).parameters.values()] for name, call in public.items()
    }


@pytest.mark.parametrize(
    ("null", "real"), [(NoReadModels, ReadModels), (NoClaims, Claims), (NoWakeups, Wakeups)], ids=lambda k: k.__name__
)
def test_a_null_object_takes_the_calls_of_what_it_stands_for(null: type, real: type) -> None:
    assert methods(null) == methods(real)


def test_a_store_in_memory_has_no_documents_and_no_workers() -> None:
    store = Store.in_memory()
    assert not store.is_durable
    assert store.models.for_thread() is store.models
    assert (store.models.shown("e"), store.models.overview(), store.models.tally(["e"])) == (([], None), [], {})
    assert (store.models.repair(State("e")), store.models.nonfinal_failures("e")) == (0, set())
    assert store.log.read("e", store.models.lagging("e")) == []
    assert store.claims.take_ticket("session", ["e"], seconds=1) is None
    assert (store.claims.held(), store.claims.workers()) == ([], [])
    assert not store.claims.wakeups().wait(0)


def test_a_store_in_a_mongodb_is_durable(mongo_store: Store) -> None:
    assert mongo_store.is_durable
