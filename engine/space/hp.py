"""hyperopt's twelve kinds of hyperparameter: each function returns an expression that stands for its value.

A bad argument is refused here, where it was written, with a `BadSearchSpace` that names the label.
"""

from __future__ import annotations

import decimal
import functools
import inspect
import math
import numbers
import sys
import warnings
from collections.abc import Callable, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ParamSpec

from hstore.engine.plain_numbers import as_real
from hstore.engine.space.compiling import NO_OPTIONS
from hstore.engine.space.evaluation import evaluate
from hstore.engine.space.expressions import Apply, Literal, as_apply, dfs
from hstore.engine.space.symbols import scope
from hstore.store.errors import BadSearchSpace, WrongArgument

FINITE = sys.float_info.max

__all__ = [
    "choice", "lognormal", "loguniform", "normal", "pchoice", "qlognormal", "qloguniform", "qnormal", "quniform",
    "randint", "uniform", "uniformint",
]  # fmt: skip

P = ParamSpec("P")
LARGEST_LOG, SMALLEST_LOG = 709.0, -745.0
"""Between these, exp is a finite number and not 0."""
SMALLEST_LOW, LARGEST_HIGH = 0.1, 50.0
"""Positive bounds of a log kind up to the first, and those beyond the second, are hardly meant as logarithms."""
_ROUNDED = 0.005  # by which a probability may be off that was rounded to two digits


