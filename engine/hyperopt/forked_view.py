"""How fmin begins a fork: the new experiment has what the other one knew, or is to know it once it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hstore.engine.algorithms import why_unknown
from hstore.engine.hyperopt.open_view import default_algorithm
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.search.forked_search import into_space, known_again, require_fork
from hstore.engine.search.options import SearchOptions
from hstore.engine.space import Space
from hstore.store.as_of import When, parse
from hstore.store.experiment import now
from hstore.store.forking import describe_fork, fork, require_sound
from hstore.store.messages import Log
from hstore.store.settled_reading import settled_experiment
from hstore.store.values import check_name

LOG = Log("search")


def forked(view: Trials, source: str, at: When | None, space: Space, options: SearchOptions) -> SearchOptions:
    """Begin the experiment of *view* with what experiment *source* was at *at*; return the options to go on with.

    If it has begun as such a fork already, it goes on. Raises as `Store.fork` and `require_fork` do.
    """
    experiment = view.experiment
    experiment.refresh()
    is_whole = experiment.state.created is not None and experiment.chain(None)[-1].origin is None
    if is_whole:
        require_fork(experiment, source, at)
        return replace(options, known=known_again(experiment, space))
    found = settled_experiment(experiment.store, check_name(source), verifies=True)
    moment = None if at is None else parse(at, now())
    if not Space.from_data(found.state.space).differences(space):
        LOG.info(describe_fork(fork(found, experiment.name, at=moment)), experiment=experiment.name)
        view.refresh()
        return options
    require_sound(found)
    _, data, known = into_space(found, experiment.name, moment, space)
    return replace(options, known=known, forked=data)


def algorithm_of(view: Trials) -> Any:
    """Return the algorithm that goes on where the user names none: that of a fork is its source's."""
    state = view.experiment.state
    is_fork = state.forked is not None and state.algorithm
    return state.algorithm if is_fork and why_unknown(state.algorithm) is None else default_algorithm()
