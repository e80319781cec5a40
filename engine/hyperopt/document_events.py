"""Which events follow from what a program writes into hyperopt's documents, new ones and changed ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.results import STATUS_NEW
from hstore.engine.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    JOB_STATES,
    vals_of,
)
from hstore.engine.hyperopt.job_events import Said, aware, end_of, error_of, progress_of
from hstore.engine.hyperopt.numbering import INSERTED
from hstore.engine.space import Point, Space
from hstore.store.composing import process_of
from hstore.store.errors import InvalidTrial
from hstore.store.events import Document, Requeued, TrialNumber
from hstore.store.experiment import PendingEvent, author
from hstore.store.fold import HELD, Trial
from hstore.store.messages import Log
from hstore.store.values import normalise

LOG = Log("search")

BY_HAND = "changed by hand"


def decision(document: Document, number: TrialNumber, space: Space, observed: Sequence[Sequence[Any]]) -> Document:
    """Return the data of the `Queued` of an inserted *document* that becomes trial *number*.

    Trials are matched to the *space* by label: what it has no label for stays beside the point. Raises `InvalidTrial`
    for values that are no numbers, and for an index that its choice does not have.
    """
    vals = vals_of(document)
    point: Point = {}
    for label, value in vals.items():
        plain = normalise(value, replace=lambda value, path, why: None)
        if not isinstance(plain, (int, float)):
            raise InvalidTrial(f"its value of {label} is {value!r:.60}, not a number:", document)
        if not space.is_known or (label in space and _is_possible(space, label, plain)):
            point[label] = plain
        elif label in space:
            raise InvalidTrial(f"{label}: {value!r:.60} is out of range, {space[label].describe()}:", document)
    said: dict[str, Any] = {"from": INSERTED}
    if document["tid"] != number:
        said["tid"] = document["tid"]
    if isinstance(document["misc"].get("from_tid"), int):
        said["from_tid"] = document["misc"]["from_tid"]
    if point != vals:
        said["vals"] = normalise(vals, path="vals")
    params = space.params(point) if space.is_known else dict(point)
    data: Document = {"point": point, "params": params, "source": INSERTED, "observed": list(observed)}
    return data if len(said) == 1 else {**data, "imported": said}


def _is_possible(space: Space, label: str, value: float) -> bool:
    """Return whether algorithms can do with *value*: other than categories, numbers may lie outside the bounds."""
    parameter = space[label]
    if not parameter.is_categorical:
        return True
    low, high = parameter.bounds
    return value == int(value) and low <= value <= high


def events_to(
    document: Document, number: TrialNumber, trial: Trial | None, is_durable: bool, objectives: int | None = None
) -> list[PendingEvent]:
    """Return the events that bring *trial* (None: it was only just queued) to where *document* says that it is.

    Raises `InvalidTrial` for a state that is none.
    """
    state = document["state"]
    if state not in JOB_STATES:
        raise InvalidTrial(f"the state of a trial must be one of {JOB_STATES}, not {state!r:.40}:", document)
    now = "queued" if trial is None else trial.state
    if trial is not None and trial.is_finished:
        return []  # what is changed in the document of a trial that has ended changes that document, and no event
    pending: list[PendingEvent] = []
    is_taken_over = now in HELD and trial is not None and not _is_ours(trial)  # from a process that need not go on
    if now == "failed" or (state == JOB_STATE_NEW and now in HELD) or (is_taken_over and state != JOB_STATE_CANCEL):
        pending.append((Requeued, number, {"why": BY_HAND}))
        now = "queued"
    if state == JOB_STATE_NEW:
        return pending
    said = _said(document, trial, is_durable)
    if state != JOB_STATE_CANCEL:
        began = _at(document.get("book_time")) if trial is None else None
        then = {} if began is None else {"imported": began}
        if now == "queued":
            kind, _, claim = attempt.claim(number, attempts=trial.attempt if trial else 0, worker=author())
            pending.append((kind, number, {**claim, **then}))
        if now in ("queued", "reserved"):
            kind, _, begin = attempt.begin(number, pid=os.getpid(), objective=None)
            pending.append((kind, number, {**begin, **then}))
    return [*pending, *progress_of(said, number), *end_of(said, number, objectives=objectives)]


def late_end_of(document: Document, number: TrialNumber, is_durable: bool) -> PendingEvent:
    """Return the end that *document*, which is done or failed, says its trial has come to."""
    (end,) = end_of(_said(document, None, is_durable), number)
    return end


def _said(document: Document, trial: Trial | None, is_durable: bool) -> Said:
    """Return what *document* says of *trial*; of what happened before it was inserted, it says when."""
    state = document["state"]
    result: dict[str, Any] | None = None
    if state in (JOB_STATE_DONE, JOB_STATE_RUNNING):
        result = {"status": STATUS_NEW, **document["result"]}
        result = attempt.plain_result(result, LOG.warning) if is_durable else result
        if state == JOB_STATE_RUNNING and result["status"] == STATUS_NEW:
            result = None
    has_ended = trial is None and state in (JOB_STATE_DONE, JOB_STATE_ERROR)
    return Said(
        state=state,
        result=result,
        error=error_of(document["misc"].get("error") or document.get("error")) or ("Error", ""),
        duration=_seconds(document) if state == JOB_STATE_DONE else None,
        imported=_at(document.get("refresh_time")) if has_ended else None,
        why=BY_HAND,
    )


def _is_ours(trial: Trial) -> bool:
    """Return whether this process holds *trial*."""
    return trial.reserved is not None and process_of(trial.reserved.by) == process_of(author())


def _at(moment: Any) -> dict[str, Any] | None:
    at = aware(moment)
    return None if at is None else {"at": at}


def _seconds(document: Mapping[str, Any]) -> float | None:
    """Return how long the evaluation took, as far as the document says."""
    began, ended = document.get("book_time"), document.get("refresh_time")
    try:
        return max(0.0, (ended - began).total_seconds()) if began and ended else None
    except (TypeError, AttributeError):
        return None
