"""Searches are copied to Optuna's storages and from them, and copying again adds what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

import optuna
from optuna.trial import TrialState

from hstore import Trials, fmin, hp
from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.engine.optuna.study_copies import export_study, import_study, optuna_storage
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import happened
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", 0, 1), "kind": hp.choice("kind", ["a", "b"])}


def objective(config: dict[str, Any]) -> float:
    return float(config["x"])


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.disable_default_handler()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_an_experiment_becomes_a_study_and_later_trials_are_added(tmp_path: Path) -> None:
    trials = Trials()
    fmin(objective, SPACE, algo="rand", max_evals=3, trials=trials, rstate=0, verbose=False)
    journal = str(tmp_path / "journal.log")
    first = export_study(trials.experiment, optuna_storage(journal), name="digits")
    assert (first.trials, first.new) == (3, 3)
    fmin(objective, SPACE, algo="rand", max_evals=5, trials=trials, rstate=0, verbose=False)
    again = export_study(trials.experiment, optuna_storage(journal), name="digits")
    assert (again.trials, again.new) == (5, 2)
    study = optuna.load_study(study_name="digits", storage=optuna_storage(journal))
    assert [trial.value for trial in study.trials] == trials.losses()
    assert [trial.params for trial in study.trials] == [dict(t.params) for t in trials.experiment.trials]


def source_study() -> optuna.Study:
    def asked(trial: optuna.Trial) -> float:
        x = float(trial.suggest_float("x", 0, 1))
        trial.report(x, 3)
        if trial.number == 1:
            raise optuna.TrialPruned
        return x

    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="digits", direction="maximize")
    study.set_user_attr("by", "lab")
    study.optimize(asked, n_trials=3)
    return study


def test_a_study_becomes_an_experiment_with_the_times_that_optuna_recorded(store: Store) -> None:
    study = source_study()
    study.enqueue_trial({"x": 0.5})
    study.ask()  # runs, and is left out
    study.enqueue_trial({"x": 0.25})
    copied = import_study(store, study._storage, "digits")
    assert (copied.experiment, copied.trials, copied.new, copied.left_out) == ("digits", 4, 4, 1)
    experiment = store.experiment("digits")
    assert experiment.state.counts == {"done": 3, "queued": 1}
    for trial, frozen in zip(experiment.trials[:3], study.trials, strict=False):
        assert trial.end is not None
        assert dict(trial.params) == frozen.params
        assert trial.is_pruned == (frozen.state == TrialState.PRUNED)
        assert abs(happened(trial.end).timestamp() - frozen.datetime_complete.timestamp()) < 0.001
        assert trial.last_report == (3, -frozen.intermediate_values[3])
    assert not verify(store.log.documents("digits")).findings
    there = optuna.load_study(study_name="digits", storage=HstoreStorage(store=store))
    assert there.best_params == study.best_params
    assert there.user_attrs == {"by": "lab"}
    assert [t.intermediate_values for t in there.trials[:3]] == [t.intermediate_values for t in study.trials[:3]]


def test_an_import_again_adds_what_has_ended_since(store: Store) -> None:
    study = source_study()
    running = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    import_study(store, study._storage, "digits")
    study.tell(running, 0.5)
    copied = import_study(store, study._storage, "digits")
    assert (copied.trials, copied.new, copied.left_out) == (4, 1, 0)
    assert import_study(store, study._storage, "digits").new == 0


def test_what_is_in_the_way_of_a_copy_is_named(store: Store) -> None:
    study = source_study()
    optuna.create_study(storage=HstoreStorage(store=store), study_name="digits")
    with pytest.raises(InvalidValue, match="experiment 'digits' is there, and is no import of study 'digits'"):
        import_study(store, study._storage, "digits")
    with pytest.raises(NotFound, match="there is no study 'nothing'"):
        import_study(store, study._storage, "nothing")
    with pytest.raises(InvalidValue, match="Optuna cannot open"):
        optuna_storage("nosuch://server/database")


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_file_that_is_not_there_is_named_and_not_made(tmp_path: Path, form: str) -> None:
    file = tmp_path / "nothing"
    with pytest.raises(InvalidValue, match=r"there is no file '.*nothing' with Optuna's studies"):
        optuna_storage(form.format(file), is_new=False)
    assert not file.exists()
