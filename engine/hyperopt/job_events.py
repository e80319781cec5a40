"""What hyperopt's states of a job mean in events, for documents, jobs in MongoDB and imports alike. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
)
from hstore.engine.hyperopt.documents import JOB_STATES as STATES
from hstore.store.errors import InvalidTrial
from hstore.store.events import Cancelled, Done, Failed, Reported, Requeued
from hstore.store.experiment import PendingEvent
from hstore.store.fold import Trial
from hstore.store.values import normalise

UNKNOWN = "unknown"
"""What an event says of things that hyperopt does not record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a document says of its trial."""

    state: int
    result: Mapping[str, Any] | None = None
    """Plain. Of a trial that is not done: what its objective reported so far; None if that is to be left out."""
    error: tuple[str, str] | None = None
    """Type and message."""
    duration: float | None = None
    """Seconds that the evaluation took."""
    imported: Mapping[str, Any] | None = None
    """When that was, {"at": …} or {} if that is not known; None if it is now."""
    why: str = ""
    """Why it was cancelled, or put back into the queue."""
    cause: str | None = None
    """Why it was put back, as `Requeued` counts it."""


def progress_of(said: Said, tid: int) -> list[PendingEvent]:
    """Return the report of the partial result of trial *tid*, if *said* has one."""
    if said.state == JOB_STATE_DONE or said.result is None:
        return []
    return [(Reported, tid, {"result": said.result, **_imported(said)})]


def end_of(
    said: Said,
    tid: int,
    *,
    trial: Trial | None = None,
    retries: Mapping[str, int] | None = None,
    is_plain: bool = False,
    objectives: int | None = None,
) -> list[PendingEvent]:
    """Return what ends the attempt at trial *tid*, which is held; nothing if *said* is that it is running.

    trial, retries: what was tried before and what the search allows, where a failure is to be tried again; without
    them it is final. is_plain: what the result says of several losses, constraints and pruning means nothing, since
    another program wrote it. Raises `InvalidTrial` for a state that is none.
    """
    imported = _imported(said)
    match said.state:
        case state if state == JOB_STATE_RUNNING:
            return []
        case state if state == JOB_STATE_NEW:
            return [(Requeued, tid, {"why": said.why, **({"cause": said.cause} if said.cause else {}), **imported})]
        case state if state == JOB_STATE_CANCEL:
            return [(Cancelled, tid, {"why": said.why, **imported})]
        case state if state == JOB_STATE_DONE:
            result = said.result or {}
            read = {name: result[name] for name in ("status", "loss") if name in result} if is_plain else result
            return [
                (Done, tid, {**attempt.done(read, said.duration, objectives=objectives), "result": result, **imported})
            ]
        case state if state == JOB_STATE_ERROR:
            error, message = said.error or (UNKNOWN, "")
            failure = {"error": error, "message": message}
            if trial is not None and retries is not None:
                return attempt.after(trial, "failed", failure, retries)
            return [(Failed, tid, {**failure, "final": True, "duration": said.duration, **imported})]
        case other:
            raise InvalidTrial(f"the state of a trial must be one of {STATES}, not {other!r:.40}")


def _imported(said: Said) -> dict[str, Any]:
    return {} if said.imported is None else {"imported": dict(said.imported)}


def error_of(error: Any) -> tuple[str, str] | None:
    """Return type and message of hyperopt's ("<class 'ValueError'>", "message")."""
    if not error:
        return None
    kind, *more = error if isinstance(error, (list, tuple)) else ("", error)
    found = re.fullmatch(r"<class '(.+)'>", str(kind))
    message = " ".join(map(str, more)).encode("utf-8", "replace").decode()
    return (found[1] if found else str(kind)) or UNKNOWN, message[: attempt.LONGEST_MESSAGE]


def aware(moment: Any) -> dt.datetime | None:
    """Return *moment* as an event holds it; hyperopt's are UTC without saying so."""
    if not isinstance(moment, dt.datetime):
        return None
    plain = normalise(moment, replace=lambda value, path, why: None)
    return plain.replace(tzinfo=dt.UTC) if isinstance(plain, dt.datetime) else None
