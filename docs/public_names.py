"""The public names of a package, seen from outside: what its modules bind, signatures, members of classes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

MODULES = (
    "", "fmin", "hp", "base", "exceptions", "pyll", "pyll.base", "pyll.stochastic", "pyll_utils",
    "tpe", "rand", "anneal", "mix", "atpe", "atpe_models", "algobase", "vectorize", "criteria", "rdists",
    "early_stop", "plotting", "graph_viz", "progress", "std_out_err_redirect_tqdm", "utils",
    "mongoexp", "spark", "sklearn", "ipy", "main",
)  # fmt: skip
"""The modules of hyperopt but for its tests, in the order of the page."""
PACKAGES = ("", "hp", "pyll")
"""Modules whose names all come from others and are meant to be used from there: those get rows of their own."""
PROTOCOLS = {"__call__", "__contains__", "__getitem__", "__iter__", "__len__", "__next__"}
OF_A_MODULE = (bool, int, float, str, tuple, list, dict, set, frozenset, functools.partial)
"""Types of values that belong to the module that binds them, unlike a logger or what is imported from numpy."""
CALLED = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, staticmethod, classmethod)
OF_CONSTANTS = (bool, int, float, str, tuple, list, set)


def _domain(root: str) -> Any:
    return import_module(f"{root}.base").Domain(lambda point: 0.0, _uniform(root))


def _uniform(root: str) -> Any:
    return import_module(f"{root}.hp").uniform("x", 1, 2)


INSTANCES: dict[str, Callable[[str], Any]] = {
    "base.Trials": lambda root: import_module(f"{root}.base").Trials(),
    "base.Ctrl": lambda root: import_module(f"{root}.base").Ctrl(None),
    "base.Domain": _domain,
    "exceptions.InvalidTrial": lambda root: import_module(f"{root}.exceptions").InvalidTrial("why", {}),
    "exceptions.InvalidResultStatus": lambda root: import_module(f"{root}.exceptions").InvalidResultStatus({}),
    "exceptions.InvalidLoss": lambda root: import_module(f"{root}.exceptions").InvalidLoss({}),
    "exceptions.InvalidAnnotatedParameter": lambda root: import_module(f"{root}.exceptions").InvalidAnnotatedParameter(
        {}
    ),
    "pyll.base.Apply": _uniform,
    "pyll_utils.Cond": lambda root: import_module(f"{root}.pyll_utils").Cond("x", 1, "="),
}
"""Classes whose objects have attributes that users read, and how to make one from package *root*."""


@dataclass(frozen=True, slots=True)
class Name:
    """A public name: where it is bound, what is bound to it."""

    path: str
    """Without the package: "base.Trials.view", or "scope.exp"."""
    module: str
    kind: str
    """module, class, function, property, attribute, field (an attribute of objects), symbol, or command; borrowed, if
    it is at home in another module; or the type of error that importing it raises."""
    value: Any = None
    bases: tuple[type, ...] = ()

    @property
    def title(self) -> str:
        """The name within its module."""
        return self.path.removeprefix(f"{self.module}.") if self.module else self.path


# -- looking at a package ---------------------------------------------------------------------------------------


def load(root: str, module: str) -> types.ModuleType | Exception:
    """Return the module, or what importing it raises; what it says on the way is dropped."""
    name = f"{root}.{module}" if module else root
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            return import_module(name)
        except (ImportError, SyntaxError) as error:
            return error


def names(root: str, modules: Iterable[str] = MODULES) -> Iterator[Name]:
    """Yield the public names of package *root*, module by module."""
    loaded = {}
    for module in modules:
        if module == "":  # before anything else is imported, which would bind more
            package = import_module(root)
            loaded[module] = {k: v for k, v in vars(package).items() if not isinstance(v, types.ModuleType)}
            bound = [k for k, v in vars(package).items() if isinstance(v, types.ModuleType) and k in modules]
            yield from (Name(k, "", "module", f"{root}.{k}") for k in sorted(bound))
        elif isinstance(found := load(root, module), Exception):
            yield Name(module, module, type(found).__name__)
        else:
            loaded[module] = dict(vars(found))
    for module, members in loaded.items():
        listed = [key for key in members if not key.startswith("_") and _is_public(root, module, members[key])]
        for key in sorted(listed, key=lambda k: (isinstance(members[k], OF_A_MODULE) and not k.islower(), k)):
            yield from _described(root, module, key, members[key])
        for key in sorted(members):
            if not key.startswith("_") and _is_borrowed(root, module, members[key]):
                yield Name(f"{module}.{key}", module, "borrowed", members[key])
        if not listed:
            yield Name(module, module, "module", f"{root}.{module}")
    if "pyll.base" in loaded:
        scope = loaded["pyll.base"]["scope"]
        for key in sorted(_symbols(scope)):
            yield Name(f"scope.{key}", "scope", "symbol", scope._impls.get(key) or getattr(scope, key))
    if "" in loaded:
        yield from (Name(command, "commands", "command") for command in _commands(root))


def _is_public(root: str, module: str, value: Any) -> bool:
    home = getattr(value, "__module__", None)
    if isinstance(value, (type, types.FunctionType)):
        own = f"{root}.{module}" if module else root
        return home == own or (module in PACKAGES and str(home).split(".")[0] == root)
    if isinstance(value, OF_A_MODULE):
        return True
    return type(value).__module__ == f"{root}.{module}" or (module in PACKAGES and _is_of(root, type(value)))


def _is_of(root: str, member: Any) -> bool:
    return str(getattr(member, "__module__", "")).split(".")[0] == root


def _is_borrowed(root: str, module: str, value: Any) -> bool:
    """Return whether *value* is of another module of the package: a class, a function, or an object of its classes."""
    thing = value if isinstance(value, (type, types.FunctionType)) else type(value)
    return module not in PACKAGES and _is_of(root, thing) and thing.__module__ != f"{root}.{module}"


def home(name: Name) -> str:
    """Return the path at which a borrowed name is at home."""
    thing = name.value if isinstance(name.value, (type, types.FunctionType)) else type(name.value)
    own = name.value.__name__ if thing is name.value else name.title
    return f"{thing.__module__.partition('.')[2]}.{own}"


def _commands(root: str) -> list[str]:
    scripts = entry_points(group="console_scripts")
    return sorted(script.name for script in scripts if script.module.split(".")[0] == root)


def _symbols(scope: Any) -> set[str]:
    entries = {key for key in dir(scope) if not key.startswith("_")}
    return entries | {key for key in scope._impls if key.isidentifier()}


def _described(root: str, module: str, key: str, value: Any) -> Iterator[Name]:
    path = f"{module}.{key}" if module else key
    if not isinstance(value, type):
        yield Name(path, module, "function" if inspect.isfunction(value) else "attribute", value)
        return
    yield Name(path, module, "class", value, tuple(value.__mro__[1:]))
    if module in PACKAGES:  # its members stand where it is at home
        return
    members = {k: v for k, v in vars(value).items() if k in PROTOCOLS or not k.startswith("_")}
    members = {k: v for k, v in members.items() if _belongs(root, v)}
    for member in sorted(members):
        yield Name(f"{path}.{member}", module, _kind(members[member]), getattr(value, member))
    if path in INSTANCES:
        attributes = vars(INSTANCES[path](root))
        for attribute in sorted(attributes.keys() - members.keys()):
            if not attribute.startswith("_"):
                yield Name(f"{path}.{attribute}", module, "field")


def _belongs(root: str, member: Any) -> bool:
    """Return whether a member of a class is its own, not one that some library put there."""
    thing = member if isinstance(member, (types.FunctionType, staticmethod, classmethod)) else type(member)
    return _is_of(root, thing) or thing.__module__ in ("builtins", "functools")


def _kind(member: Any) -> str:
    if isinstance(member, (property, functools.cached_property)):
        return "property"
    if isinstance(member, type):
        return "class"
    return "function" if isinstance(member, CALLED) else "attribute"


def counterpart(root: str, theirs: Name) -> Name | None:
    """Return the name at the path of *theirs* in package *root*, or None."""
    if theirs.module == "commands":
        return theirs if theirs.path in _commands(root) else None
    if theirs.module == "scope":
        scope = getattr(load(root, "pyll"), "scope", None)
        return Name(theirs.path, "scope", "symbol") if hasattr(scope, theirs.title) else None
    if theirs.kind == "module" or theirs.path == theirs.module:
        return None if isinstance(load(root, theirs.path), Exception) else theirs
    holder: Any = load(root, theirs.module)
    if isinstance(holder, Exception):
        return None
    *outer, last = theirs.title.split(".")
    for part in outer:
        holder = getattr(holder, part, None)
    try:
        is_there = hasattr(holder, last)
    except ImportError:  # of what is imported when it is asked for
        return None
    if not is_there:
        return _of_instance(root, theirs, holder, last)
    value = getattr(holder, last)
    if isinstance(value, type) and theirs.kind == "class":
        return Name(theirs.path, theirs.module, "class", value, tuple(value.__mro__[1:]))
    raw = inspect.getattr_static(holder, last) if isinstance(holder, type) else value
    return Name(theirs.path, theirs.module, _kind(raw), value)


def _of_instance(root: str, theirs: Name, holder: Any, attribute: str) -> Name | None:
    """Return the counterpart of what only objects have."""
    is_declared = any(attribute in vars(base).get("__annotations__", ()) for base in getattr(holder, "__mro__", ()))
    make = INSTANCES.get(theirs.path.rpartition(".")[0])
    if not is_declared and make is not None and holder is not None:
        with contextlib.suppress(Exception):  # then it has no attributes either, and the row says so
            is_declared = hasattr(make(root), attribute)
    return Name(theirs.path, theirs.module, "field") if is_declared else None


def is_bound(root: str, path: str) -> bool:
    """Return whether *path* leads to anything in package *root*, with or without an underscore."""
    parts = path.split(".")
    for end in range(len(parts), -1, -1):
        holder: Any = load(root, ".".join(parts[:end]))
        if isinstance(holder, Exception):
            continue
        for part in parts[end:-1]:
            holder = getattr(holder, part, None)
        make = INSTANCES.get(path.rpartition(".")[0])
        return end == len(parts) or hasattr(holder, parts[-1]) or (make is not None and hasattr(make(root), parts[-1]))
    return False


# -- comparing --------------------------------------------------------------------------------------------------


def parameters(name: Name) -> list[inspect.Parameter] | None:
    """Return what a function or class takes, without self; None for what takes nothing or does not say."""
    if not callable(name.value):
        return None
    if name.kind == "class" and name.value.__init__ in (object.__init__, Exception.__init__, ValueError.__init__):
        return None
    try:
        found = list(inspect.signature(name.value).parameters.values())
    except (TypeError, ValueError):
        return None
    return found[1:] if found and found[0].name == "self" else found


def differs(theirs: Name, ours: Name) -> str | None:
    """Return in what *ours* does not take or give what *theirs* does; None if no caller could see it."""
    is_called = theirs.kind in ("class", "function")
    if (is_called and not callable(ours.value)) or (theirs.kind == "class") > (ours.kind == "class"):
        return f"it is a {ours.kind}, not a {theirs.kind}"
    if theirs.kind in ("property", "field") and ours.kind == "function":
        return f"it is a method, not a {theirs.kind}"
    if theirs.kind == "class":
        have = {base.__name__ for base in ours.bases}
        lost = [base.__name__ for base in theirs.bases if base.__name__ not in have]
        if lost:
            return f"it is no {lost[0]}"
    is_constant = theirs.title.isupper() and isinstance(theirs.value, OF_CONSTANTS)
    if theirs.kind == "attribute" and is_constant and _plain(theirs.value) != _plain(ours.value):
        return f"it is {ours.value!r}, not {theirs.value!r}"
    if not is_called or theirs.title.endswith("__"):
        return None
    wanted, given = parameters(theirs), parameters(ours)
    if wanted is None or given is None:
        return None
    return _takes_less(wanted, given)


def _plain(value: Any) -> Any:
    """Return a constant as it compares: what is immutable here may be mutable there."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return set(value) if isinstance(value, (set, frozenset)) else value


