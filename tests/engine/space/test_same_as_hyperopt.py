"""Points and their evaluation equal hyperopt's: hyperopt itself, run beside ours, is the oracle."""

import random
import warnings
from typing import Any

import numpy as np
import pytest

from hstore.engine.space import compile_space, hp, space_eval

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


def random_space(
    rng: random.Random,
    library: Any,
    depth: int = 0,
    labels: list[str] | None = None,
    shared: list[Any] | None = None,
) -> Any:
    """Return a space of all kinds, nested and conditional, with labels in adverse order and nodes used twice."""
    labels = labels if labels is not None else [f"{c}{i}" for i in range(20) for c in "zmab"]
    shared = shared if shared is not None else []

    def label() -> str:
        return labels.pop(rng.randrange(len(labels)))

    def leaf() -> Any:
        kind = rng.choice(
            [
                "uniform",
                "quniform",
                "uniformint",
                "loguniform",
                "qloguniform",
                "normal",
                "qnormal",
                "lognormal",
                "qlognormal",
                "randint",
                "randint2",
            ]
        )
        a, b, q = rng.uniform(-2, 0), rng.uniform(0.5, 2), rng.choice([0.5, 1, 2])
        match kind:
            case "uniform" | "loguniform":
                return getattr(library, kind)(label(), a, b)
            case "quniform" | "qloguniform":
                return getattr(library, kind)(label(), a, b, q)
            case "uniformint":
                return library.uniformint(label(), 1, 9)
            case "normal" | "lognormal":
                return getattr(library, kind)(label(), a, b)
            case "qnormal" | "qlognormal":
                return getattr(library, kind)(label(), a, b, q)
            case "randint":
                return library.randint(label(), 7)
            case _:
                return library.randint(label(), 3, 7)

    def node() -> Any:
        return random_space(rng, library, depth + 1, labels, shared)

    kind = rng.choices(
        ["leaf", "dict", "list", "choice", "pchoice", "sum", "shared", "constant"], [5, 2, 1, 3, 1, 1, 1, 1]
    )[0]
    if depth == 0:
        return {f"k{i}": node() for i in range(rng.randint(2, 5))}
    if depth > 4 or len(labels) < 30:
        kind = "leaf" if kind not in ("shared", "constant") else kind
    if kind == "dict":
        return {f"k{i}": node() for i in range(rng.randint(1, 3))}
    if kind == "list":
        return [node() for _ in range(rng.randint(1, 3))]
    if kind == "choice":
        mine = label()
        return library.choice(mine, [node() for _ in range(rng.randint(1, 3))])
    if kind == "pchoice":
        mine = label()
        return library.pchoice(mine, [(0.25, node()), (0.5, node()), (0.25, "constant")])
    if kind == "sum":
        return leaf() * 2 + 1 - leaf() / 3
    if kind == "shared" and shared:
        return rng.choice(shared)
    if kind == "constant":
        return rng.choice([None, "text", 3, 2.5, (1, "two")])
    made = leaf()
    shared.append(made)
    return made


@pytest.mark.parametrize("seed", range(60))
def test_random_spaces_are_drawn_and_evaluated_alike(seed: int) -> None:
    ours, theirs = random_space(random.Random(seed), hp), random_space(random.Random(seed), hyperopt.hp)
    space = compile_space(ours)
    domain = hyperopt.base.Domain(lambda _: 0.0, theirs)
    for draw in range(6):
        trials = hyperopt.Trials()
        (doc,) = hyperopt.rand.suggest([0], domain, trials, draw)
        expected = {name: values[0] for name, values in doc["misc"]["vals"].items() if len(values)}
        point = space.sample(np.random.default_rng(draw))
        assert point == pytest.approx(expected, rel=1e-12)
        assert {k: isinstance(v, int) for k, v in point.items()} == {
            k: isinstance(v, (int, np.integer)) for k, v in expected.items()
        }
        space.check(point)
        assert_same(space_eval(ours, point), hyperopt.space_eval(theirs, expected))


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs) or np.isscalar(ours)
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        ours, theirs = tuple(ours.values()), tuple(theirs.values())
    if isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, rel=1e-12)
    else:
        assert ours == theirs
