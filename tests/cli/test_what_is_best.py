"""What is best: fmin, hyperopt's view, the fold, the commands and MongoDB itself give one answer, after any history."""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from tests.cli.commands import run
from tests.drawing import examples

from hstore import MongoTrials, Pruned, Trials, fmin, hp, rand
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import Noted
from hstore.store.fold import Trial
from hstore.store.store import Store

NAN, INF = math.nan, math.inf
SPACE = {"x": hp.uniform("x", 0, 1)}
NAMES = (f"e{n}" for n in itertools.count())

losses = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1.0, 2.0, 1e300, 5e-324])
constraints = st.lists(st.sampled_from([NAN, INF, -INF, 0.0, -1.0, 1.0, 5e-324]), max_size=2)
ends = st.fixed_dictionaries(
    {"how": st.sampled_from(["ok"] * 6 + ["fail", "raised", "pruned"]),
     "is_void": st.sampled_from([False] * 4 + [True]),
     "loss": losses, "losses": st.lists(losses, min_size=2, max_size=2)},
    optional={"constraints": constraints},
)  # fmt: skip


def end(how: str = "ok", is_void: bool = False, **result: Any) -> dict[str, Any]:
    return {"how": how, "is_void": is_void, "loss": 0.0, "losses": [0.0, 0.0], **result}


def search(trials: Trials, ends: Sequence[dict[str, Any]], *, name: str) -> Any:
    """Return what fmin answers after a search of *ends* with one loss or with several; None without a ranked trial."""
    remaining = iter(ends)

    def objective(config: dict[str, float]) -> Any:
        told_now = next(remaining)
        if told_now["how"] == "raised":
            raise ValueError("no")
        if told_now["how"] == "pruned":
            raise Pruned
        return {"status": told_now["how"], name: told_now[name]} | {
            key: told_now[key] for key in ("constraints",) if key in told_now
        }

    def again() -> Any:
        try:
            return fmin(objective, SPACE, rand.suggest, len(ends), trials=trials, rstate=0, verbose=False,
                        catch_eval_exceptions=True, objectives=2 if name == "losses" else None)  # fmt: skip
        except AllTrialsFailed:
            return None

    again()
    void = [tid for tid, each in enumerate(ends) if each["is_void"]]
    trials.experiment.append_decided(lambda: [(Noted, tid, {"void": True}) for tid in void])
    trials.refresh()
    return again()


def ranked(ends: Sequence[dict[str, Any]], name: str) -> list[int]:
    """Return the numbers of *ends* that can be compared: the rule, once more and in other words."""

    def is_number(value: float) -> bool:
        return value == value

    return [
        tid for tid, each in enumerate(ends)
        if each["how"] == "ok" and not each["is_void"]
        and not any(constraint > 0 or not is_number(constraint) for constraint in each.get("constraints", ()))
        and (is_number(each["loss"]) if name == "loss" else all(map(is_number, each["losses"])))
    ]  # fmt: skip


def results(database: Database[Any], name: str) -> list[dict[str, Any]]:
    view = database.get_collection("results", read_concern=ReadConcern("local"))
    return list(view.find({"exp": name}))


def open_trials(store: Store) -> MongoTrials:
    trials = MongoTrials(store, exp_key=next(NAMES))
    trials.asynchronous = False
    return trials


