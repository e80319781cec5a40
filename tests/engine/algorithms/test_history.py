"""The columnar history holds what was recorded, in whichever order and however it grew."""

import math
import time
from typing import Any

import numpy as np
import pytest

from hstore.engine import portable
from hstore.engine.algorithms.history import ERROR, FAIL, OK, PENDING, VOID, History
from hstore.engine.space import Space, compile_space, hp


@pytest.fixture
def space() -> Space:
    return compile_space(
        {
            "lr": hp.loguniform("lr", -5, 0),
            "units": hp.qloguniform("units", -3, 3, 1),
            "model": hp.choice("model", ["a", {"b": hp.uniform("depth", 0, 1)}]),
        }
    )


def grown(space: Space, n: int, seed: int = 0) -> History:
    rng = np.random.default_rng(seed)
    history = History(space)
    for _ in range(n):
        history.add(space.sample(rng))
    return history


def test_row_k_is_trial_k(space: Space) -> None:
    rng = np.random.default_rng(0)
    points = [space.sample(rng) for _ in range(200)]
    history = History(space)
    assert [history.add(point) for point in points] == list(range(200))
    assert len(history) == 200
    for label in space.labels:
        expected = [point.get(label, math.nan) for point in points]
        np.testing.assert_array_equal(history.column(label), expected)


def test_a_trial_is_pending_until_it_is_observed(space: Space) -> None:
    history = grown(space, 6)
    for tid, (kind, loss) in enumerate(
        [("ok", 1.5), ("fail", None), ("error", None), ("void", None), ("ok", math.nan)]
    ):
        history.observe(tid, kind=kind, loss=loss)
    assert history.kinds.tolist() == [OK, FAIL, ERROR, VOID, OK, PENDING]
    nan, inf = math.nan, math.inf
    np.testing.assert_array_equal(history.losses, [1.5, inf, nan, nan, nan, inf])


def test_a_later_observation_replaces_the_earlier(space: Space) -> None:
    history = grown(space, 1)
    history.observe(0, kind="ok", loss=1.0)
    history.observe(0, kind="pending")
    assert (history.kinds[0], history.losses[0]) == (PENDING, math.inf)
    history.observe(0, kind="ok", loss=2.0)
    assert (history.kinds[0], history.losses[0]) == (OK, 2.0)


def test_a_trial_that_was_never_added_cannot_be_observed(space: Space) -> None:
    with pytest.raises(IndexError, match="trial 3 was never added"):
        grown(space, 3).observe(3, kind="ok", loss=0.0)


def test_what_is_handed_out_cannot_be_written_to(space: Space) -> None:
    history = grown(space, 3)
    views = (
        history.kinds,
        history.losses,
        history.column("lr"),
        history.centres("lr"),
        history.ascending("lr"),
    )
    for view in views:
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 0


def test_centres_are_portable_logarithms_with_a_floor(space: Space) -> None:
    history = grown(space, 100)
    np.testing.assert_array_equal(history.centres("lr"), portable.log(history.column("lr")))
    units = history.column("units")
    assert (units == 0).any()
    np.testing.assert_array_equal(history.centres("units"), portable.log(np.maximum(units, portable.exp(-3.0))))
    np.testing.assert_array_equal(history.centres("depth"), history.column("depth"))


def test_caches_that_grew_row_by_row_equal_those_made_at_once(space: Space) -> None:
    asked, fresh = History(space), grown(space, 150)
    rng = np.random.default_rng(0)
    for _ in range(150):
        asked.add(space.sample(rng))
        for label in space.labels:
            asked.ascending(label)
    for label in space.labels:
        np.testing.assert_array_equal(asked.centres(label), fresh.centres(label))
        np.testing.assert_array_equal(asked.ascending(label), fresh.ascending(label))
        rows = fresh.ascending(label)
        values = fresh.column(label)
        expected = sorted(np.flatnonzero(~np.isnan(values)), key=lambda row: (values[row], row))
        assert len(rows) == len(expected)
        assert (np.diff(fresh.centres(label)[rows]) >= 0).all()
    depth = fresh.column("depth")
    assert fresh.ascending("depth").tolist() == sorted(np.flatnonzero(~np.isnan(depth)), key=lambda row: depth[row])


def test_equal_values_ascend_by_tid(space: Space) -> None:
    history = grown(space, 150)
    rows = history.ascending("model")
    assert rows.tolist() == sorted(range(150), key=lambda row: (history.column("model")[row], row))


def test_a_copy_grows_on_its_own(space: Space) -> None:
    history = grown(space, 3)
    copy = history.copy()
    copy.observe(0, kind="ok", loss=1.0)
    copy.add(space.sample(np.random.default_rng(9)))
    assert (len(history), len(copy)) == (3, 4)
    assert history.losses[0] == math.inf


def test_the_next_trial_has_the_number_of_rows_unless_ids_leave_gaps(space: Space) -> None:
    history = grown(space, 3)
    assert history.next_tid == 3
    assert history.numbered(3) is history
    numbered = history.numbered(7)
    assert (numbered.next_tid, len(numbered), history.next_tid) == (7, 3, 3)
    numbered.add(space.sample(np.random.default_rng(9)))
    assert (numbered.next_tid, numbered.copy().next_tid) == (8, 8)


def document(tid: int, value: float, state: int = 2, **result: Any) -> dict[str, Any]:
    vals = {"lr": [value], "units": [1.0], "model": [0], "depth": []}
    return {
        "tid": tid,
        "state": state,
        "result": {"status": "ok", **result},
        "misc": {"tid": tid, "vals": vals},
    }


def test_documents_are_read_as_hyperopt_reads_them(space: Space) -> None:
    retold = document(5, 0.9, loss=1.0)
    retold["misc"]["from_tid"] = 1
    history = History.from_documents(
        space,
        [
            document(3, 0.3, state=3),
            document(2, 0.2, status="fail"),
            document(1, 0.1, loss=2.0),
            document(4, 0.4, loss=math.nan),
            document(0, 0.05, state=1, status="new"),
            retold,
        ],
    )
    assert history.column("lr").tolist() == [0.05, 0.9, 0.2, 0.3, 0.4]
    assert np.isnan(history.column("depth")).all()
    nan, inf = math.nan, math.inf
    np.testing.assert_array_equal(history.losses, [inf, 1.0, inf, nan, nan])


def test_telling_it_of_a_trial_takes_microseconds() -> None:
    wide = compile_space([hp.uniform(f"x{i}", 0, 1) for i in range(10)])
    point = wide.sample(np.random.default_rng(0))
    history = History(wide)
    best = math.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(100):
            history.observe(history.add(point), kind="ok", loss=1.0)
        best = min(best, (time.perf_counter() - start) / 100)
    assert best < 10e-6
