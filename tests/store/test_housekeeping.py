"""Titles, and experiments that are put away: notes that no decision sees."""

from __future__ import annotations

import pytest
from histories import begin
from test_correctable import evaluate

from hstore.store.errors import InUse, InvalidValue
from hstore.store.events import Queued, Reserved
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.store.verify import verify


def hold(experiment: Experiment) -> None:
    tid = len(experiment.trials)
    taken = (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1})
    experiment.append(experiment.compose((Queued, tid, {"point": {}, "params": {}}), taken))


def test_an_archive_and_back_are_events_and_twice_is_once(store: Store) -> None:
    experiment = begin(store)
    evaluate(experiment, loss=1.0)
    before = experiment.observed()
    (note,) = experiment.archive(reason="old", person="ann")
    assert (note.archived, note.person, note.note) == (True, "ann", "old")  # type: ignore[attr-defined]
    assert experiment.archive() == []
    (listed,) = store.overview()
    assert listed["archived"] is True
    read = store.experiment("e")
    assert read.is_archived
    assert [each for each in read.observed() if each[0] is not None] == [each for each in before if each[0] is not None]
    read.unarchive()
    assert read.unarchive() == []
    assert "archived" not in store.overview()[0]
    assert verify(read.documents()).findings == ()


def test_one_with_trials_that_are_held_is_archived_only_by_force(store: Store) -> None:
    experiment = begin(store)
    hold(experiment)
    with pytest.raises(InUse, match="'e' was not archived: trial 0 is being evaluated"):
        experiment.archive()
    assert not store.experiment("e").is_archived
    assert experiment.archive(force=True)
    assert experiment.archive() == []  # it is so already, whatever is held


def test_a_title_can_be_changed_and_taken_away_while_the_search_runs(store: Store) -> None:
    experiment = begin(store)
    hold(experiment)
    experiment.set_title("  SVM on digits ")
    assert experiment.set_title("SVM on digits") == []
    assert (store.experiment("e").title, store.overview()[0]["title"]) == ("SVM on digits", "SVM on digits")
    experiment.set_title("")
    assert store.experiment("e").title is None
    assert "title" not in store.overview()[0]
    for wrong in ("two\nlines", "\x1b[31m", "x" * 201):
        with pytest.raises(InvalidValue):
            experiment.set_title(wrong)


def test_the_past_shows_what_was_so_then(store: Store) -> None:
    experiment = begin(store)
    evaluate(experiment, loss=1.0)
    (note,) = experiment.set_title("later")
    assert store.experiment("e", at=note.at).title == "later"
    assert store.experiment("e", at=experiment.events[0].at).title in (None, "later")  # within a millisecond
