"""A new experiment begins knowing the trials of earlier ones that fit its space."""

import contextlib
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner

import hstore
from hstore import Experiment, MongoTrials, Store, Trials, fmin, gp, hp, mtpe, rand, tpe
from hstore.cli.app import app
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import InvalidValue, NotFound, SpaceChanged
from hstore.store.events import Noted
from hstore.store.snapshots import save_snapshot
from hstore.store.verify import verify

quiet = partial(fmin, verbose=False, rstate=0)
OLD = {"x": hp.uniform("x", 0, 1)}
WIDER = {"x": hp.uniform("x", 0, 2)}


def loss(point: dict[str, Any]) -> float:
    return float((point["x"] - 1.2) ** 2 + point.get("z", 0.0))


def known_of(experiment: Experiment) -> list[tuple[str, int]]:
    """Return where the trials of *experiment* came from, of those that it knows from others."""
    said = [trial.queued.imported for trial in experiment.trials if trial.queued is not None]
    return [(each["exp"], each["tid"]) for each in said if each is not None and each.get("from") == "warm_start"]


@pytest.mark.parametrize("suggest", [rand.suggest, tpe.suggest, gp.suggest, mtpe.suggest])
def test_a_refused_space_goes_on_in_a_new_experiment_by_the_call_that_the_error_names(
    mongo_store: Store, suggest: Any
) -> None:
    go = partial(quiet, loss, store=mongo_store, algo=suggest)
    go(OLD, max_evals=10, experiment="old")
    with pytest.raises(SpaceChanged, match='warm_start="old"'):
        go(WIDER, max_evals=15, experiment="old")
    best = go(WIDER, max_evals=5, experiment="new", warm_start="old")
    experiment = mongo_store.experiment("new")
    assert known_of(experiment) == [("old", tid) for tid in range(10)]
    assert len(experiment.trials) == 15
    assert experiment.best.loss == loss(best)
    old = mongo_store.experiment("old")
    for mine, theirs in zip(experiment.trials, old.trials, strict=False):
        assert (mine.point, mine.loss, mine.result) == (theirs.point, theirs.loss, theirs.result)
    replayed = derive_again(experiment)
    assert replayed.is_same
    assert (replayed.given, replayed.suggested) == (10, 5)
    assert not verify(experiment.documents()).findings
    assert not list(check(mongo_store, "new"))


