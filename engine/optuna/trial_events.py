"""What Optuna does with a trial, as events of hstore's. Nothing is written here."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from optuna.version import __version__

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.results import as_pruned
from hstore.engine.optuna import said
from hstore.engine.optuna.study_record import StudyRecord
from hstore.engine.search.defaults import created_without_fmin
from hstore.engine.space import seen_space
from hstore.store.composing import process_of
from hstore.store.events import Done, Failed, Noted, Queued, Reported, Requeued
from hstore.store.experiment import PendingEvent, author, now

FAILED = "its objective raised, or Optuna gave it up: the log of the Optuna program says why"


def created_by_optuna(study_name: str, directions: Sequence[StudyDirection]) -> dict[str, Any]:
    """Return the data of the `Created` of a study: its space becomes known as trials ask for parameters."""
    created = created_without_fmin(seen_space([]), objective="evaluated by Optuna", algorithm="optuna")
    created["algorithm"]["settings"] = {"optuna": __version__}
    if len(directions) > 1:
        created["objective"]["objectives"] = len(directions)
    return said.with_said(created, {"study": study_name, "directions": [int(d) for d in directions]})


def new_trial(
    record: StudyRecord, tid: int, template: FrozenTrial | None, *, lease: float, observed: Sequence[Any] | None = None,
    imported: Mapping[str, Any] | None = None,
) -> list[PendingEvent]:  # fmt: skip
    """Return what adds trial *tid*: a running one, or one as *template* is.

    lease: seconds that it is held for. observed: what its decision is the first to know; by default all that is new.
    imported: what to record of where it came from, beside when it happened.
    """
    state = TrialState.RUNNING if template is None else template.state
    news = record.experiment.observed() if observed is None else observed
    data: dict[str, Any] = {"point": {}, "params": {}, "observed": news, "source": "suggested"}
    began: dict[str, Any] = {}
    if template is not None:
        source = "imported" if imported is not None or state.is_finished() else "enqueued"
        params = {name: said.readable(value) for name, value in template.params.items()}
        data |= {"point": said.internal_values(template), "params": params, "source": source}
        data = said.with_said(data, said.template(template))
        if state.is_finished() or imported is not None:
            began = _when(said.utc(template.datetime_start), imported)
    queued: PendingEvent = (Queued, tid, {**data, **began})
    if state == TrialState.WAITING:
        return [queued]
    pending = [queued, *((kind, tid, {**what, **began}) for kind, tid, what in _claim(tid, 0, lease))]
    if template is None:
        return pending
    sign = record.report_sign
    reports = template.intermediate_values.items()
    pending += [(Reported, tid, {"step": int(step), "value": sign * float(value)}) for step, value in reports]
    if state.is_finished():
        kind, _, what = _end(record, tid, state, template.values, template)
        pending.append((kind, tid, {**what, **_when(said.utc(template.datetime_complete), None)}))
    return pending


def _when(at: dt.datetime | None, imported: Mapping[str, Any] | None) -> dict[str, Any]:
    known: dict[str, Any] = {**({} if at is None else {"at": at}), **(imported or {})}
    return {"imported": known} if known else {}


def param(record: StudyRecord, tid: int, name: str, internal: float, distribution: BaseDistribution) -> PendingEvent:
    """Return what gives trial *tid* a parameter: of one that runs it is part of its point from then on."""
    call = said.parameter(name, internal, distribution)
    if record.experiment.state.trials[tid].state != "running":
        return Noted, tid, said.with_said({}, call)
    value = said.readable(distribution.to_external_repr(internal))
    return Reported, tid, said.with_said({"point": {name: float(internal)}, "params": {name: value}}, call)


def with_params_of(first: PendingEvent, second: PendingEvent) -> PendingEvent | None:
    """Return one event that gives a running trial the parameters of both; None if not both are parameters."""
    (kind, tid, one), (other_kind, _, other) = first, second
    params = said.params_of(one), said.params_of(other)
    if kind is not Reported or other_kind is not Reported or not all(params):
        return None
    given = {part: {**one[part], **other[part]} for part in ("point", "params")}
    return Reported, tid, said.with_said(given, {"op": said.PARAMS, "params": [*params[0], *params[1]]})


def begun(record: StudyRecord, tid: int, *, lease: float) -> list[PendingEvent]:
    """Return what makes trial *tid* run, nothing if it does."""
    trial = record.experiment.state.trials[tid]
    return _claim(tid, trial.attempt, lease) if trial.state == "queued" else []


def transition(
    record: StudyRecord, tid: int, state: TrialState, values: Sequence[float] | None, *, lease: float
) -> list[PendingEvent]:
    """Return what brings trial *tid*, which has not ended, to *state*; nothing if it is there."""
    view, trial = record.trials.view(tid), record.experiment.state.trials[tid]
    if state == TrialState.RUNNING:
        return begun(record, tid, lease=lease)
    if state == TrialState.WAITING:
        return [] if trial.state == "queued" else [(Requeued, tid, {"why": "Optuna"})]
    kind, _, what = _end(record, tid, state, values, view)
    if kind is Failed and is_held_elsewhere(record, tid):
        what = {**what, "cause": "lost"}  # Optuna fails what has shown no sign of life, whichever program ran it
    return [*begun(record, tid, lease=lease), (kind, tid, what)]


def is_held_elsewhere(record: StudyRecord, tid: int) -> bool:
    """Return whether another process holds trial *tid*."""
    trial = record.experiment.state.trials[tid]
    return (
        trial.state != "queued" and trial.reserved is not None and process_of(trial.reserved.by) != process_of(author())
    )


def _claim(tid: int, attempts: int, lease: float) -> list[PendingEvent]:
    return [
        attempt.claim(tid, attempts=attempts, worker=author(), lease=lease),
        attempt.begin(tid, pid=os.getpid(), objective=None),
    ]


def _last(view: FrozenTrial) -> tuple[int, float] | None:
    step = view.last_step
    return None if step is None else (step, view.intermediate_values[step])


def _constraints(attrs: Mapping[str, Any]) -> list[float]:
    """Return the constraints that Optuna keeps in the system attributes of a trial: of its samplers, and by name."""
    of_sampler = attrs.get(said.CONSTRAINTS) or ()
    named = [value for key, value in attrs.items() if key.startswith(f"{said.CONSTRAINTS}:")]
    return [float(value) for value in (*of_sampler, *named)]


def _end(
    record: StudyRecord, tid: int, state: TrialState, values: Sequence[float] | None, trial: FrozenTrial
) -> PendingEvent:
    """Return what ends trial *tid*, which so far is *trial*: losses are values that are minimised."""
    values = None if values is None else [float(value) for value in values]
    call = {"op": said.END, "state": int(state), "values": values}
    running = record.experiment.state.trials[tid].running if tid in record.experiment.state.trials else None
    duration = None if running is None else max(0.0, (now() - running.at).total_seconds())
    if state == TrialState.FAIL:
        failure = {"error": "Failed", "message": FAILED, "final": True, "duration": duration}
        return Failed, tid, said.with_said(failure, call)
    if state == TrialState.PRUNED:
        result = as_pruned({}, _last(trial))
    else:
        losses = [sign * value for sign, value in zip(record.signs, values or [], strict=False)]
        result = {"status": "ok"} | ({"loss": losses[0]} if len(losses) == 1 else {"losses": losses})
        if constraints := _constraints(trial.system_attrs):
            result["constraints"] = constraints
    return Done, tid, said.with_said(attempt.done(result, duration), call)
