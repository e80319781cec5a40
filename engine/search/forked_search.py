"""A fork that goes on differently: with another space, another algorithm, or other seeds than its source had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hstore.engine.algorithms import Algorithm, describe_algorithm, resolve
from hstore.engine.evaluation.domain import pickled
from hstore.engine.search import seeds
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.warm_start import KnownTrial, append_missing, known_trials
from hstore.engine.space import Space
from hstore.store.as_of import PastLog, When, parse
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import Created, Forked
from hstore.store.experiment import Experiment, PendingEvent, now
from hstore.store.fork_cut import Cut
from hstore.store.forking import exists, fork, is_fork_at, lineage, require_sound, taken
from hstore.store.head import chain_at, move
from hstore.store.keep_output import KEEP_OUTPUT
from hstore.store.read_ahead import ChainsAhead
from hstore.store.settled_reading import settled_experiment
from hstore.store.state import State
from hstore.store.store import Store
from hstore.store.values import check_name


def fork_search(
    store: Store,
    name: str,
    new: str,
    *,
    at: When | None = None,
    space: Space | None = None,
    algo: Any = None,
    seed: int | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Experiment:
    """Begin experiment *new* with what experiment *name* was at *at*, as `Store.fork` does; return it.

    space: another one; trials that fit it are known then, as with a warm start, and the others are left out.
    algo, seed: of the suggestions from there on.
    Raises as `Store.fork` does, and `InvalidValue` for an algorithm that cannot search the space.
    """
    moment = None if at is None else parse(at, now())
    source = settled_experiment(store, check_name(name), verifies=True)
    assert source.state.created is not None
    before = Space.from_data(source.state.space)
    wanted = before if space is None else space
    algorithm = None if algo is None else _described(algo, wanted)
    generator = None if seed is None else seeds.to_data(seeds.as_generator(seed))
    if space is None or not before.differences(space):

        def changes(state: State) -> dict[str, Any]:
            changed = {} if algorithm in (None, state.algorithm) else {"algorithm": algorithm}
            return changed if generator is None else {**changed, "generator": {**generator, "after": state.suggested}}

        return fork(source, new, at=moment, changes=changes, on_progress=on_progress)
    require_sound(source)
    experiment, forked, known = into_space(source, new, moment, space)
    past = as_it_was(source, taken(source, moment)).state
    assert past.created is not None
    created = {
        "space": space.to_data(), "objective": _objective(past, space, store), "algorithm": algorithm or past.algorithm,
        "generator": generator or past.created.generator, "limits": past.limits, "retries": past.created.retries,
        "fingerprint": fingerprint(), "pruner": past.pruner or None,
        "keep_output": None if past.keep_output == KEEP_OUTPUT[0] else past.keep_output,
    }  # fmt: skip
    beginning: list[PendingEvent] = [(Created, None, created), (Forked, None, forked)]
    experiment.append_decided(lambda: [] if experiment.state.created is not None else beginning)
    append_missing(experiment, space, known)
    experiment.repair()
    on_progress(experiment.state.events)
    return experiment


def into_space(
    source: Experiment, new: str, moment: Any, space: Space
) -> tuple[Experiment, dict[str, Any], list[KnownTrial]]:
    """Return experiment *new* as it is, the data of its `Forked`, and the trials of *source* that fit *space*.

    Raises `InvalidValue` if *new* has begun otherwise.
    """
    cut = taken(source, moment)
    known = known_trials(as_it_was(source, cut), space)
    forked = lineage(source, cut, left_out=len(cut) - 1 - len(known))
    experiment = Experiment(source.store, new)
    experiment.refresh()
    if experiment.state.created is not None:
        there = experiment.state.forked
        is_interrupted = there is not None and there.head == forked["head"] and _injected(experiment) < len(known)
        if not is_interrupted:
            raise exists(new)
    return experiment, forked, known


def as_it_was(source: Experiment, cut: Cut) -> Experiment:
    """Return a view of *source* that ends with *cut*."""
    events = [event for chain in cut.values() for event in chain]
    return Store(PastLog(events, len(cut) - 1), source.store.attachments).experiment(source.name)


def known_again(experiment: Experiment, space: Space) -> Sequence[KnownTrial]:
    """Return the trials that *experiment*, a fork into another *space*, is to know; none if its source is gone."""
    forked = experiment.state.forked
    if forked is None or forked.left_out is None or forked.cut is None:
        return []
    try:
        source = experiment.store.experiment(forked.source)
    except NotFound:
        return []
    ends: list[int] = []
    if not move(ends, forked.cut, most=len(source.state.trials) + 1):
        return []
    cut = Cut(ChainsAhead(source), {chain_at(index): ver for index, ver in enumerate(ends)})
    return known_trials(as_it_was(source, cut), space)


def require_fork(experiment: Experiment, source: str, at: When | None) -> None:
    """Raise `InvalidValue` if *experiment* has begun, and is no fork of *source* at *at*."""
    until = parse(at, now()) if at is not None else None
    if is_fork_at(experiment, source, until if isinstance(until, int) else None):
        return
    forked = experiment.state.forked
    what = f"it is a fork of {forked.source!r} at {forked.until}" if forked is not None else "it is no fork"
    raise InvalidValue(
        f"fork_from: there is an experiment {experiment.name!r} already, and {what}",
        hint="give the fork another name", path="fork_from",
    )  # fmt: skip


def _injected(experiment: Experiment) -> int:
    return sum(trial.queued is not None and trial.queued.source == "injected" for trial in experiment.trials)


def _described(algo: Any, space: Space) -> Mapping[str, Any]:
    algorithm, settings = resolve(algo)
    if isinstance(algorithm, Algorithm):
        algorithm.try_out(space, settings)
    return describe_algorithm(algorithm, settings)


def _objective(past: State, space: Space, store: Store) -> dict[str, Any]:
    """Return the objective of *past* for *space*, which is pickled if its options have no plain form."""
    objective = {name: value for name, value in past.objective.items() if name != "space_pickle"}
    if store.is_durable and space.has_opaque_options and (content := pickled(space.expression, [])) is not None:
        objective["space_pickle"] = {"sha256": store.attachments.put(content), "length": len(content)}
    return objective
