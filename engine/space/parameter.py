"""Parameter: one hyperparameter of a compiled space, as algorithms and tables see it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

LARGEST_UNORDERED = 10_000
"""Values of a randint up to which algorithms learn about each on its own, as hyperopt does."""

SUMS_TO_1 = 1e-6
"""How far from 1 the sum of probabilities may be for it to count as 1."""

HALF = 0.5 - 2.0**-20
"""Steps by which `hp.int` and `hp.float` draw beyond their bounds, so that the ends are as likely as other values."""

FIELDS = {
    "uniform": ("low", "high"), "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"), "qloguniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"), "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"), "qlognormal": ("mu", "sigma", "q"),
    "randint": ("low", "high"), "categorical": ("p",), "seen": ("low", "high"),
}  # fmt: skip
"""What the arguments of each distribution are, in their order."""

Value: TypeAlias = float | int
Point: TypeAlias = dict[str, Value]
"""Raw value per active label, as hyperopt's `vals`: a choice's is its index, a uniformint's a float."""

Condition: TypeAlias = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A label, what it is drawn from, and when it is active."""

    label: str
    kind: str
    """Name of the `hp` function that made it; seen: unknown, it had values between *low* and *high*."""
    low: float | None = None
    high: float | None = None
    """Bounds as they were given (logarithms for log kinds); the ints of [low, high) for randint and choices."""
    mu: float | None = None
    sigma: float | None = None
    q: float | None = None
    p: tuple[float, ...] | None = None
    """Probability of each option of a pchoice, as it was given; see `probabilities`."""
    options: tuple[Any, ...] | None = None
    """Readable value of each option of a choice or pchoice."""
    conditions: tuple[Condition, ...] = ()
    """It is active if of any of these all (choice, option index) hold; without any, always."""
    is_integer: bool = False
    """Whether the objective gets an int wherever the space uses it: uniformint, randint, scope.int(hp.…)."""
    constants: tuple[Any, ...] | None = field(default=None, compare=False, repr=False)
    """Like *options*, but an object without a plain form is an `Opaque`, which tells by content what is the same."""

    @property
    def is_log(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        return "log" in self.kind

    @property
    def is_normal(self) -> bool:
        """Whether it is unbounded, with *mu* and *sigma*."""
        return self.mu is not None

    @property
    def is_categorical(self) -> bool:
        """Whether its values are the integers [low, high), in no order that means anything."""
        return self.kind in ("randint", "choice", "pchoice")

    def is_usable(self, value: Any) -> bool:
        """Return whether algorithms can do with *value*: numbers may lie outside a range, as in hyperopt."""
        low, high = self.bounds
        if self.is_categorical:
            return bool(value == int(value) and low <= value <= high)
        return not self.is_log or value > 0 or (value == 0 and self.q is not None)

    @property
    def n_options(self) -> int:
        """How many values a categorical one has."""
        assert self.low is not None
        assert self.high is not None
        return int(self.high - self.low)

    @property
    def probabilities(self) -> tuple[float, ...] | None:
        """The probability with which each option of a pchoice is drawn: the last one gets what the others leave."""
        p = self.p
        if p is None or abs(math.fsum(p) - 1.0) <= SUMS_TO_1:
            return p
        return (*p[:-1], max(0.0, 1.0 - math.fsum(p[:-1])))

    @property
    def is_range(self) -> bool:
        """Whether it is a randint of so many values that algorithms treat them as numbers in order, not as names."""
        return self.kind == "randint" and self.n_options > LARGEST_UNORDERED

    def as_range(self) -> Parameter:
        """Return the numbers that are rounded to the values of a randint, uniform; `nearest` rounds."""
        assert self.low is not None
        assert self.high is not None
        return replace(self, kind="uniform", low=self.low - 0.5, high=self.high - 0.5)

    def nearest(self, x: float) -> int:
        """Return the value of a randint that *x* is rounded to."""
        assert self.low is not None
        assert self.high is not None
        return min(max(round(x), int(self.low)), int(self.high) - 1)

    def draw(self, rng: np.random.Generator) -> Value:
        """Return a raw value from the prior: hyperopt's numbers, to the bit on every machine."""
        from hstore.engine.space.drawing import (
            DRAWS,  # here, for it needs numpy: a worker and its children draw nothing
        )

        return DRAWS[self.kind](self, rng)

    def read(self, raw: Value) -> Any:
        """Return what the *raw* value means: an option, an integer, or itself."""
        if self.options is not None:
            return self.options[int(raw)]
        return int(raw) if self.is_integer else raw

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest raw value, with room for the rounding of logarithms."""
        low, high, q = self.low, self.high, self.q
        if low is None or high is None:
            return 0.0 if self.is_log else -sys.float_info.max, sys.float_info.max
        if self.is_categorical:
            return low, high - 1
        if self.is_log:
            from hstore.engine import portable

            low, high = portable.exp(low) * (1 - 1e-9), portable.exp(high) * (1 + 1e-9)
        return (low, high) if q is None else (round(low / q) * q, round(high / q) * q)

    def describe(self, *, exactly: bool = False) -> str:
        """Return it as a person would write it, such as uniform(0, 1); *exactly*: two that differ read differently."""
        if self.options is not None:
            options = [f"{x!r:.60}" if isinstance(x, str) else f"{x!s:.60}" for x in self.options]
            if self.p is not None:
                options = [f"{_short(p)}: {option}" for p, option in zip(self.p, options, strict=True)]
            return f"{self.kind}({', '.join(options[:8])}{', …' if len(options) > 8 else ''})"
        if self.q is not None and self.low is not None and abs(abs(self.low / self.q % 1.0 - 0.5) - 2.0**-20) < 1e-9:
            low, high = self.bounds
            if self.kind == "uniformint":
                return f"int({_short(low)}, {_short(high)})"
            if self.kind == "quniform":
                return f"float({_short(low)}, {_short(high)}, step={_short(self.q)})"
        if self.kind == "loguniform" and not exactly:
            low_text, high_text = _logarithm_of(self.low), _logarithm_of(self.high)
            if low_text and high_text:
                return f"log({low_text}, {high_text})"
        numbers = (self.low, self.high, self.mu, self.sigma, None if self.kind == "uniformint" else self.q)
        return f"{self.kind}({', '.join(_short(x) for x in numbers if x is not None)})"


def _logarithm_of(bound: float | None) -> str | None:
    """Return the number of few digits whose logarithm is *bound*, as `hp.log` takes it; None without one."""
    if bound is None or abs(bound) > _LOG_OF_LARGEST:
        return None
    number = f"{math.exp(bound):g}"
    return number if abs(math.log(float(number)) - bound) <= 2 * math.ulp(bound) else None  # numpy's may be one off


_LOG_OF_LARGEST = 700.0


def _short(number: float) -> str:
    """Return the shortest text that is exactly *number*, so that two that differ read differently."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)
