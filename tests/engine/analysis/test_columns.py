"""What figures and the web page read: plain columns that say of each trial what the log says."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import hstore
from hstore import Trials, fmin, hp, rand
from hstore.engine.analysis.label_data import contour_data, places, slice_data, two_labels
from hstore.engine.analysis.loss_data import edf_data, history_data, pareto_data, quantiles_data
from hstore.engine.analysis.run_data import curves_data, timeline_data
from hstore.engine.analysis.trial_columns import columns_of, label_column
from hstore.store.errors import InvalidValue

SPACE = {
    "model": hp.choice("model", [{"C": hp.loguniform("C", -3, 3)}, {"depth": hp.uniformint("depth", 1, 5)}]),
    "x": hp.uniform("x", 0, 1),
}


def objective(point: Any) -> Any:
    if point["x"] > 0.8:
        raise ValueError("too large")
    loss = math.nan if point["x"] > 0.7 else point["x"]
    return {"status": "ok", "loss": loss, "constraints": [point["x"] - 0.6]}


def search(fn: Callable[..., Any] = objective, n: int = 40, space: Any = SPACE, seed: int = 0, **how: Any) -> Trials:
    trials = Trials()
    fmin(fn, space, rand.suggest, n, trials=trials, rstate=seed, verbose=False, catch_eval_exceptions=True, **how)
    return trials


@pytest.fixture(scope="module")
def trials() -> Trials:
    return search()


def test_each_trial_has_an_outcome_and_a_value_where_a_label_is_active(trials: Trials) -> None:
    columns = columns_of(trials)
    json.dumps(columns, allow_nan=False)
    assert [column["label"] for column in columns["labels"]] == ["model", "C", "depth", "x"]
    every = trials.experiment.trials
    expected = ["failed" if t.params["x"] > 0.7 else "infeasible" if t.params["x"] > 0.6 else "ok" for t in every]
    assert columns["outcome"] == expected
    assert columns["losses"][0] == [t.params["x"] if t.params["x"] <= 0.7 else None for t in every]
    model, c = label_column(columns, "model"), label_column(columns, "C")
    assert (model["is_category"], len(model["options"]), model["is_conditional"]) == (True, 2, False)
    assert (c["is_log"], c["is_conditional"]) == (True, True)
    assert c["values"] == [t.params.get("C") for t in every]
    assert [value == 0 for value in model["values"]] == [value is not None for value in c["values"]]
    with pytest.raises(InvalidValue, match="no label 'y'"):
        label_column(columns, "y")


def test_the_best_so_far_falls_and_only_ranked_trials_make_it_fall(trials: Trials) -> None:
    data = history_data(trials)
    best: float | None = None
    for outcome, loss, shown in zip(data["outcome"], data["loss"], data["best"], strict=True):
        if outcome == "ok" and loss is not None:
            best = loss if best is None else min(best, loss)
        assert shown == best
    assert data["best"][-1] == trials.experiment.best.loss


def test_quantiles_of_several_searches_go_on_with_the_best_of_those_that_ended() -> None:
    searches = [search(lambda point: point["x"], n, seed=n) for n in (5, 10, 20)]
    data = quantiles_data(searches)
    assert data["trials"] == list(range(1, 21))
    assert data["middle"][-1] == sorted(each.experiment.best.loss or 0.0 for each in searches)[1]
    with pytest.raises(InvalidValue, match="no searches"):
        quantiles_data([])


def test_the_distribution_is_of_ranked_trials(trials: Trials) -> None:
    data = edf_data(trials)
    assert data["loss"] == sorted(t.params["x"] for t in trials.experiment.trials if t.params["x"] <= 0.6)
    assert data["share"][-1] == 1.0


def test_the_pareto_front_is_that_of_the_experiment(trials: Trials) -> None:
    two = search(lambda point: [point["x"], 1 - point["x"] ** 2], 20, objectives=2)
    data = pareto_data(two)
    front = [tid for tid, is_front in zip(data["tid"], data["is_front"], strict=True) if is_front]
    assert front == [trial.tid for trial in two.experiment.pareto]
    with pytest.raises(InvalidValue, match="has one loss"):
        pareto_data(trials)


def test_slices_rank_the_ranked_trials_and_place_values_on_the_scale_of_the_prior(trials: Trials) -> None:
    data = slice_data(trials, ["C"])
    known = [rank for rank in data["rank"] if rank is not None]
    assert (min(known), max(known), len(known)) == (0.0, 1.0, data["outcome"].count("ok"))
    (column,) = data["labels"]
    for value, place in zip(column["values"], places(column), strict=True):
        assert (place is None) == (value is None)
        if value is not None:
            assert place == pytest.approx((math.log(value) + 3) / 6)


def test_labels_of_options_that_exclude_each_other_are_no_contour() -> None:
    space = {"model": hp.choice("model", [{"C": hp.uniform("C", 0, 1)}, {"depth": hp.uniform("depth", 0, 1)}])}
    found = search(lambda point: point["model"].get("C", 1) + point["model"].get("depth", 1), 60, space)
    for x, y in ((None, None), ("C", None), (None, "depth")):
        chosen = two_labels(found, x, y, 0)
        assert contour_data(found, *chosen)["field"]
        assert (x or chosen[0], y or chosen[1]) == chosen
    assert set(two_labels(found, None, None, 0)) != {"C", "depth"}


def test_a_contour_is_low_where_the_good_trials_are() -> None:
    space = {"x": hp.uniform("x", 0, 1), "y": hp.loguniform("y", 0, 2)}
    data = contour_data(search(lambda point: point["x"] + math.log(point["y"]), 200, space), "x", "y")
    json.dumps(data, allow_nan=False)
    field = data["field"]
    low, high = field[0][0], field[-1][-1]
    assert low is not None
    assert high is not None
    assert low < 0.2 < 0.8 < high
    assert data["y_edges"][-1] == pytest.approx(math.exp(2))


def test_curves_are_what_the_latest_attempt_reported_and_timelines_have_every_attempt() -> None:
    def trained(point: Any, ctrl: Any) -> float:
        for step in range(1, 10):
            ctrl.report(step, point["x"] / step)
            if ctrl.should_stop():
                raise hstore.Pruned
        return float(point["x"])

    found = search(trained, 12, pruner="asha")
    curves = curves_data(found)["curves"]
    assert [curve["tid"] for curve in curves] == list(range(12))
    assert {curve["outcome"] for curve in curves} == {"ok", "pruned"}
    assert all(curve["step"][-1] < 9 for curve in curves if curve["outcome"] == "pruned")
    timeline = timeline_data(found)
    assert timeline["tid"] == list(range(12))
    assert len(timeline["workers"]) == 1
    assert all(end is not None and end >= start for start, end in zip(timeline["start"], timeline["end"], strict=True))
    assert set(timeline["outcome"]) == {"done", "pruned"}
