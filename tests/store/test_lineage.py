"""Lineage: copies of forks, forks of copies, and what would pass for either."""

import io
from typing import Any

import pytest
from pymongo.database import Database

from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.store.bundle import open_bundle, write_bundle
from hstore.store.errors import ClosedChain
from hstore.store.events import Noted
from hstore.store.store import Store
from hstore.store.verify import verify


def searched(store: Store, name: str, n: int, **more: Any) -> None:
    space = {"x": hp.uniform("x", 0, 1)}
    fmin(lambda p: p["x"], space, rand.suggest, n, rstate=0, verbose=False, experiment=name, store=store, **more)


@pytest.fixture
def family(mongo_store: Store) -> Store:
    """A search, a fork of it, a copy of the fork, and a fork of that copy."""
    searched(mongo_store, "digits", 6)
    mongo_store.fork("digits", "branch", at=4)
    searched(mongo_store, "branch", 5)
    mongo_store.experiment("branch").copy(name="copy")
    mongo_store.fork("copy", "twig", at=3)
    return mongo_store


def test_copies_of_forks_and_forks_of_copies_are_sound_and_go_on_as_their_sources_did(family: Store) -> None:
    points = [trial.point for trial in family.experiment("digits").trials]
    for name, n in (("branch", 5), ("copy", 5), ("twig", 3)):
        assert [trial.point for trial in family.experiment(name).trials] == points[:n]
        assert verify(family.log.documents(name)).findings == ()
        assert check(family, name) == []
    searched(family, "twig", 6)
    assert [trial.point for trial in family.experiment("twig").trials] == points
    assert check(family, "twig") == []


def test_a_file_of_each_proves_it_alone(family: Store) -> None:
    for name in ("copy", "twig"):
        file = io.BytesIO()
        write_bundle(family.experiment(name), file, version="0")
        with open_bundle(file)[0] as store:
            assert verify(store.log.documents(name)).findings == ()
            assert store.experiment(name).head == family.experiment(name).head


@pytest.mark.parametrize(("name", "type"), [("copy", "noted"), ("twig", "forked")])
def test_without_the_event_behind_them_copied_events_are_nothing_that_can_go_on(
    name: str, type: str, family: Store, database: Database[Any]
) -> None:
    own = list(family.log.chain_documents(name, None))
    end = next(each for each in own if each["type"] == type and "origin" not in each["data"])
    database["events"].delete_many({"exp": name, "tid": None, "ver": {"$gte": end["ver"]}})
    assert "nothing says that it was copied" in verify(family.log.documents(name)).findings[0].message
    family.latest.clear()
    with pytest.raises(ClosedChain, match="not whole yet"):
        family.experiment(name).append_decided(lambda: [(Noted, None, {"note": "mine"})])


def test_events_that_are_brought_behind_a_fork_are_found(family: Store, database: Database[Any]) -> None:
    late = family.experiment("digits").chain(5)[0]
    database["events"].update_one(
        {"exp": "branch", "tid": 4, "ver": 0}, {"$set": {"data.origin": {"exp": "digits", "id": late.id}}}
    )
    assert verify(family.log.documents("branch")).findings
