"""The symbols that expressions may use: name by name a Python function, and `scope`, which makes nodes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hstore.engine.space.expressions import Apply, as_apply
from hstore.engine.space.implementations import IMPLEMENTATIONS

F = TypeVar("F", bound=Callable[..., Any])


class PyllImportError(ImportError):
    """Raised by `scope.inject` and `scope.import_` for a symbol that there is not."""


@dataclass(frozen=True, eq=False)
class SymbolTableEntry:
    """A symbol: called, it makes a node of its arguments."""

    symbol_table: SymbolTable
    apply_name: str
    o_len: int | None = None
    pure: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:
        """Return a node of this symbol over anything `as_apply` takes."""
        return self.symbol_table._new_apply(self.apply_name, args, kwargs, self.o_len, self.pure)


class SymbolTable:
    """`scope.NAME(…)` is an expression that calls symbol NAME when it is evaluated; `@scope.define` adds one.

    A symbol is looked up by name at evaluation, so every process that evaluates the space must have defined it.
    Python's own names are methods here; all others are defined.
    """

    def __init__(self, implementations: dict[str, Callable[..., Any]] | None = None) -> None:
        self._impls = {} if implementations is None else implementations
        self._impls |= {
            function.__name__: function for function in (dict, float, getattr, int, len, list, max, min, range)
        }
        self._impls["map"] = _map
        self._entries: dict[str, Any] = {}
        self._is_closed: frozenset[str] = frozenset(self._impls)

    def __getattr__(self, name: str) -> Callable[..., Apply]:
        entries: dict[str, Any] = self.__dict__.get("_entries", {})
        if name not in entries:
            raise AttributeError(f"scope has no symbol {name!r}; define one with @scope.define")
        return entries[name]  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        # An objective's pickle that mentions `scope` is to find the one of the process that loads it.
        return "scope" if self is scope else super().__reduce__()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._entries})

    def _new_apply(
        self, name: str, args: tuple[Any, ...], kwargs: MutableMapping[str, Any], o_len: int | None, pure: bool
    ) -> Apply:
        named = [(key, as_apply(arg)) for key, arg in sorted(kwargs.items())]
        return Apply(name, map(as_apply, args), named, o_len, pure)

    # Python's names, all pure. Within this class they are no longer Python's.

    def dict(self, *args: Any, **kwargs: Any) -> Apply:
        """Return a node that calls dict."""
        return self._new_apply("dict", args, kwargs, None, True)

    def int(self, arg: Any) -> Apply:
        """Return a node that calls int: the parameter below it is shown and handed over as an integer."""
        return self._new_apply("int", (arg,), {}, None, True)

    def float(self, arg: Any) -> Apply:
        """Return a node that calls float."""
        return self._new_apply("float", (arg,), {}, None, True)

    def len(self, obj: Any) -> Apply:
        """Return a node that calls len."""
        return self._new_apply("len", (obj,), {}, None, True)

    def list(self, init: Any) -> Apply:
        """Return a node that calls list: the way to hand an objective a list, where a list becomes a tuple."""
        return self._new_apply("list", (init,), {}, None, True)

    def map(self, fn: Any, seq: Any, pure: bool = False) -> Apply:
        """Return a node for the list of *fn* of each item of *seq*, which *fn* may return as nodes."""
        return self._new_apply("map", (fn, seq), {}, as_apply(seq).o_len, pure)

    def range(self, *args: Any) -> Apply:
        """Return a node that calls range."""
        return self._new_apply("range", args, {}, None, True)

    def max(self, *args: Any) -> Apply:
        """Return a node that calls max."""
        return self._new_apply("max", args, {}, None, True)

    def min(self, *args: Any) -> Apply:
        """Return a node that calls min."""
        return self._new_apply("min", args, {}, None, True)

    def getattr(self, obj: Any, attr: Any, *args: Any) -> Apply:
        """Return a node that calls getattr."""
        return self._new_apply("getattr", (obj, attr, *args), {}, None, True)

    def define(self, f: F, o_len: Any = None, pure: bool = False) -> F:
        """Add *f* under its name; raises `ValueError` if there is another function of that name."""
        name = f.__name__
        if self._impls.setdefault(name, f) is not f:
            raise ValueError(f"scope has a symbol {name!r} already")
        self._entries[name] = SymbolTableEntry(self, name, o_len, pure)
        return f

    def define_if_new(self, f: F, o_len: Any = None, pure: bool = False) -> F:
        """Add *f* under its name, unless it is there already; raises `ValueError` if another function is."""
        return f if self._impls.get(f.__name__) is f else self.define(f, o_len, pure)

    def define_pure(self, f: F) -> F:
        """Add *f*, whose value depends on its arguments only."""
        return self.define(f, None, True)

    def define_info(self, o_len: Any = None, pure: bool = False) -> Callable[[F], F]:
        """Return a decorator that adds a function of whose value *o_len* and *pure* are known; see `Apply`."""
        return lambda f: self.define(f, o_len, pure)

    def undefine(self, f: Callable[..., Any] | str) -> None:
        """Remove a symbol that was defined; raises `KeyError` if there is none."""
        name = f if isinstance(f, str) else f.__name__
        if name in self._is_closed:
            raise ValueError(f"{name!r} is part of hstore and stays")
        del self._impls[name]
        del self._entries[name]

    def _close(self, **entries: Callable[..., Apply]) -> None:
        """Add *entries* that make nodes of other symbols, and keep whatever is defined by now from being removed."""
        self._entries.update(entries)
        self._is_closed = frozenset(self._impls)

    def inject(self, *args: str, **kwargs: str) -> Any:
        """Return the symbols of the names *args*, and those that *kwargs* give another name, by name."""
        found = {}
        for alias, name in [*((name, name) for name in args), *kwargs.items()]:
            try:
                found[alias] = getattr(self, name)
            except AttributeError:
                raise PyllImportError(name) from None
        return found

    def import_(self, _globals: MutableMapping[str, Any], *args: str, **kwargs: str) -> None:
        """Put what `inject` returns into *_globals*, a module's `globals()`."""
        _globals.update(self.inject(*args, **kwargs))


def _map(fn: Callable[[Any], Any], seq: Iterable[Any]) -> Any:
    """Return the list of *fn* of each item of *seq*; where that makes nodes, a node for the tuple of their values."""
    results = [fn(item) for item in seq]
    return as_apply(results) if any(isinstance(result, Apply) for result in results) else results


scope = SymbolTable(IMPLEMENTATIONS)
