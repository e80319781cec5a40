"""One attempt at a trial: how it is claimed, what it reports, how it ends, while other processes write beside it."""

from __future__ import annotations

import platform
import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from hstore.engine.evaluation.process_identity import this_process
from hstore.engine.evaluation.results import are_losses_counted, number, numbers_of
from hstore.store.errors import Conflict
from hstore.store.events import RELEASED, Event, Failed, Noted, Requeued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import Trial
from hstore.store.messages import Log
from hstore.store.values import normalise

LOG = Log("attempt")

LONGEST_MESSAGE, LONGEST_TRACEBACK = 4000, 20_000

WHY = {
    "lost": "its worker missed its heartbeat",
    "interrupted": "its worker was stopped",
    "failed": "to be tried again after a failure",
    "timeout": "to be tried again after it took too long",
    RELEASED: "its worker had claimed it and did not start it",
}
"""The `why` of a requeued trial by the cause of it."""


def claim(tid: int, *, attempts: int, worker: str, lease: float | None = None) -> PendingEvent:
    """Return what takes trial *tid*, after so many *attempts*, for *worker*, in the name of this process.

    lease: seconds that the trial is given out for, to a program that no process stands for; None: this one does.
    """
    process = this_process() if lease is None else {"machine": "", "pid": 0, "started": 0.0, "lease": lease}
    taken = {"worker": worker, "host": socket.gethostname(), "attempt": attempts + 1, "process": process}
    return Reserved, tid, taken


def begin(tid: int, *, pid: int, objective: str | None) -> PendingEvent:
    """Return what says that trial *tid* is evaluated from now on, by process *pid*; objective: version of its code."""
    running = {"pid": pid, "python": platform.python_version(), "hstore": _hstore(), "objective": objective}
    return Running, tid, running


def _hstore() -> str:
    global _version
    _version = _version or version("hstore")
    return _version


_version = ""


def is_held(experiment: Experiment, taken: Reserved) -> bool:
    """Return whether, as far as *experiment* was read, the trial is still held by the claim *taken*."""
    trial = experiment.state.trials[taken.tid]
    is_ours = trial.reserved is not None and trial.reserved.id == taken.id and not trial.is_finished
    return is_ours and experiment.state.why_closed(taken.tid) is None


def append_held(
    experiment: Experiment, taken: Reserved, pending: Sequence[PendingEvent], *, more_to_come: bool = False
) -> None:
    """Append *pending* to the chain of a trial that we hold, behind what others note there.

    Raises `Conflict` once the trial is no longer held by the claim *taken*.
    """
    left = list(pending)
    while left:
        events: list[Event] = experiment.compose(*left)
        try:
            experiment.append(events, more_to_come=more_to_come)
        except Conflict as conflict:
            if not is_held(experiment, taken):
                raise
            left = left[events.index(conflict.mine) :]
        else:
            return


def record_end(
    experiment: Experiment, taken: Reserved, pending: Sequence[PendingEvent], *,
    more_to_come: bool = False,
) -> bool:  # fmt: skip
    """End the attempt with *pending*; return False if the trial was reassigned, and its late result saved as a note."""
    if is_held(experiment, taken):
        try:
            append_held(experiment, taken, pending, more_to_come=more_to_come)
        except Conflict:
            pass
        else:
            return True
    end = next(planned for planned in pending if planned[0] is not Running)
    if end[0] is not Requeued:  # an attempt without a result leaves nothing to keep
        trial = experiment.state.trials[taken.tid]
        has_ended = trial.is_finished and trial.reserved is not None and trial.reserved.id == taken.id
        note_late(experiment, end, why=f"has ended already ({trial.state})" if has_ended else "was reassigned")
    return False


def note_late(experiment: Experiment, end: PendingEvent, *, why: str = "was reassigned") -> None:
    """Save *end* as a note on its trial, which *why* says does not take it: no result is thrown away."""
    kind, tid, data = end
    closed = experiment.state.why_closed(tid)
    if closed is not None:
        LOG.warning(
            f"the result of trial {tid} of {experiment.name!r} is not saved: {closed}",
            experiment=experiment.name,
            trial=tid,
        )
        return
    LOG.warning(
        f"trial {tid} of {experiment.name!r} {why}; its late result ({kind.type}) is saved as a note",
        experiment=experiment.name,
        trial=tid,
    )
    experiment.append_decided(lambda: [(Noted, tid, {"late": {"type": kind.type, **data}})])


def after(trial: Trial, cause: str, failure: Mapping[str, Any], policy: Mapping[str, int]) -> list[PendingEvent]:
    """Return what follows when an attempt at *trial* came to nothing for *cause*: another attempt, or its end.

    *failure*: error, message and what else is known of a `Failed`. One that is lost or interrupted and will be
    tried again has not failed.
    """
    is_final = trial.retries.get(cause, 0) >= policy.get(cause, 0)
    pending: list[PendingEvent] = []
    if is_final or cause in ("failed", "timeout"):
        pending.append((Failed, trial.tid, {**failure, "cause": cause, "final": is_final}))
    if not is_final:
        pending.append((Requeued, trial.tid, {"why": WHY[cause], "cause": cause}))
    return pending


def failure(error: BaseException, *, duration: float | None = None) -> dict[str, Any]:
    """Return what a `Failed` says of an exception."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = "".join(traceback.format_exception(error))
    try:
        message = str(error)
    except Exception as another:  # noqa: BLE001 - whatever a user's __str__ raises
        message = f"<its text cannot be had: {type(another).__name__}>"
    data = {
        "error": name,
        "message": message[:LONGEST_MESSAGE],
        "traceback": text[-LONGEST_TRACEBACK:],
    }
    return {key: value.encode("utf-8", "replace").decode() for key, value in data.items()} | {"duration": duration}


def done(result: Mapping[str, Any], duration: float | None, *, objectives: int | None = None) -> dict[str, Any]:
    """Return the data of a `Done`; a loss, losses and constraints that are no numbers count as none.

    objectives: how many losses the search has, if that was said.
    """
    is_ok = result["status"] == "ok"
    are_counted = is_ok and are_losses_counted(result, objectives)
    return {
        "result": result, "status": result["status"], "loss": number(result.get("loss")), "duration": duration,
        "losses": numbers_of(result.get("losses")) if are_counted else None,
        "constraints": numbers_of(result.get("constraints")) if is_ok else None,
        "pruned": True if result["status"] == "fail" and result.get("pruned") is True else None,
    }  # fmt: skip


def plain_result(result: Mapping[str, Any], warn: Callable[[str], object]) -> dict[str, Any]:
    """Return *result* as the log can hold it; what it cannot hold is stored as its repr, and *warn* is called."""

    def as_text(value: Any, path: str, why: str) -> str:
        warn(f"{path} is {why}: stored as its repr")
        return _text(value)

    plain: dict[str, Any] = normalise(result, path="result", replace=as_text)
    return plain


def _text(value: Any) -> str:
    from reprlib import Repr

    short = Repr()
    short.maxlevel = short.maxdict = short.maxlist = short.maxset = short.maxtuple = 4
    short.maxother = short.maxstring = 200
    try:
        return short.repr(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - whatever a user's __repr__ raises
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
