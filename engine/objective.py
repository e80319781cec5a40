"""The objective: what it is handed, what it may return, how it is named in the log."""

from __future__ import annotations

import hashlib
import logging
import numbers
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from types import CodeType
from typing import Any

from hstore.engine.attachments import ChainAttachments
from hstore.engine.attempt import begin, claim, done, is_held, tell
from hstore.engine.space import Apply, Space, as_apply, compile_space
from hstore.store.errors import Conflict, InvalidLoss, InvalidResult, InvalidResultStatus, InvalidValue
from hstore.store.events import Done, Queued, Reported, Reserved
from hstore.store.store import Draft, Experiment, author
from hstore.store.values import normalise

STATUS_NEW = "new"
STATUS_RUNNING = "running"
STATUS_SUSPENDED = "suspended"
STATUS_OK = "ok"
STATUS_FAIL = "fail"
STATUS_STRINGS = (STATUS_NEW, STATUS_RUNNING, STATUS_SUSPENDED, STATUS_OK, STATUS_FAIL)

LOOK_SECONDS = 1.0
LARGEST_PICKLE = 64 * 2**20
"""Bytes; an objective that pickles to more stays out of the store, which only workers elsewhere would miss."""


class Domain:
    """An objective and the space that it is searched in: a `Space`, or a nest of dicts, lists and `hp` expressions.

    params: by label the expression that it is drawn from. workdir, name and loss_target are the user's own; nothing
    here looks at them.
    """

    rec_eval_print_node_on_error = False

    def __init__(
        self,
        fn: Callable[..., Any],
        expr: Any,
        workdir: str | None = None,
        pass_expr_memo_ctrl: bool | None = None,
        name: str | None = None,
        loss_target: float | None = None,
    ) -> None:
        self.fn = fn
        self.space = expr if isinstance(expr, Space) else compile_space(expr)
        if pass_expr_memo_ctrl is None:
            pass_expr_memo_ctrl = getattr(fn, "fmin_pass_expr_memo_ctrl", False)
        self.pass_expr_memo_ctrl = pass_expr_memo_ctrl
        self.workdir = workdir
        self.name = name
        self.loss_target = loss_target
        self.cmd = ("domain_attachment", "FMinIter_Domain")

    @property
    def expr(self) -> Apply:
        """The expression that points are evaluated with."""
        return self.space.expression

    @property
    def params(self) -> dict[str, Apply]:
        """By label the expression that its values are drawn from."""
        return self.space.draws

    @property
    def pyll_ctrl(self) -> Apply:
        """What stands in an expression for the `Ctrl` of an evaluation."""
        return as_apply(Ctrl)

    def memo_from_config(self, config: Mapping[str, Any]) -> dict[Apply, Any]:
        """Return the values that *config*, {label: raw value}, gives to nodes of `expr`."""
        return self.space.memo(config)

    def evaluate(self, config: Mapping[str, Any], ctrl: Ctrl, attach_attachments: bool = True) -> dict[str, Any]:
        """Call the objective at *config* (raw values by label) and return its result in hyperopt's shape.

        The result's attachments are kept through *ctrl*, or stay in it without *attach_attachments*. Raises whatever
        the objective raises, and `InvalidResult`, which names the trial, for what no search can use.
        """
        fn, argument = self.evaluate_async(config, ctrl)
        returned = fn(**argument) if self.pass_expr_memo_ctrl else fn(argument)
        return self.evaluate_async2(returned, ctrl, attach_attachments)

    def evaluate_async(
        self, config: Mapping[str, Any], ctrl: Ctrl, attach_attachments: bool = True
    ) -> tuple[Callable[..., Any], Any]:
        """Return the objective and what it is to be called with: the first half of `evaluate`, without the call."""
        if self.pass_expr_memo_ctrl:
            return self.fn, {"expr": self.expr, "memo": self.space.memo(config, ctrl), "ctrl": ctrl}
        return self.fn, self.space.evaluate(config, ctrl)

    def evaluate_async2(self, rval: Any, ctrl: Ctrl, attach_attachments: bool = True) -> dict[str, Any]:
        """Return what the objective returned, *rval*, as `evaluate` does: its second half."""
        try:
            result = as_result(rval)
        except InvalidResult as error:
            whose = "" if ctrl.tid is None else f"trial {ctrl.tid}: "
            raise type(error)(f"{whose}{error}", hint=error.hint, result=rval) from None
        if attach_attachments:
            attachments = result.pop("attachments", None) or {}
            for name, content in attachments.items():
                ctrl.attachments[name] = content
        return result

    def short_str(self) -> str:
        """Return the name of the objective in one line."""
        return f"Domain{{{self.fn!s}}}"

    def loss(self, result: Mapping[str, Any], config: Any = None) -> float | None:
        """Return the loss of *result*; None without one."""
        loss: float | None = result.get("loss")
        return loss

    def loss_variance(self, result: Mapping[str, Any], config: Any = None) -> float:
        """Return the variance of the loss of *result*; 0 unless it says."""
        return result.get("loss_variance", 0.0)  # type: ignore[no-any-return]

    def true_loss(self, result: Mapping[str, Any], config: Any = None) -> float | None:
        """Return the true loss of *result*, such as that on test data; its loss unless it says."""
        true_loss: float | None = result.get("true_loss", self.loss(result, config))
        return true_loss

    def true_loss_variance(self, config: Any = None) -> float:
        """Raise NotImplementedError, as in hyperopt: a subclass may know it."""
        raise NotImplementedError("nobody said how much the true loss varies")

    def status(self, result: Mapping[str, Any], config: Any = None) -> str:
        """Return the status of *result*."""
        return result["status"]  # type: ignore[no-any-return]

    def new_result(self) -> dict[str, Any]:
        """Return the result of a trial that has none yet."""
        return {"status": STATUS_NEW}


