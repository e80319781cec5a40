"""How often a search looks whether the store still has what it knows."""

from __future__ import annotations

from typing import Any

import pytest
from rewound_logs import begun, claimed, ended, queued

from hstore.store.events import Reported
from hstore.store.store import Store


def set_seconds(monkeypatch: pytest.MonkeyPatch, seconds: float, *names: str) -> None:
    """Set each of these limits of `rewind_check` to so many *seconds*."""
    for name in names:
        monkeypatch.setattr(f"hstore.store.rewind_check.{name}", seconds)


def test_a_quick_serial_search_looks_once_a_trial_and_never_for_a_report(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, looks = begun(mongo_store, 0), []
    append = mongo_store.log.append

    def counting(events: Any, **how: Any) -> None:
        looks.append((events[-1].type, not how["is_checked"]))
        append(events, **how)

    monkeypatch.setattr(mongo_store.log, "append", counting)
    set_seconds(monkeypatch, 60.0, "RECENT_SECONDS", "BUSY_SECONDS", "REPORT_SECONDS")
    for tid in range(3):
        experiment.append(experiment.compose((Reported, tid, {"step": 1, "value": 1.0})))
        experiment.append(experiment.compose(ended(tid)))
        experiment.append(experiment.compose(queued(tid + 1), *claimed(tid + 1)))
    once = [("reported", False), ("done", True), ("running", False)]
    assert looks[1:] == [*once, *once, *once][1:]


def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of what is looked for in the log of *store* from now on."""
    looks: list[Any] = []
    require = store.log._require  # type: ignore[attr-defined]

    def counting(*given: Any) -> None:
        looks.append(given)
        require(*given)

    monkeypatch.setattr(store.log, "_require", counting)
    return looks


def test_a_slow_serial_search_and_a_parallel_one_look_before_they_decide(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch, 0.0, "FRESH_SECONDS", "BUSY_SECONDS")
    experiment = begun(mongo_store)
    looks = counted(mongo_store, monkeypatch)
    experiment.append(experiment.compose(ended(3)))
    experiment.append(experiment.compose(queued(4), *claimed(4)))
    experiment.refresh()
    experiment.append(experiment.compose(queued(5)))
    assert len(looks) == 3


def test_in_a_busy_search_an_append_just_behind_a_read_needs_no_look_of_its_own(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch, 60.0, "FRESH_SECONDS", "BUSY_SECONDS")
    experiment = begun(mongo_store)
    monkeypatch.setattr(mongo_store.log, "_require", lambda *_: pytest.fail("it looked"))
    experiment.refresh()
    experiment.append(experiment.compose(ended(3)))


def test_where_trials_take_their_time_every_append_looks_just_before_it(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_seconds(monkeypatch, 60.0, "FRESH_SECONDS", "RECENT_SECONDS")
    monkeypatch.setattr("hstore.store.rewind_check.BUSY_SECONDS", 0.0)
    experiment = begun(mongo_store)
    looks = counted(mongo_store, monkeypatch)
    experiment.refresh()
    experiment.append(experiment.compose(ended(3)))
    experiment.append(experiment.compose(queued(4), *claimed(4)))
    assert len(looks) == 2
