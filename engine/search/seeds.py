"""Seeds: the k-th suggestion's seed is the k-th draw of the generator that `created` records, until it is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from hstore.store.errors import InvalidValue

SEED_BELOW = 2**31 - 1


def as_generator(rstate: object) -> np.random.Generator:
    """Return the generator that *rstate* means: a Generator as it is, a RandomState's or BitGenerator's stream, an
    int or SeedSequence as a seed, None for `$HYPEROPT_FMIN_SEED` or else fresh entropy.
    """
    if isinstance(rstate, np.random.Generator):
        return rstate
    if isinstance(rstate, np.random.RandomState):
        return np.random.Generator(rstate._bit_generator)
    if rstate is None:
        seed = os.environ.get("HYPEROPT_FMIN_SEED")
        return np.random.default_rng(int(seed) if seed else None)
    try:
        return np.random.default_rng(rstate)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"rstate: {error}", hint="pass numpy.random.default_rng(seed), or an int") from error


def to_data(generator: np.random.Generator) -> dict[str, Any]:
    """Return the generator's name and present state, plain (the state as JSON text: it holds 128-bit integers)."""
    state = generator.bit_generator.state
    return {"name": state["bit_generator"], "state": json.dumps(state, default=lambda array: array.tolist())}


def from_data(data: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator in the state that *data* holds."""
    bits = getattr(np.random, data["name"])()
    bits.state = json.loads(data["state"])
    return np.random.Generator(bits)


def is_same(recorded: Mapping[str, Any], given: Mapping[str, Any], *, after: int) -> bool:
    """Return whether the generator *given* is as the *recorded* one was, or is now, *after* that many seeds drawn."""
    if (recorded["name"], recorded["state"]) == (given["name"], given["state"]):
        return True
    generator = from_data(recorded)
    generator.integers(SEED_BELOW, size=after)
    return to_data(generator) == given


class Seeds:
    """The sequence of seeds; `seeds[k]` is the seed of the k-th suggestion."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.change(0, data)

    def change(self, first: int, data: Mapping[str, Any]) -> None:
        """Have the seeds of the *first* suggestion and those after it come from the generator that *data* holds."""
        self._first = first
        self._generator = from_data(data)
        self._drawn: list[int] = []

    def __getitem__(self, k: int) -> int:
        k -= self._first
        missing = k + 1 - len(self._drawn)
        if missing > 0:
            # Drawing many at once gives the same numbers as one by one; a test holds numpy to it.
            self._drawn.extend(self._generator.integers(SEED_BELOW, size=missing).tolist())
        return self._drawn[k]
