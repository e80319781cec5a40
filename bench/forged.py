"""Measure what replay makes of honest decisions on machines that round differently, and of forged ones.

`python -m bench forged`. A minute or two for each kind of machine. HSTORE_OTHER_PYTHON may name a Python with other
versions of numpy and scipy, as one more kind.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from bson.binary import UuidRepresentation
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads

from bench.table import show
from hstore import Experiment, Store, Trials, fmin, hp
from hstore.engine.algorithms import ALGORITHMS, choose_recorded, gp, recorded_shortfall
from hstore.engine.algorithms.encoding import Encoding, encoding
from hstore.engine.algorithms.history import History
from hstore.engine.audit.replay import LEAST_WORTH, TOLERANCE, derive_again
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.space import Point, Space
from hstore.store.event_documents import from_document
from hstore.store.events import Queued

SEEDS, TRIALS = 3, 32
EVERY = 3  # of the decisions, that are forged
CORES = ("Haswell", "Nehalem", "Prescott")
"""Kinds of processor that OpenBLAS can be told to take this one for; it rounds differently on each."""
MATERIAL = 0.01
"""Less expected improvement, as a part, than which a forged point is as good as the one that it replaces."""
AS_STORED = CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
PLANE = {"x": hp.uniform("x", -5, 10), "y": hp.uniform("y", 0, 15)}
MIXED = {
    "x": hp.uniform("x", -3, 3),
    "rate": hp.loguniform("rate", -7, 0),
    "model": hp.choice(
        "model",
        [{"w": hp.lognormal("w", 0, 1)}, {"depth": hp.randint("depth", 3, 9), "q": hp.quniform("q", 0, 1, 0.25)}],
    ),
}
STEPS = {
    "a": hp.quniform("a", 0, 20, 1),
    "b": hp.uniformint("b", 1, 64),
    "k": hp.choice("k", ["r", "g", "b"]),
    "z": hp.normal("z", 0, 1),
}


def branin(config: Mapping[str, Any]) -> float:
    x, y = config["x"], config["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def noisy(config: Mapping[str, Any]) -> float:
    return float(branin(config) + (1e4 * config["x"] * config["y"]) % 5)


def failing(config: Mapping[str, Any]) -> float:
    if config["x"] > 8:
        raise ArithmeticError
    return branin(config)


def mixed(config: Mapping[str, Any]) -> float:
    model = config["model"]
    own = (math.log(model["w"]) - 0.5) ** 2 if "w" in model else 0.2 + abs(model["depth"] - 6) / 4 + model["q"] / 5
    return float((config["x"] - 1) ** 2 + (math.log(config["rate"]) + 4) ** 2 / 6 + own)


def sphere(config: Mapping[str, Any]) -> float:
    return float(sum((config[f"x{i}"] - 0.3 - 0.05 * i) ** 2 for i in range(6)) + 0.1 * math.sin(9 * config["x0"]))


def steps(config: Mapping[str, Any]) -> float:
    kinds = {"r": 0.0, "g": 0.5, "b": 0.2}
    return float(abs(config["a"] - 7) / 5 + abs(config["b"] - 30) / 20 + kinds[config["k"]] + (config["z"] - 0.4) ** 2)


def two_losses(config: Mapping[str, Any]) -> dict[str, Any]:
    x, y = config["x"] / 5, config["y"] / 5
    return {"status": "ok", "losses": [x**2 + y**2, (x - 2) ** 2 + y**2], "constraints": [y - x - 1]}


PROBLEMS: Mapping[str, tuple[Any, Callable[..., Any], dict[str, Any]]] = {
    "branin": (PLANE, branin, {}),
    "noisy": (PLANE, noisy, {}),
    "failing": (PLANE, failing, {"catch_eval_exceptions": True}),
    "pending": (PLANE, branin, {"max_queue_len": 3}),
    "mixed": (MIXED, mixed, {}),
    "sphere": ({f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(6)}, sphere, {}),
    "steps": (STEPS, steps, {}),
    "two losses": (PLANE, two_losses, {"objectives": 2}),
}
Outcome = Literal["same", "equivalent", "different"]


class Made(NamedTuple):
    """A recorded decision, and what it knew."""

    decision: Queued
    space: Space
    history: History


def searched(name: str, seed: int) -> Experiment:
    """Return a search of the problem called *name*, chosen by auto."""
    space, fn, more = PROBLEMS[name]
    trials = Trials()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fmin(fn, space, algo="auto", max_evals=TRIALS, trials=trials, rstate=seed, verbose=False, **more)
    return trials.experiment


def decisions(experiment: Experiment) -> Iterator[Made]:
    """Yield the decisions of *experiment*. The history goes on with the next one."""
    assert experiment.state.created is not None
    space = Space.from_data(experiment.state.created.space)
    known = ObservedHistory(space)
    for trial in experiment.trials:
        assert trial.queued is not None
        known.observe(experiment, trial.queued.observed)
        yield Made(trial.queued, space, known.history)
        known.add(trial.queued)


def outcome(made: Made, derived: Point, point: Point) -> Outcome:
    """Return what replay on another kind of machine says of *made* with *point* for its own, *derived* being found."""
    decision, space, history = made
    assert decision.algorithm is not None
    assert decision.seed is not None
    if distance(encoding(space), derived, point) <= TOLERANCE:
        return "same"
    shortfall = recorded_shortfall(
        ALGORITHMS["auto"], space, history, point, seed=decision.seed, settings=decision.algorithm["settings"],
        recorded=decision.algorithm,
    )  # fmt: skip
    return "different" if shortfall is None or shortfall > LEAST_WORTH else "equivalent"


def distance(code: Encoding, one: Point, other: Point) -> float:
    """Return how far two points are apart in the label in which they are farthest, in ranges; inf for other labels."""
    if one.keys() != other.keys():
        return math.inf
    is_category = {label: bool(code.is_category[code.index[label]]) for label in one}
    if any(is_category[label] and one[label] != other[label] for label in one):
        return math.inf
    return max(abs(code.entry(label, one[label]) - code.entry(label, other[label])) for label in one)


def is_material(made: Made, derived: Point, point: Point) -> bool:
    """Return whether *point* is expected to improve less than *derived*, by a hundredth: without regard to rounding."""
    assert made.decision.seed is not None
    going_by = gp.decide(made.space, made.history, seed=made.decision.seed)
    rows = [going_by.code.row(point), going_by.code.row(derived)]
    if going_by.criterion is None or rows[0] is None or rows[1] is None:
        return True
    worth, best = going_by.criterion.at(np.stack([rows[0], rows[1]]))
    return bool(best - worth > MATERIAL)


def moved(code: Encoding, point: Point, by: float, rng: np.random.Generator) -> Point | None:
    """Return *point* with one number moved *by* a part of its range; None if there is none that can be."""
    row = code.row(point)
    if row is None:
        return None
    for k in rng.permutation(len(code.numbers)):
        j = code.numbers[k]
        for step in rng.permutation([-by, by]):
            other = row.copy()
            other[j] += step
            if code.active(row[None])[0, j] and code.lowest[k] <= other[j] <= code.highest[k]:
                forged = code.point(code.tidy(other[None])[0])
                if forged != point:
                    return forged
    return None


def in_another_branch(code: Encoding, space: Space, point: Point, rng: np.random.Generator) -> Point | None:
    """Return *point* with another option of a choice that other labels depend on, whose labels are drawn."""
    leads = {code.parameters[j].label for j in code.leads}
    for _ in range(50 if leads else 0):
        drawn = space.sample(rng)
        if any(drawn[label] != point[label] for label in leads & drawn.keys() & point.keys()):
            return {label: value if label in leads else point.get(label, value) for label, value in drawn.items()}
    return None


def forgeries(made: Made, rng: np.random.Generator) -> Iterator[tuple[str, Point]]:
    """Yield forged points for *made*, each with its kind."""
    code, point = encoding(made.space), dict(made.decision.point)
    kinds = {
        "a random point": made.space.sample(rng),
        "moved by 1 %": moved(code, point, 0.01, rng),
        "moved by 5 %": moved(code, point, 0.05, rng),
        "moved by 20 %": moved(code, point, 0.2, rng),
        "another branch": in_another_branch(code, made.space, point, rng),
    }
    yield from ((kind, forged) for kind, forged in kinds.items() if forged is not None and forged != point)


def judged_forgeries(experiments: list[Experiment]) -> Iterator[tuple[str, Outcome, bool]]:
    """Yield kind, outcome and whether it is material, of forged points for every third decision."""
    rng = np.random.default_rng(1)
    for experiment in experiments:
        for made in decisions(experiment):
            decision = made.decision
            if decision.tid is None or decision.seed is None or decision.algorithm is None or rng.integers(EVERY):
                continue
            derived = choose_recorded(
                ALGORITHMS["auto"], made.space, made.history, seed=decision.seed,
                settings=decision.algorithm["settings"], recorded=decision.algorithm,
            ).points[0]  # fmt: skip
            for kind, point in forgeries(made, rng):
                yield kind, outcome(made, derived, point), is_material(made, derived, point)


def write_logs(path: Path, experiments: list[Experiment]) -> None:
    """Write the logs of *experiments* to the file at *path*."""
    path.write_text(dumps([list(each.documents()) for each in experiments], json_options=AS_STORED))


def judge(path: Path) -> None:
    """Replay the experiments in the file at *path* here, and print the counts as JSON."""
    count: Counter[str] = Counter()
    for log in loads(path.read_text(), json_options=AS_STORED):
        store = Store.in_memory()
        store.log.append([from_document(document) for document in log])
        came = derive_again(store.experiment(log[0]["exp"]))
        different = len({difference.tid for difference in came.differences})
        count.update(decisions=came.suggested, equivalent=came.equivalent, different=different)
        count.update(same=came.suggested - came.equivalent - different)
    print(json.dumps(count))


def main() -> None:
    """Print how many honest decisions are called different, and how many forged ones are not."""
    experiments = [searched(name, seed) for name in PROBLEMS for seed in range(SEEDS)]
    rows = [["replayed as on", "decisions", "same", "equivalent", "different", "false alarms"]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logs.json"
        write_logs(path, experiments)
        kinds = [("this one", sys.executable, "")] + [(core, sys.executable, core) for core in CORES]
        if other := os.environ.get("HSTORE_OTHER_PYTHON"):
            kinds.append(("other versions", other, ""))
        for kind, python, core in kinds:
            environment = {**os.environ, "OPENBLAS_CORETYPE": core} if core else dict(os.environ)
            command = [python, "-m", "bench.forged", str(path)]
            said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            count = json.loads(said)
            alarms = f"{count['different'] / count['decisions']:.2%}"
            rows.append([kind, *(str(count[each]) for each in rows[0][1:5]), alarms])
    show("Honest decisions of auto", rows)
    found = list(judged_forgeries(experiments))
    rows = [["forged", "decisions", "found", "that differ materially", "found of these"]]
    for kind in [*dict.fromkeys(kind for kind, _, _ in found), "all"]:
        these = [(outcome, material) for each, outcome, material in found if kind in (each, "all")]
        material = [outcome == "different" for outcome, is_material in these if is_material]
        n = sum(outcome == "different" for outcome, _ in these)
        share = sum(material) / max(len(material), 1)
        rows.append([kind, str(len(these)), f"{n / len(these):.1%}", str(len(material)), f"{share:.1%}"])
    show("Forged decisions, judged as on another machine", rows)


if __name__ == "__main__":
    judge(Path(sys.argv[1]))
