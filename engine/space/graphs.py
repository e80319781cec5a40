"""Whole graphs: their nodes in order, copies of them, and functions made of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from hstore.engine.space.expressions import Apply, Literal, as_apply, dfs


def toposort(expr: Apply) -> list[Apply]:
    """Return the nodes of *expr*, each once and after its inputs; raises `BadSearchSpace` for a cycle."""
    return dfs(expr)


def clone(expr: Apply, memo: Mapping[Apply, Apply] | None = None) -> Apply:
    """Return a copy of the graph, in which the nodes of *memo* are replaced by what they are mapped to."""
    return _rebuilt(expr, memo or {}, merge=False, merge_literals=False)


def clone_merge(expr: Apply, memo: Mapping[Apply, Apply] | None = None, merge_literals: bool = False) -> Apply:
    """Return a copy of the graph, in which pure nodes of one symbol over the same inputs are one node.

    Literals count as the same only with *merge_literals*, and if they are of one type and hashable.
    """
    return _rebuilt(expr, memo or {}, merge=True, merge_literals=merge_literals)


def _rebuilt(expr: Apply, memo: Mapping[Apply, Apply], *, merge: bool, merge_literals: bool) -> Apply:
    copies: dict[Apply, Apply] = dict(memo)
    merged: dict[Hashable, Apply] = {}
    for node in dfs(expr):
        if node in copies:
            continue
        made = node.clone_from_inputs([copies[child] for child in node.inputs()])
        key = _key(made, merge_literals) if merge else None
        copies[node] = made if key is None else merged.setdefault(key, made)
    return copies[expr]


def _key(node: Apply, merge_literals: bool) -> Hashable:
    """Return what nodes that may be one have in common; None if there is no other such node."""
    if isinstance(node, Literal):
        # 0.0 and -0.0 are equal, and different to who divides by them.
        is_plain = isinstance(node.obj, (str, bytes, int, float, bool, type(None)))
        return (type(node.obj), repr(node.obj)) if merge_literals and is_plain else None
    if not node.pure:
        return None
    return node.name, tuple(node.pos_args), tuple((name, child) for name, child in node.named_args)


class UndefinedValue:
    """Stands for the argument of a `Lambda`."""


p0, p1, p2, p3, p4 = (Literal(UndefinedValue) for _ in range(5))


class Lambda:
    """A function whose body is the expression *expr*.

    params: list of (name, placeholder) or (name, placeholder, default): the nodes in *expr*, such as `p0`, that
        arguments take the place of.
    """

    def __init__(self, name: str, params: Iterable[Sequence[Any]], expr: Apply) -> None:
        self.__name__ = name
        self.params = list(params)
        self.expr = expr

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:
        """Return the body with anything `as_apply` takes in place of the parameters."""
        if len(args) > len(self.params):
            raise TypeError(f"{self.__name__} takes {len(self.params)} arguments, not {len(args)}")
        names = [param[0] for param in self.params]
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names or name in given:
                why = "twice" if name in given else "that it does not take"
                raise TypeError(f"{self.__name__} is given an argument {name!r} {why}")
            given[name] = value
        memo = {}
        for name, placeholder, *default in self.params:
            if name not in given and not default:
                raise TypeError(f"{self.__name__} misses its argument {name!r}")
            memo[placeholder] = as_apply(given.get(name, *default))
        return clone(self.expr, memo)
