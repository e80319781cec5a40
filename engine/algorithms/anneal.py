"""Simulated annealing: draw near a good trial, nearer the more there are.

The numbers are those of a hyperopt 0.3.0 whose sort is stable; see `ties`.
"""

import math
from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms import parzen
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.history import ERROR, VOID, History
from hstore.engine.algorithms.label_by_label import Batch, SuggestAlgo
from hstore.engine.algorithms.ties import MACHINE_BOUND, TIES, ascending_order
from hstore.engine.space import Apply, Parameter, Point, Space, Value
from hstore.store.errors import InvalidValue

_TINY = 1e-16  # added to a qlognormal, which can be 0, before its logarithm is taken


class Window(NamedTuple):
    """Where to look for a value: near *value*, in *width* (0 to 1) of the prior's breadth."""

    value: float
    width: float


def choose(
    space: Space,
    history: History,
    *,
    seed: int,
    avg_best_idx: float = 2.0,
    shrink_coef: float = 0.1,
    ties: str = "stable",
) -> Point:
    """Simulated annealing: draw each label from its prior, narrowed around its value in a good trial.

    The trial is one of the best at random, on average the *avg_best_idx*-th, and one for as many labels as have
    a value in it. After T trials with a label, 1 / (1 + T * *shrink_coef*) of its prior's breadth is left. Pending
    and failed trials rank behind all that have a loss, those with a loss of nan last; trials that ended in an
    error are ignored. As in hyperopt, the number of the trial to come is added to *seed*. The values of a
    randint of more than 10,000 count as numbers in order, those of a smaller one as names, as in hyperopt. *ties* says
    how equal losses are ordered, as for tpe.
    """
    rng = np.random.default_rng(seed + history.next_tid)
    picked: list[int] = []
    point: Point = {}
    for parameter in space.parameters:
        label = parameter.label
        if not space.is_active(label, point):
            continue
        column = history.column(label)
        rows = _best_first(history, label, ties)
        if len(rows):
            value = float(column[_pick(rng, rows, picked, avg_best_idx, column)])
            point[label] = _draw(rng, parameter, Window(value, _shrunk(len(rows), shrink_coef)))
        else:
            point[label] = parameter.draw(rng)
    return point


def _best_first(history: History, label: str, ties: str) -> NDArray[np.intp]:
    """Return the trials that are seen at all and in which *label* is active, by ascending loss."""
    is_seen = (history.kinds != ERROR) & (history.kinds != VOID) & ~np.isnan(history.column(label))
    seen = np.flatnonzero(is_seen)
    return np.asarray(seen[ascending_order(history.losses[seen], ties)])


def _shrunk(n: int, shrink_coef: float) -> float:
    """Return how much of the prior's breadth is left after *n* trials."""
    return 1.0 / (1.0 + n * shrink_coef)


def _pick(
    rng: np.random.Generator,
    rows: NDArray[np.intp],
    picked: list[int],
    avg_best_idx: float,
    column: NDArray[np.float64],
) -> int:
    """Return the first of the *picked* trials that has a value in *column*, else one more of *rows*, best first."""
    for row in picked:
        if not math.isnan(column[row]):
            return row
    place = portable.geometric(rng, 1.0 / avg_best_idx) - 1
    picked.append(int(rows[min(place, len(rows) - 1)]))
    return picked[-1]


def _draw(rng: np.random.Generator, parameter: Parameter, window: Window) -> Value:
    if parameter.is_range:
        return parameter.nearest(_draw_uniform(rng, parameter.as_range(), window))
    if parameter.is_categorical:
        return _draw_category(rng, parameter, window)
    x = _draw_normal(rng, parameter, window) if parameter.is_normal else _draw_uniform(rng, parameter, window)
    if parameter.is_log:
        x = portable.exp(x)
    return x if parameter.q is None else round(x / parameter.q) * parameter.q


