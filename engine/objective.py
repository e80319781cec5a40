"""The objective: what it is handed, what it may return, how it is named in the log."""

from __future__ import annotations

import hashlib
import inspect
import logging
import numbers
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from hstore.engine.attempt import begin, claim, done, is_held, tell
from hstore.engine.pruners.curves import Curve
from hstore.engine.space import Space
from hstore.store.errors import Conflict, InvalidLoss, InvalidResult, InvalidResultStatus, InvalidValue, NotFound
from hstore.store.events import Done, Noted, Queued, Reported
from hstore.store.store import Draft, Experiment, author
from hstore.store.values import normalise

if TYPE_CHECKING:
    from hstore.engine.pruning import Referee

STATUS_NEW = "new"
STATUS_RUNNING = "running"
STATUS_SUSPENDED = "suspended"
STATUS_OK = "ok"
STATUS_FAIL = "fail"
STATUS_STRINGS = (STATUS_NEW, STATUS_RUNNING, STATUS_SUSPENDED, STATUS_OK, STATUS_FAIL)

LOOK_SECONDS = 1.0
LARGEST_PICKLE = 64 * 2**20
"""Bytes; an objective that pickles to more stays out of the store, which only workers elsewhere would miss."""


class Pruned(Exception):
    """Raised by an objective to end its trial early: what it has reported is hopeless. See `Ctrl.should_stop`."""


class Domain:
    """An objective and the space that it is searched in.

    It is called with a point, and with a `Ctrl` beside it if it has a parameter *ctrl*; or as hyperopt calls those with
    `fmin_pass_expr_memo_ctrl`.
    """

    def __init__(
        self, fn: Callable[..., Any], space: Space, *, pass_expr_memo_ctrl: bool | None = None,
        objectives: int | None = None,
    ) -> None:  # fmt: skip
        self.fn = fn
        self.space = space
        self.objectives = objectives
        """How many losses a result has to have; None leaves it to the results."""
        if pass_expr_memo_ctrl is None:
            pass_expr_memo_ctrl = getattr(fn, "fmin_pass_expr_memo_ctrl", False)
        self.pass_expr_memo_ctrl = pass_expr_memo_ctrl
        self.wants_ctrl = not pass_expr_memo_ctrl and wants_ctrl(fn)

    @property
    def can_report(self) -> bool:
        """Whether the objective is handed a `Ctrl` in some way."""
        return self.pass_expr_memo_ctrl or self.wants_ctrl or bool(self.space.memo({}))

    def evaluate(self, point: Mapping[str, Any], ctrl: Ctrl) -> dict[str, Any]:
        """Call the objective at *point* (raw values by label) and return its result in hyperopt's shape.

        The result's attachments are kept through *ctrl*. One that ended because its pruner told it to, or by raising
        `Pruned`, fails as `pruned`, with the last value that it reported and no loss. Raises whatever else the
        objective raises, and `InvalidResult` for what no search can use.
        """
        try:
            returned = self._call(point, ctrl)
        except Pruned:
            result = as_pruned({}, ctrl.last_report)
        else:
            result = as_pruned(returned, ctrl.last_report) if ctrl.is_pruned else as_result(returned, self.objectives)
        attachments = result.pop("attachments", None) or {}
        for name, content in attachments.items():
            ctrl.attachments[name] = content
        return result

    def _call(self, point: Mapping[str, Any], ctrl: Ctrl) -> Any:
        if self.pass_expr_memo_ctrl:
            return self.fn(expr=self.space.expression, memo=self.space.memo(point, ctrl), ctrl=ctrl)
        more = {"ctrl": ctrl} if self.wants_ctrl else {}
        return self.fn(self.space.evaluate(point, ctrl), **more)


def wants_ctrl(fn: Callable[..., Any]) -> bool:
    """Return whether *fn* has a parameter *ctrl* beside the point, which nobody has given a value yet."""
    if "ctrl" in getattr(fn, "keywords", ()):  # of a functools.partial
        return False
    try:
        _, *others = inspect.signature(fn).parameters.values()
    except (ValueError, TypeError):  # written in C, or without parameters
        return False
    return any(p.name == "ctrl" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in others)


def as_pruned(returned: Any, last: tuple[int, float] | None) -> dict[str, Any]:
    """Return the result of a trial that was pruned: what it *returned* beside a loss, and the *last* that it reported.

    That is its step and value. The loss of what was not trained to the end is none that others are compared with.
    """
    result = dict(returned) if isinstance(returned, Mapping) else {}
    for name in ("loss", "losses"):
        result.pop(name, None)
    result |= {"status": STATUS_FAIL, "pruned": True}
    return result if last is None else result | {"step": last[0], "value": last[1]}


