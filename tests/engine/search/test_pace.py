"""How fast a search goes, from its events and a clock that is handed in."""

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest

from hstore.engine.search.pace import pace
from hstore.store.events import Cancelled, Created, Done, Event, Queued, Reserved
from hstore.store.state import State, fold

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


def search(*trials: tuple[float | None, float | None], max_evals: int | None = None, end: Any = Done) -> State:
    """Return a search of *trials* that were taken and ended so many seconds after noon."""
    names = ("space", "objective", "algorithm", "generator", "retries", "fingerprint")
    empty: dict[str, Any] = {name: {} for name in names}

    def event(kind: Any, tid: int | None, ver: int, at: float, **data: Any) -> Event:
        made: Event = kind(exp="e", tid=tid, ver=ver, id=uuid4(), at=NOON + dt.timedelta(seconds=at), by="t", **data)
        return made

    events = [event(Created, None, 0, 0, **empty, limits={"max_evals": max_evals})]
    for tid, (begin, ended) in enumerate(trials):
        events.append(event(Queued, tid, 0, 0, point={}, params={}))
        if begin is not None:
            events.append(event(Reserved, tid, 1, begin, worker="w", host="h", attempt=1))
        if ended is not None:
            data = {"why": "no"} if end is Cancelled else {"result": {}, "status": "ok", "loss": 1.0}
            events.append(event(end, tid, 2, ended, **data))
    return fold("e", events)


def at(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


def test_a_search_without_ends_has_no_pace() -> None:
    found = pace(search((0, None), (None, None), max_evals=9), at(60))
    assert (found.ended, found.of, found.per_minute, found.left) == (0, 9, None, None)


def test_the_pace_is_that_of_all_ends_in_a_young_search() -> None:
    found = pace(search(*[(10 * i, 10 * i + 10) for i in range(6)], max_evals=12), at(60))
    assert found.per_minute == pytest.approx(6)
    assert found.left == dt.timedelta(seconds=60)


def test_only_the_last_while_counts() -> None:
    slow = [(60.0 * i, 60.0 * i + 60) for i in range(60)]
    fast = [(3600.0 + i, 3601.0 + i) for i in range(600)]
    assert pace(search(*slow, *fast), at(4200)).per_minute == pytest.approx(60)


def test_a_night_between_two_runs_is_no_part_of_the_pace() -> None:
    evening = [(10.0 * i, 10.0 * i + 10) for i in range(100)]
    morning = [(40_000 + 10.0 * i, 40_010 + 10.0 * i) for i in range(12)]
    assert pace(search(*evening, *morning), at(40_120)).per_minute == pytest.approx(6)


def test_long_trials_have_a_pace_too() -> None:
    hours = [(3600.0 * i, 3600.0 * i + 3600) for i in range(30)]
    assert pace(search(*hours), at(30 * 3600)).per_minute == pytest.approx(1 / 60)


def test_a_search_that_stands_still_gets_slower() -> None:
    ends = [(10.0 * i, 10.0 * i + 10) for i in range(10)]
    rates = [pace(search(*ends), at(seconds)).per_minute or 0.0 for seconds in (100, 200, 400, 1000, 10_000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1


def test_what_was_cancelled_has_ended_but_says_nothing_of_the_pace() -> None:
    found = pace(search((0, 10), (0, 10), max_evals=2, end=Cancelled), at(60))
    assert (found.ended, found.per_minute) == (2, None)


def test_clocks_that_disagree_do_no_harm() -> None:
    assert pace(search((100, 200), max_evals=2), at(0)).per_minute is None
