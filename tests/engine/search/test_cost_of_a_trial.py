"""How many round trips a durable trial takes."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from tests.sent_commands import counted_store

from hstore import fmin, hp, rand
from hstore.engine.search import serial
from hstore.store.open_store import open_store
from hstore.store.soon_written import SoonWritten


def test_the_documents_of_quick_trials_are_written_together(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hstore.store.read_models.EXPERIMENT_SECONDS", 600.0)
    monkeypatch.setattr(serial, "QUICK_SECONDS", 600.0)
    monkeypatch.setattr("hstore.store.rewind_check.BUSY_SECONDS", 600.0)
    monkeypatch.setattr(SoonWritten.__init__, "__kwdefaults__", {"seconds": 600.0})
    seen: list[dict[str, int]] = []

    with counted_store(mongo_url) as (store, sent):

        def objective(x: float) -> float:
            seen.append(dict(sent.counts))
            return x

        space = hp.uniform("x", 0, 1)
        fmin(objective, space, algo=rand.suggest, max_evals=12, experiment="e", store=store, verbose=False)
        shown, about = store.models.shown("e")
    later, earlier = Counter(seen[11]), Counter(seen[1])
    later.subtract(earlier)
    per_trial = {name: count / 10 for name, count in later.items() if count}
    assert per_trial.pop("insert events") == 2, "its end, and the next one with its claim"
    assert per_trial.pop("find events", 0) <= 1, "a look whether the store was put back"
    assert not per_trial
    assert [each["state"] for each in shown] == ["done"] * 12
    assert about is not None
    assert about["counts"]["done"] == 12


def test_a_trial_that_takes_long_behind_quick_ones_is_shown_with_its_lease(mongo_url: str) -> None:
    held: list[dict[str, object]] = []

    def objective(x: float) -> float:
        with open_store(mongo_url) as beside:
            documents = beside.database["trials"]  # type: ignore[index]
            for _ in range(200 if len(held) == 3 else 1):
                if found := documents.find_one({"tid": len(held), "state": "running"}):
                    break
                time.sleep(0.01)
        held.append(found or {})
        return x

    fmin(
        objective, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=4, experiment="e", store=mongo_url, verbose=False
    )
    assert "lease" in held[3]
    assert not [each for each in threading.enumerate() if each.name == "read models"]