def as_result(returned: Any, objectives: int | None = None) -> dict[str, Any]:
    """Return what an objective *returned* as hyperopt's result: a dictionary with a status, and a float loss if ok.

    One that is ok may have a list of several `losses` instead, and has to have as many as there are *objectives*, if
    that is said; then a bare list of them will do as well. `constraints` are floats, kept if they are at most 0.
    """
    if objectives is not None and isinstance(returned, (list, tuple, np.ndarray)):
        returned = {"status": STATUS_OK, "losses": returned}
    if isinstance(returned, Mapping):
        result = dict(returned)
        status = result.get("status")
        if status not in STATUS_STRINGS:
            raise InvalidResultStatus(
                f"the result's status is {status!r}", hint=f"it must be one of {', '.join(STATUS_STRINGS)}",
                result=returned,
            )  # fmt: skip
        if status == STATUS_OK:
            for name in ("losses", "constraints"):
                if result.get(name) is not None:
                    result[name] = _as_numbers(result[name], name, returned)
            n = len(result.get("losses") or ())
            if n == 1 or (objectives is not None and n != objectives):
                wanted = "two or more" if objectives is None else objectives
                raise InvalidLoss(
                    f"the result has {n or 'no'} losses, not {wanted}",
                    hint='one is a "loss"' if objectives is None else 'return {"status": "ok", "losses": […]}',
                    result=returned,
                )
            if not n or result.get("loss") is not None:
                result["loss"] = _as_loss(result.get("loss"), returned)
        return result
    if objectives is not None:
        raise InvalidLoss(
            f"the objective returned {_short(returned)}, not {objectives} losses",
            hint='return a list of them, or {"status": "ok", "losses": […]}', result=returned,
        )  # fmt: skip
    if returned is None or isinstance(returned, (str, bytes)):
        raise InvalidResult(
            f"the objective returned {_short(returned)}",
            hint="return the loss as a number, or {'status': 'ok', 'loss': number}", result=returned,
        )  # fmt: skip
    return {"loss": _as_loss(returned, returned), "status": STATUS_OK}


def _as_loss(loss: Any, returned: Any) -> float:
    # complex and the like have no order; a string that reads as a number is hyperopt's habit.
    if loss is not None and (not isinstance(loss, numbers.Number) or isinstance(loss, numbers.Real)):
        try:
            return float(loss)
        except (TypeError, ValueError, OverflowError):
            pass
    raise InvalidLoss(
        f"the loss is {_short(loss)}, not a real number",
        hint="a result of status 'ok' needs a loss",
        result=returned,
    )


def _as_numbers(values: Any, name: str, returned: Any) -> list[float]:
    if isinstance(values, (list, tuple, np.ndarray)):
        try:
            return [_as_loss(value, returned) for value in values]
        except InvalidLoss:
            pass
    raise InvalidLoss(
        f"the {name} are {_short(values)}, not a list of real numbers",
        hint="give one number for each, in the same order every time", result=returned,
    )  # fmt: skip


def _short(value: Any) -> str:
    text = (
        repr(value) if isinstance(value, (str, bytes, int, float, complex, type(None))) else f"a {type(value).__name__}"
    )
    return text if len(text) <= 60 else text[:57] + "…"


