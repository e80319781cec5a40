"""Another rstate on trials that there are already is used, as in hyperopt, and the log says from where on."""

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import MongoTrials, Trials
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.search import seeds
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Space
from hstore.store.events import Changed, Queued

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


def square(x: float) -> float:
    return x**2


def go_on(trials: Any, max_evals: int, seed: Any, library: Any = hstore) -> list[float]:
    """Search until there are *max_evals* trials; return the points from the fourth on."""
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    space, algo = library.hp.uniform("x", -10, 10), library.rand.suggest
    library.fmin(square, space, algo=algo, max_evals=max_evals, trials=trials, rstate=rng, verbose=False,
                 show_progressbar=False)  # fmt: skip
    return [float(x) for x in trials.vals["x"][4:]]


def is_sound(trials: Trials) -> bool:
    return not check(trials.experiment.store, trials.experiment.name) and derive_again(trials.experiment).is_same


@pytest.mark.parametrize("seed", [111, 222])
def test_two_seeds_continue_one_pickle_in_two_ways_and_hyperopts(seed: int) -> None:
    found = []
    for library in (hstore, hyperopt):
        trials = library.Trials()
        go_on(trials, 4, 0, library)
        found.append(go_on(pickle.loads(pickle.dumps(trials)), 8, seed, library))
    assert found[0] == found[1]
    assert len(set(found[0])) == 4


def test_the_log_says_from_where_on_and_can_be_replayed(trials: Trials, logged: Any) -> None:
    go_on(trials, 4, 0)
    there = go_on(trials, 8, 111)
    go_on(trials, 10, 111)  # the same once more goes on where it was
    go_on(trials, 12, None)
    changes = [event.generator for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    assert [change["after"] for change in changes if change is not None] == [4]
    at_once = Trials()
    go_on(at_once, 4, 0)
    assert go_on(at_once, 12, 111) == trials.vals["x"][4:]
    assert trials.vals["x"][4:8] == there
    assert is_sound(trials)
    found = [message for message in logged.messages if "goes on with another rstate from trial 4" in message]
    assert len(found) == isinstance(trials, MongoTrials)


def test_back_to_the_first_seed_is_another_one_too(trials: Trials) -> None:
    go_on(trials, 4, 0)
    go_on(trials, 8, 111)
    assert go_on(trials, 12, 0)[4:] == trials.vals["x"][:4]
    assert is_sound(trials)


def test_a_generator_that_is_used_on_is_the_same_one(trials: Trials) -> None:
    rng = np.random.default_rng(5)
    go_on(trials, 4, rng)
    go_on(trials, 8, rng)
    assert all(event.generator is None for event in trials.experiment.chain(None) if isinstance(event, Changed))


def test_trials_that_a_program_inserted_are_continued_with_the_rstate_that_is_given() -> None:
    found = []
    for library in (hstore, hyperopt):
        space = library.hp.uniform("x", -10, 10)
        trials = library.Trials()
        domain = library.Domain(square, space)
        trials.insert_trial_docs(library.rand.suggest(trials.new_trial_ids(4), domain, trials, 7))
        trials.refresh()
        for document in trials.trials:
            document["state"], document["result"] = 2, {"status": "ok", "loss": 1.0}
        trials.refresh()
        found.append([go_on(copy.deepcopy(trials), 8, seed, library) for seed in (1, 2)])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_the_seed_after_a_change_goes_to_the_decision_that_observes_it_whoever_was_about_to() -> None:
    trials = Trials()
    go_on(trials, 4, 0)
    experiment = trials.experiment
    created = experiment.state.created
    assert created is not None
    space = Space.from_data(created.space)
    history = ObservedHistory(space, Seeds(created.generator))
    history.follow(experiment)
    generator = {**seeds.to_data(np.random.default_rng(111)), "after": 4}
    experiment.append(experiment.compose((Changed, None, {"generator": generator})))
    history.observe(experiment, experiment.observed())  # for a decision whose place another driver takes
    late = {"point": {"x": 1.0}, "params": {"x": 1.0}, "seed": Seeds(created.generator)[4], "algorithm": {}}
    experiment.append(experiment.compose((Queued, 4, late)))
    history.follow(experiment)
    assert history.suggested == 5
    assert Seeds(generator)[0] == history.seeds[5] if history.seeds else False
