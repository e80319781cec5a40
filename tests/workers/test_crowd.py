"""A worker among many looks, and says that it is there, less often."""

from itertools import pairwise

import pytest

from hstore.engine.evaluation.heartbeat import stretched
from hstore.store.store import Store
from hstore.workers.crowd import Crowd
from hstore.workers.presence import Presence


def test_intervals_grow_with_the_workers_beyond_a_few(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(mongo_store.claims)
    for n in range(4):
        mongo_store.claims.announce(f"w{n}", f"s{n}", 60.0, {})
    crowd.look()
    assert (crowd.size, crowd.stretch()) == (4, 1.0)
    monkeypatch.setattr("hstore.workers.crowd.FEW", 1)
    assert crowd.stretch() == 4.0


def test_an_entry_lasts_longer_step_by_step_so_that_it_never_lapses(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.workers.crowd.FEW", 1)
    for n in range(7):
        mongo_store.claims.announce(f"w{n}", f"s{n}", 60.0, {})
    messages = [{"n": 0}]
    presence = Presence(
        mongo_store.claims, "s", "mine", seconds=60.0, about=lambda: messages[-1], crowd=Crowd(mongo_store.claims)
    )
    monkeypatch.setattr("hstore.workers.presence.MOST_OFTEN", 0.0)
    presence.enter()
    lasts = []
    for n in range(1, 6):
        messages.append({"n": n})
        presence.announce()
        lasts += [each["seconds"] for each in mongo_store.claims.workers() if each["_id"] == "mine"]
    assert lasts == [120.0, 240.0, 480.0, 480.0, 480.0]


def test_a_lease_is_renewed_before_the_one_that_was_written_ends() -> None:
    lasts = [60.0]
    for times in (1.0, 8.0, 8.0, 8.0, 1.0):
        lasts.append(stretched(60.0, times, last=lasts[-1]))
    assert lasts == [60.0, 60.0, 120.0, 240.0, 480.0, 60.0]
    assert all(after / 3 < before for before, after in pairwise(lasts))
