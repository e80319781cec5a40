"""A trial that an experiment handed out corrects, explains and is pickled without it."""

from __future__ import annotations

import pickle
from dataclasses import asdict, fields

import pytest

from hstore import Trials, fmin, hp
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment


@pytest.fixture
def experiment(trials: Trials) -> Experiment:
    fmin(lambda c: c["x"], {"x": hp.uniform("x", 0, 1)}, "gp", 12, trials=trials, rstate=0, verbose=False)
    return trials.experiment


def test_a_trial_is_corrected_and_the_experiment_knows_it(experiment: Experiment) -> None:
    best = experiment.best
    best.void(reason="the sensor was off")
    assert experiment.best.tid != best.tid
    experiment.trials[best.tid].unvoid(reason="it was on")
    experiment.trial(3).amend(loss=-1.0, reason="a wrong sign")
    experiment.trials[4].tag("baseline")
    experiment.trials[4].note("keep it", person="Ada")
    assert (experiment.best.tid, experiment.best.loss) == (3, -1.0)
    assert experiment.trial(4).tags == ("baseline",)
    assert [note.person for note in experiment.trial(4).notes][-1] == "Ada"


def test_a_trial_explains_itself_as_its_experiment_does(experiment: Experiment) -> None:
    explained = experiment.trials[11].explain()
    assert explained == experiment.explain(11)
    assert explained.algorithm


def test_a_trial_that_was_read_alone_has_its_search(experiment: Experiment) -> None:
    store, name = experiment.store, experiment.name
    store.trial(name, 1).tag("seen")
    assert store.trial(name, 1).tags == ("seen",)
    assert store.trial(name, 11).explain() == experiment.explain(11)


def test_what_it_belongs_to_is_no_part_of_it(experiment: Experiment) -> None:
    trial, again = experiment.trials[0], pickle.loads(pickle.dumps(experiment.trials[0]))
    assert again == trial
    assert asdict(again)["tid"] == 0
    assert all(field.name != "experiment" for field in fields(trial))
    with pytest.raises(InvalidValue, match="trial 0 was not read from an experiment"):
        again.explain()
