"""ObjectiveSpec: an objective and its space as a log holds them, and how another process loads them again."""

from __future__ import annotations

import importlib
import inspect
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from types import CodeType
from typing import Any

from hstore.engine.evaluation.domain import BoundObjective, describe, pickled
from hstore.engine.evaluation.project_files import SCRIPT
from hstore.engine.evaluation.script import Script
from hstore.engine.evaluation.source_lines import lines_of
from hstore.engine.space import Space
from hstore.store.attachments import Attachments
from hstore.store.errors import CannotLoad, HstoreError, NotFound, VerificationFailed
from hstore.store.events import Data


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """All that a process needs to evaluate points of an experiment; made of bytes and plain values."""

    name: str
    version: str | None
    """Digest of the objective's code where the search was begun."""
    ref: str | None
    """pkg.mod:name"""
    pickle: bytes | None
    python: str | None
    """Version of Python that pickled it."""
    space: Data
    space_pickle: bytes | None
    """The expression of a space with options that have no plain form."""
    pass_expr_memo_ctrl: bool
    objectives: int | None = None
    source: bytes | None = None
    """Lines of what is pickled, for tracebacks."""
    files: tuple[tuple[str, str], ...] = ()
    """Path and digest of the files of the project where the search was begun, but of the script."""


def record(domain: BoundObjective, attachments: Attachments | None, *, with_source: bool = True) -> dict[str, Any]:
    """Return what `created` says of the objective of *domain*; its pickles go into *attachments*, if there are any.

    with_source: whether the lines of what is pickled go there as well, for tracebacks.
    """
    data = describe(domain.fn)
    if domain.pass_expr_memo_ctrl:
        data["pass_expr_memo_ctrl"] = True
    if domain.objectives is not None:
        data["objectives"] = domain.objectives
    if domain.measures:
        data["measures"] = dict(domain.measures)
    if attachments is None:
        return data
    data |= {"python": platform.python_version(), "cloudpickle": version_of("cloudpickle")}
    if domain.files:
        data["files"] = domain.files
    if domain.given:
        data["given"] = domain.given
    codes: list[CodeType] = []
    if (content := pickled(domain.fn, codes)) is not None:
        data["pickle"] = _kept(content, attachments)
    if domain.space.has_opaque_options and (content := pickled(domain.space.expression, codes)) is not None:
        data["space_pickle"] = _kept(content, attachments)
    if with_source and (content := lines_of(codes)) is not None:
        data["source"] = _kept(content, attachments)
    return data


def _kept(content: bytes, attachments: Attachments) -> dict[str, Any]:
    return {"sha256": attachments.put(content), "length": len(content)}


def fetch(objective: Data, space: Data, attachments: Attachments) -> ObjectiveSpec:
    """Return the spec of what `created` or `changed` says of an *objective*.

    Raises `CannotLoad` for a pickle that cannot be read. Whether the event is signed is for
    `Experiment.check_signatures` to say.
    """
    return ObjectiveSpec(
        name=objective.get("name", "objective"),
        version=objective.get("version"),
        ref=objective.get("ref"),
        pickle=_fetched(objective.get("pickle"), attachments),
        python=objective.get("python"),
        space=space,
        space_pickle=_fetched(objective.get("space_pickle"), attachments),
        pass_expr_memo_ctrl=bool(objective.get("pass_expr_memo_ctrl")),
        objectives=objective.get("objectives"),
        source=_source(objective, attachments),
        files=tuple((path, digest) for path, digest in objective.get("files") or () if path != SCRIPT),
    )


def _source(objective: Data, attachments: Attachments) -> bytes | None:
    try:
        return _fetched(objective.get("source"), attachments)
    except CannotLoad:  # tracebacks are shorter then
        return None


def _fetched(kept: Data | None, attachments: Attachments) -> bytes | None:
    if kept is None:
        return None
    try:
        return attachments.get(kept["sha256"])
    except (NotFound, VerificationFailed) as error:
        raise CannotLoad(f"its pickle cannot be read: {error}", hint="name it with --objective pkg.mod:name") from error


def prepare(spec: ObjectiveSpec) -> BoundObjective:
    """Return the objective of *spec* with its space, ready to be called; runs its code. Raises `CannotLoad`."""
    return load(spec)[0]


