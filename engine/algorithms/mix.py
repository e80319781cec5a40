"""A mix of algorithms: for each point one of them is drawn, as hyperopt 0.3.0 draws it, and chooses the point."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hstore.engine.algorithms import parzen
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.densities import Densities
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.known_algorithms import CustomAlgorithm, describe_algorithm, resolve
from hstore.engine.algorithms.recorded_choice import as_recorded
from hstore.engine.algorithms.repeated import REPLICATES, plain_replicates
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue

_DEFAULT = ((0.1, "rand"), (0.2, "anneal"), (0.7, "tpe"))
_TOLERANCE = 1e-5 + 1e-8  # that of numpy.isclose, which hyperopt uses
_SEED_BELOW = 2**31

Parts = Iterable[tuple[float, Any]]
"""(probability, algorithm) pairs; the algorithm as `resolve` takes it."""


def choose(space: Space, history: History, *, seed: int, p_suggest: Parts = _DEFAULT) -> Point:
    """A mix: one of the algorithms in *p_suggest* chooses, drawn with the probability given for it.

    *p_suggest* holds pairs (probability, algorithm), the algorithm an Algorithm, its name, a partial with
    settings, or as a log has it. InvalidValue is raised for others, and unless the probabilities add up to 1.
    """
    algorithm, settings, inner_seed = _draw(seed, p_suggest)
    if not isinstance(algorithm, Algorithm):
        name = describe_algorithm(algorithm, settings)["name"]
        raise InvalidValue(f"{name} is not part of hstore: it takes trials, no history", path="p_suggest")
    return algorithm.choose(space, history, seed=inner_seed, **settings)


def densities(
    space: Space, history: History, point: Point, *, seed: int, p_suggest: Parts = _DEFAULT
) -> list[Densities] | None:
    """Return what the `Algorithm.densities` of the algorithm does that is drawn; None if it has none."""
    algorithm, settings, inner_seed = _draw(seed, p_suggest)
    found = getattr(algorithm, "densities", None)
    return None if found is None else found(space, history, point, seed=inner_seed, **settings)


def drawn(seed: int, p_suggest: Parts = _DEFAULT) -> str:
    """Return the name of the algorithm that is drawn with *seed*."""
    algorithm, settings, _ = _draw(seed, p_suggest)
    return str(describe_algorithm(algorithm, settings)["name"])


class Mix(Algorithm):
    """The algorithm, and how a log has the algorithms that it is made of.

    A user's own function may be one of them. The mix is then called in hyperopt's shape, as that function
    would be on its own; the log names it, and replay says that it cannot derive what such a mix chose.
    """

    def plain(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return *settings* with the algorithms in them as `describe_algorithm` has them."""
        self.check(settings)
        resolved = _resolved(settings.get("p_suggest", _DEFAULT))
        parts = [[p, describe_algorithm(algorithm, inner)] for p, algorithm, inner in resolved]
        replicates = {REPLICATES: plain_replicates(settings[REPLICATES])} if REPLICATES in settings else {}
        return {"p_suggest": parts, **replicates}

    def parts(self, settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the algorithms in plain *settings*."""
        return [part for _, part in settings["p_suggest"]]

    def is_portable_with(self, settings: Mapping[str, Any]) -> bool:
        """Return whether all algorithms in *settings* are portable; one of the user's own is not known to be."""
        parts = [(algorithm, inner) for _, algorithm, inner in _resolved(settings.get("p_suggest", _DEFAULT))]
        return all(isinstance(part, Algorithm) and part.is_portable_with(inner) for part, inner in parts)

    def try_out(self, space: Space, settings: Mapping[str, Any]) -> None:
        """See `Algorithm.try_out`: each of its algorithms does."""
        for _, algorithm, inner in _resolved(settings.get("p_suggest", _DEFAULT)):
            if isinstance(algorithm, Algorithm):
                algorithm.try_out(space, inner)

    def __call__(
        self, new_ids: Sequence[int], domain: Any, trials: Any, seed: int, *values: Any, **settings: Any
    ) -> list[dict[str, Any]]:
        """Return what the algorithm that is drawn returns."""
        given = self.gather(values, settings)
        algorithm, inner, inner_seed = _draw(seed, given.get("p_suggest", _DEFAULT))
        return algorithm(new_ids, domain, trials, inner_seed, **inner)


def _draw(seed: int, p_suggest: Parts) -> tuple[Algorithm | CustomAlgorithm, dict[str, Any], int]:
    """Return one of the algorithms, its settings, and the seed for its choice."""
    given = list(p_suggest)
    resolved = _resolved(given)
    rng = np.random.default_rng(seed)
    n = parzen.draw_components(rng, np.array([p for p, _, _ in resolved]), 1)[0]
    _, algorithm, settings = resolved[n]
    part = given[n][1]
    if isinstance(algorithm, Algorithm) and isinstance(part, Mapping):  # as a log has it, perhaps of an older version
        settings = as_recorded(algorithm, settings, part)
    return algorithm, settings, int(rng.integers(_SEED_BELOW))


def _resolved(p_suggest: Parts) -> list[tuple[float, Algorithm | CustomAlgorithm, dict[str, Any]]]:
    """Return (probability, algorithm, its settings) of each part; raises InvalidValue if it is not such a list."""
    try:
        pairs = [(float(p), algo) for p, algo in p_suggest]
    except (TypeError, ValueError):
        raise InvalidValue(
            f"p_suggest must be a list of pairs (probability, algorithm), not {p_suggest!r:.80}", path="p_suggest"
        ) from None
    probabilities = [p for p, _ in pairs]
    if not all(p >= 0.0 for p in probabilities) or not abs(math.fsum(probabilities) - 1.0) <= _TOLERANCE:
        raise InvalidValue(f"Probabilities should sum to 1, and be positive: {probabilities}", path="p_suggest")
    return [(p, *resolve(algo)) for p, algo in pairs]


# As portable as what is in it, which by default is: see `is_portable_with`.
suggest = Mix(name="mix", version=1, is_portable=True, choose=choose, densities=densities)