def _draw_category(rng: np.random.Generator, parameter: Parameter, window: Window) -> int:
    low = int(parameter.low or 0)
    n = parameter.n_options
    # To the bit as hyperopt has them: which draws mean which category changes where one has half of what is left.
    width = window.width
    probabilities = np.full(n, width / n) if parameter.p is None else width * np.array(parameter.p)
    probabilities[int(window.value) - low] += 1.0 - window.width
    return low + parzen.draw_components(rng, probabilities, 1)[0]


def _draw_uniform(rng: np.random.Generator, parameter: Parameter, window: Window) -> float:
    low, high = parameter.low, parameter.high
    assert low is not None
    assert high is not None
    middle = portable.log(window.value) if parameter.is_log else window.value  # what was rounded to 0: -inf
    half = 0.5 * window.width * (high - low)
    middle = min(max(middle, low + half), high - half)
    return portable.uniform(rng, middle - half, middle + half)


def _draw_normal(rng: np.random.Generator, parameter: Parameter, window: Window) -> float:
    assert parameter.sigma is not None
    middle = window.value
    if parameter.is_log:
        middle = portable.log(middle if parameter.q is None else _TINY + middle)
    return portable.normal(rng, middle, window.width * parameter.sigma)


suggest = Algorithm(
    name="anneal",
    version=1,
    is_portable=True,
    choose=choose,
    limits={"avg_best_idx": (1, math.inf), "shrink_coef": (0, math.inf)},
    words={"ties": TIES},
    machine_bound=MACHINE_BOUND,
)


class AnnealingAlgo(SuggestAlgo):
    """Annealing as a class, for who wants another `shrinking`; otherwise it is what `suggest` is."""

    __module__ = "hstore.anneal"

    def __init__(
        self,
        domain: Any,
        trials: Any,
        seed: int,
        avg_best_idx: float = 2.0,
        shrink_coef: float = 0.1,
        ties: str = "stable",
    ) -> None:
        suggest.gather((avg_best_idx, shrink_coef, ties), {})
        super().__init__(domain, trials, seed)
        self.avg_best_idx = avg_best_idx
        self.shrink_coef = shrink_coef
        self.ties = ties
        self._picked: list[int] = []

    def begin(self, seed: int | Sequence[int]) -> None:
        """See `SuggestAlgo.begin`."""
        super().begin(seed)
        self._picked = []

    def shrinking(self, label: str) -> float:
        """Return how much of the breadth of the prior of *label* is left, 0 to 1."""
        return _shrunk(len(self._rows(label)), self.shrink_coef)

    def choose_ltv(
        self, label: str, size: int = 1
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """Return (losses, tids, values of *label*), arrays of one, of the trial near which to look.

        Raises `InvalidValue` if *label* has no values yet, or for another *size*.
        """
        rows = self._rows(label)
        if not len(rows) or size != 1:
            raise InvalidValue(f"{label}: has values in {len(rows)} trials, of which one is chosen, not {size}")
        column = self.history.column(label)
        row = _pick(self.rng, rows, self._picked, self.avg_best_idx, column)
        return self.history.losses[[row]], np.array([row]), column[[row]]

    def on_node_hyperparameter(self, memo: MutableMapping[Apply, Any], node: Apply, label: str) -> Sequence[Value]:
        """Return a value near that of a good trial; one of the prior if there is no trial yet."""
        if not len(self._rows(label)):
            return super().on_node_hyperparameter(memo, node, label)
        _, _, (value,) = self.choose_ltv(label)
        return [_draw(self.rng, self.space[label], Window(float(value), self.shrinking(label)))]

    def _rows(self, label: str) -> NDArray[np.intp]:
        return _best_first(self.history, label, self.ties)


def suggest_batch(new_ids: Sequence[int], domain: Any, trials: Any, seed: int, *values: Any, **settings: Any) -> Batch:
    """Return (idxs, vals) of points for all of *new_ids*; settings are those of `suggest`."""
    return AnnealingAlgo(domain, trials, seed, **suggest.gather(values, settings)).batch(new_ids)
