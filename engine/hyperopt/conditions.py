"""Conditions: under which values of the choices above it each hyperparameter of an expression is drawn."""

from __future__ import annotations

import functools
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from hstore.engine.space.compiling import chooser, label_of
from hstore.engine.space.expressions import Apply, as_apply
from hstore.store.errors import BadSearchSpace, DuplicateLabel


@dataclass(frozen=True)
class Cond:
    """The choice *name* compared with *val*; the only *op* that a space makes is "="."""

    name: str
    val: Any
    op: str

    def __str__(self) -> str:
        return f"Cond{{{self.name} {self.op} {self.val}}}"

    __repr__ = __str__


# Its public place. Set here, since `dataclass` looks up the module of a class, and that one may not be imported yet.
Cond.__module__ = "hstore.pyll_utils"


MAX_STEPS = 2**18

EQ = functools.partial(Cond, op="=")


def expr_to_config(
    expr: Any, conditions: tuple[Cond, ...] | None, hps: MutableMapping[str, MutableMapping[str, Any]]
) -> None:
    """Put {"node": distribution, "conditions": set of tuples of Cond, "label": label} into *hps* for each label.

    Of any tuple all must hold, beside *conditions*, which all tuples begin with. Raises `DuplicateLabel` for two
    hyperparameters of one label, `BadSearchSpace` for options that a computed index chooses, and where there are too
    many ways to a node to name them all: 2**18 steps.
    """
    start = conditions or ()
    options: dict[str, int] = {}
    stack: list[tuple[Apply, tuple[Cond, ...]]] = [(as_apply(expr), start)]
    steps = 0
    while stack:
        node, path = stack.pop()
        steps += 1
        if steps > MAX_STEPS:
            raise BadSearchSpace("choices within choices that share what is below: there are too many ways to name")
        if node.name == "hyperopt_param":
            label, drawn = label_of(node), node.pos_args[1]
            known = hps.setdefault(label, {"node": drawn, "conditions": set(), "label": label})
            if known["node"] is not drawn:
                raise DuplicateLabel(f"two different hyperparameters have the label {label!r}", label=label)
            known["conditions"].add(path)
        if node.name == "switch" and (choice := chooser(node)) is not None:
            label = label_of(choice)
            options[label] = len(node.pos_args) - 1
            stack += [(option, (*path, EQ(label, i))) for i, option in reversed([*enumerate(node.pos_args[1:])])]
            stack.append((choice, path))
        else:
            stack += [(child, path) for child in reversed(node.inputs())]
    for known in hps.values():
        for label, n in options.items():
            each = {(*start, EQ(label, i)) for i in range(n)}
            if len(known["conditions"]) > 1 and each <= known["conditions"]:
                known["conditions"] -= each
                known["conditions"].add(start)
