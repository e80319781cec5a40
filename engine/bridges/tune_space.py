"""Ray Tune's search spaces as hstore's: a label for each parameter, and configurations as Tune's functions get them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ray.tune.search import sample

from hstore.engine.space import hp, natural_bounds
from hstore.store.errors import BadSearchSpace, InvalidPoint

HALF = 0.499999
"""What an integer is drawn around on a logarithmic scale; less than a half, for halves are rounded to even."""
PLAIN = (str, int, float, bool, type(None))


class TuneSpace:
    """A search space of Tune's: dicts and lists with `tune.uniform(…)` and the like in them, constants of any kind.

    A parameter's label is its path, as in "model/lr"; one within the option of a `tune.choice` exists where that option
    is chosen. Constants stay here: the log does not hold them.
    Raises `BadSearchSpace`, which names the parameter, for a grid search and a `tune.sample_from`.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._space = space
        self.ranges = dict(_ranges(space, ""))
        """The space to search: an expression by label."""

    def config(self, params: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """Return the configuration at a trial's *params* and *point*."""
        return _filled(self._space, "", params, point)

    def point(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the point at which the configuration is *config*, such as one of Tune's `points_to_evaluate`.

        Raises `InvalidPoint` for an option that does not exist.
        """
        return dict(_read(self._space, "", config))


def _children(node: Any, path: str) -> list[tuple[Any, Any, str]]:
    """Return key, value and path of what *node* nests."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    return [(key, value, f"{path}/{key}" if path else str(key)) for key, value in items]


def _ranges(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and set(node) == {"grid_search"}:
        raise BadSearchSpace(f"{path}: a grid search is not searched by an algorithm", hint="use tune.choice there")
    if isinstance(node, sample.Domain):
        if (expression := _expression(node, path)) is not None:
            yield path, expression
        return
    for _, value, below in _children(node, path):
        yield from _ranges(value, below)


def _expression(domain: Any, path: str) -> Any:
    """Return *domain* as an expression; None for an integer with one value."""
    sampler = domain.get_sampler()
    step = getattr(sampler, "q", None)
    sampler = sampler.get_sampler() if step is not None else sampler
    is_log = isinstance(sampler, sample.LogUniform)
    if isinstance(domain, sample.Categorical):
        return hp.choice(path, [_option(option, f"{path}/{i}") for i, option in enumerate(domain.categories)])
    if isinstance(domain, sample.Float) and isinstance(sampler, sample.Normal):
        at = sampler.mean, sampler.sd
        return hp.normal(path, *at) if step is None else hp.qnormal(path, *at, step)
    is_uniform = is_log or isinstance(sampler, sample.Uniform)
    if isinstance(domain, sample.Float) and is_uniform:
        return _between(path, domain.lower, domain.upper, step, is_log=is_log)
    if isinstance(domain, sample.Integer) and is_uniform:
        # The upper bound of an integer is excluded; with a step of more than one it is included.
        low, high = domain.lower, domain.upper - (step in (None, 1))
        if low >= high:
            return None
        if step not in (None, 1):
            return _between(path, low, high, step, is_log=is_log)
        if not is_log:
            return natural_bounds.int(path, low, high)
        return hp.number(path, "qloguniform", "int", low=math.log(low - HALF), high=math.log(high + HALF), q=1.0)
    said = f"{path}: {type(domain).__name__} with {type(sampler).__name__} has no counterpart"
    raise BadSearchSpace(said, hint="compute it in the trial")


def _between(path: str, low: float, high: float, step: float | None, *, is_log: bool) -> Any:
    if not is_log:
        return natural_bounds.float(path, low, high, step)
    if step is None:
        return natural_bounds.log(path, low, high)
    return hp.qloguniform(path, math.log(low), math.log(high), step)


def _option(option: Any, path: str) -> Any:
    below = dict(_ranges(option, path))
    if below or not isinstance(option, PLAIN):
        return {"option": repr(option)[:80] if not below else path, **below}
    return option


def _filled(node: Any, path: str, params: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
    if isinstance(node, sample.Categorical):
        chosen = int(point[path])
        return _filled(node.categories[chosen], f"{path}/{chosen}", params, point)
    if isinstance(node, sample.Integer):
        return round(params[path]) if path in params else node.lower
    if isinstance(node, sample.Domain):
        return params[path]
    made = {key: _filled(value, below, params, point) for key, value, below in _children(node, path)}
    if isinstance(node, Mapping):
        return made
    return type(node)(made.values()) if type(node) in (list, tuple) else node


def _read(node: Any, path: str, given: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, sample.Categorical):
        chosen = _chosen(node, path, given)
        yield path, {"index": chosen}
        yield from _read(node.categories[chosen], f"{path}/{chosen}", given)
    elif isinstance(node, sample.Domain):
        if _expression(node, path) is not None:
            yield path, given
    else:
        for key, value, below in _children(node, path):
            if isinstance(node, Mapping) and (not isinstance(given, Mapping) or key not in given):
                if dict(_ranges(value, below)):
                    raise InvalidPoint(
                        f"points_to_evaluate: a point has no {below}", hint="give each parameter a value"
                    )
                continue
            yield from _read(value, below, given[key])


def _chosen(domain: Any, path: str, given: Any) -> int:
    for i, option in enumerate(domain.categories):
        if type(option) is type(given) and option == given:
            return i
    for i, option in enumerate(domain.categories):
        if isinstance(option, sample.Domain) or (isinstance(given, Mapping) and isinstance(option, Mapping)):
            if not isinstance(option, Mapping) or set(option) == set(given):
                return i
        elif option == given:
            return i
    raise InvalidPoint(f"points_to_evaluate: {path} has no option {given!r:.60}", hint="give one of the choice")