def refusing(function: Callable[P, Apply]) -> Callable[P, Apply]:
    """Make of missing, surplus and unknown arguments a `WrongArgument` that names the label."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Apply:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            label = args[0] if args else kwargs.get("label")
            expected = ", ".join(signature.parameters)
            raise WrongArgument(f"{label}: hp.{function.__name__}({expected}): {error}", label=label) from None
        return function(*args, **kwargs)

    return checked


@refusing
def uniform(label: str, low: Any, high: Any) -> Apply:
    """Return a float, uniform in [low, high)."""
    return number(label, "uniform", "float", low=low, high=high)


@refusing
def quniform(label: str, low: Any, high: Any, q: Any) -> Apply:
    """Return round(uniform / q) * q."""
    return number(label, "quniform", "float", low=low, high=high, q=q)


@refusing
def uniformint(label: str, low: Any, high: Any) -> Apply:
    """Return an int in [low, high], both ends at half the weight of the others, as in hyperopt."""
    return number(label, "quniform", "int", low=low, high=high, q=1.0)


@refusing
def loguniform(label: str, low: Any, high: Any) -> Apply:
    """Return exp(uniform(low, high)): the bounds are logarithms."""
    drawn = number(label, "loguniform", "float", low=low, high=high)
    _warn_of_plain_bounds(label, "loguniform", low, high)
    return drawn


@refusing
def qloguniform(label: str, low: Any, high: Any, q: Any) -> Apply:
    """Return round(exp(uniform(low, high)) / q) * q: the bounds are logarithms."""
    drawn = number(label, "qloguniform", "float", low=low, high=high, q=q)
    _warn_of_plain_bounds(label, "qloguniform", low, high)
    return drawn


@refusing
def normal(label: str, mu: Any, sigma: Any) -> Apply:
    """Return a float, normal around *mu*."""
    return number(label, "normal", "float", mu=mu, sigma=sigma)


@refusing
def qnormal(label: str, mu: Any, sigma: Any, q: Any) -> Apply:
    """Return round(normal / q) * q."""
    return number(label, "qnormal", "float", mu=mu, sigma=sigma, q=q)


@refusing
def lognormal(label: str, mu: Any, sigma: Any) -> Apply:
    """Return exp(normal(mu, sigma))."""
    return number(label, "lognormal", "float", mu=mu, sigma=sigma)


@refusing
def qlognormal(label: str, mu: Any, sigma: Any, q: Any) -> Apply:
    """Return round(exp(normal(mu, sigma)) / q) * q."""
    return number(label, "qlognormal", "float", mu=mu, sigma=sigma, q=q)


@refusing
def randint(label: str, *args: Any, low: Any = None, high: Any = None, upper: Any = None) -> Apply:
    """Return an int: `randint(label, upper)` in [0, upper), `randint(label, low, high)` in [low, high)."""
    label = check_label(label)
    bounds = [value for value in (low, *args, high, upper) if value is not None]
    is_low_alone = len(bounds) == 1 and low is not None
    if len(bounds) not in (1, 2) or is_low_alone or (upper is not None and len(bounds) > 1):
        raise WrongArgument(f"{label}: randint takes an upper bound, or a lower and an upper one", label=label)
    bounds = [_whole(label, "bound", value) for value in bounds]
    start, stop = bounds if len(bounds) == 2 else (0, bounds[0])
    check_range(label, start, stop)
    return scope.int(_param(label, "randint", *bounds))


@refusing
def choice(label: str, options: Any) -> Apply:
    """Return one of *options*, each as likely as any other; only what was chosen is evaluated.

    Of no options an expression is made all the same, as in hyperopt: programs make one per component, and search only
    those that have something to choose. A space that it is a part of is refused.
    """
    label = check_label(label)
    listed = _options(label, options)
    return scope.switch(_param(label, "randint", len(listed)), *(_option(label, option) for option in listed))


@refusing
def pchoice(label: str, p_options: Any) -> Apply:
    """Return one of the options of [(probability, option), …].

    The probabilities should add up to 1. As in hyperopt, the last option gets what the others leave: of 0.33, 0.33 and
    0.33 the third is drawn with 0.34. A `UserWarning` says so if the difference is more than rounding to two digits.
    """
    label = check_label(label)
    pairs = _options(label, p_options)
    if not pairs:
        raise BadSearchSpace(f"{label}: {NO_OPTIONS}", label=label)
    if not all(hasattr(pair, "__len__") and not isinstance(pair, (str, Apply)) and len(pair) == 2 for pair in pairs):
        raise WrongArgument(f"{label}: pchoice takes a list of (probability, option) pairs")
    p = [float(constant(label, "probability", probability)) for probability, _ in pairs]
    if any(x < 0 for x in p):
        raise BadSearchSpace(f"{label}: a probability is negative: {min(p)}")
    if math.fsum(p[:-1]) > 1 + 1e-6 or max(p) > 1 + 1e-6 or not any(p):
        raise BadSearchSpace(f"{label}: the probabilities must add up to 1, not to {math.fsum(p):g}")
    if math.fsum(p[:-1]) > 1 or max(p) > 1:  # within 1e-6, but numpy draws only what is within 1e-12
        p = [x / math.fsum(p) for x in p]
    if abs(math.fsum(p) - 1) > _ROUNDED * len(p) + 1e-9:
        warnings.warn(
            f"{label}: the probabilities add up to {math.fsum(p):g}, not to 1: as in hyperopt, the last option is "
            f"drawn with probability {max(0.0, 1 - math.fsum(p[:-1])):g} instead of {p[-1]:g}",
            UserWarning, stacklevel=3,
        )  # fmt: skip
    drawn = _param(label, "categorical", as_apply(p))
    return scope.switch(drawn, *(_option(label, option) for _, option in pairs))


def check_label(label: Any) -> str:
    """Return *label* as a string that can name a hyperparameter."""
    if isinstance(label, Literal):
        label = label.obj
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    if not isinstance(label, str):
        raise WrongArgument(f"a hyperparameter needs a string as its label, not {label!r:.60}")
    if not label or "\0" in label or not label.isprintable():
        raise BadSearchSpace(f"a label must be printable and not empty: {label!r:.60}")
    return str.__str__(label)  # plain, also if it was of numpy's or an enum's kind of str


def _param(label: str, distribution: str, *args: Any, **kwargs: Any) -> Apply:
    return scope.hyperopt_param(label, getattr(scope, distribution)(*args, **kwargs))


def number(label: Any, distribution: str, cast: str, **arguments: Any) -> Apply:
    """Return the draw of *label* from *distribution*, as a "float" or an "int"; raises for arguments out of range."""
    label = check_label(label)
    values = {name: constant(label, name, value) for name, value in arguments.items()}
    low, high, mu, sigma, q = (values.get(name) for name in ("low", "high", "mu", "sigma", "q"))
    for name, value in (("sigma", sigma), ("q", q)):
        if value is not None and not value > 0:
            raise BadSearchSpace(f"{label}: {name} must be positive, not {value:g}", label=label)
    is_log = "log" in distribution
    logs = "; the bounds of a log kind are logarithms: np.log(1e-3), not 1e-3" if is_log else ""
    if low is not None and high is not None:
        check_range(label, low, high, logs)
    # Nothing is drawn farther than ten sigma from the mean.
    least, greatest = (low, high) if mu is None or sigma is None else (mu - 10 * sigma, mu + 10 * sigma)
    assert least is not None
    assert greatest is not None
    if is_log and greatest > LARGEST_LOG:
        raise BadSearchSpace(f"{label}: exp({greatest:g}) is not a finite number{logs}", label=label)
    if is_log and q is None and least < SMALLEST_LOG:
        raise BadSearchSpace(f"{label}: exp({least:g}) is not a positive number{logs}", label=label)
    if is_log:
        least, greatest = 0.0, math.exp(greatest)
    if not math.isfinite(greatest - least) or not math.isfinite(max(-least, greatest) / (q or 1.0)):
        raise BadSearchSpace(f"{label}: {distribution} over a range this wide is beyond floating point", label=label)
    positional, named = {**values}, {}
    if cast == "int":  # uniformint, in hyperopt's layout
        named["q"] = positional.pop("q")
    drawn = scope.float(_param(label, distribution, *positional.values(), **named))
    return scope.int(drawn) if cast == "int" else drawn


def _warn_of_plain_bounds(label: Any, kind: str, low: Any, high: Any) -> None:
    """Warn if the bounds of a log kind look like values, not like logarithms: 1e-5 and 0.1, say."""
    low, high = constant(label, "low", low), constant(label, "high", high)
    if 0 < low <= SMALLEST_LOW or high > LARGEST_HIGH:
        warnings.warn(
            f"{label}: the bounds of {kind} are logarithms, so it draws from {math.exp(low):g} to {math.exp(high):g}; "
            f'for values from {low:g} to {high:g} write hp.log("{label}", {low:g}, {high:g})',
            UserWarning, stacklevel=4,
        )  # fmt: skip


def constant(label: str, name: str, value: Any) -> float | int:
    """Return the finite number that *value* is; arithmetic on constants is worked out, what is drawn is refused."""
    if isinstance(value, Apply):
        if any(node.name == "hyperopt_param" for node in dfs(value)):
            raise BadSearchSpace(
                f"{label}: {name} depends on another hyperparameter; no algorithm can learn over a range that moves",
                hint="draw from a fixed range and scale the value in the space: low + (high - low) * hp.uniform(…)",
            )  # fmt: skip
        value = evaluate(value, {})
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    real = as_real(value)
    if real is None:
        is_one = isinstance(value, (numbers.Real, decimal.Decimal)) and not isinstance(value, bool)
        why = f"finite, not {value!r:.60}" if is_one else f"a number, not {value!r:.60}"
        raise (BadSearchSpace if is_one else WrongArgument)(f"{label}: {name} must be {why}")
    if not -FINITE <= real <= FINITE:  # an int may be beyond all floats
        raise BadSearchSpace(f"{label}: {name} must be finite, not {value!r:.60}")
    return real


def _whole(label: str, name: str, value: Any) -> int:
    number = constant(label, name, value)
    if number != int(number) or abs(number) > 2**53:
        raise BadSearchSpace(f"{label}: a {name} must be a whole number of at most 2**53, not {number:g}")
    return int(number)


def _options(label: str, options: Any) -> Sequence[Any]:
    if isinstance(options, Apply) or not hasattr(options, "__len__"):
        raise WrongArgument(f"{label}: the options must be a list, not {type(options).__name__}")
    if isinstance(options, AbstractSet) and not isinstance(options, KeysView):
        raise BadSearchSpace(f"{label}: the options must have an order, which a {type(options).__name__} has not")
    if isinstance(options, (str, bytes, Mapping)) and options:
        what = "keys of a dict" if isinstance(options, Mapping) else "letters of a text"
        warnings.warn(f"{label}: the options are the {what}: give them as a list", UserWarning, stacklevel=4)
    return list(options)


def _option(label: str, option: Any) -> Apply:
    try:
        return as_apply(option)
    except BadSearchSpace as error:
        raise BadSearchSpace(f"{label}: {error}", hint=error.hint, label=label) from error


def validate_label(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return *f*, which takes a label first, with labels that are no strings refused."""

    @functools.wraps(f)
    def checked(label: Any, *args: Any, **kwargs: Any) -> Any:
        check_label(label)
        return f(label, *args, **kwargs)

    return checked


def validate_distribution_range(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return *f*, which takes a label, low and high first, with a low that is not less than high refused."""

    @functools.wraps(f)
    def checked(label: Any, *args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(("low", "high"), args, strict=False)), **kwargs}
        if "low" in given and "high" in given:
            check_range(label, constant(label, "low", given["low"]), constant(label, "high", given["high"]))
        return f(label, *args, **kwargs)

    return checked


def check_range(label: Any, low: float, high: float, hint: str = "") -> None:
    """Raise `BadSearchSpace` unless *low* is less than *high*."""
    if not low < high:
        raise BadSearchSpace(
            f"{label}: low must be less than high, but {low:g} is not less than {high:g}{hint}", label=label
        )