class Ctrl:
    """What an objective that asks for it is handed beside its point: a way to tell the log things on its way."""

    is_hstore_ctrl_class = True  # a space that holds this class gets the live object in its place

    _logger = logging.getLogger("hstore.objective")
    info = _logger.info
    warn = _logger.warning
    error = _logger.error
    debug = _logger.debug

    last_report: tuple[int, float] | None = None
    """The latest step and value that were reported."""
    is_pruned = False
    """Whether the objective has heard from `should_stop` that its pruner stops it, and has reported nothing since."""
    _is_hopeless = False

    def __init__(self, experiment: Experiment, tid: int, trials: Any = None, referee: Referee | None = None) -> None:
        self.experiment = experiment
        self.tid = tid
        self.trials = trials
        self._taken = experiment.state.trials[tid].reserved
        self._looked = time.monotonic()
        self._referee = referee
        self._curve = Curve()

    @property
    def attachments(self) -> MutableMapping[str, bytes]:
        """The trial's attachments: content by name."""
        return ChainAttachments(self.experiment, self.tid)

    def checkpoint(self, result: Mapping[str, Any] | None = None) -> None:
        """Record a partial *result*."""
        if result is not None:
            self.tell(result=normalise(dict(result), path="result"))

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*, such as the validation loss after an epoch: smaller is better.

        Where the search has a pruner, it is asked now whether to go on; `should_stop` tells.
        """
        self.last_report = int(step), float(value)
        self.is_pruned = False  # it goes on, whatever it was told
        self._is_hopeless = self.judge(*self.last_report)

    def judge(self, step: int, value: float) -> bool:
        """Append a reported value, with the decision to stop if that is what follows; return whether it was decided."""
        data: dict[str, Any] = {"step": step, "value": value}
        self._curve.add(step, value)
        if self._referee is not None and not self._is_hopeless:
            data["pruning"] = self._referee.judge(self.tid, self._curve)
            self._is_hopeless = data["pruning"] is not None
        self.tell(**data)
        return self._is_hopeless

    def should_stop(self) -> bool:
        """Return whether the result is wanted no more: the search's pruner has given up on it, the search is paused or
        finished, the trial was cancelled.

        What an objective that was given up on returns then, if it does so at once, counts as pruned: it fails, with the
        last value that it reported. One that goes on ends like any other. Cheap enough for every step: the store is
        asked once a second at most.
        """
        if self._is_hopeless:
            self.is_pruned = True
            return True
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.experiment.refresh()
            self._looked = time.monotonic()
        is_ours = self._taken is not None and is_held(self.experiment, self._taken)
        return self.experiment.state.status != "open" or not is_ours

    def inject_results(
        self, specs: Any, results: Sequence[Mapping[str, Any]], miscs: Sequence[Mapping[str, Any]],
        new_tids: Any = None,
    ) -> list[int]:  # fmt: skip
        """Add trials that are done already, at the raw values `vals` of *miscs* with *results*; return their ids.

        *specs* and *new_tids* are hyperopt's: ids are given out by the log.
        """
        return inject(self.experiment, [(misc["vals"], result) for misc, result in zip(miscs, results, strict=True)])

    def tell(self, **data: Any) -> None:
        """Append a `reported` event; raises `Conflict` if the trial is no longer ours."""
        assert self._taken is not None
        tell(self.experiment, self._taken, [(Reported, self.tid, data)])


def inject(experiment: Experiment, found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[int]:
    """Append trials that are done already, each of raw values by label (or lists of one) and a result; return ids."""
    assert experiment.state.created is not None
    space = Space.from_data(experiment.state.created.space)
    tids = []
    for vals, returned in found:
        given = {label: v[0] if isinstance(v, list) else v for label, v in vals.items() if not isinstance(v, list) or v}
        point = normalise(given, path="vals")
        space.check(point)
        result = normalise(as_result(returned), path="result")
        while True:
            tid = len(experiment.state.trials)
            queued = {"point": point, "params": space.params(point), "source": "injected"}
            taken = claim(tid, attempts=0, worker=author())
            begun = begin(tid, pid=os.getpid(), objective=None)
            drafts: list[Draft] = [(Queued, tid, queued), taken, begun, (Done, tid, done(result, 0.0))]
            try:
                experiment.append(experiment.compose(*drafts))
            except Conflict:
                continue
            tids.append(tid)
            break
    return tids


class ChainAttachments(MutableMapping[str, bytes]):
    """Named bytes beside a trial (or, for tid None, beside the experiment); each change is an event."""

    def __init__(self, experiment: Experiment, tid: int | None) -> None:
        self._experiment = experiment
        self._tid = tid

    def _index(self) -> Mapping[str, Any]:
        state = self._experiment.state
        return state.attachments if self._tid is None else state.trials[self._tid].attachments

    def _tell(self, attachment: dict[str, Any]) -> None:
        experiment = self._experiment
        trial = None if self._tid is None else experiment.state.trials[self._tid]
        if trial is not None and trial.state == "running" and trial.reserved is not None:
            tell(experiment, trial.reserved, [(Reported, self._tid, {"attachment": attachment})])
            return
        while True:
            try:
                experiment.append(experiment.compose((Noted, self._tid, {"attachment": attachment})))
            except Conflict:
                continue  # another event came first; the next place is free soon
            return

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._experiment.store.attachments.get(self._index()[name]["sha256"])
        except NotFound as error:
            raise KeyError(name) from error

    def __setitem__(self, name: str, content: bytes | str) -> None:
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(name, str) or not isinstance(content, (bytes, bytearray, memoryview)):
            raise InvalidValue(
                f"attachment {name!r:.80} must be bytes or text under a name, not {type(content).__name__}"
            )
        content = bytes(content)
        sha256 = self._experiment.store.attachments.put(content)
        self._tell({"name": name, "sha256": sha256, "length": len(content)})

    def __delitem__(self, name: str) -> None:
        if name not in self._index():
            raise KeyError(name)
        self._tell({"name": name, "removed": True})

    def __iter__(self) -> Iterator[str]:
        return iter(self._index())

    def __len__(self) -> int:
        return len(self._index())


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
    text = _code(code) if isinstance(code, CodeType) else type(fn).__qualname__
    return hashlib.sha256(f"{platform.python_version()} {text}".encode()).hexdigest()[:16]


def _code(code: CodeType) -> str:
    def text(constant: object) -> str:
        if isinstance(constant, CodeType):
            return _code(constant)
        # The order of a set of strings differs from process to process.
        return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)

    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {[text(c) for c in code.co_consts]}"


def pickled(fn: Callable[..., Any]) -> bytes | None:
    """Return *fn* by cloudpickle, or None if it cannot be pickled or is larger than `LARGEST_PICKLE`."""
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(fn)
    except Exception:  # noqa: BLE001 - whatever the user's object raises when it is pickled
        return None
    return content if len(content) <= LARGEST_PICKLE else None
