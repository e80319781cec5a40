"""Evaluation: from an expression to its value, lazily: options that were not chosen are left alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hstore.engine.space.expressions import Apply, Literal, as_apply
from hstore.engine.space.implementations import implementation
from hstore.store.errors import MissingValue

DEFAULT_MAX_PROGRAM_LEN = 100_000
"""Nodes that may wait for each other in `rec_eval`, before it is taken for an endless loop."""

NOTED_LINES = 40


class GarbageCollected:
    """Stands in a memo for a value that is not there."""


def rec_eval(
    expr: Any,
    deepcopy_inputs: bool = False,
    memo: Mapping[Apply, Any] | None = None,
    max_program_len: int | None = None,
    memo_gc: bool = True,
    print_trace: bool = False,
    print_node_on_error: bool = True,
) -> Any:
    """Return the value of *expr*, which may be anything `as_apply` takes.

    Inputs are evaluated last first, which settles the order of random draws.

    deepcopy_inputs: hand each function copies of its arguments.
    memo: values of nodes that are known; it is left as it is.
    max_program_len: how many nodes may wait for each other; `RuntimeError` beyond it, 100,000 by default.
    memo_gc: hyperopt's; values live until the end whatever it says.
    print_trace: print each node that is looked at.
    print_node_on_error: add the node to the notes of an exception; nothing is printed.
    """
    if not isinstance(deepcopy_inputs, bool):
        raise ValueError("deepcopy_inputs should be bool; a memo is given by name: rec_eval(expr, memo=…)")
    known = {node: value for node, value in (memo or {}).items() if value is not GarbageCollected}
    return evaluate(
        as_apply(expr), known, deepcopy_inputs=deepcopy_inputs,
        limit=DEFAULT_MAX_PROGRAM_LEN if max_program_len is None else max_program_len,
        is_traced=print_trace, is_noted=print_node_on_error,
    )  # fmt: skip


def evaluate(
    expr: Apply, memo: Mapping[Apply, Any], *,
    deepcopy_inputs: bool = False, limit: int | None = None, is_traced: bool = False, is_noted: bool = False,
) -> Any:  # fmt: skip
    """Return the value of *expr*, given those of the nodes in *memo*; see `rec_eval` for the rest.

    A function that returns a node has the value of that node.
    """
    values: dict[Apply, Any] = dict(memo)
    returned: dict[Apply, Apply] = {}
    stack = [expr]
    while stack:
        if limit is not None and len(stack) > limit:
            raise RuntimeError(f"more than {limit} nodes wait for each other: probably an infinite loop")
        node = stack[-1]
        if node in values:
            stack.pop()
            continue
        if is_traced:
            print("rec_eval:print_trace", len(stack) - 1, node.name)  # noqa: T201 - what it is asked for
        if isinstance(node, Literal):
            values[node] = node.obj
        elif node in returned:
            _follow(node, returned[node], values, stack)
        else:
            try:
                needed = _needed(node, values)
                if needed:
                    stack += needed
                elif node.name == "switch":
                    returned[node] = _chosen(node, values)
                else:
                    result = _call(node, values, deepcopy_inputs)
                    if isinstance(result, Apply):
                        returned[node] = result
                    else:
                        values[node] = result
            except Exception as error:
                if is_noted:
                    lines = str(node).splitlines()
                    more = [] if len(lines) <= NOTED_LINES else ["…"]
                    error.add_note("\n".join(["while evaluating", *lines[:NOTED_LINES], *more]))
                raise
    return values[expr]


def _follow(node: Apply, target: Apply, values: dict[Apply, Any], stack: list[Apply]) -> None:
    """Give *node* the value of *target*, or have that evaluated first."""
    if target in values:
        values[node] = values[target]
    else:
        stack.append(target)


def _needed(node: Apply, values: Mapping[Apply, Any]) -> list[Apply]:
    """Return the inputs that have to be evaluated before *node*."""
    if node.name == "switch":
        return [index] if (index := node.pos_args[0]) not in values else []
    if node.name == "hyperopt_param":
        label, drawn = node.pos_args
        if drawn.name in STOCHASTIC and drawn not in values and not any(name == "rng" for name, _ in drawn.named_args):
            shown = getattr(label, "obj", "?")
            raise MissingValue(f"{shown}: is active at this point but has no value", label=shown)
    inputs = node.inputs() if node.named_args else node.pos_args  # the latter without a copy
    return [child for child in inputs if child not in values]


def _chosen(switch: Apply, values: Mapping[Apply, Any]) -> Apply:
    index, *options = switch.pos_args
    named = f"{getattr(index.pos_args[0], 'obj', '?')}: " if index.name == "hyperopt_param" else ""
    position = _position(values[index], named)
    if position >= len(options):
        raise IndexError(f"{named}a choice of {len(options)} options has no option {position}")
    return options[position]


def _position(index: Any, named: str) -> int:
    if getattr(index, "size", None) == 1 and hasattr(index, "item"):
        index = index.item()  # numpy's scalars, and what it draws of categories
    if not hasattr(index, "__index__"):
        raise TypeError(f"{named}a choice is made by the index of an option, not by {index!r:.60}")
    position = int(index.__index__())
    if position < 0:
        raise ValueError(f"{named}a choice is made by an index of at least 0, not by {position}")
    return position


def _call(node: Apply, values: Mapping[Apply, Any], deepcopy_inputs: bool) -> Any:
    function = implementation(node.name)
    args = [values[child] for child in node.pos_args]
    kwargs = {name: values[child] for name, child in node.named_args}
    if deepcopy_inputs:
        args, kwargs = copy.deepcopy((args, kwargs))
    return function(*args, **kwargs)


STOCHASTIC: set[str] = set()
"""The names of symbols that draw: `hstore.engine.space.stochastic` adds those of hyperopt, users may add theirs."""


def _eval(self: Apply, memo: Mapping[Apply, Any] | None = None) -> Any:
    """Return the value; *memo* gives those of some nodes. The same as `rec_eval`."""
    return rec_eval(self, memo=memo, print_node_on_error=False)


Apply.eval = _eval  # here, since nodes must not know who evaluates them
