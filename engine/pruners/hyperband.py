"""Hyperband: successive halving with several first rungs at once, if it is unknown how early a trial can be judged.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization (JMLR 2018), algorithm 1, run asynchronously: each trial belongs to one bracket, and is compared within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hstore.engine.pruners.asha import check, has_climbed, is_behind
from hstore.engine.pruners.curves import Curve
from hstore.engine.pruners.others import ComparedTrials
from hstore.engine.pruners.pruner import Pruner, check_steps


@cache
def brackets(reduction: int, min_steps: int, max_steps: int) -> tuple[int, ...]:
    """Return the first rung of each trial of a wave, by tid modulo its length.

    A wave has as many trials of each bracket as Hyperband begins with, n = ceil((s_max + 1) / (s + 1) · reduction^s)
    for s halvings, evenly mixed.
    """
    first = [min_steps]
    while first[-1] * reduction <= max_steps:
        first.append(first[-1] * reduction)
    n = len(first)
    # Bracket i begins at min_steps · reduction^i, and so has s = n - 1 - i halvings before max_steps.
    sizes = [-(-n * reduction**s // (s + 1)) for s in range(n - 1, -1, -1)]
    wave: list[int] = []
    credit = [0] * n
    for _ in range(sum(sizes)):  # the bracket furthest behind its share comes next
        credit = [c + size for c, size in zip(credit, sizes, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= sum(sizes)
        wave.append(first[chosen])
    return tuple(wave)


def decide(
    tid: int, curve: Curve, others: Mapping[int, Curve], *, reduction: int = 3, min_steps: int = 1, max_steps: int = 81
) -> bool:
    """Stop a trial that is not among the best 1 / *reduction* of its bracket that came as far as its rung.

    Brackets have their first rungs at *min_steps*, *reduction* times that, and so on up to *max_steps*, which is how
    many steps a trial takes. Most trials belong to the first, which stops early; few to the last, which never does.
    """
    wave = brackets(reduction, min_steps, max_steps)
    first = wave[tid % len(wave)]
    bracket = ComparedTrials((wave, first), lambda other: wave[other % len(wave)] == first)
    return is_behind(curve, others, reduction=reduction, min_steps=first, max_steps=max_steps, group=bracket)


def _check(**settings: Any) -> None:
    check(**settings)
    check_steps(max_steps=settings["max_steps"] or 0)  # without it there are no brackets: None is refused


# The rungs of all brackets are among those of the first.
hyperband = Pruner(name="hyperband", version=1, due=has_climbed, decide=decide, check=_check)
