"""hyperopt's jobs: what its documents say, and which events say the same. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hstore.engine.hyperopt.documents import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_NEW, JOB_STATE_RUNNING
from hstore.engine.hyperopt.job_events import UNKNOWN, Said, aware, end_of, error_of, progress_of
from hstore.engine.space import Point, Space
from hstore.store.errors import BadSearchSpace, InvalidValue
from hstore.store.events import (  # fmt: skip
    RELEASED,
    Cancelled,
    Done,
    Event,
    Failed,
    Noted,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Running,
)
from hstore.store.experiment import PendingEvent
from hstore.store.fold import HELD, Trial
from hstore.store.values import normalise

STATES = ("new", "running", "done", "error", "cancelled")
IMPORTED = "imported"
"""`source` of the decisions, and why the search ended: no trial of it was left to be evaluated."""

Key = tuple[str | None, int]
"""The identity of a job in its experiment: its `_id` as text, which only a database gives it, and its tid."""

_READ = {"_id", "tid", "state", "result", "error", "book_time", "refresh_time", "_attachments", "exp_key", "owner"}
_READ_OF_MISC = {"tid", "vals", "idxs", "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of hyperopt's, its document understood. Times are UTC, as its clocks had them."""

    key: Key
    exp_key: str | None
    state: int
    vals: Point
    """Raw value per active label."""
    result: Mapping[str, Any]
    error: tuple[str, str] | None = None
    """Type and message."""
    owner: str | None = None
    """host:pid"""
    queued_at: dt.datetime | None = None
    """Whole seconds; only jobs in a database have it, in their id."""
    begun_at: dt.datetime | None = None
    changed_at: dt.datetime | None = None
    attachments: Sequence[tuple[str, Any]] = ()
    """Names, and the ids of their files."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """What else the document says, by name."""

    @property
    def duration(self) -> float | None:
        """Seconds that the evaluation took, as far as it is known."""
        if self.begun_at is None or self.changed_at is None:
            return None
        return max(0.0, (self.changed_at - self.begun_at).total_seconds())


# -- reading --------------------------------------------------------------------------------------------------


def read_job(document: Mapping[str, Any], on_text: Callable[[str], None] = lambda _: None) -> Job:
    """Return what *document*, one of `jobs` or of `Trials`, says; of one read without its result, all but that.

    *on_text* is called with a message for each value that no event can hold, whose repr is imported instead.
    Raises `InvalidValue`, naming the document, for one that is no job.
    """
    tid = document.get("tid")
    id = document.get("_id")
    name = f"the job with tid {tid!r:.40}" + ("" if id is None else f" (_id {id!s:.40})")
    misc, state = document.get("misc"), document.get("state")
    if isinstance(tid, bool) or not isinstance(tid, int):
        raise _wrong(name, "its tid is no integer")
    if not isinstance(misc, Mapping) or not isinstance(misc.get("vals"), Mapping):
        raise _wrong(name, "it has no misc.vals, the values of its hyperparameters")
    if isinstance(state, bool) or not isinstance(state, int) or state not in range(len(STATES)):
        raise _wrong(name, f"its state is {state!r:.40}, not 0 to {len(STATES) - 1}")
    exp_key = document.get("exp_key")
    if not (exp_key is None or isinstance(exp_key, str)):
        raise _wrong(name, f"its exp_key is {exp_key!r:.40}, not text")

    def as_text(value: Any, path: str, why: str) -> str:
        text = _text(value)
        if not _is_id(value):
            on_text(f"{name}: {path} is {why}: its repr is imported instead")
        return text

    result = document.get("result")
    if "result" in document and not isinstance(result, Mapping):
        raise _wrong(name, "its result is no mapping")
    if state == JOB_STATE_DONE and "result" in document and not isinstance(result.get("status"), str):  # type: ignore[union-attr]
        raise _wrong(name, "it is done and its result has no status")
    rest = {key: value for key, value in document.items() if key not in _READ}
    rest["misc"] = {key: value for key, value in misc.items() if key not in _READ_OF_MISC}
    owner = document.get("owner")
    return Job(
        key=(None if id is None else str(id), tid),
        exp_key=exp_key,
        state=state,
        vals={str(label): _value(name, label, vals) for label, vals in misc["vals"].items() if _is_active(vals)},
        result=normalise(dict(result or {}), path="result", replace=as_text),
        error=error_of(document.get("error") or misc.get("error")),
        owner=_text(owner[0] if isinstance(owner, (list, tuple)) and owner else owner) if owner else None,
        queued_at=aware(getattr(id, "generation_time", None)),
        begun_at=aware(document.get("book_time")),
        changed_at=aware(document.get("refresh_time")),
        attachments=_attachments(name, document.get("_attachments") or ()),
        rest=normalise({key: value for key, value in rest.items() if value is not None}, path="job", replace=as_text),
    )


def _wrong(name: str, why: str) -> InvalidValue:
    return InvalidValue(
        f"{name} is not a valid hyperopt document: {why}",
        hint="what was imported before it stays; correct it there and import again",
    )


def _is_id(value: Any) -> bool:
    return type(value).__name__ == "ObjectId"


def _text(value: Any) -> str:
    """Return the text of *value*: of an id its digits, of any other object what its repr says."""
    if isinstance(value, str) or _is_id(value):
        return str(value)
    try:
        return repr(value)[:200].encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - whatever a __repr__ raises
        return f"<{type(value).__qualname__}>"


def _is_active(vals: Any) -> bool:
    return not (hasattr(vals, "__len__") and len(vals) == 0)


def _value(name: str, label: Any, vals: Any) -> float | int:
    try:
        values = list(vals)
    except TypeError:
        values = [vals]  # not in a list, as some programs write it
    value = normalise(values[0], replace=lambda value, path, why: None)
    if len(values) > 1 or not isinstance(value, (int, float)):
        raise _wrong(name, f"its value of {label!s:.60} is {vals!r:.60}, not one number")
    return int(value) if isinstance(value, bool) else value


def _attachments(name: str, listed: Any) -> list[tuple[str, Any]]:
    if not isinstance(listed, (list, tuple)) or not all(isinstance(e, (list, tuple)) and len(e) == 2 for e in listed):
        raise _wrong(name, "its _attachments are no pairs of name and file")
    return list({str(label): (str(label), file) for label, file in listed}.values())


def point_of(job: Job, space: Space | None) -> Point:
    """Return the point of *job*; with a *space* without labels that are inactive there.

    Raises `BadSearchSpace`, naming the job, for one that is not in *space*.
    """
    if space is None:
        return job.vals
    point = {
        label: value for label, value in job.vals.items() if label not in space or space.is_active(label, job.vals)
    }
    try:
        space.check(point)
    except BadSearchSpace as error:
        raise BadSearchSpace(
            f"the job with tid {job.key[1]} was not drawn from this space: {error}",
            hint="give the space that was searched, or import without --space",
        ) from error
    return point


# -- writing --------------------------------------------------------------------------------------------------


def key_of(queued: Queued) -> Key | None:
    """Return the key of the job that a decision was imported from; None for any other decision."""
    said = queued.imported
    if queued.source != IMPORTED or said is None or not isinstance(said.get("tid"), int):
        return None
    return said.get("id"), said["tid"]


def is_to_do(job: Job, trial: Trial | None, chain: Sequence[Event]) -> bool:
    """Return whether *job* says more than *trial* (None: there is none yet), which was imported from it, and its chain.

    What was evaluated or ended after the import is hstore's own and stays as it is.
    """
    if trial is None:
        return True
    is_taken = any(isinstance(event, Reserved) and event.imported is None for event in chain)
    if is_taken or any(isinstance(event, (Done, Failed, Cancelled)) for event in chain):
        return False
    if trial.state in HELD:  # the import was interrupted
        return True
    if job.state == JOB_STATE_RUNNING:
        return not any(isinstance(event, Requeued) and event.imported is not None for event in chain)
    return job.state != JOB_STATE_NEW


def events_to_import(
    job: Job,
    tid: int,
    *,
    trial: Trial | None,
    space: Space | None,
    observed: Sequence[Sequence[Any]],
    attachments: Sequence[Mapping[str, Any]],
    missing: Sequence[str] = (),
) -> list[PendingEvent]:
    """Return the events that bring *trial* (None: there is none yet) to where *job* is, for one that `is_to_do`.

    space: what was searched, if it is known. observed: what the log has learnt since the decision before. attachments:
    name, sha256 and length of each, which are kept already; missing: names of those that the other store had lost.

    A job that is running is queued: its worker will not bring its result here.
    """
    pending: list[PendingEvent] = []
    known: Mapping[str, Any] = {}
    if trial is None:
        pending.append(_decision(job, tid, space, observed, missing))
    else:
        known = trial.attachments
        if trial.state in HELD:
            pending.append((Requeued, tid, {"why": "the import was interrupted", "cause": RELEASED}))
    new = [attachment for attachment in attachments if known.get(attachment["name"]) != attachment]
    said = _said(job)
    if job.state != JOB_STATE_NEW and (job.state != JOB_STATE_CANCEL or job.begun_at is not None):
        pending += [*_claim(job, tid), *progress_of(said, tid)]
        pending += [(Reported, tid, {"attachment": each, "imported": _at(job.changed_at)}) for each in new]
    else:
        pending += [(Noted, tid, {"attachment": attachment}) for attachment in new]
    return pending if job.state == JOB_STATE_NEW else pending + end_of(said, tid, is_plain=True)


def _decision(
    job: Job, tid: int, space: Space | None, observed: Sequence[Sequence[Any]], missing: Sequence[str]
) -> PendingEvent:
    point = point_of(job, space)
    id, number = job.key
    said: dict[str, Any] = {
        "from": "hyperopt", "id": id, "tid": number, "at": job.queued_at, "state": STATES[job.state],
        "job": dict(job.rest), "missing": list(missing) or None, "vals": None if point == job.vals else dict(job.vals),
    }  # fmt: skip
    data = {
        "point": dict(point),
        "params": dict(point) if space is None else space.params(point),
        "source": IMPORTED,
        "observed": [list(entry) for entry in observed],
        "imported": {name: value for name, value in said.items() if value is not None},
    }
    return Queued, tid, data


def _claim(job: Job, tid: int) -> list[PendingEvent]:
    worker = job.owner or UNKNOWN
    host, _, pid = worker.rpartition(":")
    began = _at(job.begun_at)
    reserved = {"worker": worker, "host": host or worker, "attempt": 1, "imported": began}
    number = int(pid) if re.fullmatch("[0-9]{1,18}", pid) else 0
    running = {"pid": number, "python": UNKNOWN, "hstore": UNKNOWN, "imported": began}
    return [(Reserved, tid, reserved), (Running, tid, running)]


def _said(job: Job) -> Said:
    """Return what *job* says of its trial; one that is running is put back, since no worker of ours holds it."""
    why = "it was running when it was imported, and its worker cannot finish it here"
    if job.state == JOB_STATE_CANCEL:
        why = f"cancelled in hyperopt: {job.error[1]}" if job.error else "cancelled in hyperopt"
    is_partial = job.state != JOB_STATE_DONE and job.result.get("status", "new") != "new"
    return Said(
        state=JOB_STATE_NEW if job.state == JOB_STATE_RUNNING else job.state,
        result=job.result if job.state == JOB_STATE_DONE or is_partial else None,
        error=job.error,
        duration=job.duration,
        imported=_at(job.changed_at),
        why=why,
    )


def _at(moment: dt.datetime | None) -> dict[str, Any]:
    return {} if moment is None else {"at": moment}