def test_the_algorithm_knows_the_old_trials_from_its_first_decision(mongo_store: Store) -> None:
    seen: list[int] = []

    def suggest(new_ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        seen.append(len(trials.trials))
        return rand.suggest(new_ids, domain, trials, seed)

    quiet(loss, OLD, algo=rand.suggest, max_evals=30, experiment="old", store=mongo_store)
    quiet(loss, WIDER, algo=suggest, max_evals=2, experiment="new", store=mongo_store, warm_start="old")
    assert seen == [30, 31]


def test_the_same_call_again_adds_nothing_and_a_larger_one_goes_on(mongo_store: Store) -> None:
    go = partial(quiet, loss, WIDER, store=mongo_store, algo=rand.suggest, experiment="new")
    quiet(loss, OLD, max_evals=30, experiment="old", store=mongo_store)
    go(max_evals=4, warm_start="old")
    events = mongo_store.experiment("new").state.events
    go(max_evals=4, warm_start="old")
    assert mongo_store.experiment("new").state.events == events
    go(max_evals=6, warm_start="old")
    go(max_evals=8)
    experiment = mongo_store.experiment("new")
    assert len(experiment.trials) == 38
    assert len(known_of(experiment)) == 30
    assert derive_again(experiment).is_same


def test_what_the_old_search_has_found_since_is_added_by_the_next_call(mongo_store: Store) -> None:
    go = partial(quiet, loss, store=mongo_store, algo=rand.suggest)
    go(OLD, max_evals=3, experiment="old")
    go(WIDER, max_evals=2, experiment="new", warm_start="old")
    go(OLD, max_evals=5, experiment="old")
    go(WIDER, max_evals=2, experiment="new", warm_start="old")
    experiment = mongo_store.experiment("new")
    assert known_of(experiment) == [("old", tid) for tid in range(5)]
    assert len(experiment.trials) == 7
    go(WIDER, max_evals=3, experiment="new", warm_start="old")
    assert derive_again(mongo_store.experiment("new")).is_same


def test_a_warm_start_that_was_killed_in_the_middle_is_completed(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(loss, OLD, max_evals=60, algo=rand.suggest, experiment="old", store=mongo_store)
    append, calls = Experiment.append, []

    def dying(self: Any, events: Any, **how: Any) -> Any:
        calls.append(len(events))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return append(self, events, **how)

    monkeypatch.setattr(Experiment, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        quiet(loss, WIDER, max_evals=3, algo=rand.suggest, experiment="new", store=mongo_store, warm_start="old")
    monkeypatch.undo()
    assert 0 < len(known_of(mongo_store.experiment("new"))) < 60
    quiet(loss, WIDER, max_evals=3, algo=rand.suggest, experiment="new", store=mongo_store, warm_start="old")
    quiet(loss, WIDER, max_evals=3, algo=rand.suggest, experiment="whole", store=mongo_store, warm_start="old")
    killed, whole = mongo_store.experiment("new"), mongo_store.experiment("whole")
    assert [trial.point for trial in killed.trials] == [trial.point for trial in whole.trials]
    assert derive_again(killed).is_same


def test_several_searches_are_known_each_trial_once(mongo_store: Store) -> None:
    go = partial(quiet, loss, store=mongo_store, algo=rand.suggest)
    go(OLD, max_evals=3, experiment="a")
    go(WIDER, max_evals=2, experiment="b", warm_start="a")
    memory = Trials()
    quiet(loss, WIDER, max_evals=4, trials=memory, algo=rand.suggest)
    go({"x": hp.uniform("x", -1, 3)}, max_evals=1, experiment="c", warm_start=["a", "b", memory])
    experiment = mongo_store.experiment("c")
    origins = known_of(experiment)
    assert origins[:3] == [("a", 0), ("a", 1), ("a", 2)]
    assert len(origins) == len(set(origins)) == 3 + 2 + 4
    assert len(experiment.trials) == 10


def test_trials_in_memory_know_others_and_are_known(mongo_store: Store) -> None:
    first, second = Trials(), Trials()
    quiet(loss, OLD, max_evals=5, trials=first, algo=rand.suggest)
    quiet(loss, WIDER, max_evals=3, trials=second, algo=tpe.suggest, warm_start=first)
    assert len(second) == 8
    assert second.losses()[:5] == first.losses()
    assert derive_again(second.experiment).is_same
    go = partial(quiet, loss, WIDER, max_evals=3, algo=tpe.suggest, experiment="n", store=mongo_store)
    for _ in range(2):
        go(warm_start=first.experiment)
    assert mongo_store.experiment("n").trials[0].result == first.results[0]
    assert len(mongo_store.experiment("n").trials) == 8


def test_documents_that_a_program_kept_are_known(mongo_store: Store) -> None:
    first = Trials()
    quiet(loss, OLD, max_evals=5, trials=first, algo=rand.suggest)
    kept = hstore.trials_from_docs(first.trials)
    quiet(loss, WIDER, max_evals=2, algo=rand.suggest, experiment="new", store=mongo_store, warm_start=kept)
    assert [trial.loss for trial in mongo_store.experiment("new").trials[:5]] == first.losses()


def test_a_search_of_another_store_is_named_by_its_url(mongo_store: Store, mongo_url: str) -> None:
    database, _, options = mongo_url.partition("?")
    other = f"{database}_other?{options}"
    try:
        quiet(loss, OLD, max_evals=4, experiment="there", store=other, algo=rand.suggest)
        quiet(loss, WIDER, max_evals=1, experiment="n", store=mongo_store, warm_start=f"{other}#there")
        experiment = mongo_store.experiment("n")
        assert known_of(experiment) == [("there", tid) for tid in range(4)]
        decision = experiment.trials[0].queued
        assert decision is not None
        assert decision.imported is not None
        assert decision.imported["store"] == other
        with contextlib.closing(hstore.open(other)) as opened:
            assert decision.imported["at"] == opened.experiment("there").trials[0].queued.at  # type: ignore[union-attr]
    finally:
        assert mongo_store.database is not None
        mongo_store.database.client.drop_database(f"{database.rpartition('/')[2]}_other")


def test_what_fits_is_known_and_the_rest_is_said(mongo_store: Store, messages: list[str]) -> None:
    go = partial(fmin, loss, store=mongo_store, algo=rand.suggest, rstate=0, show_progressbar=False)
    go(OLD, max_evals=20, experiment="old")
    go({"x": hp.uniform("x", 0.5, 1)}, max_evals=1, experiment="new", warm_start="old")
    old = [trial.tid for trial in mongo_store.experiment("old").trials if trial.point["x"] >= 0.5]
    assert [tid for _, tid in known_of(mongo_store.experiment("new"))] == old
    (said,) = [message for message in messages if "do not fit" in message]
    n, why = 20 - len(old), "x is out of range of uniform(0.5, 1)"
    assert said == f"{n} of 20 trials of 'old' do not fit the space: {why} ({n})"


def test_only_results_are_known(mongo_store: Store) -> None:
    def sometimes(point: dict[str, Any]) -> Any:
        if point["x"] < 0.3:
            raise ValueError("no")
        return {"status": "fail"} if point["x"] < 0.5 else point["x"]

    go = partial(quiet, sometimes, store=mongo_store, algo=rand.suggest, catch_eval_exceptions=True)
    go(OLD, max_evals=20, experiment="old")
    old = mongo_store.experiment("old")
    ok = [trial.tid for trial in old.trials if trial.point["x"] >= 0.5]
    old.append(old.compose((Noted, ok[0], {"void": True})))
    go(WIDER, max_evals=1, experiment="new", warm_start="old")
    known = [tid for _, tid in known_of(mongo_store.experiment("new"))]
    assert known == [trial.tid for trial in old.trials if trial.point["x"] >= 0.3 and not trial.is_void]
    assert mongo_store.experiment("new").trials[0].status in ("ok", "fail")


def test_a_new_label_has_no_value_in_known_trials_and_the_answer_is_a_whole_point(mongo_store: Store) -> None:
    space = {"x": hp.uniform("x", 0, 2), "z": hp.uniform("z", 5, 6)}
    go = partial(quiet, loss, store=mongo_store)
    go(OLD, max_evals=25, experiment="old", algo=rand.suggest)
    for suggest in (tpe.suggest, gp.suggest, mtpe.suggest):
        name = suggest.name
        best = go(space, max_evals=4, experiment=name, warm_start="old", algo=suggest, return_argmin=False)
        assert set(best) == {"x", "z"}
        experiment = mongo_store.experiment(name)
        assert set(experiment.best.point) == {"x"}
        assert all(set(trial.point) == {"x", "z"} for trial in experiment.trials[25:])
        assert derive_again(experiment).is_same


def test_trials_that_share_no_label_with_the_space_are_not_known(mongo_store: Store, messages: list[str]) -> None:
    options: dict[str, Any] = {"algo": "rand", "verbose": True, "show_progressbar": False, "store": mongo_store}
    fmin(lambda x: x, hp.uniform("x", 0, 1), max_evals=3, experiment="old", **options)
    best = fmin(lambda y: y, hp.uniform("y", 5, 6), max_evals=2, experiment="new", warm_start="old", **options)
    assert list(best) == ["y"]
    assert len(mongo_store.experiment("new").trials) == 2
    assert any("3 of 3 trials of 'old' do not fit the space: it has a value for none" in each for each in messages)


def test_several_losses_are_known(mongo_store: Store) -> None:
    def both(point: dict[str, Any]) -> list[float]:
        return [point["x"], 1 - point["x"]]

    go = partial(quiet, both, store=mongo_store, objectives=2, algo=rand.suggest)
    go(OLD, max_evals=6, experiment="old")
    front = go(WIDER, max_evals=2, experiment="new", warm_start="old")
    assert len(front) >= 6
    assert derive_again(mongo_store.experiment("new")).is_same


@pytest.mark.long
def test_workers_evaluate_what_is_new(mongo_store: Store) -> None:
    quiet(loss, OLD, max_evals=5, experiment="old", store=mongo_store, algo=rand.suggest)
    quiet(loss, WIDER, max_evals=3, experiment="new", store=mongo_store, algo=rand.suggest, warm_start="old", workers=1)
    experiment = mongo_store.experiment("new")
    assert len(experiment.trials) == 8
    assert all(trial.state == "done" for trial in experiment.trials)
    assert derive_again(experiment).is_same


@pytest.mark.parametrize("given", ["gone", ["old", "gone"]])
def test_a_search_that_there_is_not_is_named(mongo_store: Store, given: Any) -> None:
    quiet(loss, OLD, max_evals=1, experiment="old", store=mongo_store, algo=rand.suggest)
    with pytest.raises(NotFound, match="'gone'"):
        quiet(loss, WIDER, max_evals=1, experiment="new", store=mongo_store, warm_start=given)
    assert "new" not in mongo_store.experiments()


def test_what_cannot_be_known_is_refused(mongo_store: Store, mongo_url: str) -> None:
    go = partial(quiet, loss, WIDER, max_evals=1, experiment="new", store=mongo_store)
    for wrong, why in (
        (3, "takes no int"), ({"old": 1}, "takes no dict"), ("new", "'new' is the experiment itself"),
        (mongo_url, "names no experiment"), (Trials(), "the trials that were given are empty"),
    ):  # fmt: skip
        if wrong == "new":
            go()
        with pytest.raises((InvalidValue, NotFound), match=why):
            go(warm_start=wrong)
    trials = Trials()
    with pytest.raises(InvalidValue, match="is the experiment itself"):
        quiet(loss, OLD, max_evals=1, trials=trials, warm_start=trials)


def test_mongo_trials_begin_with_what_others_know(mongo_store: Store, mongo_url: str) -> None:
    quiet(loss, OLD, max_evals=3, experiment="old", store=mongo_store, algo=rand.suggest)
    trials = MongoTrials(mongo_url, exp_key="new")
    trials.asynchronous = False
    trials.fmin(loss, WIDER, algo=rand.suggest, max_evals=2, rstate=0, warm_start="old")
    assert len(trials) == 5
    assert trials.best_trial["result"]["loss"] == min(loss for loss in trials.losses() if loss is not None)


def test_show_says_where_a_trial_came_from(mongo_store: Store) -> None:
    quiet(loss, OLD, max_evals=2, experiment="old", store=mongo_store, algo=rand.suggest)
    quiet(loss, WIDER, max_evals=1, experiment="new", store=mongo_store, algo=rand.suggest, warm_start="old")
    shown = CliRunner().invoke(app, ["--store", mongo_store.uri, "show", "new", "1"])
    assert "injected, not suggested by an algorithm\nknown from trial 1 of old\n" in shown.output


def test_a_search_that_left_trials_of_another_objective_out_goes_on_from_a_snapshot_and_is_replayed(
    mongo_store: Store,
) -> None:
    def other(point: dict[str, Any]) -> float:
        return 100.0 - loss(point)

    quiet(other, WIDER, algo=rand.suggest, max_evals=12, experiment="old", store=mongo_store)
    go = partial(quiet, loss, WIDER, store=mongo_store, algo=gp.suggest, experiment="new", warm_start="old")
    go(max_evals=6)
    assert save_snapshot(mongo_store.experiment("new"))
    go(max_evals=8)
    experiment = mongo_store.experiment("new")
    assert len(experiment.trials) == 20
    assert min(trial.loss or 0.0 for trial in experiment.trials[12:]) < 0.1
    replayed = derive_again(experiment)
    assert replayed.is_same
    assert replayed.suggested == 8
