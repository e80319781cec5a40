"""How a search is begun, and how a later call goes on with it."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.domain import BoundObjective, describe
from hstore.engine.evaluation.objective_change import (
    change,
    describe_change,
    edited_files,
    other_measures,
    other_values,
)
from hstore.engine.provenance.record import is_another, record
from hstore.engine.search import points as given_points
from hstore.engine.search import seeds, warm_start
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.options import Limits, SearchOptions
from hstore.engine.search.same_losses import refuse_other_losses
from hstore.engine.space import Point, Space
from hstore.store.attachments import Attachments
from hstore.store.errors import SpaceChanged
from hstore.store.events import Changed, Created, Data, Forked, Queued, Resumed
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.keep_output import KEEP_OUTPUT
from hstore.store.messages import Log
from hstore.store.state import State
from hstore.store.tombstones import latest_removal
from hstore.store.values import check_name

LOG = Log("search")


class WaitingTrials(Protocol):
    """Trials that a program gave before there was a space, and that become events once there is one."""

    @property
    def waiting(self) -> int:
        """How many there are."""

    @property
    def is_point_first(self) -> bool:
        """Whether the points that the user gave come before them."""

    def flush_waiting(self) -> None:
        """Append them."""


@dataclass(frozen=True, kw_only=True)
class SearchStart:
    """What a call of fmin wants of the experiment that it begins, or continues."""

    domain: BoundObjective
    algorithm: Data
    """The algorithm as the log names it."""
    generator: Data
    """The state of the generator that seeds are drawn from."""
    limits: Limits
    points: Sequence[Point]
    options: SearchOptions
    is_asked: bool = False
    """Whether another program evaluates, and asks for one trial after the other, perhaps from many machines."""

    @property
    def pruner(self) -> Data:
        """The pruner as the log names it; empty for none."""
        return {} if self.options.pruner is None else dict(self.options.pruner.describe())

    @property
    def objective(self) -> Data:
        """The objective as the log names it, without its code."""
        n = self.domain.objectives
        return describe(self.domain.fn) | ({} if n is None else {"objectives": n})

    def provenance(self, experiment: Experiment) -> Data | None:
        """Return where this call comes from; None in memory, or if the user wants none."""
        attachments = _attachments(experiment)
        return None if attachments is None else record(self.domain, attachments, self.options.recording)

    def limits_with_room(self, existing: int, added: int) -> dict[str, Any]:
        """Return the limits as the log holds them, with room for *added* trials beside the *existing* ones."""
        wanted = {name: None if value == sys.maxsize else value for name, value in asdict(self.limits).items()}
        if wanted["max_consecutive_failures"] is None:
            del wanted["max_consecutive_failures"]  # so a search that has no such limit says what it always said
        if added and wanted["max_evals"] is not None:
            wanted["max_evals"] = max(wanted["max_evals"], existing + added)
        return wanted


def begin_or_continue(experiment: Experiment, start: SearchStart, documents: WaitingTrials) -> None:
    """Create the experiment or see that it can go on, then queue the points that the user gave.

    Another process may do the same at the same time. Points that the search was given before are not queued again.
    Raises `SpaceChanged` if the experiment has another space, `NotSigned` as `Experiment.check_signatures` does, and
    `Tampered` as `check_links` does.
    """
    check_name(experiment.name)
    experiment.check_signatures()
    if not start.options.trust:
        experiment.check_links()
    _tell_what_people_did(experiment)
    provenance = functools.cache(lambda: start.provenance(experiment))  # once, however often others are first
    experiment.append_decided(lambda: _opening(experiment, start, provenance, documents.waiting))
    warm_start.append_missing(experiment, start.domain.space, start.options.known)
    if not documents.is_point_first:
        documents.flush_waiting()
    experiment.append_decided(lambda: _new_points(experiment, start))
    documents.flush_waiting()


Provenance = Callable[[], Data | None]


def _tell_what_people_did(experiment: Experiment) -> None:
    """Say that an experiment of that name was removed, or that it is archived."""
    if experiment.state.created is None:
        if (removal := latest_removal(experiment.store, experiment.name)) is not None:
            LOG.warning(f"an earlier experiment {removal}; this one begins anew", experiment=experiment.name)
    elif experiment.is_archived:
        LOG.warning(
            f"{experiment.name!r} is archived: only workers that are started for it by name serve it "
            f"(`hstore unarchive {experiment.name}`)",
            experiment=experiment.name,
        )


def _opening(experiment: Experiment, start: SearchStart, provenance: Provenance, waiting: int) -> list[PendingEvent]:
    """Return what creates the experiment, or continues it; *waiting*: how many trials wait for it."""
    added = waiting + len(given_points.not_queued(experiment.state, start.points))
    added += len(warm_start.missing(experiment.state, start.options.known))
    if experiment.state.created is None:
        forked = start.options.forked
        lineage: list[PendingEvent] = [] if forked is None else [(Forked, None, forked)]
        return [(Created, None, _created(experiment, start, added) | {"provenance": provenance()}), *lineage]
    return _continuation(experiment, start, provenance, added)


def _new_points(experiment: Experiment, start: SearchStart) -> list[PendingEvent]:
    new = given_points.not_queued(experiment.state, start.points)
    space, first = start.domain.space, len(experiment.state.trials)
    return [(Queued, first + i, given_points.decision(space, point)) for i, point in enumerate(new)]


def _created(experiment: Experiment, start: SearchStart, added: int) -> dict[str, Any]:
    """Return the data of the `Created` of a new experiment."""
    return {
        "space": start.domain.space.to_data(),
        "objective": _objective(experiment, start),
        "algorithm": start.algorithm,
        "generator": start.generator,
        "limits": start.limits_with_room(len(experiment.state.trials), added),
        "retries": dict(start.options.parallel.retries),
        "fingerprint": fingerprint(),
        "pruner": start.pruner or None,
        "keep_output": None if start.options.keep_output == KEEP_OUTPUT[0] else start.options.keep_output,
    }


def _continuation(experiment: Experiment, start: SearchStart, provenance: Provenance, added: int) -> list[PendingEvent]:
    """Return what records that the search goes on, and what differs from before; nothing if it is complete."""
    state = experiment.state
    if experiment.store.is_durable:
        _refuse_another_space(state, start.domain.space)
        refuse_other_losses(state, start.domain)
    goes_on = state.status == "open" or bool(added) or not _is_complete(state, start.limits)
    if not goes_on:
        return []
    # In one append: no process may see the search go on within the limits that it had reached.
    pending: list[PendingEvent] = [] if state.status == "open" else [(Resumed, None, {"why": "fmin"})]
    changed = _changes(experiment, start, added)
    if (changed or not start.is_asked) and (now := provenance()) and is_another(state.provenance, now):
        changed["provenance"] = now
    if changed:
        pending.append((Changed, None, changed))
    return pending


def _refuse_another_space(state: State, space: Space) -> None:
    assert state.created is not None
    created_with = Space.from_data(state.created.space)
    if not created_with.is_known:
        raise SpaceChanged(
            f"experiment {state.exp!r} was imported without its space, so it cannot go on",
            hint="import it under another --name, with --space pkg.mod:name, "
            f"or begin a new experiment with its trials: {_warm_start(state)}",
            differences=[],
        )  # fmt: skip
    if differences := created_with.differences(space):
        raise SpaceChanged(
            f"experiment {state.exp!r} was created with a different search space:\n  " + "\n  ".join(differences),
            hint=f"a new experiment can go on from its trials: {_warm_start(state)}", differences=differences,
        )  # fmt: skip


def _warm_start(state: State) -> str:
    """Return the call by which a new experiment begins with the trials of this one."""
    return f'fmin(…, experiment="new", warm_start={json.dumps(state.exp, ensure_ascii=False)})'


def _another_generator(experiment: Experiment, start: SearchStart) -> Data | None:
    """Return the generator to draw seeds from from now on, if the user gave another one than the experiment has."""
    state = experiment.state
    if start.options.rstate is None:
        return None
    suggested, now = state.suggested, state.generator
    if seeds.is_same(now, start.generator, after=suggested - now.get("after", 0)):
        return None
    if experiment.store.is_durable:
        LOG.warning(
            f"experiment {state.exp!r} goes on with another rstate from trial {len(state.trials)}", experiment=state.exp
        )
    return {**start.generator, "after": suggested}


def _changes(experiment: Experiment, start: SearchStart, added: int) -> dict[str, Any]:
    """Return what this call changes of the experiment, by field."""
    state = experiment.state
    changed: dict[str, Any] = {}
    if state.limits != (limits := start.limits_with_room(len(state.trials), added)):
        changed["limits"] = limits
    if state.algorithm != start.algorithm:
        changed["algorithm"] = start.algorithm
    if generator := _another_generator(experiment, start):
        changed["generator"] = generator
    if not experiment.store.is_durable and Space.from_data(state.space).differences(start.domain.space):
        changed["space"] = start.domain.space.to_data()
    if state.pruner != start.pruner:
        changed["pruner"] = start.pruner
    if state.keep_output != start.options.keep_output:
        changed["keep_output"] = start.options.keep_output
    objective = start.objective
    is_another = any(state.objective.get(key) != objective.get(key) for key in ("name", "ref", "version", "objectives"))
    if is_another or (experiment.store.is_durable and _is_edited(state.objective, start.domain)):
        changed["objective"] = _another_objective(experiment, start)
    return changed


def _is_edited(before: Data, domain: BoundObjective) -> bool:
    """Return whether something else than the function itself differs from what the log has as *before*."""
    now = {"files": domain.files, "given": domain.given, "measures": domain.measures}
    return bool(edited_files(before, now) or other_values(before, now) or other_measures(before, now))


def _another_objective(experiment: Experiment, start: SearchStart) -> dict[str, Any]:
    """Return what the log is to say of the objective that replaces the one it knows; tells the user of an edited one.

    In memory there is no message: the program itself has just given another function.
    """
    state = experiment.state
    data = _objective(experiment, start)
    if experiment.store.is_durable and (edited := change(state.objective, data, trials=len(state.trials))):
        data["change"] = edited
        LOG.warning(describe_change(edited), experiment=state.exp)
    return data


def _objective(experiment: Experiment, start: SearchStart) -> dict[str, Any]:
    with_source = start.options.recording.source
    return objective_spec.record(start.domain, _attachments(experiment), with_source=with_source)


def _is_complete(state: State, limits: Limits) -> bool:
    best = state.best.loss if state.best else None
    is_reached = limits.loss_threshold is not None and best is not None and best < limits.loss_threshold
    return not state.open and (is_reached or len(state.trials) >= limits.max_evals)


def _attachments(experiment: Experiment) -> Attachments | None:
    return experiment.store.attachments if experiment.store.is_durable else None
