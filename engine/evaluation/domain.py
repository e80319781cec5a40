"""The objective: a function over a space, how it is called, and how it is named in the log."""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import platform
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from hstore.engine.evaluation import impure_symbols  # noqa: F401  (what expressions may call)
from hstore.engine.evaluation.ctrl import BaseCtrl
from hstore.engine.evaluation.given_values import given_values
from hstore.engine.evaluation.project_files import ProjectFiles, code_text, project_files
from hstore.engine.evaluation.results import as_pruned, as_result
from hstore.engine.space import Apply, Space, compile_space
from hstore.store.errors import InvalidResult

MEASURES = "__hstore_measures__"
"""An attribute of an objective: see `BoundObjective.measures`."""

LARGEST_PICKLE = 64 * 2**20
"""Bytes; an objective that pickles to more stays out of the store, which only workers elsewhere would miss."""


class Pruned(Exception):
    """Raised by an objective to end its trial early: what it has reported is hopeless. See `Ctrl.should_stop`."""

    __module__ = "hstore"


class BoundObjective:
    """An objective and the space that it is searched in: a `Space`, or a nest of dicts, lists and `hp` expressions.

    It is called with a point, and with a `Ctrl` beside it if it has a parameter *ctrl*; or as hyperopt calls those with
    `fmin_pass_expr_memo_ctrl`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        expr: Any,
        *,
        pass_expr_memo_ctrl: bool | None = None,
        objectives: int | None = None,
    ) -> None:
        self.fn = fn
        self.space = expr if isinstance(expr, Space) else compile_space(expr)
        if pass_expr_memo_ctrl is None:
            pass_expr_memo_ctrl = getattr(fn, "fmin_pass_expr_memo_ctrl", False)
        self.pass_expr_memo_ctrl = pass_expr_memo_ctrl
        self.wants_ctrl = not pass_expr_memo_ctrl and wants_ctrl(fn)
        self.objectives = objectives
        """How many losses a result has to have; None leaves it to the results."""
        self.measures: Mapping[str, str] = dict(getattr(fn, MEASURES, ()))
        """What the losses are, in words: {"metric": "error", "mode": "min"}. Those of one experiment say the same."""
        self.accepts_change = False
        """Whether the user wants the search to go on although the losses are measured in another way."""
        self.accepted_by = ""
        """What a user does who wants that, if it can be had."""

    @property
    def can_report(self) -> bool:
        """Whether the objective is handed a `Ctrl` in some way."""
        return self.pass_expr_memo_ctrl or self.wants_ctrl or bool(self.space.memo({}))

    @functools.cached_property
    def project(self) -> ProjectFiles:
        """See `project_files`; looked at once."""
        return project_files(self.fn)

    @functools.cached_property
    def given(self) -> dict[str, str]:
        """See `given_values`; looked at once."""
        return given_values(self.fn)

    @property
    def files(self) -> list[list[str]]:
        """[path, digest] of each file of the user's project that the objective uses."""
        return self.project.digests

    @property
    def expr(self) -> Apply:
        """The expression that points are evaluated with."""
        return self.space.expression

    def evaluate(self, config: Mapping[str, Any], ctrl: BaseCtrl, attach_attachments: bool = True) -> dict[str, Any]:
        """Call the objective at *config* (raw values by label) and return its result in hyperopt's shape.

        The result's attachments are kept through *ctrl*, or stay in it without *attach_attachments*. One that ended
        because its pruner stopped it, or by raising `Pruned`, fails as `pruned`, with the last value that it reported
        and no loss. Raises whatever else the objective raises, and `InvalidResult`, which names the trial, for what no
        search can use.
        """
        fn, argument = self.evaluate_async(config, ctrl)
        try:
            returned = fn(**argument) if self.pass_expr_memo_ctrl else fn(argument)
        except Pruned:
            returned, ctrl.is_pruned = {}, True
        return self.evaluate_async2(returned, ctrl, attach_attachments)

    def evaluate_async(
        self, config: Mapping[str, Any], ctrl: BaseCtrl, attach_attachments: bool = True
    ) -> tuple[Callable[..., Any], Any]:
        """Return the objective and what it is to be called with: the first half of `evaluate`, without the call."""
        if self.pass_expr_memo_ctrl:
            return self.fn, {"expr": self.expr, "memo": self.space.memo(config, ctrl), "ctrl": ctrl}
        fn = functools.partial(self.fn, ctrl=ctrl) if self.wants_ctrl else self.fn
        return fn, self.space.evaluate(config, ctrl)

    def evaluate_async2(self, rval: Any, ctrl: BaseCtrl, attach_attachments: bool = True) -> dict[str, Any]:
        """Return what the objective returned, *rval*, as `evaluate` does: its second half."""
        try:
            is_pruned = getattr(ctrl, "is_pruned", False)
            result = as_pruned(rval, ctrl.last_report) if is_pruned else as_result(rval, self.objectives)
        except InvalidResult as error:
            whose = "" if ctrl.tid is None else f"trial {ctrl.tid}: "
            raise type(error)(f"{whose}{error}", hint=error.hint, result=rval) from None
        if attach_attachments:
            keep_attachments(result, ctrl)
        return result


