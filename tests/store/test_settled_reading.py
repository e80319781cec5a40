"""A log that is read once with its settled trials as columns: what is known is the same, and little is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import histories
import pytest
from test_snapshots import comparable, opened, searched, what_is_known

from hstore.store.events import Done, Noted, Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.keys import Keys, new_key, parse_key
from hstore.store.settled_reading import NotPlain, read_settled, settled_experiment
from hstore.store.store import Store


def read_again(store: Store) -> Experiment:
    experiment = Experiment(store, "e", opened=read_settled(store, "e"))
    experiment.refresh()
    return experiment


@pytest.mark.parametrize("seed", range(12))
def test_a_fold_that_settles_as_it_reads_equals_one_that_keeps_all(seed: int) -> None:
    rng = random.Random(seed)
    store = Store.in_memory()
    experiment = histories.begin(store)
    for n in range(160):
        experiment.append(experiment.compose(*histories.step(experiment, rng)))
        if n % 16:
            continue
        again = read_again(store)
        assert comparable(what_is_known(again)) == comparable(what_is_known(opened(store, from_snapshot=False)))
