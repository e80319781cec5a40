"""The order of drawing is hyperopt's also where choices and containers are shared: watched while hyperopt draws."""

import random
import warnings
from typing import Any

import numpy as np
import pytest

from hstore.engine.space import as_apply, compile_space, hp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    import hyperopt.pyll

OPTIONS = 50  # more than any choice here has; a choice has OPTIONS + its number, so that a draw tells whose it is


class Watching(np.random.Generator):
    """Notes which hyperparameter is drawn: each has bounds of its own."""

    seen: list[int]

    def integers(self, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(max(arg for arg in args[:2] if arg is not None) - OPTIONS)
        return super().integers(*args, **kwargs)

    def uniform(self, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(int(args[0]))
        return super().uniform(*args, **kwargs)


def tangled_space(seed: int, library: Any, to_node: Any) -> Any:
    """Return a space in which leaves, choices and containers are used again and again, in and outside of choices."""
    rng = random.Random(seed)
    labels = rng.sample("abcdefghijkl", 12)
    pool: list[Any] = []

    def node(depth: int) -> Any:
        kinds = rng.choices(["leaf", "choice", "dict", "list", "again"], [3, 4 if depth < 6 else 0, 2, 1, 4])
        if kinds == ["again"] and pool:
            return rng.choice(pool)
        if not labels:
            return 0
        if kinds == ["choice"]:
            label = labels.pop()
            options = [node(depth + 1) for _ in range(rng.randint(1, 3))]
            made = library.choice(label, options + [0] * (OPTIONS + ord(label) - len(options)))
        elif kinds == ["dict"]:
            made = to_node({f"k{rng.randrange(9)}": node(depth + 1) for _ in range(rng.randint(1, 3))})
        elif kinds == ["list"]:
            made = to_node([node(depth + 1) for _ in range(rng.randint(1, 3))])
        else:
            label = labels.pop()
            made = library.uniform(label, ord(label), ord(label) + 0.5)
        pool.append(made)
        return made

    return {f"k{i}": node(0) for i in range(rng.randint(1, 3))}


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(12, 60))])
def test_labels_are_drawn_in_the_order_in_which_hyperopt_draws_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    space = compile_space(tangled_space(seed, hp, as_apply))
    domain = hyperopt.base.Domain(lambda _: 0.0, tangled_space(seed, hyperopt.hp, hyperopt.pyll.as_apply))
    seen: list[int] = []
    monkeypatch.setattr(Watching, "seen", seen, raising=False)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Watching(np.random.PCG64(seed)))
    hyperopt.rand.suggest([0], domain, hyperopt.Trials(), 0)
    assert "".join(space.labels) == "".join(map(chr, seen))
