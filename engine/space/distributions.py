"""Distributions: a space as scikit-learn's searches take it, with lists and frozen `scipy.stats` distributions.

Nothing is imported of scipy: a distribution is what has `rvs`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hstore.engine.space import hp, natural_bounds
from hstore.engine.space.expressions import Apply, dfs
from hstore.engine.space.symbols import scope
from hstore.store.errors import BadSearchSpace

ENDS = 1e-6
"""How far from 0 and 1 the quantiles stay of a distribution that has no end there."""


def as_space(given: Any) -> Any:
    """Return *given*, which `compile_space` is to take, with an hp expression for each list and distribution in it.

    given: {parameter: hp expression, list of options, frozen distribution or constant}, a list of several such dicts,
        of which one is chosen, or an hp.choice between some. What else it may be is returned as it is. A tuple is a
        constant, such as the sizes of layers.
    The label of a parameter is its name, with the number of its dict where several have it: C.0, C.1.
    Raises `BadSearchSpace`, naming the parameter, for a distribution that says nothing of its quantiles.
    """
    if isinstance(given, Mapping):
        return _converted(given, str)
    if isinstance(given, list) and given and all(isinstance(each, Mapping) for each in given):
        names = Counter(str(name) for each in given for name in each)
        return hp.choice(
            _free("params", names),
            [
                _converted(each, lambda name, i=i: f"{name}.{i}" if names[name] > 1 else name)  # type: ignore[misc]
                for i, each in enumerate(given)
            ],
        )
    if isinstance(given, Apply):
        _refuse_within(given)
    return given


def _free(label: str, taken: Mapping[str, int]) -> str:
    while label in taken:
        label += "_"
    return label


def _converted(given: Mapping[Any, Any], label_of: Callable[[str], str]) -> dict[Any, Any]:
    return {name: _as_expression(label_of(str(name)), value) for name, value in given.items()}


def _as_expression(label: str, value: Any) -> Any:
    if _is_distribution(value):
        return _from_distribution(label, value)
    options = value.tolist() if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1 else value
    if isinstance(options, list) and not any(isinstance(option, Apply) for option in options):
        if not options:
            raise BadSearchSpace(f"{label}: has no options: the list is empty", label=label)
        return hp.choice(label, options)
    return value


def _is_distribution(value: Any) -> bool:
    return not isinstance(value, (Apply, type)) and hasattr(value, "rvs")


def _refuse_within(expression: Apply) -> None:
    """Refuse distributions in the options of a choice: they have no label there."""
    for node in dfs(expression):
        for name, child in node.named_args if node.name == "dict" else ():
            if _is_distribution(getattr(child, "obj", None)):
                raise BadSearchSpace(
                    f"{name}: is a distribution of scipy.stats within an hp.choice", label=name,
                    hint="write it with hp, such as hp.log(label, low, high), or give a list of dicts",
                )  # fmt: skip


def _from_distribution(label: str, given: Any) -> Apply:
    """Return the hp expression of a frozen distribution: hp's own where it has it, else one by its quantiles."""
    if (known := _KNOWN.get(getattr(getattr(given, "dist", None), "name", ""))) is not None:
        shapes = given.dist.shapes
        names = [*(shapes.replace(" ", "").split(",") if shapes else ()), "loc", "scale"]
        arguments = {"loc": 0.0, "scale": 1.0, **dict(zip(names, given.args, strict=False)), **given.kwds}
        if all(_is_number(value) for value in arguments.values()):
            expression = known(label, **arguments)
            if expression is not None:
                return expression
    return _by_quantiles(label, given)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _uniform(label: str, *, loc: Any, scale: Any) -> Apply:
    return hp.uniform(label, float(loc), float(loc + scale))


def _loguniform(label: str, *, a: Any, b: Any, loc: Any, scale: Any) -> Apply | None:
    return None if loc else natural_bounds.log(label, float(a * scale), float(b * scale))


def _randint(label: str, *, low: Any, high: Any, loc: Any, scale: Any) -> Apply:
    first, last = int(low + loc), int(high + loc) - 1
    if first < last:
        return natural_bounds.int(label, first, last)
    return hp.randint(label, first, last + 1)


def _normal(label: str, *, loc: Any, scale: Any) -> Apply:
    return hp.normal(label, float(loc), float(scale))


def _lognormal(label: str, *, s: Any, loc: Any, scale: Any) -> Apply | None:
    return None if loc else hp.lognormal(label, math.log(scale), float(s))


_KNOWN: dict[str, Callable[..., Apply | None]] = {
    "uniform": _uniform, "loguniform": _loguniform, "reciprocal": _loguniform, "randint": _randint,
    "norm": _normal, "lognorm": _lognormal,
}  # fmt: skip


def _by_quantiles(label: str, given: Any) -> Apply:
    try:
        # Of a discrete distribution the quantile of 0 is one less than the least value.
        ends = [math.inf if _is_discrete(given) else float(given.ppf(0.0)), float(given.ppf(1.0))]
        middle = float(given.ppf(0.5))
    except Exception as error:
        raise _unusable(label, given, f"its ppf cannot be had: {error!r:.100}") from error
    if not math.isfinite(middle):
        raise _unusable(label, given, f"its median is {middle}")
    low, high = (0.0 if math.isfinite(ends[0]) else ENDS), (1.0 if math.isfinite(ends[1]) else 1.0 - ENDS)
    return scope.quantile(given, hp.uniform(label, low, high))


def _is_discrete(distribution: Any) -> bool:
    return hasattr(distribution, "pmf") or hasattr(distribution, "pk")


def _unusable(label: str, given: Any, why: str) -> BadSearchSpace:
    kind = getattr(getattr(given, "dist", None), "name", type(given).__name__)
    return BadSearchSpace(
        f"{label}: nothing can be searched by the distribution {kind}: {why}", label=label,
        hint="write the parameter with hp, such as hp.float(label, low, high)",
    )  # fmt: skip


@scope.define
def quantile(distribution: Any, q: float) -> float | int:
    """Return the value of *distribution* below which is the part *q* of it; an int if it is discrete."""
    value = distribution.ppf(q)
    return int(value) if _is_discrete(distribution) else float(value)
