"""A log that is read once with its settled trials as columns: what is known is the same, and little is kept."""

from __future__ import annotations

import random

import histories
import pytest
from test_snapshots import comparable, opened, searched, what_is_known

from hstore.store.errors import Tampered
from hstore.store.events import Noted
from hstore.store.experiment import Experiment
from hstore.store.keys import Keys, new_key, parse_key
from hstore.store.settled_reading import read_settled, settled_experiment
from hstore.store.store import Store
from hstore.store.streamed_verify import NeedsWholeLog


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
    assert again.state.settled is not None


def test_with_a_key_only_what_it_signs_is_read_so(mongo_store: Store) -> None:
    mongo_store.keys = Keys(parse_key(new_key()))
    mongo_store.log.append(searched(12, keys=mongo_store.keys).log.read("e"))
    assert len(settled_experiment(mongo_store, "e", verifies=True).state.settled or ()) > 5
    mongo_store.keys = Keys(parse_key(new_key()))
    with pytest.raises(NeedsWholeLog):
        read_settled(mongo_store, "e")


def test_a_changed_event_is_found_by_who_verifies_as_it_is_read(mongo_store: Store) -> None:
    mongo_store.log.append(searched(12).log.read("e"))
    assert mongo_store.database is not None
    mongo_store.database.events.update_one({"tid": 3, "type": "done"}, {"$set": {"data.loss": -1.0}})
    with pytest.raises(NeedsWholeLog):
        read_settled(mongo_store, "e", verifies=True)
    with pytest.raises(Tampered):
        mongo_store.fork("e", "again")
    assert mongo_store.experiments() == ["e"]


def test_a_search_that_a_person_corrected_or_that_is_not_plain_is_read_as_it_is() -> None:
    store = searched(12)
    experiment = opened(store, from_snapshot=False)
    experiment.append(experiment.compose((Noted, 2, {"note": "hm"}), (Noted, 3, {"void": True})))
    again = read_again(store)
    assert comparable(what_is_known(again)) == comparable(what_is_known(opened(store, from_snapshot=False)))
    assert again.state.settled is not None
    assert 2 in again.state.settled
    assert 3 not in again.state.settled  # its correction is news
    assert settled_experiment(store, "e").state.settled is None  # in memory all is kept anyway