def as_result(returned: Any) -> dict[str, Any]:
    """Return what an objective *returned* as hyperopt's result: a dictionary with a status, and a float loss if ok."""
    if isinstance(returned, Mapping):
        result = dict(returned)
        status = result.get("status")
        if status not in STATUS_STRINGS:
            raise InvalidResultStatus(
                f"the result's status is {status!r}", hint=f"it must be one of {', '.join(STATUS_STRINGS)}",
                result=returned,
            )  # fmt: skip
        if status == STATUS_OK:
            result["loss"] = _as_loss(result.get("loss"), returned)
        return result
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

    def __init__(
        self,
        trials: Any = None,
        current_trial: dict[str, Any] | None = None,
        *,
        experiment: Experiment | None = None,
        number: int | None = None,
    ) -> None:
        """Speak for *current_trial*, a document of *trials*; or for trial *number* of the log of *experiment*."""
        if experiment is None and trials is None:
            from hstore.engine.trials import Trials

            trials = Trials()
        self.trials = trials
        self.experiment: Experiment = trials.experiment if experiment is None else experiment
        self._document = current_trial
        self.tid = number
        if number is None and current_trial is not None:
            self.tid = trials.documents.trial_of(current_trial["tid"])
        self._looked = time.monotonic()
        self._claim = None if number is None else self.experiment.state.trials[number].reserved

    @property
    def _taken(self) -> Reserved | None:
        """The claim that this speaks for."""
        if self._claim is None and self.tid is not None:
            return self.experiment.state.trials[self.tid].reserved
        return self._claim

    @property
    def current_trial(self) -> dict[str, Any] | None:
        """The document of the trial."""
        if self._document is None and self.trials is not None and self.tid is not None:
            return self.trials.documents.document_of(self.tid)  # type: ignore[no-any-return]
        return self._document

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """The trial's attachments: content by name."""
        if self.tid is None:
            if self.current_trial is None:
                raise InvalidValue("there is no trial to attach anything to", hint="Ctrl(trials, current_trial)")
            return self.trials.trial_attachments(self.current_trial)  # type: ignore[no-any-return]
        return ChainAttachments(self.experiment, self.tid)

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """Record a partial result: *r*, or *result*, which is the same."""
        result = r if result is None else result
        if result is None:
            return
        if self._document is None:
            self.tell(result=normalise(dict(result), path="result"))
        else:
            self._document["result"] = dict(result)
            if self.tid is not None:  # what was inserted is a copy of what this was made with
                self.trials.documents.document_of(self.tid)["result"] = dict(result)
            self.trials.documents.refresh()

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*, such as the validation loss after an epoch."""
        self.tell(step=int(step), value=float(value))

    def should_stop(self) -> bool:
        """Return whether the result is wanted no more: the search is paused or finished, the trial was cancelled.

        Cheap enough for every step: the store is asked once a second at most.
        """
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
        if self.experiment.state.created is None:  # they wait for a space like the one they came from
            tids = self.trials.new_trial_ids(len(results))
            miscs = [{"cmd": None, **misc, "tid": tid} for misc, tid in zip(miscs, tids, strict=True)]
            sources = [self.current_trial] * len(tids)
            docs = self.trials.source_trial_docs(tids, specs or [None] * len(tids), results, miscs, sources)
            return self.trials.insert_trial_docs([{**doc, "state": 2} for doc in docs])  # type: ignore[no-any-return]
        found = [(misc["vals"], result) for misc, result in zip(miscs, results, strict=True)]
        return inject(self.experiment, found, from_tid=self.tid)

    def tell(self, **data: Any) -> None:
        """Append a `reported` event; raises `Conflict` if the trial is no longer ours."""
        taken = self._taken
        if taken is None:
            raise InvalidValue("the trial is not being evaluated", hint="its document's state says whether it is")
        tell(self.experiment, taken, [(Reported, self.tid, data)])


def inject(
    experiment: Experiment,
    found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    from_tid: int | None = None,
) -> list[int]:
    """Append trials that are done already, each of raw values by label (or lists of one) and a result; return ids.

    from_tid: the trial whose evaluation brought them.
    """
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
            queued: dict[str, Any] = {"point": point, "params": space.params(point), "source": "injected"}
            if from_tid is not None:
                queued["imported"] = {"from": "injected", "from_tid": from_tid}
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
