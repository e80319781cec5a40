"""auto, the default: a portfolio of gp and, while gp finds nothing better, of three ways to choose without a model.

Which of them chooses the next point follows from the history alone; see `portfolio`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms import gp, mtpe
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.candidates import offspring, steps, under_explored
from hstore.engine.algorithms.densities import Densities
from hstore.engine.algorithms.earlier import WORDS, Earlier, judged
from hstore.engine.algorithms.encoding import Encoding, encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.algorithms.portfolio import account
from hstore.engine.algorithms.scalarise import is_needed
from hstore.engine.algorithms.surrogate import known
from hstore.engine.space import Point, Space

_N_PROPOSALS = 8
_Propose = Callable[[Encoding, NDArray[np.float64], np.random.Generator, int], NDArray[np.float64]]


def choose(
    space: Space, history: History, *, seed: int, repeats: Repeats = False, earlier: Earlier = "judged"
) -> Point:
    """Portfolio: a Gaussian process by default, others when it stalls.

    `gp` chooses the points. After 10 trials without a better loss, every fourth trial is chosen in one of three
    other ways, the one that has found a better loss most often so far: a step away from a good trial, in one label
    or a few; a point distributed as the best trials are, as in CMA-ES; or `mtpe`. These do not rely on a model of
    the loss, so a model that is wrong does not mislead them. No point is tried twice, unless *repeats* is true or,
    for spaces that are not finite, "endless". Several losses, and constraints, are left to `gp`.
    Trials of a warm start that turn out to be of another objective are left out, unless *earlier* is "believed".
    """
    history = judged(space, history, earlier)
    if is_needed(history):
        return _gp(space, history, seed, repeats)
    return ARMS[_turn(history)](space, history, seed, repeats)


def shortfall(
    space: Space, history: History, point: Point, *, seed: int, repeats: Repeats = False, earlier: Earlier = "judged"
) -> float | None:
    """Return what `gp.shortfall` does if it is gp's turn; else None: the others draw points, and measure nothing."""
    history = judged(space, history, earlier)
    if is_needed(history) or ARMS[_turn(history)] is _gp:
        return gp.shortfall(space, history, point, seed=seed, repeats=repeats, earlier="believed")
    return None


def densities(
    space: Space, history: History, point: Point, *, seed: int, repeats: Repeats = False, earlier: Earlier = "judged"
) -> list[Densities] | None:
    """Return what `mtpe.densities` does if it is mtpe's turn; else None."""
    history = judged(space, history, earlier)
    if is_needed(history) or ARMS[_turn(history)] is not _mtpe:
        return None
    return mtpe.densities(space, history, point, seed=seed, repeats=repeats)


def _turn(history: History) -> int:
    trials = known(history)
    losses: list[float | None] = [None] * len(history)
    for tid in trials.valid:
        losses[tid] = float(trials.losses[tid])
    return account(losses, len(ARMS)).turn(history.next_tid)


def _gp(space: Space, history: History, seed: int, repeats: Repeats) -> Point:
    return gp.choose(space, history, seed=seed, repeats=repeats, earlier="believed")  # what is left of them


def _mtpe(space: Space, history: History, seed: int, repeats: Repeats) -> Point:
    return mtpe.choose(space, history, seed=seed, repeats=repeats)


def _near_the_best(propose: _Propose) -> Callable[[Space, History, int, Repeats], Point]:
    def choose(space: Space, history: History, seed: int, repeats: Repeats) -> Point:
        return new_point(space, history, proposals(space, history, seed), seed=seed, repeats=repeats)

    def proposals(space: Space, history: History, seed: int) -> Iterator[Point]:
        code, trials = encoding(space), known(history)
        rows = code.rows(history)
        order = trials.valid[np.argsort(trials.losses[trials.valid], kind="stable")]
        best_first = under_explored(code, rows, trials, rows[order])
        yield from map(code.point, propose(code, best_first, np.random.default_rng(seed), _N_PROPOSALS))

    return choose


ARMS = (_gp, _near_the_best(steps), _near_the_best(offspring), _mtpe)
ARM_NAMES = ("gp", "a step from a good trial", "as the best are distributed", "mtpe")
"""What `arm` calls them."""


def arm(history: History) -> str:
    """Return which of `ARM_NAMES` chooses the point after *history*."""
    return ARM_NAMES[0] if is_needed(history) else ARM_NAMES[_turn(history)]


suggest = Algorithm(
    name="auto",
    version=5,
    older=gp.OLDER,
    is_portable=False,
    words={"earlier": WORDS},
    choose=choose,
    shortfall=shortfall,
    densities=densities,
    scalarisation="modelled",
)
