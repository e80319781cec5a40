"""Compiling: from an expression to its hyperparameters, in the order of drawing, each with its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from hstore.engine.space.data import Unnamed, settled, short_repr
from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.engine.space.parameter import Parameter
from hstore.store.errors import BadSearchSpace, DuplicateLabel
from hstore.store.values import normalise

Pairs: TypeAlias = frozenset[tuple[str, int]]
"""A node is reached if of any (choice, option) the choice is active and has taken the option; if empty, always."""

ALWAYS: Pairs = frozenset()
NO_OPTIONS = "there are no options to choose from"
MAX_WALK = 2**16
"""Steps after which choices within choices are not walked again; hyperopt itself would not come to an end."""

_DISTRIBUTIONS = {
    "uniform": ("low", "high"), "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"), "qloguniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"), "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"), "qlognormal": ("mu", "sigma", "q"),
    "randint": ("low", "high"), "categorical": ("p",), "seen": ("low", "high"),
}  # fmt: skip


def parameters_of(expression: Apply) -> dict[Apply, Parameter]:
    """Return the `hyperopt_param` nodes of *expression* with their parameters, in the order in which they are drawn.

    Raises `DuplicateLabel` for two nodes of one label, `BadSearchSpace` for what cannot be searched.
    """
    order = dfs(expression)
    nodes: dict[str, Apply] = {}
    for node in order:
        if node.name == "hyperopt_param":
            label = label_of(node)
            if nodes.setdefault(label, node) is not node:
                raise DuplicateLabel(
                    f"two different hyperparameters have the label {label!r}", label=label,
                    hint="use one hp expression in both places, or give them two labels",
                )  # fmt: skip
    chosen_by = {node: param for node in order if node.name == "switch" and (param := chooser(node)) is not None}
    reach = _reach(order, chosen_by)
    options, integers = _options(order), _integers(order)
    return {
        node: _parameter(node, options.get(node, (None, None)), reach[node], node in integers)
        for node in _drawing_order(expression, nodes, chosen_by)
    }


def labels_as_written(expression: Apply) -> Iterator[str]:
    """Yield the labels of *expression* from left to right, a choice before what depends on it; some more than once.

    The graph has the keys of a dict sorted, as hyperopt does; the order in which they were written is kept beside it.
    """
    seen: set[Apply] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name == "hyperopt_param":
            yield str(label_of(node))
        named = dict(node.named_args)
        written = getattr(node, "written", ())
        inputs = [*node.pos_args, *(named[name] for name in written if name in named)]
        inputs += [child for name, child in named.items() if name not in written]
        stack.extend(reversed(inputs))


def label_of(node: Apply) -> str:
    """Return the label of a `hyperopt_param` node."""
    label = node.pos_args[0]
    assert isinstance(label, Literal)
    return str(label.obj)


def chooser(switch: Apply) -> Apply | None:
    """Return the hyperparameter whose value is the index of *switch*; None if no hyperparameter depends on it."""
    index, *options = switch.pos_args
    while index.name in ("int", "float"):
        index = index.pos_args[0]
    if index.name == "hyperopt_param" and index.pos_args[1].name in ("randint", "categorical"):
        return index
    below = [label_of(node) for option in options for node in dfs(option) if node.name == "hyperopt_param"]
    if below:
        raise BadSearchSpace(
            f"{below[0]}: is an option of a switch over a computed index, so nothing says when it is active",
            hint="write hp.choice(label, options)",
        )
    return None


def _steps_down(node: Apply, chosen_by: Mapping[Apply, Apply]) -> list[tuple[Apply, int | None]]:
    """Return what *node* is computed from, each with its position if it is an option of a choice."""
    if node not in chosen_by:
        return [(child, None) for child in node.inputs()]
    index, *options = node.pos_args
    return [(index, None), *((option, position) for position, option in enumerate(options))]


def _reach(order: list[Apply], chosen_by: Mapping[Apply, Apply]) -> dict[Apply, Pairs]:
    """Return for each node of *order* (inputs first) which chosen options lead to it from the last one."""
    pairs: dict[Apply, set[tuple[str, int]]] = {node: set() for node in order}
    always = {order[-1]}
    reach: dict[Apply, Pairs] = {}
    choices: dict[str, tuple[int, Pairs]] = {}  # how many options, and what leads to it
    for node in reversed(order):
        here = reach[node] = ALWAYS if node in always else _simplified(pairs[node], choices)
        label = label_of(chosen_by[node]) if node in chosen_by else ""
        if label:
            choices[label] = (len(node.pos_args) - 1, here)
        for child, position in _steps_down(node, chosen_by):
            if position is not None:
                pairs[child].add((label, position))
            elif here:
                pairs[child] |= here
            else:
                always.add(child)
    return reach


def _simplified(pairs: set[tuple[str, int]], choices: Mapping[str, tuple[int, Pairs]]) -> Pairs:
    """Return *pairs* with all options of a choice replaced by what leads to it, and without those others imply."""
    left = set(pairs)
    pending = sorted({choice for choice, _ in left})
    while pending:
        choice = pending.pop()
        n, above = choices[choice]
        if all((choice, position) in left for position in range(n)):
            if not above:
                return ALWAYS
            left = {pair for pair in left if pair[0] != choice} | above
            pending += sorted({name for name, _ in above})
    return frozenset(pair for pair in left if not (above := choices[pair[0]][1]) or not above <= left)


def _drawing_order(expression: Apply, nodes: Mapping[str, Apply], chosen_by: Mapping[Apply, Apply]) -> list[Apply]:
    """Return the hyperparameters as hyperopt draws them, learnt by watching it draw.

    Labels come in reverse alphabetical order, but first the choices on the ways to them: the way found last before
    the others.
    """
    ways = _ways(expression, chosen_by)
    drawn: list[Apply] = []
    done: set[Apply] = set()
    for label in sorted(nodes, reverse=True):
        stack = [(nodes[label], False)]
        while stack:
            node, is_due = stack.pop()
            if is_due:
                drawn.append(node)
            elif node not in done:
                done.add(node)
                if node.name == "hyperopt_param":
                    stack.append((node, True))
                for parent, position in ways[node]:
                    if position is not None:
                        stack.append((chosen_by[parent], False))
                    stack.append((parent, False))
    return drawn


Ways: TypeAlias = dict[tuple[Apply, int | None], None]
"""Steps that lead to a node, the latest last: (node above, position of the option or None)."""


def _ways(expression: Apply, chosen_by: Mapping[Apply, Apply]) -> dict[Apply, Ways]:
    """Walk *expression* from the top, left to right; a choice that is come upon again is walked again."""
    ways: dict[Apply, Ways] = {expression: {}}
    walked = 0
    stack = [(expression, *step) for step in reversed(_steps_down(expression, chosen_by))]
    while stack:
        parent, node, position = stack.pop()
        is_new = node not in ways
        found = ways.setdefault(node, {})
        if position is None and (parent, None) in found:
            continue
        found.pop((parent, position), None)  # what is found again counts as found last
        found[parent, position] = None
        walked += 1
        if is_new or (node in chosen_by and walked < MAX_WALK):
            stack += [(node, *step) for step in reversed(_steps_down(node, chosen_by))]
    return ways


def _integers(order: list[Apply]) -> set[Apply]:
    """Return the nodes of *order* (inputs first) that are only used as integers."""
    parents: dict[Apply, list[Apply]] = {}
    for node in order:
        for child in node.inputs():
            parents.setdefault(child, []).append(node)
    found: set[Apply] = set()
    for node in reversed(order):  # float(…), which hp puts around its draws, is looked through
        above = parents.get(node, [])
        if above and all(parent.name == "int" or (parent.name == "float" and parent in found) for parent in above):
            found.add(node)
    return found


def _parameter(
    node: Apply, chosen: tuple[tuple[Any, ...] | None, tuple[Any, ...] | None], reach: Pairs, is_integer: bool
) -> Parameter:
    label, drawn = label_of(node), node.pos_args[1]
    options, constants = chosen
    if drawn.name not in _DISTRIBUTIONS:
        raise BadSearchSpace(f"{label}: {drawn.name} is not a distribution that can be searched")
    named = dict(zip(_DISTRIBUTIONS[drawn.name], drawn.pos_args, strict=False)) | dict(drawn.named_args)
    values: dict[str, Any] = {name: _given(label, drawn.name, arg) for name, arg in named.items()}
    kind = drawn.name
    # Only hp.uniformint names its q, as in hyperopt: scope.int(hp.quniform(…)) is the same otherwise.
    if kind == "quniform" and drawn.named_args and is_integer and values["q"] == 1:
        kind = "uniformint"
    elif kind == "categorical":
        kind, values = "pchoice", {"low": 0, "high": len(values["p"]), "p": tuple(values["p"])}
    elif kind == "randint":
        kind = "randint" if options is None else "choice"
        if options == ():
            raise BadSearchSpace(f"{label}: {NO_OPTIONS}", label=label)
        if values.get("high") is None:
            values = {"low": 0, "high": values["low"]}
    else:
        values = {name: float(value) for name, value in values.items()}
    return Parameter(
        label=label, kind=kind, options=options, conditions=tuple((pair,) for pair in sorted(reach)),
        is_integer=is_integer or kind in ("uniformint", "randint"), constants=constants, **values,
    )  # fmt: skip


def _given(label: str, distribution: str, node: Apply) -> Any:
    if isinstance(node, Literal):
        return node.obj
    if node.name == "pos_args":
        return tuple(_given(label, distribution, item) for item in node.pos_args)
    raise BadSearchSpace(
        f"{label}: the arguments of {distribution} must be constants", label=label,
        hint="draw from a fixed range and scale the value in the space: low + (high - low) * hp.uniform(…)",
    )  # fmt: skip


_NOTHING = object()


def _options(order: list[Apply]) -> dict[Apply, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Return the options of each choice, readable and as they are: the constant parts of each, which distinguish it.

    A single constant stands for itself, and where there is none, the option's position.
    """
    constants: dict[Apply, Any] = {}
    found: dict[Apply, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}
    for node in order:
        constants[node] = _constant(node, constants)
        if node.name == "switch" and node.pos_args[0].name == "hyperopt_param":
            parts = [constants[option] for option in node.pos_args[1:]]
            readable = tuple(i if part is _NOTHING else _plain(part) for i, part in enumerate(parts))
            found[node.pos_args[0]] = (
                readable,
                tuple(Unnamed(i) if part is _NOTHING else part for i, part in enumerate(parts)),
            )
    return found


def _plain(constant: Any) -> Any:
    return normalise(constant, replace=lambda value, path, why: short_repr(value))


def _constant(node: Apply, constants: Mapping[Apply, Any]) -> Any:
    if isinstance(node, Literal):
        return settled(node.obj)
    if node.name == "pos_args":
        items = [part for child in node.pos_args if (part := constants[child]) is not _NOTHING]
        is_whole = len(items) == len(node.pos_args)
        return items if is_whole else items[0] if len(items) == 1 else items or _NOTHING
    if node.name == "dict" and node.pos_args:  # keys that are not all strings: constant as a whole or not at all
        pairs = [[constants[part] for part in pair.pos_args] for pair in node.pos_args[0].pos_args]
        is_whole = all(len(pair) == 2 and _NOTHING not in pair for pair in pairs)
        return (
            {key if isinstance(key, str) else short_repr(key): value for key, value in pairs} if is_whole else _NOTHING
        )
    if node.name == "dict":
        parts = {name: part for name, child in node.named_args if (part := constants[child]) is not _NOTHING}
        is_whole = len(parts) == len(node.named_args) != 1
        return parts if is_whole or len(parts) > 1 else next(iter(parts.values()), _NOTHING)
    return _NOTHING
