"""Algorithms as classes that choose one label after the other: hyperopt's algobase."""

from collections.abc import MutableMapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.algorithm import document, history_of
from hstore.engine.space import Apply, Literal, Point, Space, Value, space_eval
from hstore.store.errors import InvalidValue

Batch: TypeAlias = tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]
"""(idxs, vals): by label the trials in which it is active, and its raw values there."""


class SuggestAlgo:
    """An algorithm that chooses label by label: override `on_node_hyperparameter`, and hand fmin a function

    `def suggest(new_ids, domain, trials, seed): return MyAlgo(domain, trials, seed)(new_ids[0])`.

    Labels come in the order in which hyperopt draws them, a choice before what depends on it, and only those that
    are active. `rng` is created anew for each trial; `history` holds the trials before.
    """

    __module__ = "hstore.algobase"

    def __init__(self, domain: Any, trials: Any, seed: int) -> None:
        self.domain = domain
        self.trials = trials
        self.space: Space = domain.space
        self.expr = self.space.expression
        self.history = history_of(trials, self.space)
        self._seed = seed
        self.rng = np.random.default_rng(seed)

    def begin(self, seed: int | Sequence[int]) -> None:
        """Make ready for a trial, or for a batch of them, with a generator of its own."""
        self.rng = np.random.default_rng(seed)

    def on_node_hyperparameter(self, memo: MutableMapping[Apply, Any], node: Apply, label: str) -> Sequence[Value]:
        """Return [raw value] of *label*, which is drawn from *node*; *memo* has the values of what that is made of.

        Unless overridden it is one of the prior.
        """
        return [self.space[label].draw(self.rng)]

    def __call__(self, new_id: int) -> list[dict[str, Any]]:
        """Return hyperopt's document of a new trial with id *new_id*."""
        self.begin(self._seed + new_id)
        return [document(new_id, self.space, self._point(), getattr(self.trials, "exp_key", None))]

    def batch(self, new_ids: Sequence[int]) -> Batch:
        """Return (idxs, vals) of points for all of *new_ids*, from one generator."""
        self.begin([self._seed, *new_ids])
        return as_batch(self.space, new_ids, [self._point() for _ in new_ids])

    def _point(self) -> Point:
        point: Point = {}
        for parameter in self.space.parameters:
            label = parameter.label
            if self.space.is_active(label, point):
                node = next(node for node in self.space.memo({label: None}) if node.name == "hyperopt_param")
                drawn_from = node.pos_args[1]
                memo = {child: _constant(child) for child in drawn_from.inputs()}
                values = self.on_node_hyperparameter(memo, drawn_from, label)
                if len(values) != 1:
                    raise InvalidValue(f"{label}: on_node_hyperparameter returned {len(values)} values, not [value]")
                point[label] = values[0]
        return point


def _constant(node: Apply) -> Any:
    return node.obj if isinstance(node, Literal) else space_eval(node, {})


def as_batch(space: Space, tids: Sequence[int], points: Sequence[Point]) -> Batch:
    """Return the *points* of trials *tids* by label."""
    idxs, vals = {}, {}
    for label in sorted(space.labels):
        active = [(tid, point[label]) for tid, point in zip(tids, points, strict=True) if label in point]
        idxs[label] = np.array([tid for tid, _ in active], dtype=np.intp)
        vals[label] = np.array([value for _, value in active])
    return idxs, vals
