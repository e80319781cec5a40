"""The search space: expressions, the hp functions that make them, and the `Space` that points are drawn from."""

from hstore.engine.space import evaluation, functions, hp, stochastic
from hstore.engine.space.expressions import Apply, Literal, as_apply
from hstore.engine.space.parameter import Parameter, Point, Value
from hstore.engine.space.space import Space, compile_space, seen_space, space_eval
from hstore.engine.space.symbols import scope

__all__ = [
    "Apply",
    "Literal",
    "Parameter",
    "Point",
    "Space",
    "Value",
    "as_apply",
    "compile_space",
    "evaluation",
    "functions",
    "hp",
    "scope",
    "seen_space",
    "space_eval",
    "stochastic",
]
