"""Expressions to and from plain data: JSON-able, so that a log can hold a space and any program can read it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.store.errors import BadSearchSpace

FORMAT = 1
SHORT = 200
"""Characters that are kept of the text of an object that has no plain form."""


class Opaque:
    """Stands for an object of a user's space that only its objective's process has; its `repr` is what was recorded."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def to_data(expr: Apply) -> dict[str, Any]:
    """Return *expr* as {"format": 1, "nodes": […]}: each node after its inputs, the last one is the whole.

    A node is {"op": name, "args": [place, …], "kwargs": {name: place}} or one of the forms of a literal:
    {"value": plain}, {"float": "nan"}, {"int": "…"}, {"floats": […]}, {"bytes": hex}, {"datetime": ISO},
    {"repr": text}.
    """
    places: dict[Apply, int] = {}
    nodes: list[dict[str, Any]] = []
    for node in dfs(expr):
        places[node] = len(nodes)
        if isinstance(node, Literal):
            nodes.append(_literal_to_data(node.obj))
            continue
        data: dict[str, Any] = {"op": node.name}
        if node.pos_args:
            data["args"] = [places[child] for child in node.pos_args]
        if node.named_args:
            # As pairs, since names may hold whatever the user's keys hold.
            data["kwargs"] = [[name, places[child]] for name, child in node.named_args.items()]
        nodes.append(data)
    return {"format": FORMAT, "nodes": nodes}


def from_data(data: Mapping[str, Any]) -> Apply:
    """Return the expression that *data* holds; see `to_data`."""
    if data.get("format") != FORMAT:
        raise BadSearchSpace(f"a space in format {data.get('format')!r} is not known here", hint="update hstore")
    nodes: list[Apply] = []
    for node in data["nodes"]:
        if "op" not in node:
            nodes.append(Literal(_literal_from_data(node)))
            continue
        args = [nodes[place] for place in node.get("args", ())]
        kwargs = {name: nodes[place] for name, place in node.get("kwargs", ())}
        o_len = len(args) or len(kwargs) if node["op"] in ("pos_args", "dict") else None
        nodes.append(Apply(node["op"], args, kwargs, o_len=o_len))
    return nodes[-1]


def _literal_to_data(obj: Any) -> dict[str, Any]:
    if hasattr(obj, "item") and getattr(obj, "ndim", 1) == 0:
        obj = obj.item()
    if obj is None or isinstance(obj, (bool, str)):
        return {"value": obj if obj is None or isinstance(obj, bool) else str(obj)}
    if type(obj) is int:
        return {"value": obj} if -(2**63) <= obj < 2**63 else {"int": str(obj)}
    if isinstance(obj, float):
        return {"value": float(obj)} if math.isfinite(obj) else {"float": repr(float(obj))}
    if isinstance(obj, bytes):
        return {"bytes": obj.hex()}
    if isinstance(obj, tuple) and all(isinstance(item, float) and math.isfinite(item) for item in obj):
        return {"floats": list(obj)}  # the probabilities of a pchoice
    if isinstance(obj, dt.datetime):
        return {"datetime": obj.isoformat()}
    return {"repr": short_repr(obj)}


def _literal_from_data(data: Mapping[str, Any]) -> Any:
    ((form, value),) = data.items()
    match form:
        case "value":
            return value
        case "float":
            return float(value)
        case "int":
            return int(value)
        case "floats":
            return tuple(value)
        case "bytes":
            return bytes.fromhex(value)
        case "datetime":
            return dt.datetime.fromisoformat(value)
        case _:
            return Opaque(value)


def short_repr(obj: Any) -> str:
    """Return the text of *obj* in at most `SHORT` characters, the same in every process if it can be had.

    The name of a function or class says more than where it lies in memory.
    """
    name = getattr(obj, "__qualname__", None)
    text = f"{getattr(obj, '__module__', '')}.{name}" if isinstance(name, str) else repr(obj)
    return text.encode("utf-8", "backslashreplace").decode()[:SHORT]
