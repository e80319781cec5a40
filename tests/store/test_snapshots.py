"""Snapshots: a fold that begins from one equals a fold from nothing, and one that is wrong is not used."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

import histories
import numpy as np
import pytest

from hstore.store import snapshot_format as snapshots
from hstore.store.errors import VerificationFailed
from hstore.store.events import Done, Event, Noted, Queued, Requeued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.keys import Keys, new_key, parse_key
from hstore.store.log import ReadCursor
from hstore.store.seals import seal
from hstore.store.snapshots import StoredSnapshot, open_snapshot, save_snapshot
from hstore.store.store import Store


def opened(store: Store, *, from_snapshot: bool = True) -> Experiment:
    experiment = Experiment(store, "e", from_snapshot=from_snapshot)
    experiment.refresh()
    return experiment


def what_is_known(experiment: Experiment) -> dict[str, Any]:
    """Return all that a decision, a writer or a person can ask of an experiment."""
    state = experiment.state
    trials = dict(state.trials)
    known = {
        name: getattr(state, name)
        for name in (
            "ver", "status", "why", "limits", "notes", "last", "events", "counts", "pruned", "suggested", "closed",
            "awaited", "ended", "failures", "best", "pareto",
        )
    }  # fmt: skip
    chains = [None, *trials]
    return known | {
        "created": state.created, "trials": repr(trials), "open": dict(state.open), "observed": experiment.observed(),
        "watched": state.observations.watched, "head": experiment.head, "n": len(state.trials),
        "known": [state.observations.known_of(chain) for chain in chains],
        "chains": [repr(experiment.chain(chain)) for chain in chains],
        "digests": [experiment.digest(chain, ver) for chain in chains for ver in (0, len(experiment.chain(chain)) - 1)],
        "unlike": sorted(t.tid for t in state.unlike_most() if t.notes),
        "cursor": (experiment.known.header, experiment.known.last, dict(experiment.known.open)),
    }  # fmt: skip


def comparable(known: dict[str, Any]) -> dict[str, Any]:
    return {name: repr(sorted(value.items()) if isinstance(value, dict) else value) for name, value in known.items()}


def searched(steps: int = 60, *, keys: Keys | None = None) -> Store:
    """Return a store with an experiment of which most trials have ended and were observed."""
    store = Store.in_memory()
    store.keys = keys
    experiment = histories.begin(store)
    for tid in range(steps):
        finish_one(experiment, tid, loss=float((tid * 7) % 11))
    return store


def finish_one(experiment: Experiment, tid: int, loss: float, x: Any = None) -> None:
    point = {"x": tid / 7 if x is None else x, "k": tid % 3}
    decision = {"point": point, "params": point, "observed": experiment.observed(), "seed": tid}
    experiment.append(
        experiment.compose(
            (Queued, tid, decision), (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
            (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
            (Done, tid, {"result": {"loss": loss}, "status": "ok", "loss": loss}),
        )
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_fold_from_a_snapshot_taken_anywhere_equals_a_fold_from_nothing(seed: int) -> None:
    rng = random.Random(seed)
    store = Store.in_memory()
    experiment = histories.begin(store)
    taken = [b""]
    for _ in range(5):
        for _ in range(50):
            experiment.append(experiment.compose(*histories.step(experiment, rng)))
        if save_snapshot(experiment):
            taken.append(store.snapshots.latest("e", snapshots.FOLD).content)  # type: ignore[union-attr]
    whole = comparable(what_is_known(opened(store, from_snapshot=False)))
    assert whole == comparable(what_is_known(opened(store, from_snapshot=False)))
    used = 0
    for content in taken:
        store.snapshots.put("e", snapshots.FOLD, 1, StoredSnapshot(content=content))
        other = opened(store)
        used += other.state.settled is not None
        assert comparable(what_is_known(other)) == whole
        assert save_snapshot(other) == save_snapshot(experiment)  # one made from a snapshot holds the same
        assert comparable(what_is_known(opened(store))) == whole
    assert used == len(taken) - 1


@pytest.mark.parametrize("seed", range(3))
def test_a_search_goes_on_from_a_snapshot_as_it_would_from_nothing(seed: int) -> None:
    store = Store.in_memory()
    histories.live(histories.begin(store), seed, 100)
    save_snapshot(opened(store))
    one, other = opened(store), opened(copy.deepcopy(store), from_snapshot=False)
    rng, same = random.Random(seed), random.Random(seed)
    for _ in range(40):
        steps, wanted = histories.step(one, rng), histories.step(other, same)
        assert repr(steps) == repr(wanted)
        events = one.compose(*steps)
        one.append(events)
        other.append(events)
    assert comparable(what_is_known(one)) == comparable(what_is_known(other))


def test_most_trials_of_a_search_are_columns() -> None:
    store = searched(60)
    assert save_snapshot(opened(store)) >= 55
    experiment = opened(store)
    assert experiment.state.settled is not None
    assert len(dict(experiment.state.kept_trials())) <= 5
    assert len(experiment.received) < 25


def test_what_others_append_to_a_trial_that_is_a_column_is_read() -> None:
    store = searched(20)
    save_snapshot(opened(store))
    reader, writer = opened(store), opened(store)
    assert 3 in (reader.state.settled or ())
    writer.append(writer.compose((Noted, None, {"about": [3]}), (Requeued, 3, {"why": "again"})))
    reader.refresh()
    assert reader.state.trials[3].state == "queued"
    assert comparable(what_is_known(opened(store))) == comparable(what_is_known(opened(store, from_snapshot=False)))
    assert [chain for chain, _, _ in reader.observed()] == [19, 3]


def test_a_copy_of_an_experiment_goes_on_by_itself() -> None:
    store = searched(20)
    save_snapshot(opened(store))
    experiment = copy.deepcopy(opened(store))
    finish_one(experiment, 20, 0.5)
    assert experiment.state.trials[3].loss == float(21 % 11)


def changed(snapshot: snapshots.Snapshot, **fields: Any) -> snapshots.Snapshot:
    """Return *snapshot* with other fields, and a settled row changed by name: `row_<column>=(tid, value)`."""
    settled = copy.deepcopy(snapshot.settled)
    for name in [name for name in fields if name.startswith("row_")]:
        tid, value = fields.pop(name)
        column = getattr(settled, name.removeprefix("row_")).copy()
        column[tid] = value
        setattr(settled, name.removeprefix("row_"), column)
    return dataclasses.replace(snapshot, settled=settled, **fields)


def wrong(content: bytes) -> Iterator[tuple[str, bytes]]:
    right = snapshots.unpack(content)
    last = int(right.settled.tids()[-1])
    yield "empty", b""
    yield "cut off", content[:-20]
    yield "a byte is another", content[:100] + bytes([content[100] ^ 1]) + content[101:]
    yield "no snapshot", b"PK\x03\x04"
    forged: list[dict[str, Any]] = [
        {"exp": "other"}, {"decision": b"0" * 32}, {"own": (0, b"0" * 32)}, {"own": (99, right.own[1])},
        {"own": ("x", b"")}, {"row_ids": (last, 0)}, {"row_vers": (last, 7)}, {"row_vers": (right.settled.n - 1, 3)},
        {"row_states": (last, 9)}, {"row_known": (last, 99)},
    ]  # fmt: skip
    for fields in forged:
        yield repr(fields), snapshots.pack(changed(right, **fields))
    cut = copy.deepcopy(right.settled)
    cut.losses = cut.losses[:-1]
    yield "a column is short", snapshots.pack(dataclasses.replace(right, settled=cut))


def test_a_damaged_or_forged_snapshot_is_not_used() -> None:
    store = searched(30)
    save_snapshot(opened(store))
    found = store.snapshots.latest("e", snapshots.FOLD)
    assert found is not None
    whole = comparable(what_is_known(opened(store, from_snapshot=False)))
    for why, content in wrong(found.content):
        store.snapshots.put("e", snapshots.FOLD, 30, StoredSnapshot(content=content))
        assert open_snapshot(store, "e") is None, why
        assert comparable(what_is_known(opened(store))) == whole, why


def test_a_snapshot_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    store = searched(10)
    save_snapshot(opened(store))
    monkeypatch.setattr(snapshots, "FOLD", snapshots.FOLD + 1)
    assert open_snapshot(store, "e") is None
    old = store.snapshots.latest("e", snapshots.FOLD - 1)
    assert old is not None
    store.snapshots.put("e", snapshots.FOLD, 10, old)
    assert open_snapshot(store, "e") is None


def test_a_snapshot_of_a_log_that_was_begun_anew_is_not_used() -> None:
    store, other = searched(12), searched(12)
    save_snapshot(opened(store))
    other.snapshots = store.snapshots
    assert open_snapshot(other, "e") is None
    assert opened(other).state.settled is None


def shorter(store: Store, n: int) -> Store:
    """Return a store with the first *n* trials of *store*, and its snapshots."""
    older = Store.in_memory()
    older.log.append([e for e in store.log.read("e") if e.tid is None or e.tid < n])
    older.snapshots = store.snapshots
    return older


def test_a_snapshot_that_knows_more_than_its_log_is_not_used() -> None:
    store = searched(20)
    save_snapshot(opened(store))
    for n in (1, 10, 19):
        older = shorter(store, n)
        assert open_snapshot(older, "e") is None
        assert len(opened(older).trials) == n


@pytest.mark.parametrize("forge", [lambda mac: None, lambda mac: (mac[0], b"0" * 32)])
def test_with_a_key_a_snapshot_is_used_only_if_it_is_signed(forge: Callable[[Any], Any]) -> None:
    store = searched(12, keys=Keys(parse_key(new_key())))
    save_snapshot(opened(store))
    found = store.snapshots.latest("e", snapshots.FOLD)
    assert found is not None
    assert opened(store).state.settled is not None
    store.snapshots.put("e", snapshots.FOLD, 12, dataclasses.replace(found, mac=forge(found.mac)))
    assert opened(store).state.settled is None


def test_a_trial_that_is_not_what_the_snapshot_says_is_refused() -> None:
    store = searched(100)
    save_snapshot(opened(store))
    found = store.snapshots.latest("e", snapshots.FOLD)
    assert found is not None
    right = snapshots.unpack(found.content)
    unseen = next(tid for tid in right.settled.tids().tolist() if tid not in snapshots.looked_at(right.settled))
    forged = snapshots.pack(changed(right, row_ids=(unseen, 0)))
    store.snapshots.put("e", snapshots.FOLD, 100, StoredSnapshot(content=forged))
    experiment = opened(store)
    with pytest.raises(VerificationFailed, match=f"trial {unseen} is not what a snapshot says of it"):
        experiment.chain(unseen)


def test_a_point_that_is_no_number_stays_an_object() -> None:
    store = searched(5)
    experiment = opened(store)
    odd = {"point": {"x": "text"}, "params": {}, "observed": experiment.observed()}
    experiment.append(experiment.compose((Queued, 5, odd)))
    experiment.append(experiment.compose((Reserved, 5, {"worker": "w", "host": "h", "attempt": 1})))
    experiment.append(experiment.compose((Running, 5, {"pid": 1, "python": "3", "hstore": "0"})))
    experiment.append(experiment.compose((Done, 5, {"result": {}, "status": "ok", "loss": 2.0})))
    for tid in range(6, 9):
        finish_one(experiment, tid, 3.0)
    save_snapshot(experiment)
    assert 5 not in (opened(store).state.settled or ())
    assert np.isnan(experiment.settled().points["x"][5])


def test_the_length_of_each_chain_is_known_and_its_events_are_read() -> None:
    store = searched(20)
    save_snapshot(opened(store))
    mine, whole = opened(store).all_chains, opened(store, from_snapshot=False).all_chains
    assert {tid: len(chain) for tid, chain in mine.items()} == {tid: len(chain) for tid, chain in whole.items()}
    assert {tid: [event.id for event in chain] for tid, chain in mine.items()} == {
        tid: [event.id for event in chain] for tid, chain in whole.items()
    }
    assert 20 not in mine


def test_signing_covers_the_trials_of_a_snapshot() -> None:
    store = searched(20)
    save_snapshot(opened(store))
    store.keys = Keys(parse_key(new_key()))
    experiment = opened(store)
    assert experiment.state.settled is None  # no key signs it
    experiment.sign()
    save_snapshot(opened(store))
    again = opened(store)
    assert again.state.settled is not None
    assert again.sign().extra["signed"][0][0] is None
    opened(store, from_snapshot=False).check_signatures()


def test_a_process_keeps_the_columns_of_what_it_wrote() -> None:
    store = searched(30)
    experiment = opened(store)
    news = len(experiment.received)
    save_snapshot(experiment, is_kept=False)
    assert len(dict(experiment.state.kept_trials())) <= 5
    finish_one(experiment, 30, 0.1)
    assert [event.ver for event in experiment.received[news:]] == [0, 1, 2, 3]
    assert [event.id for event in experiment.received[:5]] == [event.id for event in opened(store).events[:5]]
    assert comparable(what_is_known(experiment)) == comparable(what_is_known(opened(store, from_snapshot=False)))


def test_opening_reads_as_many_events_of_a_long_search_as_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_of(n: int) -> int:
        store, counted = searched(n), 0
        save_snapshot(opened(store))
        read = store.log.read

        def counting(exp: str, known: ReadCursor = ReadCursor()) -> list[Event]:  # noqa: B008 - frozen
            nonlocal counted
            events = read(exp, known)
            counted += len(events)
            return events

        monkeypatch.setattr(store.log, "read", counting)
        experiment = opened(store)
        assert (len(experiment.state.trials), experiment.state.counts) == (n, {"done": n})
        assert experiment.state.require_best().loss == 0.0
        experiment.observed()
        return counted

    assert read_of(150) == read_of(30) < 20


def test_what_trials_follow_that_are_columns_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = searched(1)
    experiment = opened(store, from_snapshot=False)
    for tid in range(1, 30):
        finish_one(experiment, tid, 3.0, x="text" if tid % 3 == 0 else None)  # which no column holds
    seal(experiment)
    save_snapshot(experiment)
    begun, reads, read = opened(store), 0, store.log.read

    def counting(exp: str, known: ReadCursor = ReadCursor()) -> list[Event]:  # noqa: B008 - frozen
        nonlocal reads
        reads += 1
        return read(exp, known)

    monkeypatch.setattr(store.log, "read", counting)
    assert begun._links.holds(whole=True)
    assert (reads, len(dict(begun.state.kept_trials())) > 5) == (1, True)
    assert begun.head == experiment.head
    settled = begun.state.settled
    assert settled is not None
    settled.digests = settled.digests ^ np.uint8(1)
    begun._begin_checks()
    begun.seals.take(begun.chain(None))
    assert not begun._links.holds(whole=True)


def test_a_settled_trial_that_is_amended_later_counts_as_amended() -> None:
    store = searched()
    first = opened(store, from_snapshot=False)
    save_snapshot(first)
    tid = opened(store).state.settled.tids().tolist()[5]  # type: ignore[union-attr]
    by_hand = opened(store)  # begun from the snapshot
    assert tid in by_hand.state.settled  # type: ignore[operator]
    by_hand.amend(tid, loss=-7.0, reason="wrong data")
    for experiment in (by_hand, opened(store), opened(store, from_snapshot=False)):
        trial = experiment.state.trials[tid]
        assert (trial.loss, trial.returned is not None, experiment.best.tid) == (-7.0, True, tid)
    # A decision observes it, and it is settled once more, as what it is now.
    for more in range(60, 64):
        finish_one(by_hand, more, loss=50.0)
    by_hand.amend(tid, loss=60.0, reason="wrong again")
    for more in range(64, 68):
        finish_one(by_hand, more, loss=50.0)
    save_snapshot(opened(store, from_snapshot=False))
    again, whole = opened(store), opened(store, from_snapshot=False)
    assert tid in again.state.settled  # type: ignore[operator]
    assert again.state.settled.losses[tid] == 60.0  # type: ignore[union-attr]
    assert tid in [trial.tid for trial in again.state.unlike_most()]
    assert again.best.tid == whole.best.tid != tid
    assert comparable(what_is_known(again)) == comparable(what_is_known(whole))
