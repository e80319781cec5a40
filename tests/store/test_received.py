"""What a process has received of an experiment is a sequence of its events, which holds none of them twice."""

import copy
import pickle
import random
import sys

import pytest
from histories import begin, live

from hstore.store.events import Event
from hstore.store.experiment import Experiment
from hstore.store.store import Store


class Recorded(Experiment):
    """An experiment that also keeps a plain list of what it takes."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(store, name)
        self.plain: list[Event] = []

    def _take(self, events: list[Event]) -> None:  # type: ignore[override]
        super()._take(events)
        self.plain += events


@pytest.fixture
def experiment() -> Recorded:
    """A random search that two processes write, and one of them reads in pieces."""
    other = begin(Store.in_memory())
    mine = Recorded(other.store, "e")
    for seed in range(30):
        live(other, seed, 10)
        mine.refresh()
    return mine


def test_it_is_the_list_of_all_events_in_the_order_of_reading(experiment: Recorded) -> None:
    assert list(experiment.received) == experiment.plain
    assert len(experiment.received) == len(experiment.plain) > 200


def test_it_is_cut_as_a_list_is(experiment: Recorded) -> None:
    rng, n = random.Random(0), len(experiment.plain)
    ends = [None, *rng.choices(range(-n - 5, n + 5), k=30)]
    for _ in range(200):
        cut = slice(rng.choice(ends), rng.choice(ends), rng.choice([None, 1, 3, -1, -7]))
        assert experiment.received[cut] == experiment.plain[cut]
    assert [experiment.received[i] for i in (0, 7, -1, -n)] == [experiment.plain[i] for i in (0, 7, -1, -n)]
    with pytest.raises(IndexError):
        experiment.received[n]


def test_it_holds_no_event_a_second_time(experiment: Recorded) -> None:
    assert all(event is experiment.chain(event.tid)[event.ver] for event in experiment.received)
    held = sys.getsizeof(experiment.received._order)
    assert held < 5 * len(experiment.received) + 200


def test_a_copy_goes_on_by_itself(experiment: Recorded) -> None:
    for other in (copy.deepcopy(experiment), pickle.loads(pickle.dumps(experiment))):
        more = Experiment(other.store, "e")
        more.refresh()
        live(more, 99, 40)
        other.refresh()
        assert list(other.received) == other.plain
        assert len(other.received) > len(experiment.received)