def load(spec: ObjectiveSpec) -> tuple[BoundObjective, Script]:
    """Return what `prepare` does, and what came along of the script that the objective was defined in."""
    script = Script(spec.source)
    fn = _objective(spec, script)
    pass_expr_memo_ctrl = spec.pass_expr_memo_ctrl or None
    domain = BoundObjective(
        fn, _space(spec, script), pass_expr_memo_ctrl=pass_expr_memo_ctrl, objectives=spec.objectives
    )
    _check_signature(domain, spec.name)
    return domain, script


def _space(spec: ObjectiveSpec, script: Script) -> Space:
    if spec.space_pickle is not None:
        return Space(_unpickled(spec.space_pickle, spec, script, "the space"))
    try:
        space = Space.from_data(spec.space)
    except HstoreError as error:
        raise CannotLoad(str(error), hint=error.hint) from error
    if not space.is_known:
        raise CannotLoad(f"the space of {spec.name} is not known: it was imported without it")
    if space.has_opaque_options:
        raise CannotLoad(f"the space of {spec.name} holds objects that could not be pickled")
    return space


def _objective(spec: ObjectiveSpec, script: Script) -> Callable[..., Any]:
    if spec.ref is None and spec.pickle is None:
        raise CannotLoad(
            f"the objective {spec.name} could neither be imported nor pickled where the search was begun",
            hint="move it into a module and name it with --objective pkg.mod:name",
        )
    if spec.ref is None:
        fn: Callable[..., Any] = _unpickled(spec.pickle, spec, script, f"the objective {spec.name}")
        return fn
    try:
        return imported(spec.ref)
    except CannotLoad as error:
        if spec.pickle is None:
            raise
        try:  # of a module that was registered to be pickled by value
            fn = _unpickled(spec.pickle, spec, script, f"the objective {spec.name}")
        except CannotLoad:
            raise error from None
        return fn


def imported(ref: str) -> Callable[..., Any]:
    """Return the objective that *ref*, "pkg.mod:name", names; raises `CannotLoad`."""
    found = looked_up(ref, "an objective")
    if not callable(found):
        raise CannotLoad(f"{ref} is a {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]


def looked_up(ref: str, what: str) -> Any:
    """Return what *ref*, "pkg.mod:name", names, which is to be *what*; raises `CannotLoad`."""
    module_name, colon, name = ref.partition(":")
    if not (colon and module_name and name):
        raise CannotLoad(f"{ref!r} does not name {what}", hint="one looks like pkg.mod:name")
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except BaseException as error:  # whatever a module does when it is imported
        raise CannotLoad(f"cannot import {ref}: {short(error)}", hint=_where()) from error
    return found


def _unpickled(content: bytes | None, spec: ObjectiveSpec, script: Script, what: str) -> Any:
    here = platform.python_version()
    if spec.python is not None and spec.python.split(".")[:2] != here.split(".")[:2]:
        raise CannotLoad(
            f"{what} was pickled by Python {spec.python}, this is {here}",
            hint="use one version of Python, or name the objective with --objective pkg.mod:name",
        )
    try:
        return script.unpickle(content or b"")
    except BaseException as error:  # a pickle runs code
        raise CannotLoad(f"cannot unpickle {what}: {short(error)}", hint=_where()) from error


def _where() -> str:
    return f"install what is missing, or put it on PYTHONPATH or into --workdir (now {os.getcwd()}, {sys.executable})"


def short(error: BaseException) -> str:
    """Return *error* in one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever a user's __str__ raises
        text = ""
    return " ".join(f"{type(error).__name__}: {text}".split())[:300]


def _check_signature(domain: BoundObjective, name: str) -> None:
    try:
        signature = inspect.signature(domain.fn)
    except (ValueError, TypeError):  # written in C
        return
    try:
        if domain.pass_expr_memo_ctrl:
            what = "expr, memo and ctrl"
            signature.bind(expr=None, memo=None, ctrl=None)
        else:
            what = "a point"
            signature.bind(None, **({"ctrl": None} if domain.wants_ctrl else {}))
    except TypeError as error:
        raise CannotLoad(f"the objective {name}{signature} cannot be called with {what}: {error}") from error


def named(ref: str, spec: ObjectiveSpec) -> ObjectiveSpec:
    """Return *spec* with the objective at *ref*, "pkg.mod:name", in the place of its own."""
    from dataclasses import replace

    return replace(spec, name=ref.partition(":")[2], version=None, ref=ref, pickle=None)
