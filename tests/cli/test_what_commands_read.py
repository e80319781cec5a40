"""What the commands read does not grow with the trials that have ended: documents and round trips are counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from histories import CREATED
from pymongo import monitoring
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from tests.cli.commands import run

from hstore import hp, pruners
from hstore.engine.evaluation.ctrl import TrialCtrl
from hstore.engine.evaluation.pruning import PruningSession
from hstore.engine.search.control import stop
from hstore.engine.space import Space
from hstore.store.errors import NotFound
from hstore.store.events import Done, Noted, Queued, Reported, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.workers.reaper import CALM_LOOKS, Reaper


class Counting(monitoring.CommandListener):
    """Counts commands, and the documents in their answers."""

    def __init__(self) -> None:
        self.commands = self.documents = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands += event.command_name in ("find", "getMore", "aggregate", "count", "distinct")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        cursor = event.reply.get("cursor", {})
        self.documents += len(cursor.get("firstBatch", cursor.get("nextBatch", [])))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """Counts what clients that are made from now on are told."""
    counting = Counting()
    listeners = monitoring._LISTENERS
    listeners.command_listeners.append(counting)
    yield counting
    listeners.command_listeners.remove(counting)


def begin(store: Store, name: str) -> Experiment:
    experiment = Experiment(store, name)
    assert experiment.begin(CREATED | {"space": Space(hp.uniform("x", 0, 1)).to_data()})
    return experiment


def evaluate(experiment: Experiment, n: int) -> None:
    """Have the next *n* trials done, the first of them with the smallest loss."""
    first = len(experiment.state.trials)
    for tid in range(first, first + n):
        point = {"point": {"x": 0.5}, "params": {"x": 0.5}}
        reserved = {"worker": "w", "host": "h", "attempt": 1}
        done = {"result": {"status": "ok", "loss": tid + 1.0}, "status": "ok", "loss": tid + 1.0}
        events = experiment.compose(
            (Queued, tid, point), (Reserved, tid, reserved), (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
            (Done, tid, done),
        )  # fmt: skip
        experiment.append(events, more_to_come=tid < first + n - 1)
    experiment.store.models.flush()


COMMANDS = [
    ("show", "e"), ("show", "e", "7"), ("show", "e", "7", "--json"), ("status", "e"), ("status", "e", "--json"),
    ("status",), ("ls",), ("ls", "--json"), ("log", "e", "7"), ("log", "e", "-n", "5", "--json"),
]  # fmt: skip


def test_what_a_command_reads_does_not_grow_with_the_trials(
    mongo_url: str, mongo_store: Store, counting: Counting
) -> None:
    experiment = begin(mongo_store, "e")

    def read() -> dict[tuple[str, ...], tuple[int, int]]:
        found = {}
        for command in COMMANDS:
            counting.commands = counting.documents = 0
            assert run(mongo_url, *command).exit_code == 0
            found[command] = counting.commands, counting.documents
        return found

    evaluate(experiment, 20)
    read()  # a process that opens a store again looks for what it knew of it
    of_few = read()
    evaluate(experiment, 180)
    # The latest events are looked for among some more, up to a limit.
    many, of_few["log", "e", "-n", "5", "--json"] = read(), (0, 0)
    assert many.pop(("log", "e", "-n", "5", "--json"))[1] <= 220
    del of_few["log", "e", "-n", "5", "--json"]
    assert many == of_few
    assert max(documents for _, documents in many.values()) < 80


def test_a_summary_is_what_the_whole_log_says_whatever_has_not_reached_the_collections(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begin(mongo_store, "e")
    evaluate(experiment, 30)
    trials = database.get_collection("trials", read_concern=ReadConcern("local"))
    shown = list(trials.find({"tid": {"$gte": 25}}))
    # Two more end, and one is queued, but their documents are lost.
    evaluate(experiment, 2)
    experiment.append_decided(lambda: [(Queued, 32, {"point": {"x": 1.0}, "params": {"x": 1.0}})])
    trials.delete_many({"tid": {"$gte": 25}})
    trials.insert_many(shown)
    printed = [run(mongo_url, "status", "e", *more).stdout.splitlines() for more in ((), ("--exact",))]
    assert "trials     1 queued, 32 done" in printed[0]
    assert [line for line in printed[0] if not re.match("as of|rate", line)] == [
        line for line in printed[1] if not re.match("rate", line)
    ]
    assert "as of      event " in "\n".join(printed[0])
    summary, exact = mongo_store.summary("e"), mongo_store.summary("e", exact=True)
    assert summary.as_of_event is not None
    assert (summary.counts, summary.ended, len(summary.trials)) == (exact.counts, exact.ended, len(exact.trials))
    assert summary.decision_digest == exact.decision_digest
    assert [each["ver"] for each in summary.documents()] == [each["ver"] for each in exact.documents()]


def test_a_document_that_is_missing_makes_the_summary_read_the_whole_log(
    mongo_store: Store, database: Database[Any]
) -> None:
    evaluate(begin(mongo_store, "e"), 15)
    database["trials"].delete_one({"tid": 3})
    summary = mongo_store.summary("e")
    assert (summary.as_of_event, summary.counts) == (None, {"done": 15})


def test_show_in_json_says_the_same_from_the_collections_and_from_the_log(mongo_url: str, mongo_store: Store) -> None:
    experiment = begin(mongo_store, "e")
    evaluate(experiment, 14)
    experiment.append_decided(lambda: [(Noted, 2, {"void": True, "tags": ["odd"]})])
    experiment.repair()
    shown, exact = (json.loads(run(mongo_url, "show", "e", "--json", *more).stdout) for more in ((), ("--exact",)))
    assert shown.pop("as_of_event") == shown["events"]
    assert exact.pop("as_of_event") is None
    assert shown == exact


def test_one_trial_is_read_from_python_without_the_others(mongo_store: Store) -> None:
    evaluate(begin(mongo_store, "e"), 5)
    assert mongo_store.trial("e", 3).loss == 4.0
    with pytest.raises(NotFound, match="no trial 9"):
        mongo_store.trial("e", 9)
    with pytest.raises(NotFound, match="no experiment 'f'"):
        mongo_store.trial("f", 0)


def test_the_last_events_are_found_in_a_collection_that_was_copied_in_another_order(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    evaluate(begin(mongo_store, "e"), 80)
    expected = [each["_id"] for each in mongo_store.log.latest_documents("e", 5)]
    documents = sorted(database["events"].find(), key=lambda each: str(each["_id"]))
    database["events"].delete_many({})
    database["events"].insert_many(documents, bypass_document_validation=True)
    assert [each["_id"] for each in mongo_store.log.latest_documents("e", 5)] == expected


def test_ls_counts_again_only_what_can_have_changed(mongo_store: Store, database: Database[Any]) -> None:
    for name in ("over", "open"):
        experiment = begin(mongo_store, name)
        evaluate(experiment, 3)
        if name == "over":
            stop(experiment, "enough")
    database["trials"].update_many({"exp": "over", "tid": 0}, {"$set": {"state": "failed"}})
    listed = {each["name"]: each for each in mongo_store.overview()}
    assert [listed[name]["counts"] for name in ("over", "open")] == [{"done": 3}, {"done": 3}]
    assert listed["over"]["best"] == listed["open"]["best"]


def test_an_idle_reaper_of_many_experiments_asks_as_often_as_one_of_a_single_one(
    mongo_url: str, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.workers.reaper.REPAIR_SECONDS", 0.0)
    asked = []
    with open_store(mongo_url) as store:
        for n in (1, 12):
            for number in range(n):
                begin(store, f"e{n}.{number}")
            reaper = Reaper(store)
            names = store.models.open_experiments()
            for _ in range(CALM_LOOKS + 1):
                reaper.run_once(names)
            counting.commands = 0
            reaper.run_once(names)
            asked.append(counting.commands)
    assert asked[0] == asked[1] > 0


def test_what_reads_the_whole_log_reads_it_once(
    mongo_url: str, mongo_store: Store, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.store.document_cursor.AT_ONCE", 40)
    experiment = begin(mongo_store, "e")
    asked: dict[str, list[int]] = {"verify": [], "rebuild": []}
    for _ in range(2):
        evaluate(experiment, 30)
        for command, counts in asked.items():
            counting.commands = 0
            assert run(mongo_url, command, "e").exit_code == 0
            counts.append(counting.commands)
    batches_more = 30 * 4 // 40
    assert {command: after - before for command, (before, after) in asked.items()} == {
        "verify": batches_more, "rebuild": batches_more,
    }  # fmt: skip


def test_a_report_costs_the_same_whatever_others_reported(
    mongo_url: str, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.engine.evaluation.pruning.READ_SECONDS", 0.0)  # so that the clock counts for nothing
    monkeypatch.setattr("hstore.store.rewind_check.REPORT_SECONDS", 1e9)
    costs = []
    with open_store(mongo_url) as store:
        for n in (2, 25):
            experiment = Experiment(store, f"e{n}")
            space = {"space": Space(hp.uniform("x", 0, 1)).to_data(), "pruner": pruners.asha.describe()}
            experiment.begin(CREATED | space)
            point = {"point": {"x": 0.5}, "params": {"x": 0.5}}
            for tid in range(n + 1):
                events = experiment.compose(
                    (Queued, tid, point), (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
                    (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
                    *((Reported, tid, {"step": step, "value": 0.5}) for step in (range(1, 10) if tid < n else ())),
                )  # fmt: skip
                experiment.append(events, more_to_come=tid < n)
            worker = Experiment(store, f"e{n}", only=())
            worker.load_trial(n)
            ctrl = TrialCtrl(worker, n, pruning=PruningSession(worker, follows_all=False))
            ctrl.report(1, 0.1)  # which reads what the others reported
            counting.commands = counting.documents = 0
            for step in range(2, 10):
                ctrl.report(step, 0.1)
                assert not ctrl.should_stop()
            costs.append((counting.commands, counting.documents))
    assert costs[0] == costs[1]


def test_what_prints_a_search_imports_no_numpy(mongo_url: str, mongo_store: Store) -> None:
    experiment = begin(mongo_store, "e")
    tids = range(3)
    experiment.append(experiment.compose(*((Queued, tid, {"point": {"x": 0.5}, "params": {"x": 0.5}}) for tid in tids)))
    code = """
import sys
from hstore.cli.app import app
for command in ("ls", "status", "status e", "show e", "show e 1", "show e --json", "log e -n 2", "head e", "note e x"):
    app(command.split(), standalone_mode=False)
print([name for name in ("numpy", "scipy", "pandas") if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HSTORE_URL": mongo_url},
    )
    assert result.stdout.splitlines()[-1] == "[]"
