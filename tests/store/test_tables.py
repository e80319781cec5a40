"""An experiment as a table: what its columns hold, and that pandas gets it as it is."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore import Pruned, Trials, fmin, hp, rand
from hstore.store.errors import InvalidValue
from hstore.store.events import Noted
from hstore.store.store import Store
from hstore.store.tables import labels_in_order, rows_of, table_of

pd = pytest.importorskip("pandas")

SPACE = {
    "zeta": hp.choice("model", [{"depth": hp.uniformint("depth", 1, 8)}, {"rate": hp.loguniform("rate", -5, 0)}]),
    "flag": hp.choice("flag", [True, False]),
    "name": hp.choice("name", ["relu", "tanh"]),
    "shape": hp.choice("shape", [(8, 8), "none"]),
}
RESULTS: dict[int, dict[str, Any]] = {3: {"loss": 0.5, "constraints": [1.0, -1.0]}, 4: {"loss": float("nan")}}


@pytest.fixture
def searched(trials: Trials) -> Trials:
    """Eight trials: 1 failed, 2 was pruned, 3 is infeasible, 4 has a loss of nan, 5 is void."""
    tids = itertools.count()

    def objective(config: dict[str, Any], ctrl: Any) -> Any:
        tid = next(tids)
        ctrl.report(0, tid)
        ctrl.report(1, tid + 0.5)
        if tid == 1:
            raise ValueError("boom")
        if tid == 2:
            raise Pruned
        return {"status": "ok", "loss": tid / 10, **RESULTS.get(tid, {})}

    fmin(objective, SPACE, rand.suggest, 8, trials=trials, rstate=1, verbose=False, catch_eval_exceptions=True)
    trials.experiment.append([*trials.experiment.compose((Noted, 5, {"void": True, "tags": ["odd"]}))])
    return trials


def test_a_row_is_a_trial_with_its_loss_its_parameters_and_why_it_is_not_ranked(searched: Trials) -> None:
    frame = searched.to_pandas()
    assert list(frame["tid"]) == list(range(8))
    assert [name for name in frame if name.startswith("params.")] == [
        "params.model", *sorted(("params.depth", "params.rate"), key=list(frame).index),
        "params.flag", "params.name", "params.shape",
    ]  # fmt: skip
    assert list(frame.loc[[1], "error"]) == ["ValueError"]
    assert list(frame.loc[[1], "message"]) == ["boom"]
    assert list(frame["tid"][frame["pruned"]]) == [2]
    assert list(frame["tid"][frame["feasible"].eq(False).fillna(False)]) == [3]
    assert list(frame["tid"][frame["void"]]) == [5]
    assert frame.loc[5, "tags"] == ["odd"]
    assert frame.loc[0, "loss"] == 0.0
    assert pd.isna(frame.loc[1, "loss"])
    assert pd.isna(frame.loc[4, "loss"])
    assert list(frame.loc[3, ["constraints.0", "constraints.1"]]) == [1.0, -1.0]


def test_values_are_the_actual_ones_and_columns_have_their_kinds(searched: Trials) -> None:
    frame = searched.to_pandas()
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["params.depth"] == "Int64"
    assert kinds["params.rate"] == "float64"
    assert (kinds["params.flag"], kinds["params.name"], kinds["state"]) == ("boolean", "category", "category")
    assert str(frame["ended_at"].dtype) == "datetime64[ms, UTC]"
    assert set(frame["params.name"]) <= {"relu", "tanh"}
    assert set(map(str, frame["params.shape"])) <= {"[8, 8]", "none"}
    for trial in searched.experiment.trials:
        row = frame.loc[trial.tid]
        for label in ("depth", "rate"):
            assert pd.isna(row[f"params.{label}"]) if label not in trial.params else (
                row[f"params.{label}"] == trial.params[label])  # fmt: skip


def test_reports_and_events_are_tables_too(searched: Trials) -> None:
    reports = searched.to_pandas("reports")
    assert list(reports["value"][reports["tid"] == 6]) == [6.0, 6.5]
    assert set(reports["attempt"]) == {1}
    events = searched.experiment.to_pandas("events")
    assert len(events) == len(searched.experiment.events)
    assert events["type"].iloc[0] == "created"
    assert events["tid"].isna().iloc[0]
    assert events["data"][events["type"] == "noted"].iloc[-1] == {"void": True, "tags": ["odd"]}


def test_another_kind_of_table_is_refused_with_those_there_are(searched: Trials) -> None:
    with pytest.raises(InvalidValue, match="there is no table 'rows'") as refused:
        searched.to_pandas("rows")  # type: ignore[arg-type]
    assert "trials, events, reports" in refused.value.hint


def test_several_losses_have_a_column_each(trials: Trials) -> None:
    fmin(lambda config: {"status": "ok", "losses": [config["x"], -config["x"]]}, {"x": hp.uniform("x", 0, 1)},
         rand.suggest, 3, trials=trials, rstate=0, verbose=False)  # fmt: skip
    frame = trials.to_pandas()
    assert list(frame["losses.0"]) == [-loss for loss in frame["losses.1"]]


def test_an_experiment_without_trials_is_an_empty_table(store: Store) -> None:
    experiment = store.experiment(_begun(store))
    assert len(experiment.to_pandas()) == len(experiment.to_pandas("reports")) == 0
    assert list(experiment.to_pandas())[:3] == ["tid", "state", "loss"]
    assert list(rows_of(table_of(experiment, "trials"))) == []


def test_a_store_is_a_table_of_its_experiments(store: Store) -> None:
    assert len(store.to_pandas()) == 0
    fmin(lambda config: config["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 3, experiment="lines", store=store,
         rstate=0, verbose=False)  # fmt: skip
    (row,) = store.to_pandas().to_dict("records")
    best = store.experiment("lines").best
    assert (row["name"], row["trials"], row["trials.done"], row["best.tid"]) == ("lines", 3, 3, best.tid)
    assert row["best.loss"] == best.loss
    assert row["best.params"] == best.params


@given(st.lists(st.lists(st.sampled_from("abcdefg"), unique=True)))
def test_labels_come_once_each_and_those_of_the_first_point_in_its_order(points: list[list[str]]) -> None:
    labels = labels_in_order(dict.fromkeys(point, 0) for point in points)
    assert sorted(labels) == sorted(set(itertools.chain(*points)))
    first = next((point for point in points if point), [])
    assert [label for label in labels if label in first] == first


def test_nothing_imports_pandas_before_a_table_is_asked_for() -> None:
    program = "import sys, hstore; hstore.Trials().experiment; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _begun(store: Store) -> str:
    with pytest.raises(Exception, match="no evaluation tasks"):
        fmin(lambda config: 0.0, {"x": hp.uniform("x", 0, 1)}, rand.suggest, 0, experiment="empty", store=store,
             rstate=0, verbose=False)  # fmt: skip
    return "empty"
