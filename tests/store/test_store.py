import datetime as dt
from typing import Any

import numpy as np
import pytest
from bson import Int64

from hstore.store.digest import digest
from hstore.store.errors import AllTrialsFailed, Conflict, InvalidEvent, InvalidName, NotFound
from hstore.store.events import Done, Event, Queued, Requeued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store

CREATED: dict[str, Any] = {
    key: {} for key in ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
}
QUEUED = {"point": {"x": 1.0}, "params": {"x": 1.0}}
RESERVED = {"worker": "h:1:w", "host": "h", "attempt": 1}
RUNNING = {"pid": 1, "python": "3", "hstore": "0"}
DONE = {"result": {"status": "ok", "loss": 1.0}, "status": "ok", "loss": 1.0}
WHOLE: list[tuple[type[Event], dict[str, Any]]] = [
    (Queued, QUEUED),
    (Reserved, RESERVED),
    (Running, RUNNING),
    (Done, DONE),
]


def begun(store: Store, name: str = "e") -> Experiment:
    experiment = Experiment(store, name)
    assert experiment.begin(CREATED)
    return experiment


def test_what_one_appends_another_reads(store: Store) -> None:
    mine = begun(store)
    mine.append(mine.compose(*((kind, 0, data) for kind, data in WHOLE)))
    theirs = store.experiment("e")
    assert theirs.events == mine.events
    assert theirs.best.loss == 1.0
    assert theirs.trials[0].state == "done"
    assert theirs.refresh() == []


def test_a_reader_gets_only_what_is_new(store: Store) -> None:
    mine = begun(store)
    theirs = store.experiment("e")
    for tid in range(3):
        mine.append(mine.compose(*((kind, tid, data) for kind, data in WHOLE[:3])))
        assert [(e.tid, e.ver) for e in theirs.refresh()] == [(tid, 0), (tid, 1), (tid, 2)]
    mine.append(mine.compose((Done, 1, DONE)))
    assert [(e.tid, e.ver) for e in theirs.refresh()] == [(1, 3)]


def test_who_is_second_is_told_and_shown_what_the_first_wrote(store: Store) -> None:
    mine = begun(store)
    theirs = store.experiment("e")
    late = theirs.compose((Queued, 0, QUEUED | {"seed": 2}))
    mine.append(mine.compose((Queued, 0, QUEUED | {"seed": 1})))
    with pytest.raises(Conflict) as caught:
        theirs.append(late)
    assert caught.value.event.seed == 1
    assert caught.value.mine == late[0]
    assert theirs.state.trials[0].queued == mine.state.trials[0].queued


def test_only_one_begins_an_experiment(store: Store) -> None:
    begun(store)
    assert Experiment(store, "e").begin(CREATED) is False


def test_an_event_that_its_chain_does_not_allow_is_refused_before_it_is_sent(store: Store) -> None:
    mine = begun(store)
    with pytest.raises(InvalidEvent, match="trial 0"):
        mine.compose((Done, 0, DONE))
    mine.append(mine.compose((Queued, 0, QUEUED)))
    for kind, data in ((Done, DONE), (Running, RUNNING), (Queued, QUEUED), (Requeued, {"why": "no"})):
        with pytest.raises(InvalidEvent, match="is queued"):
            mine.compose((kind, 0, data))
    assert len(store.experiment("e").events) == 2


def test_each_event_carries_the_digest_of_what_it_follows(store: Store) -> None:
    mine = begun(store)
    for tid in range(2):
        mine.append(mine.compose(*((kind, tid, data) for kind, data in WHOLE)))
    documents = list(mine.documents())
    created, chains = documents[0], (documents[1:5], documents[5:9])
    assert chains[0][0]["data"]["prev"] == digest(created)
    assert chains[1][0]["data"]["prev"] == digest(chains[0][0]) != mine.decision_digest
    assert mine.decision_digest == digest(chains[1][0])
    after = b""
    for earlier, later in zip(chains[1], chains[1][1:], strict=False):
        after = digest(earlier, after)
        assert later["data"]["prev"] == after


def test_what_no_decision_has_observed_is_named_with_its_digest(store: Store) -> None:
    mine = begun(store)
    mine.append(mine.compose(*((kind, 0, data) for kind, data in WHOLE)))
    (entry,) = mine.observed()
    assert entry == [0, 3, mine.digest(0, 3)]
    mine.append(mine.compose((Queued, 1, QUEUED | {"observed": [entry]})))
    assert mine.observed() == []
    assert store.experiment("e").observed() == []


def test_an_unknown_experiment_is_named_with_its_neighbour(store: Store) -> None:
    with pytest.raises(NotFound, match="no experiment 'mnist'") as caught:
        store.experiment("mnist")
    assert "no experiments yet" in caught.value.hint
    begun(store, "mnist-lr")
    with pytest.raises(NotFound) as caught:
        store.experiment("mnist-rl")
    assert "mnist-lr" in caught.value.hint
    with pytest.raises(InvalidName):
        store.experiment("$")


def test_without_a_loss_there_is_no_best(store: Store) -> None:
    with pytest.raises(AllTrialsFailed):
        _ = begun(store).best


def test_a_point_too_large_for_an_event_comes_back_too(store: Store) -> None:
    mine = begun(store)
    labels = {f"label{i}": i * 0.5 for i in range(6000)}
    mine.append(mine.compose((Queued, 0, {"point": labels, "params": labels})))
    theirs = store.experiment("e")
    assert theirs.trials[0].point == labels
    assert theirs.head == mine.head


def test_a_result_too_large_for_an_event_comes_back_as_if_it_had_not_been(store: Store) -> None:
    mine = begun(store)
    curve = [float(i) for i in range(50_000)]
    result = {"status": "ok", "loss": 1.0, "curve": curve, "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}
    large: list[PendingEvent] = [
        (Queued, 0, QUEUED),
        (Reserved, 0, RESERVED),
        (Running, 0, RUNNING),
        (Done, 0, DONE | {"result": result}),
    ]
    mine.append(mine.compose(*large))
    mine.append(mine.compose((Queued, 1, QUEUED | {"observed": mine.observed()})))
    theirs = store.experiment("e")
    assert theirs.trials[0].result == result
    assert theirs.digest(0, 3) == mine.digest(0, 3)
    assert theirs.events == mine.events


def test_an_experiment_that_has_begun_is_not_begun_again(store: Store) -> None:
    experiment = begun(store)
    assert experiment.begin(CREATED) is False
    assert [event.type for event in experiment.events] == ["created"]


def test_an_event_of_a_trial_is_not_composed_without_a_trial(store: Store) -> None:
    with pytest.raises(InvalidEvent, match="no trial was named"):
        begun(store).compose((Done, None, {"result": {}, "status": "ok"}))


@pytest.mark.parametrize("number", [np.int64(0), Int64(0)])
def test_a_number_of_a_trial_may_be_of_numpy_or_of_bson(number: Any, store: Store) -> None:
    mine = begun(store)
    mine.append(mine.compose(*((kind, 0, data) for kind, data in WHOLE)))
    assert store.trial("e", number).loss == 1.0  # a range of all numbers of 64 bits would be walked through for it
