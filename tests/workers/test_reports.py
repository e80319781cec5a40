"""What objectives report in a search without a pruner: they go on, and their worker writes what has come at once."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymongo import monitoring
from tests.waiting import until_read
from tests.workers.bench import recipe_of
from tests.workers.serving import begin, is_over, worker_here

from hstore import Ctrl
from hstore.store.errors import Conflict
from hstore.store.events import Reported
from hstore.store.store import Store
from hstore.workers.child import Child

REPORTS = 200


class EventInserts(monitoring.CommandListener):
    """Counts the inserts into `events` that hold reports."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        documents = event.command.get("documents", ()) if event.command.get("insert") == "events" else ()
        self.count += any(document.get("type") == "reported" for document in documents)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@pytest.fixture
def inserts() -> Iterator[EventInserts]:
    found, listeners = EventInserts(), monitoring._LISTENERS.command_listeners
    listeners.append(found)
    yield found
    listeners.remove(found)


def test_many_reports_take_few_inserts_and_are_in_the_log_in_order(
    mongo_store: Store, mongo_url: str, inserts: EventInserts
) -> None:
    def reporting(config: Mapping[str, Any], ctrl: Ctrl, n: int = REPORTS) -> float:
        for step in range(n):
            ctrl.report(step, 1 / (step + 1))
            if step == n // 2:
                ctrl.attachments["half"] = b"way"
        return 0.0

    experiment = begin(mongo_store, "learned", reporting, 1)
    with worker_here(mongo_url):
        until_read(experiment, is_over(experiment))
    events = [event for event in experiment.chain(0) if isinstance(event, Reported)]
    assert [event.step for event in events if event.attachment is None] == list(range(REPORTS))
    [place] = [place for place, event in enumerate(events) if event.attachment is not None]
    assert place == REPORTS // 2 + 1
    assert experiment.chain(0)[-1].type == "done"
    assert inserts.count <= REPORTS / 4


def test_of_a_process_that_dies_all_that_it_reported_is_there(mongo_store: Store, mongo_url: str) -> None:
    def killed(config: Mapping[str, Any], ctrl: Ctrl, n: int = REPORTS) -> float:
        import os
        import signal

        for step in range(n):
            ctrl.report(step, 0.5)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0.0

    experiment = begin(mongo_store, "learned", killed, 1)
    with worker_here(mongo_url):
        until_read(experiment, is_over(experiment))
    assert [event.step for event in experiment.trials[0].reports] == list(range(REPORTS))
    assert experiment.state.counts == {"failed": 1}


@pytest.fixture
def child(tmp_path: Path) -> Any:
    found = Child(tmp_path)
    yield found
    found.close()


def call(child: Child, fn: Callable[..., Any], serve: Callable[..., Any]) -> Any:
    child.load(fn.__name__, recipe_of(fn))
    job = {"exp": "e", "tid": 0, "attempt": 1, "point": {"x": 2.0}, "uri": "", "has_pruner": False}
    return child.evaluate(fn.__name__, job, serve=serve)


def test_what_could_not_be_written_is_raised_by_a_later_call(child: Child) -> None:
    def goes_on(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        while True:  # until it is told
            ctrl.report(1, 0.5)

    def then_asks(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        ctrl.report(1, 0.5)
        ctrl.checkpoint({"loss": 1.0})
        return 0.0

    def ends(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        ctrl.report(1, 0.5)
        return 0.0

    def refuse(name: str, *arguments: Any) -> None:
        if name == "reports":
            raise Conflict("another worker has the trial")

    for fn in (goes_on, then_asks):
        result = call(child, fn, refuse)
        assert (result.kind, result.data["error"]) == ("failed", "hstore.store.errors.Conflict")
    assert call(child, ends, refuse).kind == "done"
    assert call(child, ends, lambda *_: None).kind == "done", "it is not what the next objective hears"


def test_a_step_that_the_log_cannot_hold_is_refused_at_once(child: Child) -> None:
    def far(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        ctrl.report(1, 0.5)
        ctrl.report(2**70, 0.5)
        return 0.0

    asked: list[str] = []
    call(child, far, lambda name, *_: asked.append(name))
    assert asked == ["reports", "report"]


def test_reports_that_came_while_others_were_written_are_written_together(child: Child) -> None:
    seen: list[list[Any]] = []

    def write(name: str, reported: list[Any]) -> None:
        seen.append(reported)

    def reports(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        for step in range(3000):
            ctrl.report(step, 0.5)
        return 0.0

    assert call(child, reports, write).kind == "done"
    assert [step for reported in seen for step, _ in reported] == list(range(3000))
    assert max(map(len, seen)) <= 1000
    assert all(earlier[-1][0] < later[0][0] for earlier, later in pairwise(seen))
