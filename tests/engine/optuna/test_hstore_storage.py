"""Optuna programs whose studies are experiments: what hstore shows of them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

import optuna
from pymongo.database import Database
from tests.sent_commands import counted_store
from tests.waiting import until

from hstore import Trials, fmin, hp
from hstore.engine.analysis.importance import importance
from hstore.engine.audit.check import check
from hstore.engine.audit.explanation import explain
from hstore.engine.optuna import study_writer
from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.engine.optuna.study_copies import import_study
from hstore.engine.search.points import enqueue
from hstore.store.errors import InvalidEvent, InvalidPoint, InvalidValue, StoreRewound, Tampered
from hstore.store.events import Failed, Reported
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.store.verify import verify


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def define_by_run(trial: optuna.Trial) -> float:
    rate = float(trial.suggest_float("rate", 0.1, 10, log=True))
    if trial.suggest_categorical("kind", ["svm", "forest"]) == "forest":
        trial.suggest_int("depth", 1, 9)
    trial.report(rate, 1)
    trial.set_user_attr("seen", [1, 2])
    if trial.number == 3:
        raise optuna.TrialPruned
    if trial.number == 4:
        raise ZeroDivisionError("no such fold")
    return rate


def study_in(store: Store, **options: str) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=1)
    return optuna.create_study(storage=HstoreStorage(store=store), study_name="digits", sampler=sampler, **options)


def test_the_points_of_an_optuna_program_are_those_of_the_experiment(store: Store) -> None:
    study = study_in(store, direction="maximize")
    study.optimize(define_by_run, n_trials=8, catch=ZeroDivisionError)
    experiment = store.experiment("digits")
    for trial, frozen in zip(experiment.trials, study.trials, strict=True):
        assert dict(trial.params) == frozen.params
        assert list(trial.params)[:2] == ["rate", "kind"]
        assert [event.value for event in trial.reports if event.step is not None] == [-frozen.params["rate"]]
    assert experiment.state.best is not None
    assert experiment.state.best.loss == -study.best_value
    assert experiment.state.counts == {"done": 7, "failed": 1}
    assert [trial.tid for trial in experiment.trials if trial.is_pruned] == [3]
    failed = experiment.trials[4].end
    assert isinstance(failed, Failed)
    assert "Optuna program says why" in failed.message  # Optuna logs it, and tells no storage
    assert not verify(store.log.documents("digits")).findings


@pytest.mark.parametrize("how", ["sampler", "trial", "added"])
def test_the_best_of_a_constrained_study_is_optunas(how: str, store: Store) -> None:
    def objective(trial: optuna.Trial) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        if how == "trial":
            trial.set_constraint("small", x - 0.5)
        return -x

    study = study_in(store)
    if how == "sampler":
        with pytest.warns(FutureWarning):
            study.sampler = optuna.samplers.TPESampler(seed=0, constraints_func=lambda trial: [trial.params["x"] - 0.5])
    if how == "added":
        for x in (0.9, 0.4, 0.3):
            known = {"x": optuna.distributions.FloatDistribution(0, 1)}
            study.add_trial(optuna.trial.create_trial(
                value=-x, params={"x": x}, distributions=known, system_attrs={"constraints": [x - 0.5]}
            ))  # fmt: skip
    else:
        study.optimize(objective, n_trials=8)
    best = store.experiment("digits").best
    assert best.tid == study.best_trial.number
    assert best.params["x"] <= 0.5 < max(trial.params["x"] for trial in study.trials)


def two_parameters(trial: optuna.Trial) -> float:
    return float(trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1))


def test_a_trial_takes_two_inserts_whatever_it_asks_for(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_writer, "SHOWN_SECONDS", 600.0)
    monkeypatch.setattr(study_writer, "WAIT_SECONDS", 600.0)
    with counted_store(mongo_url) as (store, sent):
        study = study_in(store)
        study.optimize(two_parameters, n_trials=2)
        sent.counts.clear()
        study.optimize(two_parameters, n_trials=5)
        counts = {name: count / 5 for name, count in sent.counts.items()}
        events = store.experiment("digits").chain(6)
    assert counts.pop("insert events") == 2, "begun, and all that it came to"
    assert counts.pop("find events") <= 3, "what is new, and a look at the store before what is decided"
    assert not counts
    assert [event.type for event in events] == ["queued", "reserved", "running", "reported", "done"]


def test_what_a_trial_says_is_read_at_once_and_in_the_log_in_order(store: Store) -> None:
    trial = study_in(store).ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("seen", 1)
    trial.report(0.5, 1)
    trial.suggest_int("n", 1, 9)
    trial.report(0.25, 2)
    frozen = trial.study.trials[0]
    assert (set(frozen.params), frozen.user_attrs) == ({"x", "n"}, {"seen": 1})
    assert frozen.intermediate_values == {1: 0.5, 2: 0.25}
    types = ["queued", "reserved", "running", "reported", "noted", "reported", "reported", "reported"]
    until(lambda: [event.type for event in store.experiment("digits").chain(0)] == types)
    trial.study.tell(trial, 1.0)
    assert [event.type for event in store.experiment("digits").chain(0)] == [*types, "done"]
    again = optuna.load_study(study_name="digits", storage=HstoreStorage(store=store)).trials[0]
    assert (again.params, again.user_attrs) == (frozen.params, frozen.user_attrs)
    assert again.intermediate_values == frozen.intermediate_values


def test_a_name_that_no_document_can_hold_is_refused_when_it_is_asked_for(store: Store) -> None:
    trial = study_in(store).ask()
    if store.is_durable:
        with pytest.raises(InvalidEvent):
            trial.suggest_float("a\0b", 0, 1)
    trial.suggest_float("x", 0, 1)
    trial.study.tell(trial, 1.0)
    assert store.experiment("digits").trials[0].loss == 1.0


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_options_that_json_knows_otherwise_can_be_asked_for_by_every_trial(store: Store) -> None:
    study = optuna.create_study(storage=HstoreStorage(store=store), sampler=optuna.samplers.RandomSampler(seed=0))
    options: list[Any] = [(1, (2, 3)), [4], float("nan"), None, True, 1]
    study.optimize(lambda trial: trial.suggest_categorical("c", options) is None, n_trials=3)
    with pytest.raises(ValueError, match="dynamic value space"):
        study.optimize(lambda trial: trial.suggest_categorical("c", [(1, 2), *options[1:]]) is None, n_trials=1)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["FAIL"]


def test_the_older_name_of_the_callback_for_stale_trials_is_taken(store: Store) -> None:
    again = print  # what it is does not matter here
    storage = HstoreStorage(store=store, failed_trial_callback=again)
    assert storage.get_heartbeat_stale_trial_callback() is again
    with pytest.raises(ValueError, match="only one of"):
        HstoreStorage(store=store, failed_trial_callback=again, heartbeat_stale_trial_callback=again)


def test_a_parameter_is_shown_soon_although_the_program_does_nothing_more(mongo_store: Store) -> None:
    study = study_in(mongo_store)
    study.ask().suggest_float("x", 0, 1)
    database = mongo_store.database
    assert database is not None
    until(lambda: bool((database["trials"].find_one({"exp": "digits"}) or {}).get("params")))


def test_what_queries_read_has_parameters_that_were_asked_for_on_the_way(mongo_store: Store) -> None:
    study_in(mongo_store).optimize(define_by_run, n_trials=2)
    assert mongo_store.database is not None
    trials = mongo_store.database["trials"]

    def shown() -> list[bool]:
        documents = trials.find({"exp": "digits"}, sort=[("tid", 1)])  # of what a majority has
        return [set(document["params"]) >= {"rate", "kind"} for document in documents]

    until(lambda: shown() == [True, True], shown)
    [row] = [row for row in mongo_store.overview() if row["name"] == "digits"]
    assert set(row["best"]["params"]) >= {"rate", "kind"}
    assert list(check(mongo_store, "digits")) == []


def test_a_search_of_hstores_is_a_study_that_optuna_cannot_change() -> None:
    trials = Trials()
    fmin(abs, hp.uniform("x", -1, 1), algo="rand", max_evals=3, trials=trials, rstate=0, verbose=False)
    storage = HstoreStorage(store=trials.experiment.store)
    study = optuna.load_study(study_name=trials.experiment.name, storage=storage)
    assert [trial.value for trial in study.trials] == trials.losses()
    with pytest.raises(InvalidValue, match="is a search of hstore's, which Optuna can read and not change"):
        study.ask()
    assert pickle.loads(pickle.dumps(trials)).losses() == trials.losses()


def test_a_study_of_a_deleted_ones_name_is_another_experiment(store: Store) -> None:
    storage = HstoreStorage(store=store)
    optuna.create_study(storage=storage, study_name="digits")
    optuna.delete_study(study_name="digits", storage=storage)
    optuna.create_study(storage=storage, study_name="digits")
    assert optuna.get_all_study_names(storage) == ["digits"]
    assert store.experiments() == ["digits", "digits~1"]


def test_a_name_that_hstore_does_not_allow_is_kept_beside_one_that_it_does(store: Store) -> None:
    storage = HstoreStorage(store=store)
    study = optuna.create_study(storage=storage, study_name="$ a\nb")
    assert optuna.load_study(study_name="$ a\nb", storage=storage).study_name == study.study_name
    assert store.experiments()[0].startswith("optuna-")


def test_each_parameter_is_an_event_that_says_what_it_was_drawn_from(store: Store) -> None:
    study = study_in(store)
    study.ask().suggest_int("n", 1, 9)

    def said() -> list[Reported]:
        return [event for event in store.experiment("digits").events if isinstance(event, Reported)]

    until(lambda: bool(said()))
    [event] = said()
    assert event.point == {"n": float(event.params["n"])} if event.params else False
    assert event.extra["optuna"]["distribution"].startswith('{"name": "IntDistribution"')


@pytest.mark.parametrize("how", ["stored", "imported"])
def test_a_search_of_hstores_begins_with_the_points_of_a_study(how: str, store: Store) -> None:
    def asked(trial: optuna.Trial) -> float:
        name = trial.suggest_categorical("opt", ["sgd", "adam"])
        rest = trial.suggest_float("m", 0, 4) if name == "sgd" else 0.5
        return float(rest + trial.suggest_int("n", 1, 9) + trial.suggest_categorical("bias", [True, False]))

    study = study_in(store) if how == "stored" else optuna.create_study(study_name="digits")
    study.sampler = optuna.samplers.RandomSampler(seed=3)
    study.optimize(asked, n_trials=12)
    if how == "imported":
        import_study(store, study._storage, "digits")
    space = {
        "n": hp.int("n", 1, 9),
        "opt": hp.choice("opt", [{"name": "adam"}, {"name": "sgd", "m": hp.uniform("m", 0, 1)}]),
        "bias": hp.choice("bias", [False, True]),
    }
    options: dict[str, Any] = {"algo": "rand", "store": store, "experiment": "after", "verbose": False}
    fmin(lambda config: 1.0, space, max_evals=1, warm_start=store.experiment("digits"), **options)
    known = [dict(trial.params) for trial in store.experiment("after").trials[:-1]]
    assert known == [trial.params for trial in study.trials if trial.params.get("m", 0) <= 1]
    assert 0 < len(known) < 12


def test_what_needs_a_space_or_an_algorithm_says_that_a_study_has_none(store: Store) -> None:
    study_in(store).optimize(two_parameters, n_trials=10)
    experiment = store.experiment("digits")
    explained = explain(experiment, 3)
    assert (explained.why_no_prediction, explained.arm, explained.densities) == ("no algorithm chose it", None, None)
    with pytest.raises(InvalidValue, match="has no labels"):
        importance(experiment)
    with pytest.raises(InvalidPoint, match="it has none"):
        enqueue(experiment, [{"x": 0.5}])


def test_a_store_that_lost_a_trial_is_closed_without_writing_what_was_still_to_be_said_of_it(
    mongo_url: str, database: Database[Any]
) -> None:
    store = open_store(mongo_url)
    study = study_in(store)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("seen", 1)
    database["events"].delete_many({"tid": 1})
    with pytest.raises(StoreRewound, match="trial 1"):
        study.tell(trial, 1.0)
    store.close()
    assert database["events"].count_documents({"tid": 1}) == 0


def test_a_study_whose_log_was_changed_is_not_gone_on_with(mongo_url: str, database: Database[Any]) -> None:
    with open_store(mongo_url) as store:
        study_in(store).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    database["events"].update_one({"tid": 0, "type": "done"}, {"$set": {"data.loss": -1.0}})
    before = database["events"].count_documents({})
    with open_store(mongo_url) as store:
        study = optuna.load_study(storage=HstoreStorage(store=store), study_name="digits")
        with pytest.raises(Tampered, match="of trial 0"):
            study.ask()
    assert database["events"].count_documents({}) == before
