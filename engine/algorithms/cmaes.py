"""CMA-ES on numerical labels, by the `cmaes` package: its state is derived from the history each time.

Hansen, The CMA Evolution Strategy: A Tutorial (2016); restarts with twice the population as in Auger and Hansen, A
Restart CMA Evolution Strategy With Increasing Population Size (CEC 2005).
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.history import PENDING, VOID, History
from hstore.engine.algorithms.kernels import Scales
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from cmaes import CMA

Floats = NDArray[np.float64]

_PROPOSALS = 16
_DRAWS = 10  # until one is within the bounds; then the last one is moved there
_SEEDS = 2**31 - 1
_KEPT = 16


class StrategyState(NamedTuple):
    """A strategy, how many trials it has seen, and how often it was restarted."""

    trials: int
    restarts: int
    strategy: CMA


_memory: OrderedDict[bytes, StrategyState] = OrderedDict()
"""States that `_strategy` need not derive again, by a digest of the trials that they have seen."""


def choose(
    space: Space,
    history: History,
    *,
    seed: int,
    sigma0: float = 0.25,
    n_population: int = 0,
    categorical: str = "refuse",
    repeats: Repeats = False,
) -> Point:
    """CMA-ES: draw a point from the normal distribution that it has adapted to the trials that ended, in their order.

    *sigma0* is the deviation that it begins with, in parts of the range of a bounded label or in deviations of a normal
    one; *n_population* the number of trials in a generation, 0 for 4 + 3 ln(labels). *categorical* labels and
    what depends on them are refused, or with "random" drawn from the prior. Failed trials count as the worst. No
    point is tried twice, unless *repeats*. Raises InvalidValue for labels that it cannot search, and
    without the package cmaes.
    """
    _check(space, categorical)
    rng = np.random.default_rng(seed)
    scales = Scales(space)
    columns = [k for k, parameter in enumerate(scales.numerical) if not parameter.conditions]
    if not columns:
        return new_point(space, history, _drawn(space, rng), seed=seed, repeats=repeats)
    is_ended = (history.kinds != PENDING) & (history.kinds != VOID)
    x = scales.rows(history).numbers[:, columns]
    is_ended &= np.isfinite(x).all(axis=1)  # a trial of another space may lack a label
    x, losses = x[is_ended], history.losses[is_ended]
    losses = np.where(np.isnan(losses), np.inf, losses)
    is_normal = scales.is_normal[columns]
    bounds = np.stack((np.where(is_normal, -np.inf, 0.0), np.where(is_normal, np.inf, 1.0)), axis=1)
    strategy = _strategy(x, losses, bounds, sigma0, n_population)
    strategy.reseed_rng(int(rng.integers(_SEEDS)))

    def asked() -> Iterator[Point]:
        for _ in range(_PROPOSALS):
            numbers = np.full((1, len(scales.numerical)), 0.5)
            numbers[0, columns] = strategy.ask()
            numbers_only = scales.resolve(numbers, np.zeros((1, len(scales.categorical)), dtype=np.intp)).point(0)
            mine = {scales.numerical[k].label for k in columns}
            point = space.sample(rng)
            yield {label: numbers_only[label] if label in mine else value for label, value in point.items()}

    return new_point(space, history, asked(), seed=seed, repeats=repeats)


def _check(space: Space, categorical: str) -> None:
    if categorical not in ("refuse", "random"):
        raise InvalidValue(
            f"cmaes: categorical must be 'refuse' or 'random', not {categorical!r:.60}", path="categorical"
        )
    unordered = [parameter.label for parameter in space.parameters if parameter.is_categorical]
    if unordered and categorical == "refuse":
        more = f" and {len(unordered) - 5} more" if len(unordered) > 5 else ""
        raise InvalidValue(
            f"cmaes searches numbers, and these labels are categorical: {', '.join(unordered[:5])}{more}",
            hint="use hp.uniformint or hp.quniform, another algorithm, or categorical='random' to draw them at random",
            path="algo",
        )
    try:
        import cmaes  # noqa: F401
    except ImportError as error:
        raise InvalidValue(
            f"cmaes needs the package of that name: {error}", hint="pip install 'hstore[cmaes]'", path="algo"
        ) from None


def _drawn(space: Space, rng: np.random.Generator) -> Iterator[Point]:
    while True:
        yield space.sample(rng)


def _strategy(x: Floats, losses: Floats, bounds: Floats, sigma0: float, n_population: int) -> CMA:
    """Return the strategy after points *x* (trials, labels) with *losses* (trials,), generation by generation."""
    n = n_population or 4 + math.floor(3.0 * math.log(len(bounds)))
    settings = repr((bounds.tolist(), sigma0, n)).encode()

    def key(stop: int) -> bytes:
        return hashlib.sha256(settings + x[:stop].tobytes() + losses[:stop].tobytes()).digest()

    known = (key(stop) for stop in sorted({state.trials for state in _memory.values()}, reverse=True) if stop <= len(x))
    state = next((_memory[k] for k in known if k in _memory), None)
    if state is None:
        state = StrategyState(0, 0, _begun(bounds, sigma0, n, 0, key(0)))
    strategy, start, restarts = copy.deepcopy(state.strategy), state.trials, state.restarts
    while (stop := start + strategy.population_size) <= len(x):
        # Only ranks count, and trials without a loss rank last.
        ranks = np.argsort(np.argsort(losses[start:stop], kind="stable"), kind="stable")
        strategy.tell([(row, float(rank)) for row, rank in zip(x[start:stop], ranks, strict=True)])
        # A copy keeps one half of the covariances, so a state from the cache goes on exactly as a derived one does.
        strategy, start = copy.deepcopy(strategy), stop
        if strategy.should_stop():
            restarts += 1
            strategy = _begun(bounds, sigma0, n << restarts, restarts, key(start))
    if start > state.trials:
        _memory[key(start)] = StrategyState(start, restarts, copy.deepcopy(strategy))
        if len(_memory) > _KEPT:
            _memory.popitem(last=False)
    return strategy


def _begun(bounds: Floats, sigma0: float, n: int, restarts: int, key: bytes) -> CMA:
    from cmaes import CMA

    is_bounded = np.isfinite(bounds[:, 0])
    mean = np.where(is_bounded, 0.5, 0.0)
    if restarts:
        # At another place, drawn by a hash of the trials so far.
        rng = np.random.default_rng(int.from_bytes(key[:8], "little"))
        mean = np.where(is_bounded, rng.random(len(bounds)), rng.standard_normal(len(bounds)))
    return CMA(mean=mean, sigma=sigma0, bounds=bounds, n_max_resampling=_DRAWS, population_size=max(n, 2), seed=0)


suggest = Algorithm(
    name="cmaes",
    version=3,
    older={1: {"repeats": "endless"}, 2: {"repeats": "drawn"}},
    is_portable=False,
    choose=choose,
    limits={"sigma0": (1e-6, 10), "n_population": (0, 10_000)},
)