def _takes_less(wanted: list[inspect.Parameter], given: list[inspect.Parameter]) -> str | None:
    for place, want in enumerate(wanted):
        if place >= len(given):
            return f"it does not take {want.name}"
        have = given[place]
        if (have.name, have.kind) != (want.name, want.kind) and not _is_catch_all(want, have):
            return f"it takes {_parameter(have)} where {_parameter(want)} is expected"
        if want.default is not inspect.Parameter.empty and shown(have.default) != shown(want.default):
            return f"the default of {want.name} is {shown(have.default)}, not {shown(want.default)}"
    for more in given[len(wanted) :]:
        is_optional = more.default is not inspect.Parameter.empty or more.kind in (
            more.VAR_POSITIONAL,
            more.VAR_KEYWORD,
        )
        if not is_optional:
            return f"it insists on {more.name}"
    return None


def _is_catch_all(want: inspect.Parameter, have: inspect.Parameter) -> bool:
    return want.kind == have.kind and want.kind in (want.VAR_POSITIONAL, want.VAR_KEYWORD)


def shown(value: Any) -> str:
    """Return a default or a constant as the page shows it, alike on every machine."""
    if value == sys.maxsize and isinstance(value, int):
        return "sys.maxsize"
    if inspect.isfunction(value) or isinstance(value, type):
        return value.__name__
    return repr(value)


def signature(name: Name) -> str:
    """Return how *name* is called, or what it is."""
    found = parameters(name) if name.kind in ("class", "function") else None
    if found is not None:
        return "(" + ", ".join(_parameter(parameter) for parameter in found) + ")"
    if (
        name.kind == "attribute"
        and isinstance(name.value, (bool, int, float, str, tuple))
        and len(shown(name.value)) < 80
    ):
        return f"= {shown(name.value)}"
    return "()" if name.kind == "function" and inspect.isfunction(name.value) else ""


def _parameter(parameter: inspect.Parameter) -> str:
    stars = (
        "*" if parameter.kind == parameter.VAR_POSITIONAL else "**" if parameter.kind == parameter.VAR_KEYWORD else ""
    )
    has_default = parameter.default is not parameter.empty
    return f"{stars}{parameter.name}" + (f"={shown(parameter.default)}" if has_default else "")