def listed(url: str, name: str, *command: str) -> str:
    """Return the line of experiment *name* in a table of all."""
    return next(line for line in run(url, *command).stdout.splitlines() if line.split()[0] == name)


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(ends=st.lists(ends, min_size=1, max_size=8))
@example(ends=[end(loss=1.0, constraints=[NAN]), end(loss=2.0)])
@example(ends=[end(loss=1.0, is_void=True), end(loss=2.0, constraints=[1.0]), end("pruned"), end(loss=3.0)])
@example(ends=[end(loss=NAN), end("fail"), end("raised"), end("pruned")])
@example(ends=[end(loss=INF), end(loss=-INF), end(loss=-INF)])
@example(ends=[end(loss=INF), end(loss=INF, constraints=[])])
def test_all_agree_which_trial_is_the_best(
    ends: list[dict[str, Any]], mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    trials = open_trials(mongo_store)
    answer = search(trials, ends, name="loss")
    name, experiment = trials.experiment.name, trials.experiment
    order = sorted(ranked(ends, "loss"), key=lambda tid: (ends[tid]["loss"], tid))
    assert [document["tid"] for document in results(database, name)] == order
    everything = json.loads(run(mongo_url, "ls", "--json").stdout)
    (in_ls,) = (each for each in everything if each["name"] == name)
    everything = json.loads(run(mongo_url, "status", "--json").stdout)["experiments"]
    (in_overview,) = (each for each in everything if each["name"] == name)
    in_status = json.loads(run(mongo_url, "status", name, "--json").stdout)
    in_show = json.loads(run(mongo_url, "show", name, "--json").stdout)
    in_model = database.get_collection("experiments", read_concern=ReadConcern("local")).find_one({"_id": name})
    assert in_model is not None
    named = [each.get("best") or {} for each in (in_ls, in_overview, in_status, in_show, in_model)]
    assert [trial["tid"] for trial in in_show["trials"] if trial["is_ranked"]] == sorted(order)
    if not order:
        assert answer is None
        assert experiment.state.best is None
        assert named == [{}] * 5
        with pytest.raises(AllTrialsFailed):
            _ = trials.best_trial
        return
    best = experiment.trials[order[0]]
    assert (experiment.best.tid, trials.best_trial["tid"]) == (best.tid, best.tid)
    assert answer == trials.argmin == dict(best.point)
    assert [each["tid"] for each in named] == [best.tid] * 5
    shown = f"{best.loss:.6g}"
    assert f"best       trial {best.tid}, loss {shown}" in run(mongo_url, "show", name).stdout
    assert f"best       trial {best.tid}, loss {shown}" in run(mongo_url, "status", name).stdout
    assert all(f" {shown} " in listed(mongo_url, name, command) for command in ("ls", "status"))


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(ends=st.lists(ends, min_size=1, max_size=8))
@example(ends=[end(losses=[1.0, NAN]), end(losses=[2.0, 3.0]), end(losses=[2.0, 3.0], constraints=[NAN])])
def test_all_agree_which_trials_of_several_losses_are_on_the_front(
    ends: list[dict[str, Any]], mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    trials = open_trials(mongo_store)
    answer = search(trials, ends, name="losses")
    name, experiment = trials.experiment.name, trials.experiment
    can_be = ranked(ends, "losses")
    assert [document["tid"] for document in results(database, name)] == can_be
    vectors = {tid: ends[tid]["losses"] for tid in can_be}

    def is_beaten(mine: list[float]) -> bool:
        as_good = [other for other in vectors.values() if all(a <= b for a, b in zip(other, mine, strict=True))]
        return any(other != mine for other in as_good)

    front = [tid for tid, mine in vectors.items() if not is_beaten(mine)]
    assert [trial.tid for trial in experiment.pareto] == [document["tid"] for document in trials.pareto] == front
    assert (answer or []) == [dict(experiment.trials[tid].point) for tid in front]
    models = database.get_collection("experiments", read_concern=ReadConcern("local"))
    in_model = (models.find_one({"_id": name}) or {}).get("pareto", [])
    in_show = json.loads(run(mongo_url, "show", name, "--json").stdout).get("pareto", [])
    in_status = json.loads(run(mongo_url, "status", name, "--json").stdout)["pareto"] or []
    assert [[each["tid"] for each in message] for message in (in_model, in_show, in_status)] == [front] * 3
    lines = [listed(mongo_url, name, command) for command in ("ls", "status")]
    assert all((f"front of {len(front)}" in line) is bool(front) for line in lines)


@settings(max_examples=examples(30), deadline=None)
@given(ends=st.lists(ends, min_size=1, max_size=12))
def test_all_agree_in_memory_too(ends: list[dict[str, Any]]) -> None:
    trials = Trials()
    answer = search(trials, ends, name="loss")
    order = sorted(ranked(ends, "loss"), key=lambda tid: (ends[tid]["loss"], tid))
    best: Trial | None = trials.experiment.state.best
    assert (best and best.tid) == (order[0] if order else None)
    assert answer == (dict(best.point) if best else None)
    if best:
        assert (trials.argmin, trials.best_trial["tid"]) == (answer, best.tid)
