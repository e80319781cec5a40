"""What a decision knows is the same, whether its history comes from the columns of a snapshot or from each event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hstore import MongoTrials, Trials, fmin, hp
from hstore.engine.audit.replay import derive_again
from hstore.engine.search import snapshot_writer
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Space
from hstore.store.events import Changed, Noted
from hstore.store.experiment import Experiment
from hstore.store.snapshots import save_snapshot
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {
    "x": hp.uniform("x", 0, 1),
    "k": hp.choice("k", [1, {"rate": hp.loguniform("rate", -5, 0)}]),
    "n": hp.quniform("n", 0, 9, 1),
}


def mixed(config: Any) -> Any:
    x = config["x"]
    if x < 0.2:
        raise ArithmeticError("too small")
    if x < 0.3:
        return {"status": "fail", "loss": 3.0}
    return {"status": "fail"} if x < 0.4 else float("nan") if x < 0.5 else x


def several(config: Any) -> Any:
    if config["x"] < 0.3:
        return {"status": "fail"}
    return {"status": "ok", "losses": [config["x"], 1 - config["x"]], "constraints": [config["x"] - 0.7]}


def searched(objective: Any, n: int = 40, algo: Any = "rand", **more: Any) -> Trials:
    trials = Trials()
    fmin(
        objective, SPACE, algo=algo, max_evals=n, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True,
        **more,
    )  # fmt: skip
    return trials


def known(trials: Trials, *, from_snapshot: bool) -> tuple[Experiment, ObservedHistory]:
    experiment = Experiment(trials.experiment.store, trials.experiment.name, from_snapshot=from_snapshot)
    experiment.refresh()
    assert (experiment.state.settled is not None) is from_snapshot
    assert experiment.state.created is not None
    observed = ObservedHistory(Space.from_data(experiment.state.space), Seeds(experiment.state.created.generator))
    observed.follow(experiment)
    return experiment, observed


def assert_same(one: ObservedHistory, other: ObservedHistory) -> None:
    a, b = one.history, other.history
    for name in ("kinds", "losses", "partial_losses", "partial_steps", "loss_vectors", "constraints"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for label in a.space.labels:
        np.testing.assert_array_equal(a.column(label), b.column(label))
    assert (len(a), one.suggested) == (len(b), other.suggested)
    assert one.seeds is not None
    assert other.seeds is not None
    to_come = range(one.suggested, one.suggested + 3)
    assert [one.seeds[k] for k in to_come] == [other.seeds[k] for k in to_come]


def compare(trials: Trials, *, is_concluded: bool = False) -> None:
    """Compare before and after what the next decision observes; columns have what an end that *is_concluded* had."""
    save_snapshot(trials.experiment)
    (mine, one), (theirs, other) = (known(trials, from_snapshot=each) for each in (True, False))
    if not is_concluded:
        assert_same(one, other)
    for experiment, history in ((mine, one), (theirs, other)):
        history.observe(experiment, experiment.observed())
    assert_same(one, other)


@pytest.mark.parametrize("objective", [mixed, several])
def test_columns_give_the_history_that_the_events_give(objective: Any) -> None:
    more: dict[str, Any] = {"objectives": 2} if objective is several else {}
    trials = searched(objective, **more)
    experiment = trials.experiment
    experiment.append(experiment.compose((Noted, 7, {"void": True}), (Noted, 9, {"note": "hm"})))
    compare(trials)
    fmin(
        objective, SPACE, algo="rand", max_evals=50, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True,
        **more,
    )  # fmt: skip
    compare(trials)
    experiment.append(experiment.compose((Noted, 0, {"void": True})))
    compare(trials)
    tid = next(trial.tid for trial in experiment.trials if trial.loss == trial.loss and trial.status == "ok")
    amended = {"losses": [-1.0, 3.0]} if objective is several else {"loss": -1.0}
    experiment.amend(tid, reason="wrong data", **amended)
    compare(trials, is_concluded=True)
    fmin(
        objective, SPACE, algo="rand", max_evals=60, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True,
        **more,
    )  # fmt: skip
    compare(trials)


def test_a_changed_generator_changes_the_seeds_as_it_would_from_the_events() -> None:
    trials = searched(mixed, 12)
    experiment = trials.experiment
    generator = {**another_generator(), "after": 12}
    experiment.append(experiment.compose((Changed, None, {"generator": generator})))
    compare(trials)
    fmin(mixed, SPACE, algo="rand", max_evals=30, trials=trials, verbose=False, catch_eval_exceptions=True)
    compare(trials)


def another_generator() -> dict[str, Any]:
    from hstore.engine.search import seeds

    return dict(seeds.to_data(seeds.as_generator(99)))


def reporting(config: Any, ctrl: Any) -> float:
    for step in range(1, 10):
        ctrl.report(step, config["x"] + step)
        if ctrl.should_stop():
            break
    return float(config["x"])


def test_trials_that_were_pruned_keep_what_they_reported() -> None:
    from hstore.engine.search.settled_history import history_of

    trials = searched(reporting, 25, pruner="asha")
    experiment = trials.experiment
    assert experiment.state.pruned
    space = Space.from_data(experiment.state.space)
    history = history_of(experiment.settled(), space)
    whole = ObservedHistory(space)
    whole.follow(experiment)
    assert history is not None
    rows = experiment.settled().tids()
    for name in ("kinds", "losses", "partial_losses", "partial_steps"):
        np.testing.assert_array_equal(getattr(history, name)[rows], getattr(whole.history, name)[rows])


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_a_search_with_a_pruner_goes_on_from_a_snapshot_as_it_would_from_the_events(pruner: str) -> None:
    whole = searched(reporting, 45, pruner=pruner).experiment
    begun = searched(reporting, 25, pruner=pruner).experiment
    assert save_snapshot(begun)
    experiment = Experiment(begun.store, begun.name, from_snapshot=True)
    experiment.refresh()
    assert experiment.state.settled is not None
    fmin(
        reporting, SPACE, algo="rand", max_evals=45, trials=Trials(experiment=experiment), rstate=0, verbose=False,
        pruner=pruner,
    )  # fmt: skip
    again = begun.store.experiment(begun.name)
    assert 0 < experiment.state.pruned == again.state.pruned == whole.state.pruned
    for one, other in zip(again.trials, whole.trials, strict=True):
        assert [one.point, one.losses] == [other.point, other.losses]
        assert [report.value for report in one.reports] == [report.value for report in other.reports]
        assert [report.pruning for report in one.reports] == [report.pruning for report in other.reports]
    report = derive_again(again)
    assert (report.is_same, report.pruned) == (True, whole.state.pruned)


def test_a_driver_writes_snapshots_and_goes_on_from_them(
    mongo_store: Store, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "FEWEST", 8)
    seen: list[int] = []
    for n in (20, 30):
        fmin(
            mixed, SPACE, algo="tpe", max_evals=n, experiment="e", store=mongo_store, rstate=0, verbose=False,
            catch_eval_exceptions=True,
        )  # fmt: skip
        about = database["snapshots"].find_one({"exp": "e"})
        seen.append(about["n"])
        assert database["snapshots"].count_documents({}) == 1
        assert database["snapshots.files"].count_documents({}) == 1
    assert seen == [20, 30]
    whole = searched(mixed, 30, algo="tpe").experiment
    experiment = mongo_store.experiment("e", from_snapshot=True)
    assert experiment.state.settled is not None
    assert [trial.point for trial in experiment.trials] == [trial.point for trial in whole.trials]
    assert derive_again(mongo_store.experiment("e")).differences == ()


def test_trials_of_a_store_make_documents_when_they_are_looked_at(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "FEWEST", 8)
    fmin(
        mixed, SPACE, algo="rand", max_evals=20, experiment="e", store=mongo_store, rstate=0, verbose=False,
        catch_eval_exceptions=True,
    )  # fmt: skip
    trials = MongoTrials(mongo_store, exp_key="e")
    assert trials.experiment.state.settled is not None
    n, best, argmin = len(trials), trials.best_trial, trials.argmin
    assert trials.documents.is_behind
    assert n == len(trials.trials)
    assert not trials.documents.is_behind
    assert trials.trials[[doc["tid"] for doc in trials.trials].index(best["tid"])] is best
    assert (trials.best_trial, trials.argmin) == (best, argmin)
    whole = Trials(exp_key="e", experiment=mongo_store.experiment("e"))
    assert repr(whole.trials) == repr(trials.trials)


def test_a_search_goes_on_from_a_snapshot_behind_which_a_trial_was_amended(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "FEWEST", 8)

    def go_on(max_evals: int) -> None:
        fmin(
            lambda config: config["x"], SPACE, algo="tpe", max_evals=max_evals, experiment="e", store=mongo_store,
            rstate=0, verbose=False,
        )  # fmt: skip

    go_on(30)
    begun = mongo_store.experiment("e", from_snapshot=True)
    assert begun.state.settled is not None
    tid = int(begun.state.settled.tids()[3])
    begun.amend(tid, loss=-5.0, reason="wrong data")
    trials = MongoTrials(mongo_store, exp_key="e")
    assert (trials.best_trial["tid"], trials.best_trial["result"]["loss"]) == (tid, -5.0)
    go_on(40)
    whole = mongo_store.experiment("e")
    assert (whole.best.tid, mongo_store.experiment("e", from_snapshot=True).best.loss) == (tid, -5.0)
    replay = derive_again(whole)
    assert (replay.is_same, replay.suggested) == (True, 40)
    assert not verify(whole.documents(), fetch=whole.store.attachments.get).findings
