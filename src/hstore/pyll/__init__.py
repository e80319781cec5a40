"""hyperopt.pyll: the expressions that a space is written in."""

from hstore.engine.space import Apply, Literal, as_apply, scope

__all__ = ["Apply", "Literal", "as_apply", "scope"]
