"""Events that can be part of no chain: they are set aside and named, and quarantined they count for nothing."""

from __future__ import annotations

import copy
import datetime as dt
import math
import uuid
from collections.abc import Callable
from typing import Any

import bson
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from tests.cli.commands import run
from tests.drawing import examples

from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import ClosedChain, HstoreError, VerificationFailed
from hstore.store.event_documents import from_document, place, quarantined
from hstore.store.events import CODEC, Noted, Queued, Unreadable
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", -1, 1)}
READERS = ("show", "status", "log", "verify", "check", "replay", "rebuild")


def search(url: str, n: int = 3, name: str = "e") -> Any:
    return fmin(
        lambda config: config["x"] ** 2, SPACE, algo=rand.suggest, max_evals=n, rstate=np.random.default_rng(0),
        verbose=False, experiment=name, store=url,
    )  # fmt: skip


def stray(tid: Any, ver: Any, **more: Any) -> dict[str, Any]:
    """Return a note that a worker's role may insert, in any place."""
    document = {
        "_id": uuid.uuid4(), "exp": "e", "ver": ver, "type": "noted", "v": 1, "at": dt.datetime.now(dt.UTC),
        "by": "somewhere:1:x", "ts": bson.Timestamp(0, 0), "data": {"text": "x"},
    }  # fmt: skip
    return document | ({} if tid is None else {"tid": tid}) | more


def decision(tid: int) -> dict[str, Any]:
    data = {"point": {"x": 0.5}, "params": {"x": 0.5}, "source": "suggested", "observed": []}
    return stray(tid, 0, type="queued", data=data)


def insert(database: Database[Any], *documents: dict[str, Any]) -> None:
    database["events"].with_options(codec_options=CODEC).insert_many(documents, bypass_document_validation=True)


STRAYS = [
    pytest.param(lambda: stray(1, 99), "event 99 of trial 1", id="far beyond the end of a trial"),
    pytest.param(lambda: stray(None, 99), "event 99 of", id="far beyond the end of its own chain"),
    pytest.param(lambda: decision(1_000_000), "event 0 of trial 1000000", id="far beyond the last trial"),
    pytest.param(lambda: decision(4), "event 0 of trial 4", id="just beyond the next trial"),
    pytest.param(lambda: stray(3, 1), "event 1 of trial 3", id="of a trial that is not there"),
    pytest.param(lambda: stray(1.5, 1), "event 1 of trial 1.5", id="a number that is none"),
    pytest.param(lambda: stray(-1, 1), "event 1 of trial -1", id="a negative number"),
    pytest.param(lambda: stray([["x"]], {"a": 1}), "of trial [['x']]", id="places that are no numbers"),
]


@pytest.mark.parametrize(("make", "said"), STRAYS)
def test_a_stray_event_is_named_and_once_quarantined_the_experiment_goes_on(
    make: Callable[[], dict[str, Any]], said: str, mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_url)
    insert(database, make())
    experiment = mongo_store.experiment("e")
    assert said in " ".join(map(str, experiment.set_aside))
    assert len(experiment.trials) == 3
    assert verify(experiment.documents()).findings
    assert experiment.quarantine("a stray") is not None
    assert mongo_store.experiment("e").set_aside == []
    search(mongo_url, n=6)
    experiment = mongo_store.experiment("e")
    assert experiment.state.counts["done"] >= 5
    assert verify(experiment.documents()).findings == ()
    assert verify(experiment.documents()).head == experiment.head
    assert derive_again(experiment).is_same
    assert experiment.quarantine("nothing is left") is None


def test_every_command_reads_an_experiment_with_strays_and_names_them(mongo_url: str, database: Database[Any]) -> None:
    search(mongo_url)
    for parameters in STRAYS:
        make: Any = parameters.values[0]
        insert(database, make())
    results = {command: run(mongo_url, command, "e") for command in READERS}
    assert {name for name, result in results.items() if result.exit_code} == {"verify", "check"}
    for command in ("show", "status"):
        assert "set aside: event" in results[command].output
    named = run(mongo_url, "quarantine", "e", "--why", "strays")
    assert (named.exit_code, "8 events quarantined" in named.output) == (0, True)
    for command in READERS:
        again = run(mongo_url, command, "e")
        assert (again.exit_code, "set aside" in again.output) == (0, False), again.output


def test_nothing_follows_in_a_chain_of_which_events_are_set_aside(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_url)
    insert(database, stray(1, 99))
    experiment = mongo_store.experiment("e")
    with pytest.raises(ClosedChain, match="trial 1 of 'e' cannot go on: event 99 of trial 1") as caught:
        experiment.compose((Noted, 1, {"note": "x"}))
    assert "hstore quarantine e" in caught.value.hint
    experiment.append(experiment.compose((Noted, 2, {"note": "x"})))
    insert(database, decision(7))
    experiment.refresh()
    with pytest.raises(ClosedChain, match="event 0 of trial 7 is there without event 0 of trial 3"):
        experiment.compose((Queued, 3, {"point": {"x": 0.0}, "params": {"x": 0.0}}))


def test_a_chain_steps_over_a_quarantined_event_in_its_way(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_url)
    insert(database, stray(1, 5), stray(None, 4))
    experiment = mongo_store.experiment("e")
    assert experiment.quarantine("strays") is not None
    for n in range(4):
        for chain in (1, None):
            experiment.append_decided(
                lambda chain=chain, n=n: (
                    []  # type: ignore[misc]
                    if any(isinstance(e, Noted) and e.note == str(n) for e in experiment.chain(chain))
                    else [(Noted, chain, {"note": str(n)})]
                )
            )
    again = mongo_store.experiment("e")
    for chain, ver in ((1, 5), (None, 4)):
        assert [event.ver for event in again.chain(chain)] == list(range(len(again.chain(chain))))
        gone = again.chain(chain)[ver]
        assert isinstance(gone, Unreadable)
        assert gone.is_quarantined
    assert again.state.trials[1].closed_by is None
    assert [note.note for note in again.state.trials[1].notes] == ["0", "1", "2", "3"]
    assert verify(again.documents()).findings == ()
    assert check(mongo_store, "e") == []


