"""What workers serve: nothing that no key of theirs signs, and nothing that was changed, until it is mended."""

import threading
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from tests.workers.serving import begin, ran

from hstore.cli.app import run
from hstore.store.errors import Tampered
from hstore.store.events import Cancelled, Changed, Done, Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.keys import new_key
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.workers.served_experiments import ServedExperiments

KEY = new_key()


def objective(config: dict[str, float]) -> float:
    return config["x"] ** 2


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a forged objective makes; the search path of workers has the module that does so."""
    (tmp_path / "elsewhere.py").write_text(
        f"def act(config): open({str(tmp_path / 'ran')!r}, 'a').write('x'); return 0.0"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "ran"


def begun(url: str, key: str | None, monkeypatch: pytest.MonkeyPatch, name: str = "e", trials: int = 2) -> None:
    """Begin an experiment as a process whose key is *key*."""
    monkeypatch.delenv("HSTORE_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("HSTORE_KEY", key)
    with open_store(url) as store:
        begin(store, name, objective, trials)


def with_key(monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    monkeypatch.setenv("HSTORE_KEY", key)


@pytest.mark.parametrize("isolate", ["none", "trial"])
def test_a_worker_with_the_key_evaluates_what_is_signed_and_signs_how_it_ended(
    isolate: str, mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    begun(mongo_url, KEY, monkeypatch)
    code, said = ran(mongo_url, "e", "--burst", *(["--isolate", isolate] if isolate == "none" else []))
    assert (code, "skipping" in said) == (0, False)
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        experiment.check_signatures()
        assert experiment.state.counts == {"done": 2}
    assert database["events"].count_documents({"mac": None}) == 0


def test_a_reference_that_is_not_signed_runs_nothing(
    mongo_url: str, marked: Path, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    begun(mongo_url, None, monkeypatch)
    refer = {"data.objective": {"name": "act", "ref": "elsewhere:act", "version": None}}
    database["events"].update_one({"exp": "e", "type": "created"}, {"$set": refer})
    with_key(monkeypatch)
    _, said = ran(mongo_url, "e", "--burst")
    assert "skipping 'e': experiment 'e' is refused: event 0 of its own chain is not signed" in said
    assert not marked.exists()
    monkeypatch.delenv("HSTORE_KEY")  # it would have run
    ran(mongo_url, "e", "--burst")
    assert marked.read_text() == "xx"


def test_a_pickle_that_is_not_signed_is_not_loaded_and_what_is_named_evaluates_no_point_either(
    mongo_url: str, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(mongo_url, None, monkeypatch)
    with_key(monkeypatch)
    for options in ((), ("--objective", "elsewhere:act")):
        _, said = ran(mongo_url, "e", "--burst", *options)
        assert "skipping 'e'" in said
    assert not marked.exists()
    with open_store(mongo_url) as store:
        assert store.experiment("e").state.counts == {"queued": 2}


def test_a_changed_objective_that_is_not_signed_runs_nothing(
    mongo_url: str, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(mongo_url, KEY, monkeypatch)
    monkeypatch.delenv("HSTORE_KEY")
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        changed = {"objective": {"name": "act", "ref": "elsewhere:act", "version": None}}
        experiment.append(experiment.compose((Changed, None, changed)))
    with_key(monkeypatch)
    _, said = ran(mongo_url, "e", "--burst")
    assert "event 1 of its own chain is not signed" in said
    assert not marked.exists()


def test_a_signed_objective_is_not_evaluated_at_points_that_are_not_signed(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(mongo_url, KEY, monkeypatch, trials=0)
    monkeypatch.delenv("HSTORE_KEY")
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        point = {"point": {"x": 0.5}, "params": {"x": 0.5}, "source": "enqueued"}
        experiment.append(experiment.compose((Queued, 0, point)))
    with_key(monkeypatch)
    _, said = ran(mongo_url, "e", "--burst")
    assert "event 0 of trial 0 is not signed" in said
    with open_store(mongo_url) as store:
        assert store.experiment("e").state.counts == {"queued": 1}


def test_an_experiment_that_is_refused_keeps_no_other_from_being_served(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(mongo_url, None, monkeypatch, "forged")
    begun(mongo_url, KEY, monkeypatch, "signed")
    _, said = ran(mongo_url, "--burst")
    assert "skipping 'forged'" in said
    with open_store(mongo_url) as store:
        assert store.experiment("signed").state.counts == {"done": 2}
        assert store.experiment("forged").state.counts == {"queued": 2}


def test_what_was_refused_is_served_once_it_is_signed(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(mongo_url, None, monkeypatch)
    with_key(monkeypatch)
    _, said = ran(mongo_url, "e", "--burst")
    assert "`hstore sign e` signs it" in said
    assert run(["--store", mongo_url, "sign", "e"]) == 0
    code, said = ran(mongo_url, "e", "--burst")
    assert (code, "skipping" in said) == (0, False)
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        experiment.check_signatures()
        assert experiment.state.counts == {"done": 2}


def test_the_end_of_a_trial_is_kept_although_the_next_one_is_forged(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    begun(mongo_url, KEY, monkeypatch, trials=3)
    database["events"].update_one({"exp": "e", "tid": 2, "ver": 0}, {"$unset": {"mac": 1}})
    _, said = ran(mongo_url, "e", "--burst")
    assert "event 0 of trial 2 is not signed" in said
    with open_store(mongo_url) as store:
        trials = store.experiment("e").trials
    assert (trials[0].state, trials[2].state) == ("done", "queued")


def looks_at_all(config: dict[str, float], ctrl: Any) -> float:
    return float(len(ctrl.trials.trials))


def test_ctrl_shows_an_objective_no_trials_that_are_not_signed(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    monkeypatch.setenv("HSTORE_KEY", KEY)
    with open_store(mongo_url) as store:
        experiment = begin(store, "e", looks_at_all, 2)
        experiment.append(experiment.compose((Cancelled, 1, {"why": "to have one that has ended"})))
    database["events"].update_one({"exp": "e", "tid": 1, "ver": 0}, {"$set": {"data.point.x": 0.125}})
    ran(mongo_url, "e", "--burst")
    with open_store(mongo_url) as store:
        end = store.experiment("e").trials[0].end
    assert isinstance(end, Done)
    assert end.loss == 1.0  # its own trial, and not the one that was forged


def test_news_that_are_not_signed_end_the_work_on_one_experiment_not_the_worker(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(mongo_url, KEY, monkeypatch, trials=1)
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
    monkeypatch.delenv("HSTORE_KEY")
    with open_store(mongo_url) as store:
        experiment = Experiment(store, "e")
        experiment.refresh()
        experiment.append(experiment.compose((Noted, 0, {"note": "of a program without the key"})))
    with_key(monkeypatch)
    begun(mongo_url, KEY, monkeypatch, "other", trials=1)
    _, said = ran(mongo_url, "--burst")
    assert "event 1 of trial 0 is not signed" in said
    with open_store(mongo_url) as store:
        assert store.experiment("other").state.counts == {"done": 1}
        assert store.experiment("e").state.counts == {"queued": 1}


@pytest.mark.parametrize("where", [{"tid": 1, "ver": 1}, {"tid": None, "ver": 0}])
def test_a_search_that_was_changed_is_looked_at_again_once_the_event_is_as_it_was(
    where: dict[str, Any], mongo_store: Store, database: Database[Any]
) -> None:
    begun = begin(mongo_store, "e", objective, 3)
    begun.append(begun.compose(*[(Noted, tid, {"note": "one"}) for tid in (1, 1, None)]))
    served = ServedExperiments(mongo_store, (), threading.Condition(), objective=None)
    events = database["events"]
    was = events.find_one({"exp": "e", **where})
    assert was is not None
    events.update_one({"_id": was["_id"]}, {"$set": {"by": "another"}})
    experiment = Experiment(mongo_store, "e", only=range(3))
    experiment.refresh()
    with pytest.raises(Tampered) as refused:
        served.spec(experiment)
    assert served.skip(experiment, refused.value)
    assert served.refresh() == (["e"], False)
    assert served.names == []
    events.replace_one({"_id": was["_id"]}, was)
    assert served.refresh() == (["e"], True)
    assert served.names == ["e"]


def test_what_is_archived_is_served_by_name_only(mongo_store: Store) -> None:
    for name in ("a", "b"):
        begin(mongo_store, name, objective, 1)
    mongo_store.experiment("b").archive()

    def served(*wanted: str) -> tuple[list[str], list[str]]:
        found = ServedExperiments(mongo_store, wanted, threading.Condition(), objective=None)
        is_open, _ = found.refresh()
        return found.names, is_open

    assert served() == (["a"], ["a", "b"])  # the reaper looks after both
    assert served("b")[0] == ["b"]
