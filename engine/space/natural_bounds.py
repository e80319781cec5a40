"""`hp.log`, `hp.int` and `hp.float`: hyperparameters by the least and the greatest value that they may have.

They are kinds of hyperopt's with other arguments: hyperopt's own take logarithms as the bounds of a `loguniform`, and
give the ends of a `uniformint` half the weight of the values between. The functions have the names of built-ins, which
this module does not use, and which `hstore.hp` does not export by `*`.
"""

from __future__ import annotations

from typing import Any

from hstore.engine import portable
from hstore.engine.space.expressions import Apply
from hstore.engine.space.hp import check_label, check_range, constant, number, refusing
from hstore.engine.space.parameter import HALF
from hstore.store.errors import BadSearchSpace


@refusing
def log(label: str, low: Any, high: Any) -> Apply:
    """Return a float from *low* to *high*, both positive, uniform on a logarithmic scale.

    `hp.log("lr", 1e-5, 1e-1)` is `hp.loguniform("lr", np.log(1e-5), np.log(1e-1))`.
    """
    label = check_label(label)
    low, high = (constant(label, name, value) for name, value in (("low", low), ("high", high)))
    if not low > 0:
        raise BadSearchSpace(f"{label}: low must be positive on a logarithmic scale, not {low:g}", label=label)
    check_range(label, low, high)
    return number(label, "loguniform", "float", low=portable.log(low), high=portable.log(high))


@refusing
def int(label: str, low: Any, high: Any) -> Apply:
    """Return an int from *low* to *high*, both included and each as likely; algorithms know that they are in order."""
    label = check_label(label)
    low, high = (constant(label, name, value) for name, value in (("low", low), ("high", high)))
    for name, bound in (("low", low), ("high", high)):
        if bound % 1 != 0:
            raise BadSearchSpace(f"{label}: {name} must be a whole number, not {bound:g}", label=label)
    check_range(label, low, high)
    return number(label, "quniform", "int", low=low - HALF, high=high + HALF, q=1.0)


@refusing
def float(label: str, low: Any, high: Any, step: Any = None) -> Apply:
    """Return a float from *low* to *high*; with a *step* one of its multiples, both ends included, each as likely.

    *low* and *high* must be multiples of *step*.
    """
    label = check_label(label)
    low, high = (constant(label, name, value) for name, value in (("low", low), ("high", high)))
    check_range(label, low, high)
    if step is None:
        return number(label, "uniform", "float", low=low, high=high)
    step = constant(label, "step", step)
    if not step > 0:
        raise BadSearchSpace(f"{label}: step must be positive, not {step:g}", label=label)
    for name, bound in (("low", low), ("high", high)):
        if abs(bound / step - round(bound / step)) > _ROUNDING:
            raise BadSearchSpace(
                f"{label}: {name} must be a multiple of step {step:g}, not {bound:g}",
                hint=f"shift the value in the space: {low:g} + hp.float(…, 0, {high - low:g}, step={step:g})",
                label=label,
            )  # fmt: skip
    return number(label, "quniform", "float", low=low - HALF * step, high=high + HALF * step, q=step)


_ROUNDING = 1e-9  # in steps: 0.3 is a multiple of 0.1
