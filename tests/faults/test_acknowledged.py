"""What was acknowledged to processes is compared with the log, and every kind of difference is found."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.acknowledged import Acknowledged, Loss, acknowledged_attachments, compare, compare_attachments, read
from faults.recorder import ATTACHMENTS, Recorder

from hstore import Experiment, Store, fmin, hp

EARLY, LATE = 0.0, 1e12


@pytest.fixture
def experiment() -> Experiment:
    store = Store.in_memory()
    search: dict[str, Any] = {"algo": "rand", "max_evals": 3, "rstate": np.random.default_rng(0), "verbose": False}
    fmin(lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, experiment="e", store=store, **search)
    return store.experiment("e")


@pytest.fixture
def noted(experiment: Experiment, tmp_path: Path) -> Acknowledged:
    """What a driver notes that was acknowledged all events of *experiment*, and returned the best."""
    recorder = Recorder(tmp_path, "driver-0")
    recorder.appended(1.0, experiment.events)
    tids = [trial.tid for trial in experiment.trials]
    recorder.write("e", {"at": 1.0, "answer": dict(experiment.best.params), "best": experiment.best.tid, "tids": tids})
    return read(tmp_path, "e")


def kinds(experiment: Experiment, noted: Acknowledged, *losses: Loss, without: int | None = None) -> set[str]:
    """Return what kinds of differences there are; without: as if that event of the log were gone."""
    events = [event for n, event in enumerate(experiment.events) if n != without]
    return {finding.kind for finding in compare(noted, events, experiment.state, losses)}


def loss(experiment: Experiment, *, of: int, at: float) -> Loss:
    """Return the loss of the event number *of* at a time."""
    kept = frozenset(event.id.hex for n, event in enumerate(experiment.events) if n != of)
    return Loss(what="a test", began=at, over=at, kept=kept)


def test_a_log_with_all_that_was_acknowledged_has_no_difference(experiment: Experiment, noted: Acknowledged) -> None:
    assert len(noted.appends) == len(experiment.events)
    assert kinds(experiment, noted) == set()


def test_an_acknowledged_event_that_is_gone_is_missing(experiment: Experiment, noted: Acknowledged) -> None:
    assert kinds(experiment, noted, without=4) == {"missing"}


def test_an_event_that_was_lost_on_purpose_must_have_been_named(experiment: Experiment, noted: Acknowledged) -> None:
    lost = loss(experiment, of=4, at=2.0)
    assert kinds(experiment, noted, lost, without=4) == {"unnamed"}
    noted.named.append(("driver-0", 3.0, experiment.events[4].id.hex))
    assert kinds(experiment, noted, lost, without=4) == set()


def test_a_loss_explains_nothing_that_was_acknowledged_after_it(experiment: Experiment, noted: Acknowledged) -> None:
    assert kinds(experiment, noted, loss(experiment, of=4, at=EARLY), without=4) == {"missing"}


def test_an_event_that_is_there_must_not_be_named_as_lost(experiment: Experiment, noted: Acknowledged) -> None:
    noted.named.append(("driver-0", 3.0, experiment.events[4].id.hex))
    assert kinds(experiment, noted) == {"named"}


def test_a_process_must_not_go_on_after_what_it_knew_was_lost(experiment: Experiment, noted: Acknowledged) -> None:
    noted.named.append(("driver-0", 19.0, experiment.events[4].id.hex))
    noted.appends[-1] = replace(noted.appends[-1], sent=8.0)
    assert kinds(experiment, noted, loss(experiment, of=4, at=2.0), without=4) == {"wrote-on"}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(lambda append: replace(append, place=(append.place[0], 99)), "different", id="another place"),
        pytest.param(lambda append: replace(append, digest="00"), "different", id="other content"),
        pytest.param(lambda append: replace(append, id=uuid.uuid4().hex), "missing", id="another event"),
    ],
)
def test_an_event_that_is_another_one_in_the_log_is_found(
    change: Callable[[Any], Any], kind: str, experiment: Experiment, noted: Acknowledged
) -> None:
    noted.appends[4] = change(noted.appends[4])
    assert kinds(experiment, noted) == {kind}


def test_two_events_acknowledged_in_one_place_are_found(experiment: Experiment, noted: Acknowledged) -> None:
    noted.appends[4] = replace(noted.appends[4], place=noted.appends[5].place)
    assert kinds(experiment, noted) == {"different", "twice"}


@pytest.mark.parametrize("wrong", [{"answer": {"x": 3.0}}, {"best": 7}, {"tids": [0]}])
def test_an_answer_that_the_log_does_not_give_is_found(
    wrong: dict[str, Any], experiment: Experiment, noted: Acknowledged
) -> None:
    noted.answers[0] = {**noted.answers[0], **wrong}
    assert kinds(experiment, noted) == {"answer"}


def test_an_answer_may_lack_a_trial_whose_end_could_not_be_read_then(
    experiment: Experiment, noted: Acknowledged
) -> None:
    tid = next(trial.tid for trial in experiment.trials if trial.tid != experiment.best.tid)
    noted.answers[0] = {**noted.answers[0], "tids": [each for each in noted.answers[0]["tids"] if each != tid]}
    for over, found in ((0.9, 1), (1.1, 0)):
        unreadable = [(tid, 0.5, over)]
        assert len(compare(noted, experiment.events, experiment.state, (), unreadable)) == found


def test_an_acknowledged_attachment_must_be_there_unless_all_were_lost_later(tmp_path: Path) -> None:
    attachments = Store.in_memory().attachments
    recorder = Recorder(tmp_path, "worker-0")
    recorder.write(ATTACHMENTS, {"sent": 1.0, "attachment": attachments.put(b"there").hex()})
    recorder.write(ATTACHMENTS, {"sent": 5.0, "attachment": "00" * 32})
    sent = acknowledged_attachments(tmp_path)
    assert [finding.kind for finding in compare_attachments(sent, attachments.get)] == ["attachment"]
    for over, found in ((4.0, 1), (LATE, 0)):
        emptied = Loss(what="emptied", began=over, over=over, kept=frozenset(), has_attachments=False)
        assert len([*compare_attachments(sent, attachments.get, [emptied])]) == found


def test_each_line_is_whole_and_one_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "worker-0")
    recorder.write("e", {"at": 1.0, "lost": ["ab"]})
    [path] = (tmp_path / "e").iterdir()
    assert json.loads(path.read_text()) == {"at": 1.0, "lost": ["ab"]}
    path.write_text(path.read_text() + '{"at": 2.0, "lo')
    assert read(tmp_path, "e").named == [(path.stem, 1.0, "ab")]
