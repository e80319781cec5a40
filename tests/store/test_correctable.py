"""Corrections: a person voids, amends, notes and tags trials; the log keeps what was there before."""

from __future__ import annotations

import getpass
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from histories import begin
from pymongo.read_concern import ReadConcern

from hstore.store.errors import InvalidValue, NotFound
from hstore.store.event_documents import from_document, to_document
from hstore.store.events import Done, Noted, Queued, Reserved, Running, Unreadable
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.person import person
from hstore.store.store import Store
from hstore.store.tables import table_of


def evaluate(experiment: Experiment, **end: Any) -> int:
    """Add a trial that ended as the result {"status": "ok", **end} says; return its number."""
    tid = len(experiment.trials)
    data = {"result": {"status": "ok", **end}, "status": "ok", **end}
    pending: list[PendingEvent] = [
        (Queued, tid, {"point": {"x": 0.5}, "params": {"x": 0.5}, "observed": experiment.observed()}),
        (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
        (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
        (Done, tid, data),
    ]
    experiment.append(experiment.compose(*pending))
    return tid


@pytest.fixture
def searched(store: Store) -> Experiment:
    """Trials 0, 1, 2 with the losses 0, 1, 2, all of them observed; trial 3 waits."""
    experiment = begin(store)
    for loss in range(3):
        evaluate(experiment, loss=float(loss))
    observed = experiment.observed()
    experiment.append(experiment.compose((Queued, 3, {"point": {}, "params": {}, "observed": observed})))
    return experiment


def test_an_amended_loss_counts_everywhere_and_the_earlier_one_stays_visible(searched: Experiment) -> None:
    store = searched.store
    (note,) = searched.amend(2, loss=-1.0, reason="wrong split", person="ann")
    for experiment in (searched, store.experiment("e")):  # who wrote it, and who reads it
        trial = experiment.state.trials[2]
        assert (trial.loss, trial.result) == (-1.0, {"status": "ok", "loss": -1.0})
        assert trial.returned is not None
        assert (trial.returned.loss, trial.returned.result["loss"]) == (2.0, 2.0)
        assert trial.amended_by == note
        assert experiment.best.tid == 2
        table = table_of(experiment, "trials")
        assert table["loss"].values[2] == -1.0
        assert table["amended"].values == [False, False, True, False]
    assert isinstance(note, Noted)
    assert (note.note, note.person) == ("wrong split", "ann")
    (listed,) = store.overview()
    assert listed["best"]["tid"] == 2
    if store.database is not None:
        current = store.database.with_options(read_concern=ReadConcern("local"))
        first = current["results"].find_one({"exp": "e"})
        assert first is not None
        assert (first["tid"], first["loss"], first["amended"]) == (2, -1.0, True)


def test_the_next_decision_observes_a_correction_and_so_does_a_driver_that_was_there_before(
    searched: Experiment,
) -> None:
    other = searched.store.experiment("e")
    assert other.observed() == []
    searched.amend(2, loss=-1.0, reason="r", person="p")
    searched.void(0, reason="r", person="p")
    other.refresh()
    assert sorted((tid, ver) for tid, ver, _ in other.observed()) == [(0, 4), (2, 4)]
    searched.tag("baseline", 1)
    searched.note("hm", 1)
    other.refresh()
    assert len(other.observed()) == 2  # neither says anything that an algorithm has to know


def test_void_and_unvoid_change_what_is_best_and_say_nothing_twice(searched: Experiment) -> None:
    assert [event.tid for event in searched.void(0, 1, reason="r")] == [0, 1]
    assert searched.best.tid == 2
    assert searched.void(1, reason="again") == []
    assert [event.tid for event in searched.unvoid(0, 1, 2, reason="r")] == [0, 1]
    assert searched.best.tid == 0


def test_notes_and_tags_are_of_a_trial_or_of_the_experiment(searched: Experiment) -> None:
    searched.note("  before the labels were cleaned ")
    searched.tag("thesis")
    searched.tag("baseline", 3)  # which has not ended
    assert searched.tag("baseline", 3) == []
    assert [note.note for note in searched.state.notes if note.note] == ["before the labels were cleaned"]
    assert searched.state.tags == ("thesis",)
    assert searched.state.trials[3].tags == ("baseline",)


def test_what_cannot_be_amended_is_refused_and_nothing_is_written(searched: Experiment) -> None:
    several = evaluate(searched, losses=[1.0, 2.0], constraints=[0.5])
    events = searched.state.events
    with pytest.raises(NotFound, match="no trial 9"):
        searched.void(0, 9, reason="r")
    for no_number in ([0, 1], "0", 0.0):
        with pytest.raises(InvalidValue, match="is not the number of a trial"):
            searched.void(no_number, reason="r")  # type: ignore[arg-type]
    refused: list[tuple[str, int, dict[str, Any]]] = [
        ("trial 3 is queued", 3, {"loss": 1.0}),
        ("NaN", 0, {"loss": math.nan}),
        ("no number", 0, {"loss": "low"}),
        ("nothing to amend", 0, {}),
        ("has no losses, so it cannot get 2", 0, {"losses": [1.0, 2.0]}),
        ("amend all of them", several, {"loss": 1.0}),
        ("has 1 constraints, so it cannot get 2", several, {"constraints": [1.0, 2.0]}),
        ("reason is empty", 0, {"loss": 1.0, "reason": " "}),
    ]
    for message, tid, given in refused:
        with pytest.raises(InvalidValue, match=message):
            searched.amend(tid, **{"reason": "r", **given})
    assert searched.state.events == events
    searched.amend(several, losses=[0.0, 0.0], constraints=[-1], reason="r")
    assert [trial.tid for trial in searched.pareto] == [several]
    assert searched.amend(several, losses=[0.0, 0.0], reason="r") == []  # it is so already


def test_a_correction_goes_behind_what_another_process_wrote_meanwhile(
    searched: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = searched.store.experiment("e")
    other.refresh()
    monkeypatch.setattr(other, "refresh", list)  # as if both read at the same moment
    searched.note("first", 1)
    monkeypatch.undo()
    (note,) = other.void(1, reason="r")
    assert (note.ver, other.state.trials[1].is_void) == (5, True)


def test_a_retried_trial_counts_with_its_new_result(searched: Experiment) -> None:
    from hstore.engine.search.control import retry

    searched.amend(2, loss=-1.0, reason="r")
    retry(searched, [2])
    taken: list[PendingEvent] = [
        (Reserved, 2, {"worker": "w", "host": "h", "attempt": 2}),
        (Running, 2, {"pid": 1, "python": "3", "hstore": "0"}),
        (Done, 2, {"result": {"status": "ok", "loss": 3.0}, "status": "ok", "loss": 3.0}),
    ]
    searched.append(searched.compose(*taken))
    trial = searched.state.trials[2]
    assert (trial.loss, trial.returned, trial.amended_by) == (3.0, None, None)


def test_an_amendment_that_this_program_does_not_understand_in_full_is_unreadable(searched: Experiment) -> None:
    (event,) = searched.amend(2, loss=-1.0, reason="r")
    assert isinstance(event, Noted)
    document = to_document(event)
    assert from_document(document) == replace(event, ts=None)
    for amend in ({"loss": 1.0, "status": "fail"}, {"loss": "low"}, {"losses": [True]}, {}):
        assert isinstance(from_document({**document, "data": {"amend": amend}}), Unreadable)


def test_a_person_is_named_by_the_environment_else_by_git_else_by_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_USER", "Ann")
    assert person() == "Ann"
    monkeypatch.setenv("HSTORE_USER", "")

    def says(code: int) -> None:
        said = subprocess.CompletedProcess([], code, "Grace Hopper\n", "")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)

    says(0)
    assert person() == "Grace Hopper"
    says(1)
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    assert person() == "grace"


def test_whatever_a_program_hands_over_is_plain_or_refused_by_its_name(searched: Experiment) -> None:
    searched.void(np.int64(1), reason="numpy's number", person="ann")  # type: ignore[arg-type]
    assert searched.state.trials[1].is_void
    searched.note("no \udcff text", np.int64(1), person="ann")  # type: ignore[arg-type]
    assert searched.state.trials[1].notes[-1].note == "no ? text"
    wrong: list[Callable[[], Any]] = [
        lambda: searched.note(5),  # type: ignore[arg-type]
        lambda: searched.tag(None),  # type: ignore[arg-type]
        lambda: searched.void(1, reason=5),  # type: ignore[arg-type]
    ]
    for call in wrong:
        with pytest.raises(InvalidValue, match="must be text"):
            call()
    with pytest.raises(NotFound, match="no trial None"):
        searched.void(None, reason="which?")  # type: ignore[arg-type]
