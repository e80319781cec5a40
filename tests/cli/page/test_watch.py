"""What a page shows: tables that MongoDB sorts, and live searches of which only the changes travel."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")

from tests.cli.page.searches import LABEL, SCRIPT, add_trial, begin_search, held
from tests.cli.page.serving import Page, new_store, served

from hstore.cli.page.watch import SearchWatch
from hstore.engine.search import control
from hstore.store.events import Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.server import EmbeddedServer
from hstore.store.store import Store
from hstore.store.streamed_verify import NeedsWholeLog


@pytest.fixture(scope="module")
def shared(mongod: EmbeddedServer) -> Iterator[tuple[Store, Page]]:
    with new_store(mongod) as store, served(store) as page:
        yield store, page


@pytest.fixture
def search(shared: tuple[Store, Page]) -> Experiment:
    return begin_search(shared[0], f"a/b {uuid.uuid4().hex}", [0.5, None, 0.25, 0.75])


@pytest.fixture
def watch(shared: tuple[Store, Page], search: Experiment) -> Iterator[SearchWatch]:
    watch = SearchWatch(shared[0].for_thread(), search.name)
    yield watch
    watch.close()


def heard(watch: SearchWatch, tick: int) -> list[Any]:
    """Return the messages after *tick* that come first."""
    found = watch.messages_since(tick, timeout=60)
    assert found is not None
    return [json.loads(message) for _, message in found]


def test_columns_hold_every_trial_before_any_trial_is_read_from_the_log(watch: SearchWatch) -> None:
    columns = json.loads(watch.columns())
    assert columns["tid"] == [0, 1, 2, 3]
    assert [columns["states"][state] for state in columns["state"]] == ["done", "failed", "done", "done"]
    assert columns["loss"] == [0.5, None, 0.25, 0.75]
    assert columns["head"]["best"] == {"tid": 2, "loss": 0.25}
    assert (columns["head"]["trials"], columns["head"]["of"]) == (4, 9)
    assert not watch.state.trials


def test_only_what_changed_travels(watch: SearchWatch, search: Experiment) -> None:
    tick = watch.tick
    add_trial(search, 4, 0.125)
    rows: dict[int, Any] = {}
    while rows.get(4, {}).get("state") != "done":
        for message in heard(watch, tick):
            tick = message["tick"]
            rows |= {row["tid"]: row for row in message["rows"]}
    assert list(rows) == [4]
    assert rows[4]["params"] == {"x": 0.4, LABEL: SCRIPT}
    assert message["head"]["best"] == {"tid": 4, "loss": 0.125}


def test_a_pause_is_heard_and_a_retried_trial_goes_on(watch: SearchWatch, search: Experiment) -> None:
    tick = watch.tick
    control.pause(search, "lunch")
    (message,) = heard(watch, tick)
    assert (message["head"]["status"], message["head"]["why"], message["rows"]) == ("paused", "lunch", [])
    control.retry(search, [1])
    (message,) = heard(watch, tick + 1)
    assert [(row["tid"], row["state"]) for row in message["rows"]] == [(1, "queued")]


def test_a_document_whose_writer_died_is_read_from_the_log(shared: tuple[Store, Page], search: Experiment) -> None:
    assert shared[0].database is not None
    shared[0].database["trials"].delete_one({"exp": search.name, "tid": 1})
    watch = SearchWatch(shared[0].for_thread(), search.name)
    (message,) = heard(watch, watch.began)
    assert [(row["tid"], row["state"]) for row in message["rows"]] == [(1, "failed")]
    assert json.loads(watch.columns())["tid"] == [0, 1, 2, 3]
    watch.close()


def test_documents_that_are_no_trials_break_nothing(shared: tuple[Store, Page], search: Experiment) -> None:
    store, page = shared
    assert store.database is not None
    trials, name = store.database["trials"], search.name
    trials.insert_many([{"exp": name, "tid": tid, "ver": 0, "state": SCRIPT} for tid in ("x", None, -1, 2**50, 0.5)])
    wrong = {
        "params": [SCRIPT],
        "losses": SCRIPT,
        "constraints": ["x"],
        "duration": SCRIPT,
        "worker": {"a": 1},
        "loss": "x",
    }
    trials.update_one({"exp": name, "tid": 2}, {"$set": wrong})
    data = page.get("/api/trials", name=name).data
    assert [row["tid"] for row in data["rows"]][-4:] == [3, 2, 1, 0]
    assert page.get("/api/columns", name=name).data["tid"] == [0, 1, 2, 3]
    assert name in [each["name"] for each in page.get("/api/overview").data["searches"]]
    for kind in ("slice", "parallel"):
        assert page.get("/api/chart", kind=kind, name=name).status == 200
    trials.delete_many({"exp": name})


def test_a_viewer_that_is_too_far_behind_loads_everything_again(watch: SearchWatch) -> None:
    assert watch.messages_since(watch.tick, timeout=0) == []
    for tick in (0, 7, watch.tick - 1, watch.tick + 1):
        assert watch.messages_since(tick, timeout=0) is None, "the tick of another server"


@pytest.mark.parametrize(
    ("asked", "tids"),
    [
        ({}, [3, 2, 1, 0]),
        ({"sort": "loss", "order": "up"}, [2, 0, 3, 1]),
        ({"sort": "loss"}, [3, 0, 2, 1]),
        ({"sort": "param", "label": "x", "order": "up"}, [0, 1, 2, 3]),
        ({"sort": "param", "label": LABEL}, [3, 2, 1, 0]),
        ({"state": "failed"}, [1]),
        ({"state": "done", "text": "loss<=0.5"}, [2, 0]),
        ({"text": "x >= 0.2"}, [3, 2]),
        ({"text": "x != 0.2"}, [3, 1, 0]),
        ({"text": "valueerror"}, [1]),
        ({"text": "(.*"}, []),
        ({"text": "2"}, [2]),
        ({"at": "3"}, [0]),
    ],
)
def test_the_table_is_sorted_and_filtered(
    shared: tuple[Store, Page], search: Experiment, asked: dict[str, str], tids: list[int]
) -> None:
    data = shared[1].get("/api/trials", name=search.name, **asked).data
    assert [row["tid"] for row in data["rows"]] == tids
    assert data["labels"] == ["x", LABEL]


@pytest.mark.parametrize("asked", [{"sort": "$where"}, {"at": "-1"}, {"state": "$ne"}, {"text": "x<abc"}])
def test_the_table_refuses_what_it_does_not_know(
    shared: tuple[Store, Page], search: Experiment, asked: dict[str, str]
) -> None:
    response = shared[1].get("/api/trials", name=search.name, **asked)
    assert response.status == 400
    assert response.data["error"]


def test_void_trials_are_shown_as_such_and_are_not_the_best(shared: tuple[Store, Page], search: Experiment) -> None:
    search.append(search.compose((Noted, 2, {"void": True})))
    data = shared[1].get("/api/trials", name=search.name, state="void").data
    assert [(row["tid"], row["state"]) for row in data["rows"]] == [(2, "void")]
    assert shared[1].get("/api/columns", name=search.name).data["head"]["best"]["tid"] == 0


def test_who_holds_a_trial_is_shown(shared: tuple[Store, Page], search: Experiment) -> None:
    search.append(search.compose((Queued, 4, {"point": {}, "params": {}}), *held(4)))
    data = shared[1].get("/api/workers", name=search.name).data
    assert [(each["tid"], each["worker"]) for each in data["held"]] == [(4, f"w{SCRIPT}")]


DRAWN = ("history", "pareto", "compare", "edf", "slice", "parallel", "contour", "timeline")


def test_each_chart_is_drawn_or_says_why_not(shared: tuple[Store, Page], search: Experiment) -> None:
    for kind in DRAWN:
        found = shared[1].get("/api/chart", kind=kind, name=[search.name], theme="dark").data
        assert found.get("chart") or found["charts"], kind
    for kind, why in (("importance", "at least 10"), ("curves", "ctrl.report"), ("curve", "nothing")):
        assert why in shared[1].get("/api/chart", kind=kind, name=search.name, tid=0).data["why"]
    assert shared[1].get("/api/chart", kind="edf", name=search.name, at=0).data["why"] == "no trial has a loss yet"
    assert shared[1].get("/api/chart", kind="nix", name=search.name).status == 400


def test_what_no_text_holds_is_not_searched_for(shared: tuple[Store, Page], search: Experiment) -> None:
    assert shared[1].get("/api/trials", name=search.name, text="a\0b").status == 400


def test_a_search_is_shown_as_a_decision_knew_it(shared: tuple[Store, Page], search: Experiment) -> None:
    page, name = shared[1], search.name
    found = page.get("/api/columns", name=name, at="3").data
    assert (found["tid"], found["head"]["moment"]) == ([0, 1, 2], "decision 3")
    assert found["head"]["best"] == {"tid": 2, "loss": 0.25}
    assert page.get("/api/columns", name=name, at="2").data["head"]["best"]["tid"] == 0
    rows = page.get("/api/trials", name=name, asof="3", sort="loss", order="up").data["rows"]
    assert [row["tid"] for row in rows] == [2, 0, 1]
    rows = page.get("/api/trials", name=name, asof="3", sort="param", label="x", order="down").data["rows"]
    assert [row["tid"] for row in rows] == [2, 1, 0]
    assert page.get("/api/columns", name=name, at="9").status == 404
    assert page.get("/api/columns", name=name, at="yesterday").status == 400


def not_plain(*_: Any) -> Any:
    raise NeedsWholeLog


def test_of_a_huge_search_the_first_decisions_are_shown(
    shared: tuple[Store, Page], search: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.cli.page.past.MOST_TRIALS", 3)
    page, name = shared[1], search.name
    for is_plain in (True, False):  # else it is read from the log, trial by trial
        found = page.get("/api/columns", name=name, at="2").data
        assert (found["tid"], found["head"]["best"]["tid"]) == ([0, 1], 0)
        assert [row["tid"] for row in page.get("/api/trials", name=name, asof="2").data["rows"]] == [1, 0]
        if is_plain:
            assert page.get("/api/columns", name=name, at="3").data["tid"] == [0, 1, 2]
            monkeypatch.setattr("hstore.cli.page.past.Past._decision", not_plain)
    for at in ("3", "1s-ago"):
        assert "as of a decision below 3" in page.get("/api/columns", name=name, at=at).data["error"]


def test_the_log_is_verified_and_two_searches_are_compared(shared: tuple[Store, Page], search: Experiment) -> None:
    store, page = shared
    verified = page.get("/api/verification", name=search.name).data
    assert (verified["ok"], verified["decisions"], verified["head"]) == (True, 4, search.seals.head.hex())
    assert page.get("/api/why", name=search.name, tid=1).data["why_no_prediction"]
    assert "gp and auto" in page.get("/api/calibration", name=search.name).data["why"]
    other = begin_search(store, f"{search.name} too", [0.5, None, 0.25, 0.125])
    rows = page.get("/api/difference", name=[search.name, other.name]).data["rows"]
    assert ("best.loss", 0.25, 0.125) in [(row["name"], row["a"], row["b"]) for row in rows]
    assert store.database is not None
    store.database["events"].update_one({"exp": search.name, "tid": 2, "type": "done"}, {"$set": {"data.loss": 0.0}})
    verified = page.get("/api/verification", name=search.name).data
    assert not verified["ok"]
    assert "trial 2" in verified["findings"][0]


def test_what_is_copied_draws_what_is_open(shared: tuple[Store, Page], search: Experiment) -> None:
    data = shared[1].get("/api/snippets", name=search.name, figure=["contour", "$(rm)"]).data
    assert "hstore.plot.contour(experiment)" in data["Python"]
    assert "contour -o figures.png" in data["Command line"]
    assert "rm" not in data["Command line"]
    data = shared[1].get("/api/snippets", name=search.name, at="2").data
    assert "--at 2" in data["Command line"]
    assert "hstore fork" in data["Command line"]


def test_the_list_has_what_is_known_of_each_search(shared: tuple[Store, Page], search: Experiment) -> None:
    (mine,) = (each for each in shared[1].get("/api/overview").data["searches"] if each["name"] == search.name)
    assert mine["counts"] == {"done": 3, "failed": 1}
    assert (mine["best"]["tid"], mine["of"], mine["algorithm"]) == (2, 9, "rand")
    assert shared[1].get("/api/sparks", name=[search.name, "nix"]).data["sparks"][search.name][-1] == 0.25
