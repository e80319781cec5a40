"""What began an experiment is lost: nothing takes its place, so that it can be put back."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from hstore import fmin, hp
from hstore.engine.audit.check import check
from hstore.store.errors import VerificationFailed
from hstore.store.events import CODEC
from hstore.store.keys import new_key
from hstore.store.open_store import open_store

OPTIONS: dict[str, Any] = {"algo": "rand", "rstate": 0, "verbose": False, "experiment": "e"}
SPACE = hp.uniform("x", 0, 1)


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("is_interrupted", [True, False])
def test_no_search_begins_among_the_trials_of_one_whose_beginning_is_lost(
    is_signed: bool, is_interrupted: bool, mongo_url: str, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSTORE_KEY", new_key()) if is_signed else monkeypatch.delenv("HSTORE_KEY", raising=False)
    events = database.with_options(codec_options=CODEC)["events"]

    def search(n: int) -> Any:
        with open_store(mongo_url) as store:
            return fmin(abs, SPACE, max_evals=n, store=store, **OPTIONS)

    search(3)
    if is_interrupted:  # before it could end, or be sealed
        events.delete_many({"tid": None, "ver": {"$gt": 0}})
    (lost,) = events.find({"tid": None, "ver": 0})
    events.delete_one({"_id": lost["_id"]})
    before = list(events.find(sort=[("_id", 1)]))
    with pytest.raises(VerificationFailed, match="event 0 of its own chain is missing"):
        search(5)
    assert list(events.find(sort=[("_id", 1)])) == before
    events.insert_one(lost)
    assert 0 <= search(5)["x"] <= 1
    with open_store(mongo_url) as store:
        assert store.experiment("e").state.counts == {"done": 5}
        assert list(check(store, "e")) == []
