"""Distributions as symbols, and `sample`: an expression evaluated with what is drawn from a generator.

The numbers are those of numpy's functions. A search draws its points with `Space.sample`, whose numbers are the same
on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from hstore.engine.space.evaluation import STOCHASTIC, rec_eval
from hstore.engine.space.expressions import Apply, as_apply, dfs
from hstore.engine.space.functions import kwswitch
from hstore.engine.space.graphs import clone
from hstore.engine.space.symbols import F, scope
from hstore.store.errors import MissingValue

if TYPE_CHECKING:
    import numpy as np

Size: TypeAlias = int | tuple[int, ...]
T = TypeVar("T")

implicit_stochastic_symbols = STOCHASTIC


def implicit_stochastic(f: F) -> F:
    """Have `sample` give the symbol of *f* its generator, as the argument `rng`."""
    implicit_stochastic_symbols.add(f.__name__)
    return f


def rng_from_seed(seed: int) -> np.random.Generator:
    """Return numpy's default generator."""
    import numpy as np

    return np.random.default_rng(seed)


def uniform(low: Any, high: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw from [low, high)."""
    return _given(rng).uniform(low, high, size=size)


def loguniform(low: Any, high: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw exp(uniform(low, high)): the bounds are logarithms."""
    import numpy as np

    return np.exp(_given(rng).uniform(low, high, size=size))


def quniform(low: Any, high: Any, q: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw round(uniform / q) * q."""
    import numpy as np

    return np.round(uniform(low, high, rng, size) / q) * q


def qloguniform(low: Any, high: Any, q: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw round(exp(uniform(low, high)) / q) * q: the bounds are logarithms."""
    import numpy as np

    return np.round(loguniform(low, high, rng, size) / q) * q


def normal(mu: Any, sigma: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw from the normal distribution."""
    return _given(rng).normal(mu, sigma, size=size)


def qnormal(mu: Any, sigma: Any, q: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw round(normal / q) * q."""
    import numpy as np

    return np.round(normal(mu, sigma, rng, size) / q) * q


def lognormal(mu: Any, sigma: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw exp(normal(mu, sigma))."""
    import numpy as np

    return np.exp(normal(mu, sigma, rng, size))


def qlognormal(mu: Any, sigma: Any, q: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw round(exp(normal(mu, sigma)) / q) * q."""
    import numpy as np

    return np.round(lognormal(mu, sigma, rng, size) / q) * q


def randint(low: Any, high: Any = None, rng: Any = None, size: Size = ()) -> Any:
    """Draw integers from [0, low), or from [low, high)."""
    generator = _given(rng)
    integers = getattr(generator, "integers", None) or generator.randint  # a RandomState has the latter
    return integers(low, high, size=size)


def categorical(p: Any, rng: Any = None, size: Size = ()) -> Any:
    """Draw indices of *p* with these probabilities: an array of *size*, of one for ()."""
    import numpy as np

    p = np.asarray(p, dtype=float)
    if p.ndim == 2 and len(p) == 1:
        p = p[0]
    if p.ndim != 1:
        raise ValueError(f"the probabilities must be a list of numbers, not an array of shape {p.shape}")
    return _given(rng).multinomial(1, p, size=size or (1,)).argmax(axis=-1)


def randint_via_categorical(p: Any, rng: Any = None, size: Size = ()) -> Apply:
    """Return a node that draws as `categorical` does."""
    return scope.categorical(p, rng, size)


def choice(args: Any) -> Apply:
    """Return a node for one of *args*, drawn without a label; only that one is evaluated."""
    return one_of(*args)


def one_of(*args: Any) -> Apply:
    """Return a node for one of the arguments, drawn without a label; only that one is evaluated."""
    return scope.switch(scope.randint(len(args)), *args)


def recursive_set_rng_kwarg(expr: Apply, rng: Any = None) -> Apply:
    """Give every node that draws the generator *rng* (a new one by default), in place; return *expr*."""
    import numpy as np

    generator = as_apply(np.random.default_rng() if rng is None else rng)
    for node in dfs(expr):
        if node.name in implicit_stochastic_symbols:
            node.set_kwarg("rng", generator)
    return expr


def sample(expr: Any, rng: Any = None, **kwargs: Any) -> Any:
    """Return a value of *expr* with everything in it drawn, the last first.

    rng: a numpy Generator or RandomState, an int as a seed, or None for fresh entropy.
    kwargs: those of `rec_eval`.
    """
    import numpy as np

    if isinstance(rng, (int, np.integer)):
        rng = np.random.default_rng(int(rng))
    return rec_eval(recursive_set_rng_kwarg(clone(as_apply(expr)), rng), **kwargs)


def _given(rng: T | None) -> T:
    if rng is None:
        raise MissingValue("a distribution has a value only with a generator: rng=…, or pyll.stochastic.sample")
    return rng


for function in (
    uniform, loguniform, quniform, qloguniform, normal, qnormal, lognormal, qlognormal, randint,
    randint_via_categorical, categorical,
):  # fmt: skip
    implicit_stochastic(scope.define(function))
scope.define(rng_from_seed)
scope._close(choice=choice, one_of=one_of, kwswitch=kwswitch)
