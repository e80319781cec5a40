"""The driver, replay and an algorithm that is called by itself choose the same, since one function chooses for all."""

import ast
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore import Trials, fmin, hp
from hstore.engine.algorithms import ALGORITHMS, Algorithm, choose_recorded, named
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.scalarise import scalarise
from hstore.engine.audit.replay import derive_again
from hstore.engine.hyperopt.trials import Trials as AnyTrials
from hstore.engine.space import Point, Space, as_apply
from hstore.store.events import Queued

ROOT = Path(__file__).parents[3]
SPACE = {"x": hp.uniform("x", -2, 2), "m": hp.choice("m", [{"n": hp.randint("n", 5)}, {"w": hp.lognormal("w", 0, 1)}])}
CHEAP = ["rand", "tpe", "anneal", "mtpe", "qmc", "mix"]


def objective(config: Mapping[str, Any], n_losses: int, n_constraints: int) -> Any:
    x, m = config["x"], config["m"]
    if x > 1.8:
        raise ArithmeticError("too far")
    size = m.get("n", 0) + m.get("w", 0.0)
    losses = [x**2 + size, (x - 1) ** 2 - size, math.nan if x < -1.8 else abs(x)][:n_losses]
    result: dict[str, Any] = {"status": "ok", "losses": losses} if n_losses > 1 else {"status": "ok", "loss": losses[0]}
    return result | ({"constraints": [x - 0.5, size - 3][:n_constraints]} if n_constraints else {})


def search(algo: str, n_losses: int, n_constraints: int, *, seed: int, n: int, queue: int = 1) -> Trials:
    trials = Trials()
    fmin(
        lambda config: objective(config, n_losses, n_constraints), SPACE, algo=named(algo), max_evals=n, trials=trials,
        max_queue_len=queue, rstate=seed, verbose=False, catch_eval_exceptions=True,
        objectives=n_losses if n_losses > 1 else None, show_progressbar=False, return_argmin=False,
    )  # fmt: skip
    return trials


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    algo=st.sampled_from(CHEAP), n_losses=st.integers(1, 3), n_constraints=st.integers(0, 2),
    seed=st.integers(0, 2**31 - 1), queue=st.integers(1, 3),
)  # fmt: skip
def test_replay_equals_the_driver_for_any_number_of_losses_and_constraints(
    algo: str, n_losses: int, n_constraints: int, seed: int, queue: int
) -> None:
    n = 24 if algo in ("tpe", "mtpe", "mix") else 12
    report = derive_again(search(algo, n_losses, n_constraints, seed=seed, n=n, queue=queue).experiment)
    assert (report.suggested, report.skipped, report.differences) == (n, (), ())


@pytest.mark.parametrize("algo", ["gp", "auto"])
@pytest.mark.parametrize(("n_losses", "n_constraints"), [(1, 2), (3, 1)])
def test_replay_equals_the_driver_of_algorithms_that_model_losses(algo: str, n_losses: int, n_constraints: int) -> None:
    report = derive_again(search(algo, n_losses, n_constraints, seed=4, n=12, queue=2).experiment)
    assert (report.suggested, report.skipped, report.differences) == (12, (), ())


class _Domain:
    space = Space(as_apply(SPACE))


@pytest.mark.parametrize("algo", [*CHEAP, "gp"])
@pytest.mark.parametrize(("n_losses", "n_constraints"), [(1, 0), (1, 1), (2, 0), (3, 2)])
def test_an_algorithm_called_as_hyperopts_are_chooses_what_the_driver_would(
    algo: str, n_losses: int, n_constraints: int
) -> None:
    n = 14 if algo == "gp" else 25  # gp spreads its first 5 over the space, tpe draws its first 20
    trials = search(algo, n_losses, n_constraints, seed=1, n=n)
    history = AnyTrials.history(trials, _Domain.space)
    (document,) = ALGORITHMS[algo]([n], _Domain, trials, 77)
    called = {label: values[0] for label, values in document["misc"]["vals"].items() if values}
    assert called == choose_recorded(ALGORITHMS[algo], _Domain.space, history, seed=77, settings={}).points[0]


def test_the_history_and_the_seed_that_an_algorithm_gets_are_those_of_the_scalarisation() -> None:
    seen: list[tuple[bytes, int]] = []

    def choose(space: Space, history: History, *, seed: int) -> Point:
        seen.append((history.losses.tobytes(), seed))
        return {}

    history = History(_Domain.space)
    for k in range(4):
        history.observe(history.add({"x": 0.5 * k, "m": 0, "n": k}), kind="ok", losses=[float(k), float(-k)])
    weighed = Algorithm(name="own", version=1, is_portable=True, choose=choose, scalarisation="chebyshev")
    assert choose_recorded(weighed, _Domain.space, history, seed=9, settings={}).scalarised == "chebyshev 1"
    # A decision that is made again is made as it is recorded, whatever would suit the algorithm today.
    again = {"scalarised": "maximin 1"}
    made = choose_recorded(weighed, _Domain.space, history, seed=9, settings={}, recorded=again)
    assert (made.points, made.scalarised) == ([{}], "maximin 1")
    for found, how in zip(seen, ("chebyshev", "maximin"), strict=True):
        wanted, seed = scalarise(history, how, seed=9)
        assert found == (wanted.losses.tobytes(), seed)
    assert choose_recorded(weighed, _Domain.space, History(_Domain.space), seed=9, settings={}).scalarised is None


def _calls(name: str) -> Iterator[str]:
    for folder in ("store", "engine", "workers", "cli"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text()
            for node in ast.walk(ast.parse(text)) if name in text else ():
                if isinstance(node, ast.Call):
                    called = node.func
                    if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == name:
                        yield str(file.relative_to(ROOT))


def test_a_history_is_scalarised_in_one_place() -> None:
    assert [*_calls("scalarise")] == ["engine/algorithms/recorded_choice.py"]
    callers = {"engine/algorithms/algorithm.py", "engine/audit/replay.py", "engine/search/driver.py"}
    assert set(_calls("choose_recorded")) == callers


def test_the_decisions_of_a_batch_are_described_one_by_one() -> None:
    trials = search("tpe", 2, 0, seed=3, n=9, queue=3)
    decisions = [trial.queued for trial in trials.experiment.trials]
    assert all(isinstance(decision, Queued) for decision in decisions)
    described = [(decision.algorithm or {}).get("scalarised") for decision in decisions if decision]
    assert described == [None] * 3 + ["maximin 1"] * 6
    assert all(one.observed != other.observed for one, other in pairwise(decisions[::3]) if one and other)
