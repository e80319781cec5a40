"""Where bits cannot be compared, replay still tells a forged decision from an honest one."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from bench import forged

from hstore import Experiment, Store
from hstore.engine.audit.replay import derive_again
from hstore.engine.search.fingerprint import fingerprint
from hstore.store.events import Queued


@pytest.fixture(scope="module")
def searched() -> Experiment:
    """A search over a space with two branches."""
    patched = pytest.MonkeyPatch()
    patched.setattr(forged, "TRIALS", 20)
    experiment = forged.searched("mixed", 0)
    patched.undo()
    return experiment


@pytest.mark.long
def test_forged_decisions_come_out_different(searched: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forged, "EVERY", 1)
    found = list(forged.judged_forgeries([searched]))
    assert {kind for kind, _, _ in found} >= {"a random point", "moved by 1 %", "moved by 20 %", "another branch"}
    material = [outcome for _, outcome, is_material in found if is_material]
    assert len(material) >= 60
    assert Counter(material)["different"] >= 0.95 * len(material)


def test_honest_decisions_come_out_the_same(searched: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    other = fingerprint() | {"battery": "another"}
    monkeypatch.setattr("hstore.engine.audit.replay.fingerprint", lambda: other)
    came = derive_again(searched)
    assert (came.approximate, came.equivalent, came.differences) == (20, 0, ())
    assert came.machines == ("BLAS or the processor rounds differently",)


def test_replay_fails_for_a_forged_decision_of_another_machine(
    searched: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fingerprint() | {"battery": "another"}
    monkeypatch.setattr("hstore.engine.audit.replay.fingerprint", lambda: other)
    store = Store.in_memory()
    for event in searched.events:
        is_forged = isinstance(event, Queued) and event.tid == 12
        point = {**event.point, "x": -2.9} if isinstance(event, Queued) else {}
        store.log.append([replace(event, point=point) if is_forged and isinstance(event, Queued) else event])
    came = derive_again(store.experiment(searched.name), until=12)
    assert {difference.tid for difference in came.differences} == {12}
    assert not came.is_same


def test_logs_that_are_written_to_a_file_are_replayed_by_another_process(
    searched: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged.write_logs(tmp_path / "logs.json", [searched])
    forged.judge(tmp_path / "logs.json")
    assert json.loads(capsys.readouterr().out) == {"decisions": 20, "same": 20, "equivalent": 0, "different": 0}
