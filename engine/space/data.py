"""Expressions to and from plain data: JSON-able, so that a log can hold a space and any program can read it."""

from __future__ import annotations

import datetime as dt
import math
import re
import types
from collections.abc import Mapping
from typing import Any

from hstore.engine.space.content import content
from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.store.errors import BadSearchSpace
from hstore.store.values import fits_int64

FORMAT = 1
SHORT = 200
"""Characters that are kept of the text of an object that has no plain form."""

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
CALLED = re.compile(r"(?!array\()[^\W\d][\w.<>]*(?=\(|$)")
"""The name that a text such as SVC(C=2) or math.sqrt begins with."""
LISTED = 20
"""Items up to which a set or an array is written out."""


class Opaque:
    """Stands for an object of a user's space that only its objective's process has; its `repr` is what was recorded.

    A log of an earlier version has the text alone, and no `content`.
    """

    def __init__(self, text: str, content: str | None = None) -> None:
        self.text = text
        self._content = content
        self._obj: Any = None

    @classmethod
    def of(cls, obj: Any) -> Opaque:
        """Return what stands for *obj*, whose content is looked at when it is asked for."""
        opaque = cls(short_repr(obj))
        opaque._obj = obj
        return opaque

    @property
    def content(self) -> str | None:
        """The digest of what the object holds."""
        if self._content is None and self._obj is not None:
            self._content, self._obj = content(self._obj), None
        return self._content

    def __reduce__(self) -> Any:
        return Opaque, (self.text, self.content)

    def __repr__(self) -> str:
        return self.text

    def is_like(self, other: Opaque) -> bool:
        """Return whether both may stand for one object: by content, or as far as an earlier version's text tells."""
        if self.content is not None and other.content is not None:
            return self.content == other.content
        # Such a text depends on the process that wrote it; what stands for a call or a name begins with the name.
        mine, theirs = CALLED.match(self.text), CALLED.match(other.text)
        return mine is None or theirs is None or mine[0] == theirs[0]


