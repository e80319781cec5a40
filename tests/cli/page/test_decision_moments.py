"""A search as of a decision, by what the decisions observed, is what the whole log says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")

import hstore
from hstore import fmin, hp, rand
from hstore.cli.page.past import Past
from hstore.cli.page.trial_rows import TableQuery
from hstore.cli.page.watch import Watches
from hstore.store.store import Store
from hstore.store.streamed_verify import NeedsWholeLog

SPACE = {"x": hp.uniform("x", 0, 1), "n": hp.choice("n", [{"k": 1}, {"k": 2, "y": hp.uniform("y", -1, 1)}])}


def objective(point: Mapping[str, Any]) -> float:
    if point["x"] > 0.8:
        raise ValueError("too large")
    return float(point["x"])


def search_with_all_kinds(store: Store) -> None:
    """Trials that failed, were voided, amended and noted before and after others knew of them, and two that run."""
    for n in (6, 12):
        fmin(objective, SPACE, rand.suggest, n, rstate=0, verbose=False, experiment="all", store=store,
             catch_eval_exceptions=True)  # fmt: skip
        found = store.experiment("all")
        for trial in found.trials[n - 5 : n - 2]:
            trial.note("odd", person="p")
        found.void(n - 3, reason="bad data", person="p")
        found.amend(n - 4, loss=0.01, reason="unit", person="p")
    with hstore.search(SPACE, rand.suggest, experiment="all", store=store, rstate=0) as opened:
        first, second = opened.ask(), opened.ask()
        assert first is not None
        assert second is not None
        second.tell(0.5)
        assert opened.ask() is not None


def test_every_decision_is_shown_as_the_whole_log_has_it(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    search_with_all_kinds(mongo_store)
    watches = Watches(mongo_store.for_thread)
    past = Past(mongo_store, watches)
    sorts = [
        TableQuery(sort=sort, label="x", descending=True, state=state, text="", offset=0)
        for sort, state in (("tid", None), ("loss", None), ("tid", "done"))
    ]

    def shown(at: str) -> Any:
        head, points = past.points("all", at)
        search, best = past.latest("all", at, 3)
        latest = [search.chain(tid) for tid in range(max(0, len(points.rows) - 3), len(points.rows))]
        return head, points.rows, [past.table("all", at, sort) for sort in sorts], past.columns("all", at), best, latest

    moments = [str(at) for at in range(len(mongo_store.experiment("all").trials) + 1)]
    quick = [shown(at) for at in moments]
    assert not past._whole, "no log was read as a whole"

    def whole(_: Past, name: str, at: str) -> Any:
        raise NeedsWholeLog

    monkeypatch.setattr(Past, "_decision", whole)
    for at, seen in zip(moments, quick, strict=True):
        for part, expected in zip(seen, shown(at), strict=True):
            assert part == expected, at
    watches.close()
