"""Compiling: from an expression to its hyperparameters, in the order of drawing, each with its conditions."""

from __future__ import annotations

from typing import Any, TypeAlias

from hstore.engine.space.data import short_repr
from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.engine.space.parameter import Parameter
from hstore.store.errors import BadSearchSpace, DuplicateLabel
from hstore.store.values import normalise

Clause: TypeAlias = frozenset[tuple[str, int]]
Conditions: TypeAlias = frozenset[Clause]
"""A node is reached if any clause holds: all of its (choice, option) pairs do."""

ALWAYS: Conditions = frozenset({frozenset()})
_NOTHING = object()


def parameters_of(expression: Apply) -> dict[Apply, Parameter]:
    """Return the `hyperopt_param` nodes of *expression* with their parameters, in the order in which they are drawn.

    That is hyperopt's: labels in reverse alphabetical order, each pulling the choices above it first, those that
    come last in the expression before the others.
    Raises `DuplicateLabel` for two nodes of one label.
    """
    order = dfs(expression)
    nodes: dict[str, Apply] = {}
    for node in order:
        if node.name == "hyperopt_param":
            label = _label(node)
            if nodes.setdefault(label, node) is not node:
                raise DuplicateLabel(
                    f"two different hyperparameters have the label {label!r}", label=label,
                    hint="use one hp expression in both places, or give them two labels",
                )  # fmt: skip
    counts = {_label(n.pos_args[0]): len(n.pos_args) - 1 for n in order if n.name == "switch" and _is_choice(n)}
    conditions, above = _conditions(order, counts)
    casts = {parent.pos_args[0]: parent.name for parent in order if parent.name in ("int", "float")}
    choices = {node.pos_args[0]: node for node in order if node.name == "switch"}
    found = {
        label: _parameter(node, casts.get(node), choices.get(node), conditions[node]) for label, node in nodes.items()
    }
    drawn: dict[Apply, Parameter] = {}
    places = {_label(node): place for place, node in enumerate(order) if node.name == "hyperopt_param"}

    def pull(label: str) -> None:
        if nodes[label] in drawn:
            return
        for choice in sorted(above[nodes[label]], key=places.__getitem__, reverse=True):
            pull(choice)
        drawn[nodes[label]] = found[label]

    for label in sorted(nodes, reverse=True):
        pull(label)
    return drawn


def _label(node: Apply) -> str:
    label = node.pos_args[0]
    assert isinstance(label, Literal)
    return str(label.obj)


def _is_choice(switch: Apply) -> bool:
    return switch.pos_args[0].name == "hyperopt_param"


def _conditions(order: list[Apply], counts: dict[str, int]) -> tuple[dict[Apply, Conditions], dict[Apply, set[str]]]:
    """Return for each node of *order* (inputs first) under which conditions it is reached from the last one, and the
    choices above it: also those that turn out to be no condition, since hyperopt draws them first all the same.
    """
    reached: dict[Apply, set[Clause]] = {node: set() for node in order}
    reached[order[-1]] = {frozenset()}
    above: dict[Apply, set[str]] = {node: set() for node in order}
    simple: dict[Apply, Conditions] = {}
    for node in reversed(order):
        here = simple[node] = _simplified(reached[node], counts)
        if node.name == "switch":
            index, *options = node.pos_args
            if not _is_choice(node):
                if any(child.name == "hyperopt_param" for option in node.pos_args for child in dfs(option)):
                    raise BadSearchSpace("scope.switch must be on a choice; write hp.choice(label, options)")
                continue
            reached[index] |= here
            above[index] |= above[node]
            for position, option in enumerate(options):
                pair = (_label(index), position)
                reached[option] |= {clause | {pair} for clause in here if _agrees(clause, pair)}
                above[option] |= above[node] | {pair[0]}
        else:
            for child in node.inputs():
                reached[child] |= here
                above[child] |= above[node]
    return simple, above


def _agrees(clause: Clause, pair: tuple[str, int]) -> bool:
    return all(choice != pair[0] or option == pair[1] for choice, option in clause)


def _simplified(clauses: set[Clause], counts: dict[str, int]) -> Conditions:
    """Return *clauses* without those that others imply; options that together are all of a choice are no condition."""
    left = set(clauses)
    is_changed = len(left) > 1
    while is_changed:
        is_changed = False
        by_rest: dict[tuple[Clause, str], set[int]] = {}
        for clause in left:
            for pair in clause:
                by_rest.setdefault((clause - {pair}, pair[0]), set()).add(pair[1])
        for (rest, choice), options in by_rest.items():
            if len(options) == counts.get(choice, 0):
                left -= {rest | {(choice, option)} for option in options}
                left.add(rest)
                is_changed = True
    return frozenset(c for c in left if not any(other < c for other in left)) if len(left) > 1 else frozenset(left)


def _parameter(node: Apply, cast: str | None, choice: Apply | None, conditions: Conditions) -> Parameter:
    label, drawn = _label(node), node.pos_args[1]
    args: list[Any] = [arg.obj for arg in drawn.pos_args if isinstance(arg, Literal)]
    told = () if conditions == ALWAYS else tuple(sorted(tuple(sorted(clause)) for clause in conditions))
    options = None if choice is None else tuple(_readable(option, i) for i, option in enumerate(choice.pos_args[1:]))
    common: dict[str, Any] = {"label": label, "options": options, "conditions": told}
    match drawn.name:
        case "randint":
            return Parameter(kind="randint" if choice is None else "choice", low=args[0], high=args[1], **common)
        case "categorical":
            return Parameter(kind="pchoice", low=0, high=len(args[0]), p=tuple(args[0]), **common)
        case "normal" | "qnormal" | "lognormal" | "qlognormal":
            q = args[2] if len(args) > 2 else None
            return Parameter(kind=drawn.name, mu=args[0], sigma=args[1], q=q, **common)
        case "uniform" | "quniform" | "loguniform" | "qloguniform":
            kind = "uniformint" if cast == "int" and drawn.name == "quniform" else drawn.name
            return Parameter(kind=kind, low=args[0], high=args[1], q=args[2] if len(args) > 2 else None, **common)
        case _:
            raise BadSearchSpace(f"{label}: {drawn.name} is no distribution that can be searched")


def _readable(option: Apply, position: int) -> Any:
    """Return what tells an option from others: its constant parts, of which a single one stands for itself."""
    constant = _constant(option)
    return position if constant is _NOTHING else normalise(constant, replace=lambda value, path, why: short_repr(value))


def _constant(node: Apply) -> Any:
    if isinstance(node, Literal):
        return node.obj
    if node.name == "dict" and not node.pos_args:
        parts = {name: part for name, child in node.named_args.items() if (part := _constant(child)) is not _NOTHING}
        return next(iter(parts.values())) if len(parts) == 1 else parts or _NOTHING
    if node.name == "pos_args":
        items = [part for child in node.pos_args if (part := _constant(child)) is not _NOTHING]
        if len(items) == len(node.pos_args):
            return items
        return items[0] if len(items) == 1 else items or _NOTHING
    return _NOTHING