def test_a_gap_that_is_filled_takes_back_what_was_set_aside(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_url)
    database["events"].delete_one({"type": "finished"})  # which observed how trial 2 ended
    lost = database["events"].find_one_and_delete({"tid": 2, "ver": 2})
    reader = Experiment(mongo_store, "e", only=[2])
    reader.refresh()
    assert [each.ver for each in reader.set_aside] == [3]
    assert lost is not None
    database["events"].insert_one(lost, bypass_document_validation=True)
    reader.refresh()
    assert reader.set_aside == []
    assert reader.state.trials[2].state == "done"


@pytest.mark.parametrize(("tid", "is_built_on"), [(1, True), (2, False)])
def test_what_is_behind_a_gap_is_not_lost_in_silence_by_a_new_process(
    tid: int, is_built_on: bool, mongo_url: str, database: Database[Any], messages: list[str]
) -> None:
    search(mongo_url)
    database["events"].delete_many({"type": "finished"})  # so that no event builds on the end of the last trial
    database["events"].delete_one({"tid": tid, "ver": 1})
    if is_built_on:
        with pytest.raises(VerificationFailed, match=f"event 1 of trial {tid} is missing from the log"):
            search(mongo_url, n=5)
    else:
        search(mongo_url, n=5)
        said = " ".join(messages)
        assert f"trial {tid} is left as it is: event 2 of trial {tid} is there without event 1" in said
    assert database["events"].count_documents({"tid": tid}) == 3


def test_what_is_set_aside_is_no_news(mongo_url: str, mongo_store: Store, database: Database[Any]) -> None:
    search(mongo_url)
    experiment = mongo_store.experiment("e")
    insert(database, stray(None, 50), decision(9))
    assert experiment.wait(0.0 if experiment.refresh() else 0.01) is False
    assert len(experiment.set_aside) == 2


def test_an_end_that_nobody_can_read_is_given_up_when_a_person_says_so(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_url)
    ends = database["events"].find_one({"tid": 1, "type": "done"})
    assert ends is not None
    insert(database, stray(1, 4, data={"note": 5}), stray(None, 2, type="vanished"))
    reader = mongo_store.experiment("e")
    assert reader.state.closed_by is not None
    assert run(mongo_url, "quarantine", "e").output.strip() == "e: nothing is set aside"
    assert "2 events quarantined" in run(mongo_url, "quarantine", "e", "--unreadable").output
    reader.refresh()  # it has read them before they were quarantined
    for experiment in (reader, mongo_store.experiment("e")):
        assert experiment.state.closed_by is None
        assert experiment.state.why_closed(1) is None
        experiment.compose((Noted, 1, {"note": "goes on"}), (Noted, None, {"note": "likewise"}))


def test_a_decision_without_an_algorithm_is_not_made_again(mongo_url: str, mongo_store: Store) -> None:
    search(mongo_url)
    experiment = mongo_store.experiment("e")
    point = {"x": 0.5}
    data = {"point": point, "params": point, "source": "suggested", "observed": experiment.observed()}
    experiment.append(experiment.compose((Queued, 3, data)))
    assert derive_again(experiment).skipped == ((3, "given by someone else"),)
    assert "not recomputed: trial 3, given by someone else" in run(mongo_url, "replay", "e").output
    assert not any(finding.kind == "replay" for finding in check(mongo_store, "e"))


# -- any document at all --------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5).filter(
        lambda text: "\0" not in text) | st.binary(max_size=4) | st.just(dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
GOOD: list[dict[str, Any]] = [
    stray(0, 1), decision(0),
    stray(0, 3, type="done", data={"result": {"status": "ok"}, "status": "ok", "loss": 1.0}),
    stray(0, 1, type="reserved", data={"worker": "w", "host": "h", "attempt": 1}),
    stray(0, 3, type="reported", data={"attachment": {"name": "a", "sha256": b"x" * 32, "length": 1}}),
    stray(None, 0, type="created", data={name: {} for name in (
        "space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")}),
    stray(None, 2, type="quarantined", data={"why": "x", "events": [[0, 1, b"id", b"digest"]]}),
    stray(0, 3, type="done", data={"spilled": {"result": {"sha256": b"x" * 32, "length": 3}}}),
]  # fmt: skip


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_document_in_a_place_becomes_an_event_with_a_digest(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 3))):
        within = document["data"] if isinstance(document.get("data"), dict) and data.draw(st.booleans()) else document
        name = data.draw(st.sampled_from([*within, "another"]))
        if name in ("_id", "exp"):
            continue
        if data.draw(st.booleans()):
            within.pop(name, None)
        else:
            within[name] = data.draw(ANYTHING)
    stored = bson.decode(bson.encode(document, codec_options=CODEC), codec_options=CODEC)
    if place(stored) is None:
        return

    def fetch(sha256: bytes) -> bytes:
        raise HstoreError("gone") if sha256 == b"no" else KeyError(sha256)

    event = from_document(stored, fetch)
    store = Store.in_memory()
    experiment = Experiment(store, "e")
    experiment._take([event])
    tid = event.tid
    own = experiment.digest(tid, 0)
    experiment._chains[tid] = [quarantined(event)]
    experiment._digests.clear()
    assert experiment.digest(tid, 0) == own
    assert not math.isnan(len(verify([stored]).findings))