def to_data(expr: Apply) -> dict[str, Any]:
    """Return *expr* as {"format": 1, "nodes": […]}: each node after its inputs, the last one is the whole.

    A node is {"op": name, "args": [place, …], "kwargs": {name: place}, "written": [name, …] if a dict had its keys in
    another order} or one of the forms of a literal:
    {"value": plain}, {"float": "nan"}, {"int": "…"}, {"floats": […]}, {"tuple": [literal, …]},
    {"bytes": hex}, {"datetime": ISO}, {"opaque": {"text": text, "content": digest}}, and in earlier versions
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
            data["kwargs"] = [[name, places[child]] for name, child in node.named_args]
        written = getattr(node, "written", ())
        if list(written) != [name for name, _ in node.named_args][: len(written)]:
            data["written"] = list(written)  # the order of the keys, for people to read
        nodes.append(data)
    return {"format": FORMAT, "nodes": nodes}


def from_data(data: Mapping[str, Any]) -> Apply:
    """Return the expression that *data* holds; see `to_data`."""
    if (found := data.get("format")) != FORMAT:
        if not isinstance(found, int):
            raise BadSearchSpace(
                "what is stored as the space of the experiment is none", hint="`hstore verify` says what was changed"
            )
        raise BadSearchSpace(f"a space in format {found!r} is not known here", hint="update hstore")
    nodes: list[Apply] = []
    for node in data["nodes"]:
        if "op" not in node:
            nodes.append(Literal(_literal_from_data(node)))
            continue
        args = [nodes[place] for place in node.get("args", ())]
        kwargs = {name: nodes[place] for name, place in node.get("kwargs", ())}
        nodes.append(Apply(node["op"], args, kwargs, o_len=_length(node["op"], args, kwargs)))
        if "written" in node:
            nodes[-1].written = tuple(map(str, node["written"]))
    return nodes[-1]


def _length(op: str, args: list[Apply], kwargs: Mapping[str, Apply]) -> int | None:
    if op == "pos_args":
        return len(args)
    if op == "dict":
        return args[0].o_len if args else len(kwargs)
    return None


def is_plain(expr: Apply) -> bool:
    """Return whether all of *expr* comes back from its data as it was."""
    return not any(isinstance(node, Literal) and not _has_form(node.obj) for node in dfs(expr))


def _has_form(obj: Any) -> bool:
    """Return whether *obj*, a constant, has a plain form."""
    if type(obj) is tuple:
        return all(map(_has_form, obj))
    return _plain_form(obj) is not None


def settled(obj: Any) -> Any:
    """Return *obj* as it comes back from its data, so that a space says the same of itself before and after."""
    if type(obj) is tuple:
        return tuple(map(settled, obj))
    form = None if isinstance(obj, Opaque) else _plain_form(obj)
    if form is not None:
        return _literal_from_data(form)
    return obj if isinstance(obj, Opaque) else Opaque.of(obj)


class Unnamed:
    """Stands for an option without a constant part: only its position tells it from others."""

    def __init__(self, position: int) -> None:
        self.position = position

    def __repr__(self) -> str:
        return repr(self.position)


def is_same(mine: Any, theirs: Any) -> bool:
    """Return whether two constants, nests as `settled` makes them, are the same; a NaN is itself."""
    if isinstance(mine, Opaque) and isinstance(theirs, Opaque):
        return mine.is_like(theirs)
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, dict):
        return mine.keys() == theirs.keys() and all(is_same(value, theirs[key]) for key, value in mine.items())
    if isinstance(mine, (list, tuple)):
        return len(mine) == len(theirs) and all(map(is_same, mine, theirs))
    return repr(mine) == repr(theirs)


def _literal_to_data(obj: Any) -> dict[str, Any]:
    if isinstance(obj, Opaque):
        return {"repr": obj.text} if obj.content is None else {"opaque": {"text": obj.text, "content": obj.content}}
    if type(obj) is tuple and not all(type(item) is float and math.isfinite(item) for item in obj):
        return {"tuple": [_literal_to_data(item) for item in obj]}  # a key
    form = _plain_form(obj)
    return {"opaque": {"text": short_repr(obj), "content": content(obj)}} if form is None else form


def _plain_form(obj: Any) -> dict[str, Any] | None:
    """Return the form of *obj*, a constant, from which it comes back as it was; None if it has none."""
    kind = type(obj)
    if hasattr(obj, "item") and hasattr(obj, "dtype") and getattr(obj, "ndim", 1) == 0:
        obj = obj.item()  # a numpy scalar
        kind = type(obj)
    if obj is None or kind is bool:
        return {"value": obj}
    if kind is str:
        return {"value": obj} if _is_text(obj) else None
    if kind is int:
        return {"value": obj} if fits_int64(obj) else {"int": str(obj)}
    if kind is float:
        return {"value": obj} if math.isfinite(obj) else {"float": repr(obj)}
    if kind is bytes:
        return {"bytes": obj.hex()}
    if kind is dt.datetime:
        return {"datetime": obj.isoformat()}
    if kind is tuple:
        return {"floats": list(obj)}  # the probabilities of a pchoice
    return None


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
            return tuple(float(item) for item in value)
        case "tuple":
            return tuple(_literal_from_data(item) for item in value)
        case "bytes":
            return bytes.fromhex(value)
        case "datetime":
            return dt.datetime.fromisoformat(value)
        case "repr":
            return Opaque(value)
        case "opaque":
            return Opaque(value["text"], value["content"])
    raise BadSearchSpace(f"a space that holds a constant of form {form!r} is not known here", hint="update hstore")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def short_repr(obj: Any) -> str:
    """Return the text of *obj* in at most `SHORT` characters, the same in every process if it can be had.

    The name of a function or class says more than where it lies in memory, and addresses are left out.
    """
    name = getattr(obj, "__qualname__", None)
    try:
        text = f"{getattr(obj, '__module__', '')}.{name}" if isinstance(name, str) else _text(obj)
    except Exception as error:  # noqa: BLE001  (a user's own __repr__, or one nested too deep)
        text = f"<{type(obj).__qualname__}, whose repr raises {type(error).__name__}>"
    return ADDRESS.sub("", text.encode("utf-8", "backslashreplace").decode())[:SHORT]


def _text(obj: Any) -> str:
    """Return the `repr` of *obj*, or what does not depend on hash seeds, terminals, print options or places."""
    if type(obj) in (set, frozenset) and obj:
        items = ", ".join(sorted(map(short_repr, obj)))
        return f"{{{items}}}" if type(obj) is set else f"frozenset({{{items}}})"
    if isinstance(obj, types.ModuleType):
        return f"<module {obj.__name__!r}>"
    shape = getattr(obj, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(obj, "__array__"):
        return repr(obj)
    if hasattr(obj, "columns"):
        return f"<{type(obj).__name__} of {shape[0]} rows, {shape[1]} columns>"
    if math.prod(shape) <= LISTED and hasattr(obj, "tolist"):
        return (
            f"array({obj.tolist()!r})"
            if type(obj).__name__ == "ndarray"
            else f"<{type(obj).__name__} {obj.tolist()!r}>"
        )
    return f"<{type(obj).__name__} of {' x '.join(map(str, shape))} values, {obj.dtype}>"
