"""Points that people give: to fmin, to trials, to a search that goes on; in memory and in a real MongoDB."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from hstore import JOB_STATE_NEW, MongoTrials, Store, Trials, fmin, generate_trials_to_calculate, hp, rand, tpe
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.search import points
from hstore.engine.search.control import pause
from hstore.store.errors import InvalidPoint, InvalidValue, NotFound
from hstore.store.events import Changed, Event, Queued, Resumed
from hstore.store.experiment import Experiment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt.fmin import generate_trials_to_calculate as their_generate

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}])}
quiet = partial(fmin, verbose=False, rstate=0)


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def is_sound(trials: Trials) -> bool:
    """Whether nothing is wrong with the log, its digests, its suggestions, and what queries read."""
    findings = check(trials.experiment.store, trials.experiment.name)
    return not findings and derive_again(trials.experiment).is_same


def given(trials: Trials) -> list[int]:
    return [t.tid for t in trials.experiment.trials if t.queued is not None and t.queued.source == "enqueued"]


# -- fmin -----------------------------------------------------------------------------------------------------


def test_fmin_takes_options_and_nested_values(trials: Trials) -> None:
    tried: list[dict[str, Any]] = [
        {"x": 1, "c": "a"},
        {"x": 0.5, "c": {"deep": 0.25}},
        {"x": 0.5, "c": 1, "y": 0.75},
    ]
    quiet(square, SPACE, max_evals=2, points_to_evaluate=tried, trials=trials)
    assert [doc["params"] for doc in trials.trials[:3]] == [
        {"x": 1.0, "c": "a"}, {"x": 0.5, "c": 1, "y": 0.25}, {"x": 0.5, "c": 1, "y": 0.75},
    ]  # fmt: skip
    assert len(trials) == 5
    assert is_sound(trials)


def test_a_later_call_queues_what_it_is_given_and_no_point_twice(trials: Trials) -> None:
    a, b = {"x": 1.0, "c": 0}, {"x": 0.5, "c": "a"}
    quiet(square, SPACE, max_evals=2, points_to_evaluate=[a], trials=trials)
    quiet(square, SPACE, max_evals=2, points_to_evaluate=[a, b], trials=trials)
    assert (len(trials), given(trials)) == (4, [0, 3])
    quiet(square, SPACE, max_evals=2, points_to_evaluate=[{"x": 0.25, "c": 0}], trials=trials)  # no room is left
    assert (len(trials), given(trials)) == (5, [0, 3, 4])
    quiet(square, SPACE, max_evals=2, points_to_evaluate=[a, a], trials=trials)
    assert given(trials) == [0, 3, 4, 5]
    assert trials.experiment.state.status == "finished"
    assert is_sound(trials)


def test_a_bad_point_is_named_and_nothing_begins(trials: Trials) -> None:
    with pytest.raises(InvalidPoint, match=r"^points_to_evaluate\[1\]: c='b' is not an option"):
        quiet(square, SPACE, max_evals=1, points_to_evaluate=[{"x": 0, "c": 0}, {"x": 0, "c": "b"}], trials=trials)
    assert trials.experiment.state.events == 0


def test_trials_with_an_fmin_of_their_own_do_not_lose_points_silently() -> None:
    class Elsewhere:
        def fmin(self, *args: Any, **kwargs: Any) -> None: ...

    with pytest.raises(InvalidValue, match="Elsewhere has an fmin of its own"):
        quiet(square, SPACE, max_evals=1, points_to_evaluate=[{"x": 0, "c": 0}], trials=Elsewhere())


# -- hyperopt -------------------------------------------------------------------------------------------------


def space(library: Any) -> Any:
    return {
        "x": library.uniform("x", -3, 3),
        "n": library.choice("n", [1, 2, 3]),
        "q": library.quniform("q", 1, 9, 2),
        "m": library.choice("m", [{"name": "a"}, {"name": "b", "w": library.normal("w", 0, 2)}]),
    }


def loss(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2 + config["n"] + config["q"] + config["m"].get("w", 0.0) ** 2)


POINTS = [{"x": 1, "n": 1, "q": 3, "m": 0, "w": 0.0}, {"x": -0.5, "n": 2, "q": 2.5, "m": 1, "w": 0.5}]


@pytest.mark.parametrize("algo", ["rand", "tpe"])
def test_points_given_to_hyperopt_have_the_same_trials_here(algo: str) -> None:
    seen: tuple[list[Any], list[Any]] = [], []
    bests = []
    for library, mine in ((hyperopt, seen[0]), (None, seen[1])):

        def objective(config: Any, mine: list[Any] = mine) -> float:
            mine.append((config["x"], config["n"], config["q"], config["m"]))
            return loss(config)

        run: Any = fmin if library is None else partial(hyperopt.fmin, show_progressbar=False)
        suggest = hyperopt if library else {"rand": rand, "tpe": tpe}
        chosen = getattr(suggest, algo).suggest if library else {"rand": rand, "tpe": tpe}[algo].suggest
        bests.append(
            run(objective, space(hyperopt.hp if library else hp), algo=chosen, max_evals=30,
                points_to_evaluate=POINTS, rstate=np.random.default_rng(5), verbose=False)
        )  # fmt: skip
    theirs, ours = seen
    assert len(ours) == len(theirs) == 32
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[:3] == pytest.approx(other[:3], rel=1e-9)
        assert mine[3] == pytest.approx(other[3]) if "w" in other[3] else mine[3] == other[3]
    assert bests[1] == pytest.approx(bests[0], rel=1e-9)


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_generated_trials_count_as_hyperopts_do(is_refreshed: bool) -> None:
    theirs, ours = their_generate(POINTS), generate_trials_to_calculate(POINTS)
    assert len(ours) == len(theirs) == 0
    if is_refreshed:
        ours.refresh()
        theirs.refresh()
        assert len(ours) == len(theirs) == 2
        assert [doc["misc"]["vals"] for doc in ours.trials] == [doc["misc"]["vals"] for doc in theirs.trials]
        assert ours.trials[0]["state"] == JOB_STATE_NEW
        assert set(theirs.trials[0]) < set(ours.trials[0])
    quiet(loss, space(hp), algo=rand.suggest, max_evals=4, trials=ours)
    hyperopt.fmin(
        loss, space(hyperopt.hp), algo=hyperopt.rand.suggest, max_evals=4, trials=theirs,
        rstate=np.random.default_rng(0), verbose=False, show_progressbar=False,
    )  # fmt: skip
    assert len(ours) == len(theirs) == (4 if is_refreshed else 6)
    quiet(loss, space(hp), algo=rand.suggest, max_evals=7, trials=ours)  # no longer on top
    assert (len(ours), given(ours)) == (7, [0, 1])


# -- a search that has begun ----------------------------------------------------------------------------------


def test_a_search_that_goes_on_learns_from_points_that_were_queued_in_between(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=25, trials=trials, algo=tpe.suggest)
    assert trials.enqueue([{"x": 0.0, "c": "a"}, {"x": 0.1, "c": {"deep": 1.0}}]) == [25, 26]
    quiet(square, SPACE, max_evals=30, trials=trials, algo=tpe.suggest)
    assert (len(trials), given(trials)) == (30, [25, 26])
    assert trials.best_params == {"x": 0.0, "c": "a"}
    assert is_sound(trials)


def test_a_search_that_has_finished_is_opened_and_its_limit_raised(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=3, trials=trials)
    outcome = points.enqueue(trials.experiment, [{"x": 1, "c": 0}])
    assert [event.type for event in outcome.written] == ["resumed", "changed", "queued"]
    assert trials.experiment.state.limits["max_evals"] == 4
    quiet(square, SPACE, max_evals=3, trials=trials)
    assert (len(trials), trials.experiment.state.status) == (4, "finished")
    assert is_sound(trials)


def test_a_paused_search_stays_paused(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=3, trials=trials, early_stop_fn=lambda trials: (len(trials) == 1, []))
    points.enqueue(trials.experiment, [{"x": 1, "c": 0}])
    pause(trials.experiment, "lunch")
    outcome = points.enqueue(trials.experiment, [{"x": 1, "c": 0}])
    assert (outcome.status, len(outcome.written)) == ("paused", 1)


def test_nothing_is_queued_if_one_of_the_points_is_not_of_the_space(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=1, trials=trials)
    with pytest.raises(InvalidPoint, match=r"^point 1: x=5 is out of range"):
        trials.enqueue([{"x": 1, "c": 0}, {"x": 5, "c": 0}])
    assert trials.experiment.state.status == "finished"


def test_trials_that_have_not_begun_keep_points_in_memory_and_refuse_them_in_a_store(mongo_url: str) -> None:
    trials = Trials()
    assert trials.enqueue([{"x": 1, "c": 0}]) == [0]
    assert trials.enqueue([{"x": 2, "c": 0}]) == [1]
    with pytest.raises(InvalidPoint, match="not 'x'"):
        trials.enqueue({"x": 2, "c": 0})  # type: ignore[dict-item]  # a list of them was forgotten
    quiet(square, SPACE, max_evals=0, trials=trials)
    assert trials.losses() == [1.0, 4.0]
    with pytest.raises(NotFound, match="no space yet"):
        MongoTrials(mongo_url, exp_key="new").enqueue([{"x": 1, "c": 0}])


def test_another_drivers_decision_comes_first_and_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(square, SPACE, max_evals=2, trials=(trials := Trials(experiment=Experiment(store, "raced"))))
    append = store.log.append
    raced: list[Experiment] = []

    def late(events: Sequence[Event], **how: Any) -> None:
        if not raced:
            raced.append(other := Experiment(store, "raced"))
            other.refresh()
            point = {"x": 0.5, "c": 0}
            other.append(other.compose((Queued, 2, {"point": point, "params": point, "source": "enqueued"})))
        append(events, **how)

    monkeypatch.setattr(store.log, "append", late)
    outcome = points.enqueue(trials.experiment, [{"x": 1, "c": 0}, {"x": 1.5, "c": 0}])
    assert outcome.tids(Queued) == [3, 4]
    assert [type(event) for event in outcome.written if event.tid is None] == [Resumed, Changed, Changed]
    assert trials.experiment.state.limits["max_evals"] == 5
    monkeypatch.undo()
    quiet(square, SPACE, max_evals=5, trials=trials)
    assert is_sound(trials)


def test_a_search_that_ends_while_points_come_is_opened_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(trials: Any) -> tuple[bool, list[Any]]:
        return len(trials) == 1, []

    quiet(
        square, SPACE, max_evals=5, trials=(trials := Trials(experiment=Experiment(store, "raced"))), early_stop_fn=stop
    )
    trials.experiment.append(trials.experiment.compose((Resumed, None, {"why": "test"})))
    append = store.log.append
    raced: list[Experiment] = []

    def late(events: Sequence[Event], **how: Any) -> None:
        if not raced:
            from hstore.engine.search.control import conclude

            raced.append(other := Experiment(store, "raced"))
            conclude(other, "early_stop")
        append(events, **how)

    monkeypatch.setattr(store.log, "append", late)
    outcome = points.enqueue(trials.experiment, [{"x": 1, "c": 0}])
    assert [event.type for event in outcome.written] == ["queued", "resumed"]
    assert outcome.status == "open"


# -- readable values ------------------------------------------------------------------------------------------


def test_documents_hold_the_values_that_were_meant_beside_the_draws(trials: Trials) -> None:
    from hstore.engine.space import scope

    wide = {"n": scope.int(hp.quniform("n", 1, 9, 1)), "q": hp.quniform("q", 1, 9, 1), "u": hp.uniformint("u", 1, 9),
            "r": hp.randint("r", 1, 9), "c": hp.choice("c", [[1, 2], "b"])}  # fmt: skip
    quiet(lambda config: config["n"], wide, algo=rand.suggest, max_evals=3, trials=trials)
    for doc in trials.trials:
        vals, params = {label: v[0] for label, v in doc["misc"]["vals"].items()}, doc["params"]
        assert [type(vals[label]) for label in "nqurc"] == [float, float, float, int, int]
        assert [type(params[label]) for label in "nqur"] == [int, float, int, int]
        assert params["c"] == [[1, 2], "b"][vals["c"]]
        assert params == doc["params"] | {label: vals[label] for label in "nqur"}
    assert trials.best_params == trials.best_trial["params"]
    assert trials.best_params == dict(trials.experiment.best.params)
