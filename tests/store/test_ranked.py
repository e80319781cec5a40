"""Which trials are ranked: the rule, of a trial and of its document in MongoDB."""

import itertools
import math
from typing import Any

import pytest
from histories import begin, live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from tests.drawing import examples

from hstore.migrations import m0006_results as m0006
from hstore.store.events import Done, Noted, Queued, Requeued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.ranked import is_feasible, why_unranked
from hstore.store.store import Store

NAN, INF = math.nan, math.inf
NAMES = (f"e{n}" for n in itertools.count())
NUMBERS = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, -1.0, 1.0, 1.5, 5e-324, -1e308]) | st.integers(-2, 2)
ENDS = st.fixed_dictionaries(
    {"status": st.sampled_from(["ok"] * 5 + ["fail", "new", "odd"])},
    optional={
        "loss": NUMBERS, "losses": st.lists(NUMBERS, max_size=3), "constraints": st.lists(NUMBERS, max_size=3),
        "pruned": st.booleans(),
    },
)  # fmt: skip
LATER = st.sampled_from([None, None, None, "void", "void no more", "requeued"])


@pytest.mark.parametrize(
    ("end", "reasons"),
    [
        ({"loss": 1.0}, ()),
        ({"loss": INF}, ()),
        ({"loss": -INF, "constraints": [0.0, -0.0, -INF]}, ()),
        ({"loss": 1.0, "constraints": []}, ()),
        ({"loss": None, "losses": [1.0, INF]}, ()),
        ({"loss": NAN}, ("nan",)),
        ({"loss": 1.0, "losses": [1.0, NAN]}, ("nan",)),
        ({"loss": None}, ("no loss",)),
        ({"loss": None, "losses": []}, ("no loss",)),
        ({"loss": 1.0, "constraints": [-1.0, NAN]}, ("infeasible",)),
        ({"loss": 1.0, "constraints": [5e-324]}, ("infeasible",)),
        ({"loss": 1.0, "status": "fail"}, ("status fail",)),
        ({"loss": None, "status": "fail", "is_pruned": True}, ("pruned",)),
        ({"loss": NAN, "constraints": [1.0], "is_void": True}, ("void", "infeasible", "nan")),
        ({"loss": None, "status": None}, ("no loss",)),
        ({"loss": None, "status": None, "is_void": True}, ("void", "no loss")),
    ],
)
def test_a_trial_is_ranked_unless_something_speaks_against_it(end: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert why_unranked(**{"status": "ok", **end}) == reasons


def test_a_constraint_is_kept_if_it_is_at_most_0() -> None:
    assert all(map(is_feasible, (None, [], [0.0], [-1.0, -INF])))
    assert not any(map(is_feasible, ([NAN], [INF], [-1.0, 1e-300], [NAN, -1.0])))


def documents(database: Database[Any], query: dict[str, Any]) -> list[dict[str, Any]]:
    view = database.get_collection("results", read_concern=ReadConcern("local"))
    return list(view.find(query))


def ranked(experiment: Experiment) -> list[int]:
    """Return the numbers of the ranked trials: those with several losses only, then by loss."""
    trials = [trial for trial in experiment.trials if not trial.why_unranked]
    return [t.tid for t in sorted(trials, key=lambda t: (t.loss is not None, 0.0 if t.loss is None else t.loss, t.tid))]


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ends=st.lists(st.tuples(ENDS, st.sampled_from([None, None, None, "void", "void no more", "requeued"])), max_size=6)
)
def test_the_view_has_the_trials_that_the_fold_ranks_whatever_a_program_wrote(
    ends: list[tuple[dict[str, Any], str | None]], mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begin(mongo_store, name := next(NAMES))
    after: dict[str | None, list[tuple[Any, dict[str, Any]]]] = {
        None: [], "void": [(Noted, {"void": True})], "requeued": [(Requeued, {"why": "again"})],
        "void no more": [(Noted, {"void": True}), (Noted, {"void": False})],
    }  # fmt: skip
    for tid, (end, then) in enumerate(ends):
        begun: list[PendingEvent] = [
            (Queued, tid, {"point": {}, "params": {}}),
            (Reserved, tid, {"worker": "h:1:w", "host": "h", "attempt": 1}),
            (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
            (Done, tid, {"result": {"status": end["status"]}, **end}),
        ]
        experiment.append(experiment.compose(*begun, *((kind, tid, data) for kind, data in after[then])))
    experiment.repair()
    assert [document["tid"] for document in documents(database, {"exp": name})] == ranked(experiment)
    tally = mongo_store.models.tally([name]).get(name)
    best = experiment.state.best
    assert (tally.best.get("tid") if tally else None) == (best.tid if best else None)


@pytest.mark.long
def test_after_a_random_history_the_view_has_what_the_fold_ranks(mongo_store: Store, database: Database[Any]) -> None:
    for seed in range(5):
        live(experiment := begin(mongo_store, f"e{seed}"), seed, 200)
        experiment.repair()
        assert [document["tid"] for document in documents(database, {"exp": f"e{seed}"})] == ranked(experiment)
    everything = [(document["exp"], document["tid"]) for document in documents(database, {})]
    assert len(everything) > 3
    assert [exp for exp, _ in everything] == sorted(exp for exp, _ in everything)


def test_an_index_has_the_order_of_the_view(mongo_store: Store, database: Database[Any]) -> None:
    live(begin(mongo_store), 1, 200)
    command = {"find": "results", "filter": {"exp": "e"}, "limit": 3}
    plan = str(database.command("explain", command, verbosity="queryPlanner")["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "'SORT'" not in plan
    assert "COLLSCAN" not in plan


def test_the_view_has_the_fields_of_trials_and_cannot_be_written(mongo_store: Store, database: Database[Any]) -> None:
    live(begin(mongo_store), 1, 200)
    (first, *_) = documents(database, {"exp": "e"})
    source = database.get_collection("trials", read_concern=ReadConcern("local"))
    assert source.find_one({"_id": first["_id"]}) == first
    with pytest.raises(OperationFailure, match="view"):
        database["results"].insert_one({"exp": "e"})


@pytest.mark.absent
def test_a_collection_of_that_name_is_left_alone(database: Database[Any]) -> None:
    database["results"].insert_one({"mine": 1})
    for _ in range(2):
        m0006.up(database)
    assert [document["mine"] for document in database["results"].find()] == [1]
