"""Literals of an expression: constants that are given another value while it is evaluated."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from hstore.engine.space import Apply, Literal, as_apply
from hstore.engine.space.expressions import dfs


def use_obj_for_literal_in_memo(
    expr: Any, obj: Any, lit: Any, memo: MutableMapping[Apply, Any]
) -> MutableMapping[Apply, Any]:
    """Have *memo* say *obj* for each literal of *expr* that is the very object *lit*; return *memo*."""
    memo.update((node, obj) for node in dfs(as_apply(expr)) if isinstance(node, Literal) and node.obj is lit)
    return memo