def keep_attachments(result: dict[str, Any], ctrl: BaseCtrl) -> None:
    """Move the attachments in *result* to the trial of *ctrl*."""
    attachments = result.pop("attachments", None) or {}
    if not isinstance(attachments, Mapping):
        raise InvalidResult(
            f"the attachments are a {type(attachments).__name__}, not {{name: content}}", hint="return a dict of bytes",
            result=result,
        )  # fmt: skip
    for name, content in attachments.items():
        ctrl.attachments[name] = content


def wants_ctrl(fn: Callable[..., Any]) -> bool:
    """Return whether *fn* has a parameter *ctrl* beside the point that has no value yet."""
    if "ctrl" in getattr(fn, "keywords", ()):  # of a functools.partial
        return False
    try:
        _, *others = inspect.signature(fn).parameters.values()
    except (ValueError, TypeError):  # written in C, or without parameters
        return False
    return any(p.name == "ctrl" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in others)


def describe(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return how *fn* is named in the log: its import reference `ref` if it has one, its name and its version."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    data: dict[str, Any] = {"name": name or type(fn).__qualname__, "version": version(fn)}
    if module and name and module != "__main__" and _is_importable(fn, module, name):
        data["ref"] = f"{module}:{name}"
    return data


def _is_importable(fn: Callable[..., Any], module: str, name: str) -> bool:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is fn


def version(fn: Callable[..., Any]) -> str:
    """Return a short digest of the code of *fn*: the same for the same source under one version of Python."""
    target = fn if hasattr(fn, "__code__") else getattr(fn, "func", None) or type(fn).__call__
    code = getattr(target, "__code__", None)
    text = code_text(code) if isinstance(code, CodeType) else type(fn).__qualname__
    return hashlib.sha256(f"{platform.python_version()} {text}".encode()).hexdigest()[:16]


def pickled(fn: Callable[..., Any], codes: list[CodeType] | None = None) -> bytes | None:
    """Return *fn* by cloudpickle, or None if it cannot be pickled or is larger than `LARGEST_PICKLE`.

    codes: the code of all functions that the pickle holds is added to it.
    """
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        def __init__(self, file: io.BytesIO) -> None:
            # Of the instance, and before the base class looks: its own table is that of all picklers.
            self.dispatch_table = ChainMap({CodeType: self._reduce_code}, cloudpickle.Pickler.dispatch_table)
            super().__init__(file)

        def _reduce_code(self, code: CodeType) -> Any:
            if codes is not None:
                codes.append(code)
            return cloudpickle.Pickler.dispatch_table[CodeType](code)

    file = io.BytesIO()
    try:
        Pickler(file).dump(fn)
    except Exception:  # noqa: BLE001 - whatever the user's object raises when it is pickled
        return None
    content = file.getvalue()
    return content if len(content) <= LARGEST_PICKLE else None
