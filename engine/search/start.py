"""Beginnings: how a search is begun and goes on, and what `created` says of one that fmin did not begin."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.domain import Domain, describe
from hstore.engine.search import points as given_points
from hstore.engine.search import seeds
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.limits import Limits
from hstore.engine.space import Point, Space
from hstore.store.attachments import Attachments
from hstore.store.errors import Conflict, SpaceChanged
from hstore.store.events import Changed, Data, Queued, Resumed
from hstore.store.messages import Log
from hstore.store.store import Experiment, PendingEvent

if TYPE_CHECKING:
    from hstore.engine.hyperopt.document_view import Documents

LOG = Log("search")


def begin_or_continue(
    experiment: Experiment,
    domain: Domain,
    algorithm: Data,
    limits: Limits,
    generator: Data,
    is_generator_given: bool,
    points: Sequence[Point],
    retries: Mapping[str, int],
    pruner: Mapping[str, Any],
    documents: Documents,
) -> None:
    """Begin the search or see that it can go on with these arguments, then queue what people gave: whoever else is
    doing so at the same time.

    *points* that the search was given before are not queued again; *documents* may hold some that wait for a space.
    """
    while True:
        new = given_points.not_queued(experiment.state, points)
        try:
            _begin(
                experiment,
                domain,
                algorithm,
                limits,
                generator,
                is_generator_given,
                len(new),
                retries,
                pruner,
                documents,
            )  # fmt: skip
            if not documents.is_point_first:
                documents.flush_waiting()
            first = len(experiment.state.trials)
            pending = [(Queued, first + i, given_points.decision(domain.space, point)) for i, point in enumerate(new)]
            if pending:
                experiment.append(experiment.compose(*pending))
            documents.flush_waiting()
        except Conflict:
            continue  # another process was first; what it wrote has been read, so see what is left to do
        return


def _begin(
    experiment: Experiment, domain: Domain, algorithm: Data, limits: Limits, generator: Data,
    is_generator_given: bool, n_new: int, retries: Mapping[str, int], pruner: Mapping[str, Any], documents: Documents,
) -> None:  # fmt: skip
    """Create the experiment, or see that it can be continued with these arguments, and record what changed.

    n_new: how many points are about to be queued, which the search had not been given before.
    """
    objective = describe(domain.fn) | ({} if domain.objectives is None else {"objectives": domain.objectives})
    wanted = {name: None if value == sys.maxsize else value for name, value in asdict(limits).items()}
    n_new += documents.waiting
    if n_new and wanted["max_evals"] is not None:  # there is room for what a person asks for
        wanted["max_evals"] = max(wanted["max_evals"], len(experiment.state.trials) + n_new)
    if experiment.state.created is None:
        created = {
            "space": domain.space.to_data(), "objective": objective_spec.record(domain, _attachments(experiment)),
            "algorithm": algorithm, "generator": generator, "limits": wanted, "retries": dict(retries),
            "fingerprint": fingerprint(), "pruner": dict(pruner) or None,
        }  # fmt: skip
        if experiment.begin(created):
            return
    state = experiment.state
    assert state.created is not None
    begun_with = Space.from_data(state.created.space)
    if not begun_with.is_known:
        raise SpaceChanged(
            f"experiment {experiment.name!r} was imported without its space, so it cannot go on",
            hint="import it under another --name, with --space pkg.mod:name", differences=[],
        )  # fmt: skip
    if differences := begun_with.differences(domain.space):
        raise SpaceChanged(
            f"experiment {experiment.name!r} was begun with another space:\n  " + "\n  ".join(differences),
            hint="search the new space under another name", differences=differences,
        )  # fmt: skip
    suggested = sum(trial.queued is not None and trial.queued.source == "suggested" for trial in state.trials.values())
    if is_generator_given and not seeds.is_same(state.created.generator, generator, after=suggested):
        LOG.warning(
            f"experiment {experiment.name!r} goes on with the rstate that it began with", experiment=experiment.name
        )
    goes_on = state.status == "open" or bool(n_new) or not _is_complete(experiment, limits)
    changed: dict[str, Any] = {}
    if state.limits != wanted:
        changed["limits"] = wanted
    if state.algorithm != algorithm:
        changed["algorithm"] = algorithm
    if state.pruner != pruner:
        changed["pruner"] = dict(pruner)
    if any(state.objective.get(key) != objective.get(key) for key in ("name", "ref", "version", "objectives")):
        changed["objective"] = objective_spec.record(domain, _attachments(experiment))
    # In one append: nobody shall see the search go on within the limits that it had reached.
    pending: list[PendingEvent] = [(Resumed, None, {"why": "fmin"})] if goes_on and state.status != "open" else []
    if goes_on and changed:
        pending.append((Changed, None, changed))
    if pending:
        experiment.append(experiment.compose(*pending))


def _is_complete(experiment: Experiment, limits: Limits) -> bool:
    state = experiment.state
    best = state.best.loss if state.best else None
    is_reached = limits.loss_threshold is not None and best is not None and best < limits.loss_threshold
    return not state.open and (is_reached or len(state.trials) >= limits.max_evals)


def _attachments(experiment: Experiment) -> Attachments | None:
    return experiment.store.attachments if experiment.store.is_durable else None
