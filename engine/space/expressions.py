"""Expressions: the graph that a search space is written in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, SupportsIndex, TextIO
from typing import Literal as Only

from hstore.engine.space.implementations import implementation
from hstore.engine.space.outline import hyperparameters, outline_of
from hstore.store.errors import BadSearchSpace
from hstore.store.html import tree
from hstore.store.terminal_text import printable

_SHOWN = 4
"""Hyperparameters that the text of an expression names."""
MAX_NESTING = 100
"""Levels of lists and dicts in a space; an objective that needs more is not one that people tune."""


class MissingArgument:
    """Stands in `Apply.arg` for a parameter that the node gives no argument for."""


class ApplyType(type):
    """The class of `Apply`; programs tell whether a value is a hyperparameter by the text of its type."""

    shown_in: ClassVar[str] = ""
    """The module that the text names in the place of the true one; see `hstore.compat`."""

    def __repr__(cls) -> str:
        return f"<class '{ApplyType.shown_in or cls.__module__}.{cls.__qualname__}'>"


class Apply(metaclass=ApplyType):
    """A node: the symbol *name* applied to other nodes. Nodes are equal only to themselves.

    named_args: list of [name, node], or a mapping.
    o_len: how many items the value has, None if that is not known before it is evaluated.
    pure: whether equal inputs give equal values, so that `clone_merge` may make one node of two.
    """

    written: tuple[str, ...]
    """Of a dict: its keys in the order in which they were written, for people to read. Elsewhere it is not set."""

    eval: ClassVar[Callable[..., Any]]
    """The value of the node, given those of some nodes: set by `evaluation`."""

    __slots__ = ("__weakref__", "define_params", "name", "named_args", "o_len", "pos_args", "pure", "written")
    __array_ufunc__ = None  # so that numpy leaves `np.float64(2) * node` to the node

    def __init__(
        self, name: str, pos_args: Iterable[Apply] = (),
        named_args: Mapping[str, Apply] | Iterable[tuple[str, Apply] | list[Any]] | None = None,
        o_len: int | None = None, pure: bool = False, define_params: Any = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.pos_args: list[Apply] = list(pos_args)
        pairs = named_args.items() if isinstance(named_args, Mapping) else named_args or ()
        self.named_args: list[list[Any]] = [[key, node] for key, node in pairs]
        self.o_len = o_len
        self.pure = pure
        self.define_params = define_params
        for node in self.inputs():
            if not isinstance(node, Apply):
                raise TypeError(f"the inputs of {name} must be nodes, not {node!r:.60}; as_apply makes one of anything")

    def inputs(self) -> list[Apply]:
        """Return the nodes that this one is computed from."""
        return [*self.pos_args, *[node for _, node in self.named_args]]

    @property
    def arg(self) -> dict[str, Any]:
        """The node of each parameter of the symbol's function, `MissingArgument` where there is none.

        A parameter like *args has a tuple of nodes, one like **kwargs a dict. Raises TypeError for arguments that the
        function does not take, and for functions whose signature Python cannot read.
        """
        try:
            signature = inspect.signature(implementation(self.name))
        except ValueError:
            raise TypeError(f"{self.name} has no signature that Python can read") from None
        given = signature.bind_partial(*self.pos_args, **dict(self.named_args)).arguments
        return {name: given.get(name, MissingArgument) for name in signature.parameters}

    def set_kwarg(self, name: str, value: Any) -> None:
        """Give the argument *name*, in place; one that is given by position is refused."""
        node = as_apply(value)
        for pair in self.named_args:
            if pair[0] == name:
                pair[1] = node
                return
        if name in self._positional():
            raise NotImplementedError(f"{self.name} has its argument {name} by position")
        self.named_args.append([name, node])
        self.named_args.sort(key=lambda pair: str(pair[0]))

    def _positional(self) -> list[str]:
        """Return the names of the parameters that are given by position, as far as its signature is known."""
        try:
            return list(inspect.signature(implementation(self.name)).parameters)[: len(self.pos_args)]
        except (ValueError, BadSearchSpace):
            return []

    def clone_from_inputs(self, inputs: Iterable[Apply], o_len: int | Only["same"] | None = "same") -> Apply:
        """Return a node of the same symbol over *inputs*, which stand in the order of `inputs()`."""
        given = list(inputs)
        n = len(self.pos_args)
        if len(given) != n + len(self.named_args):
            raise TypeError(f"{self.name} has {n + len(self.named_args)} inputs, not {len(given)}")
        named = [(pair[0], node) for pair, node in zip(self.named_args, given[n:], strict=True)]
        length = self.o_len if o_len == "same" else o_len
        return Apply(self.name, given[:n], named, length, self.pure, self.define_params)

    def replace_input(self, old_node: Apply, new_node: Apply) -> list[int]:
        """Put *new_node* wherever *old_node* is an input, in place; return the positions."""
        positions = [position for position, node in enumerate(self.inputs()) if node is old_node]
        for position in positions:
            if position < len(self.pos_args):
                self.pos_args[position] = new_node
            else:
                self.named_args[position - len(self.pos_args)][1] = new_node
        return positions

    def pprint(
        self, ofile: TextIO, lineno: list[int] | None = None, indent: int = 0, memo: dict[Apply, int] | None = None
    ) -> None:
        """Write the graph to *ofile* as a tree of numbered lines; a node that has a line already refers to it.

        *lineno* is a list of the number of the next line, *memo* holds the lines of nodes; both are brought up to date.
        """
        for line in self._lines([0] if lineno is None else lineno, indent, {} if memo is None else memo):
            ofile.write(line + "\n")

    def _lines(self, lineno: list[int], indent: int, lines: dict[Apply, int]) -> Iterator[str]:
        stack: list[tuple[int, Apply | str]] = [(indent, self)]
        while stack:
            depth, node = stack.pop()
            margin = f"{lineno[0]} {' ' * depth}"
            if isinstance(node, str):
                yield f"{margin}{node} ="
            elif node in lines:
                yield f"{margin}{node.headline()}  [line:{lines[node]}]"
            else:
                yield f"{margin}{node.headline()}"
                lines[node] = lineno[0]
                for name, child in reversed(node.named_args):
                    stack += [(depth + 2, child), (depth + 1, name)]
                stack += [(depth + 2, child) for child in reversed(node.pos_args)]
            lineno[0] += 1

    def headline(self) -> str:
        """Return what `pprint` calls this node."""
        return self.name

    def __str__(self) -> str:
        return "\n".join(self._lines([0], 0, {}))

    # Python's operators make nodes; `==` does not, since nodes are keys.

    def __add__(self, other: Any) -> Apply:
        return _operation("add", self, other)

    def __radd__(self, other: Any) -> Apply:
        return _operation("add", other, self)

    def __sub__(self, other: Any) -> Apply:
        return _operation("sub", self, other)

    def __rsub__(self, other: Any) -> Apply:
        return _operation("sub", other, self)

    def __mul__(self, other: Any) -> Apply:
        return _operation("mul", self, other)

    def __rmul__(self, other: Any) -> Apply:
        return _operation("mul", other, self)

    def __truediv__(self, other: Any) -> Apply:
        return _operation("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Apply:
        return _operation("truediv", other, self)

    def __floordiv__(self, other: Any) -> Apply:
        return _operation("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Apply:
        return _operation("floordiv", other, self)

    def __pow__(self, other: Any) -> Apply:
        return _operation("pow", self, other)

    def __rpow__(self, other: Any) -> Apply:
        return _operation("pow", other, self)

    def __neg__(self) -> Apply:
        return _operation("neg", self)

    def __lt__(self, other: Any) -> Apply:
        return _operation("lt", self, other)

    def __le__(self, other: Any) -> Apply:
        return _operation("le", self, other)

    def __gt__(self, other: Any) -> Apply:
        return _operation("gt", self, other)

    def __ge__(self, other: Any) -> Apply:
        return _operation("ge", self, other)

    def __getitem__(self, index: Any) -> Apply:
        if self.o_len is not None and isinstance(index, SupportsIndex) and int(index) >= self.o_len:
            raise IndexError(f"index {index} of an expression of length {self.o_len}")
        return _operation("getitem", self, index)

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:
        """Return a node that calls the value of this one."""
        return apply("call", self, args, kwargs)

    def __len__(self) -> int:
        if self.o_len is None:
            raise TypeError(f"the length of a {self.name} expression is only known once it is evaluated")
        return self.o_len

    def __iter__(self) -> Iterator[Apply]:
        # Without it Python would ask for [0], [1], … and never be told to stop.
        return iter([self[i] for i in range(len(self))])

    def __bool__(self) -> bool:
        raise TypeError(f"whether a {self.name} expression is true is only known once it is evaluated")

    def __repr__(self) -> str:
        labels = list(islice(hyperparameters(self), _SHOWN + 1))
        shown = ", ".join(labels[:_SHOWN]) + (", …" if len(labels) > _SHOWN else "")
        return printable(f"<{self.name} expression{f' of {shown}' if shown else ''}>")

    def _repr_html_(self) -> str:
        return tree(outline_of(self))


class Literal(Apply):
    """A node that stands for *obj*."""

    __slots__ = ("_obj",)

    def __init__(self, obj: Any = None) -> None:
        super().__init__("literal", o_len=_length(obj), pure=True)
        self._obj = obj

    @property
    def obj(self) -> Any:
        """What it stands for."""
        return self._obj

    @property
    def arg(self) -> dict[str, Any]:
        """Nothing: a literal has no parameters."""
        return {}

    def clone_from_inputs(self, inputs: Iterable[Apply], o_len: int | Only["same"] | None = "same") -> Literal:
        """Return another literal of the same object."""
        return Literal(self._obj)

    def headline(self) -> str:
        """See `Apply.headline`; of an array, its shape and range."""
        obj = self._obj
        if hasattr(obj, "dtype") and hasattr(obj, "min"):
            try:
                return f"Literal{{np.ndarray,shape={obj.shape},min={obj.min():f},max={obj.max():f}}}"
            except (TypeError, ValueError):  # of text or objects, or empty
                pass
        return f"Literal{{{obj}}}"

    def __repr__(self) -> str:
        return f"Literal({self._obj!r:.60})"


def _length(obj: Any) -> int | None:
    try:
        return len(obj)
    except Exception:  # noqa: BLE001 - of whatever a user's own __len__ does: it has none that is known
        return None


def apply(name: str, *args: Any, **kwargs: Any) -> Apply:
    """Return a node of symbol *name* over anything `as_apply` takes."""
    return Apply(name, map(as_apply, args), [(key, as_apply(arg)) for key, arg in sorted(kwargs.items())])


def _operation(name: str, *args: Any) -> Apply:
    return Apply(name, map(as_apply, args), pure=True)


def as_apply(obj: Any, _nesting: int = 0) -> Apply:
    """Return *obj* as an expression: nodes as they are, containers as nodes over their items, all else as `Literal`.

    A list evaluates to a tuple, as in hyperopt; a dict to one with its keys sorted if they can be.
    """
    if isinstance(obj, Apply):
        return obj
    if not isinstance(obj, (dict, list, tuple)):
        if type(obj).__module__ == "hyperopt.pyll.base":
            raise BadSearchSpace(
                f"the space holds an expression of hyperopt's ({obj.name}), which hstore would take for a constant",
                hint="from hstore import hp; to run a program of hyperopt's unchanged: python -m hstore.compat SCRIPT",
            )
        return Literal(obj)
    if _nesting >= MAX_NESTING:
        raise BadSearchSpace(f"a search space nested deeper than {MAX_NESTING} levels, or one that holds itself")
    if isinstance(obj, dict):
        items = {key: as_apply(value, _nesting + 1) for key, value in obj.items()}
        if all(isinstance(key, str) for key in items):
            node = Apply("dict", (), sorted(items.items()), o_len=len(items))
            node.written = tuple(items)
            return node
        pairs = [Apply("pos_args", (Literal(key), items[key]), o_len=2) for key in _in_order(items)]
        return Apply("dict", (Apply("pos_args", pairs, o_len=len(pairs)),), o_len=len(pairs))
    return Apply("pos_args", [as_apply(item, _nesting + 1) for item in obj], o_len=len(obj))


def _in_order(keys: Iterable[Any]) -> list[Any]:
    listed = list(keys)
    try:
        return sorted(listed)
    except TypeError:  # keys of several types stay as they are
        return listed


def dfs(expr: Apply) -> list[Apply]:
    """Return the nodes of *expr*, each once and after its inputs; raises `BadSearchSpace` for a cycle."""
    order: list[Apply] = []
    state: dict[Apply, bool] = {}  # False: begun, True: in order
    stack = [expr]
    while stack:
        node = stack[-1]
        if node not in state:
            state[node] = False
            for child in reversed(node.inputs()):
                if state.get(child) is False:
                    raise BadSearchSpace(f"the search space has a cycle through {child!r}")
                if child not in state:
                    stack.append(child)
        else:
            stack.pop()
            if not state[node]:
                state[node] = True
                order.append(node)
    return order
