"""Copies of whole experiments: every digest stays, and they go on as the original would."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

import bson
import numpy as np
import pytest
from histories import begin, step
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore import Trials, fmin, hp
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.store.bundle import open_bundle, write_bundle
from hstore.store.bundle_import import import_bundle
from hstore.store.copying import copy_experiment
from hstore.store.errors import InUse, InvalidEvent, InvalidName, InvalidValue
from hstore.store.event_documents import SPILL_ABOVE, to_document
from hstore.store.events import CODEC, Document, Done, Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.keys import Keys, new_key
from hstore.store.log_chains import chains_of
from hstore.store.published_head import find_head
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", 0, 1), "c": hp.choice("c", [{"a": hp.uniform("a", 0, 1)}, "b"])}


def objective(config: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", "loss": (config["x"] - 0.3) ** 2, "attachments": {"note": b"kept"}}


def search(store: Store, name: str, n: int) -> Experiment:
    fmin(objective, SPACE, max_evals=n, rstate=np.random.default_rng(0), verbose=False, experiment=name, store=store)
    return store.experiment(name)


def findings(experiment: Experiment) -> list[str]:
    report = verify(experiment.documents(), fetch=experiment.store.attachments.get)
    return [each.message for each in report.findings]


@pytest.fixture
def original(mongo_store: Store) -> Experiment:
    return search(mongo_store, "a", 6)


def test_a_copy_under_another_name_keeps_every_digest_says_where_it_came_from_and_goes_on_alike(
    original: Experiment,
) -> None:
    copy = original.copy("b")
    assert [copy.digest(tid, len(chain) - 1) for tid, chain in original.all_chains.items() if tid is not None] == [
        original.digest(tid, len(chain) - 1) for tid, chain in original.all_chains.items() if tid is not None
    ]
    assert copy.copied_from is not None
    assert (copy.copied_from["exp"], copy.copied_from["head"]) == ("a", original.head)
    assert findings(copy) == []
    assert check(copy.store, "b") == []
    points = [[trial.point for trial in search(copy.store, name, 9).trials] for name in ("a", "b")]
    assert points[0] == points[1]
    copy = copy.store.experiment("b")
    assert findings(copy) == []
    assert derive_again(copy).is_same


def test_a_copy_that_reads_a_chain_at_a_time_is_the_same(original: Experiment) -> None:
    store = original.store
    begun = store.experiment("a", only=())
    done = copy_experiment(begun, name="b", person="p")
    whole = copy_experiment(original, name="c", person="p").experiment
    copy = store.experiment("b")
    assert (done.new, done.events, done.trials, done.head) == (len(original.events), len(copy.events), 6, copy.head)
    assert [copy.digest(tid, 0) for tid in copy.all_chains] == [whole.digest(tid, 0) for tid in whole.all_chains]
    assert (findings(copy), check(store, "b")) == ([], [])
    there = Store.in_memory()
    done = copy_experiment(begun, store=there)
    assert (done.head, done.experiment.head, done.missing) == (original.head, original.head, ())
    assert there.attachments.get(original.trials[0].attachments["note"]["sha256"]) == b"kept"
    original.note("later")
    assert copy_experiment(begun, store=there).new == 1
    held = begin(store, "h")
    decision = {"point": {}, "params": {}, "source": "enqueued", "observed": []}
    claim = {"worker": "w", "host": "h", "attempt": 1}
    held.append(held.compose((Queued, 0, decision), (Reserved, 0, claim)))
    with pytest.raises(InUse):
        copy_experiment(store.experiment("h", only=()), name="i")


def test_a_copy_of_a_copy_and_a_file_of_it_verify_too(original: Experiment) -> None:
    second = search(original.copy("b").store, "b", 7).copy("c")
    assert findings(second) == []
    assert second.copied_from is not None
    assert second.copied_from["exp"] == "b"
    file = io.BytesIO()
    write_bundle(second, file, version="0")
    store, name = open_bundle(file)
    assert findings(store.experiment(name)) == []
    assert import_bundle(Store.in_memory(), file)[0].head == second.head


def test_another_store_gets_all_of_it_once_and_later_what_is_new(original: Experiment) -> None:
    there = Store.in_memory()
    done = copy_experiment(original, store=there)
    assert (done.experiment.head, done.missing) == (original.head, ())
    assert done.experiment.trials[0].attachments
    assert there.attachments.get(original.trials[0].attachments["note"]["sha256"]) == b"kept"
    original.note("later")
    again = copy_experiment(original, store=there)
    assert (again.new, again.experiment.head) == (1, original.head)


def test_a_copy_touches_nothing_else_that_is_there(original: Experiment) -> None:
    store = original.store
    other = begin(store, "b")
    for name in ("b", "a"):
        with pytest.raises(InvalidValue):
            original.copy(name)
    assert store.experiment("b").events == other.events
    there = Store.in_memory()
    begin(there, "a")
    with pytest.raises(InvalidValue, match="another experiment 'a'"):
        original.copy(store=there)
    original.copy("c")
    with pytest.raises(InvalidValue, match="a copy of it already"):
        original.copy("c")
    gone_on = original.copy(store=Store.in_memory())
    gone_on.note("here")
    original.note("there")
    with pytest.raises(InvalidValue, match="gone on by itself"):
        original.copy(store=gone_on.store)
    with pytest.raises(InvalidName):
        original.copy("")


def test_a_copy_that_was_interrupted_is_completed(original: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    appended = 0
    monkeypatch.setattr("hstore.store.copying.BATCH", 5)

    def stop(n: int) -> None:
        nonlocal appended
        appended += n
        if appended > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_experiment(original, name="b", on_progress=stop)
    done = copy_experiment(original, name="b")
    assert done.new == len(original.events) - appended
    assert findings(done.experiment) == []


def test_a_trial_that_is_held_is_copied_only_by_force(store: Store) -> None:
    experiment = begin(store)
    experiment.append(
        experiment.compose(
            (Queued, 0, {"point": {}, "params": {}}),
            (Reserved, 0, {"worker": "w", "host": "h", "attempt": 1}),
        )
    )
    with pytest.raises(InUse, match="trial 0 is being evaluated") as error:
        experiment.copy("b")
    assert error.value.tids == [0]
    assert experiment.copy("b", force=True).trials[0].state == "reserved"


def rename(documents: list[Document], name: str) -> list[Document]:
    """Return what a person makes of *documents* who gives the search of another one their own name."""
    return [
        each | {"exp": name, "data": each["data"] | {"origin": {"exp": each["exp"], "id": each["_id"]}}}
        for each in documents
    ]


def test_what_is_renamed_without_a_note_or_differs_from_it_is_found(original: Experiment) -> None:
    documents = list(original.documents())
    (found,) = verify(rename(documents, "mine")).findings
    assert "is of experiment 'a', and nothing says that it was copied" in found.message
    (note,) = original.note("no event commits to this one", 2)
    copied = list(original.copy("b").documents())
    assert verify(copied).findings == ()
    fewer = [each for each in copied if (each.get("tid"), each["ver"]) != (2, note.ver)]
    (found,) = verify(fewer).findings
    assert "what was copied has another head than it says" in found.message


def test_signatures_are_copied_and_another_key_refuses_them_until_a_person_signs(mongo_store: Store) -> None:
    mongo_store.keys = Keys(base64.b64decode(new_key()))
    original = search(mongo_store, "a", 2)
    copy = original.copy("b")
    assert copy.set_aside_if_signed() == []
    copy.check_signatures()
    there = Store.in_memory()
    there.keys = Keys(base64.b64decode(new_key()))
    foreign = original.copy(store=there)
    assert len(foreign.set_aside_if_signed()) == len(original.events)
    foreign.sign()
    assert there.experiment("a").set_aside_if_signed() == []


@pytest.mark.parametrize("room", [-3000, -1700, -400, 0, 400, 100_000])
def test_an_event_of_any_size_is_copied_forked_and_carried_in_a_file(mongo_store: Store, room: int) -> None:
    def one(name: str, size: int) -> Experiment:
        experiment = begin(mongo_store, name)
        result = {"status": "ok", "loss": 1.0, "log": "x" * size}
        experiment.append(
            experiment.compose(
                (Queued, 0, {"point": {}, "params": {}}),
                (Reserved, 0, {"worker": "w", "host": "h", "attempt": 1}),
                (Running, 0, {"pid": 1, "python": "3", "hstore": "0"}),
                (Done, 0, {"result": result, "status": "ok", "loss": 1.0}),
            )
        )
        return experiment

    beside = len(bson.encode(to_document(one("measured", 0).chain(0)[-1]), codec_options=CODEC)) - len("measured") + 1
    original = one("o", SPILL_ABOVE - beside + room)  # 0: as large as an event can be without moving a part of it out
    stored = [*original.documents()][-1]
    assert ("spilled" in stored["data"]) is (room > 0)
    copy, fork = original.copy("ä" * 200), mongo_store.fork("o", "ö" * 200)
    again = copy.copy("ü" * 200)
    for each in (copy, fork, again):
        assert each.digest(0, 3) == original.digest(0, 3)
        assert findings(each) == []
    file = io.BytesIO()
    write_bundle(again, file, version="0")
    mongo_store.log.remove(again.name)
    assert import_bundle(mongo_store, file)[0].head == again.head
    assert findings(again) == []


@given(st.integers(0, 2**32))
@settings(max_examples=examples(8))
def test_any_history_is_copied_bit_for_bit(seed: int) -> None:
    rng = random.Random(seed)
    original = begin(Store.in_memory())
    for _ in range(30):
        pending = step(original, rng)
        try:
            original.append(original.compose(*pending))
        except InvalidEvent:
            continue
    copy = original.copy("other", force=True)
    assert findings(copy) == findings(original)
    assert {tid: trial.state for tid, trial in copy.state.trials.items()} == {
        tid: trial.state for tid, trial in original.state.trials.items()
    }
    seen, there = ([each for each in found.observed() if each[0] is not None] for found in (copy, original))
    assert sorted(seen) == sorted(there)


def test_a_search_in_memory_is_copied_into_a_mongodb(mongo_store: Store) -> None:
    trials = Trials()
    fmin(objective, SPACE, max_evals=3, trials=trials, rstate=np.random.default_rng(0), verbose=False)
    copy = trials.experiment.copy("kept", store=mongo_store)
    assert [trial.loss for trial in copy.trials] == trials.losses()
    assert findings(mongo_store.experiment("kept")) == []


def test_a_head_that_was_published_earlier_is_found_in_a_copy_and_in_what_was_imported(mongo_store: Store) -> None:
    published = search(mongo_store, "a", 3).head
    original = search(mongo_store, "a", 6)
    file = io.BytesIO()
    write_bundle(original, file, version="0")
    copy = original.copy("b")
    mongo_store.log.remove("a")
    for experiment in (copy, import_bundle(mongo_store, file)[0]):
        found = find_head(chains_of(experiment.documents()), published)
        assert found is not None
        assert found.decisions == 3
