"""A search in one file: it comes back bit for bit, and what was changed in it is found."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tracemalloc
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from histories import begin
from pymongo.database import Database

from hstore import Trials, fmin, hp, rand
from hstore.engine.audit.replay import derive_again
from hstore.engine.evaluation import attempt
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.store.bundle import LARGE as LARGE_BLOB
from hstore.store.bundle import BundleLog, _split, open_bundle, write_bundle
from hstore.store.bundle_import import import_bundle
from hstore.store.errors import Conflict, InvalidEvent, InvalidValue, VerificationFailed
from hstore.store.events import CODEC, Done, Queued, Requeued
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.store.verify import verify

LARGE = "x" * 100_000


@pytest.fixture
def searched(trials: Trials) -> Experiment:
    """Four trials with the losses 0, 1, 2, 3, one of them amended; an attachment, and a result that is moved out."""
    losses = iter(range(4))

    def objective(config: dict[str, Any], ctrl: Any) -> dict[str, Any]:
        loss = next(losses)
        if loss == 1:
            ctrl.attachments["model"] = b"\x00weights"
        return {"status": "ok", "loss": float(loss), **({"large": LARGE} if loss == 2 else {})}

    fmin(objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, 4, trials=trials, rstate=0, verbose=False)
    found: Experiment = trials.experiment
    found.amend(3, loss=-1.0, reason="r")
    return found


def written(experiment: Experiment) -> bytes:
    file = io.BytesIO()
    write_bundle(experiment, file, version="0")
    return file.getvalue()


def changed(content: bytes, name: str, change: Any) -> io.BytesIO:
    """Return the bundle *content* with what *change* makes of the entry *name*."""
    file, old = io.BytesIO(), zipfile.ZipFile(io.BytesIO(content))
    with zipfile.ZipFile(file, "w") as new:
        for each in old.namelist():
            new.writestr(each, change(old.read(each)) if each == name else old.read(each))
    return file


def test_a_bundle_is_read_verified_and_replayed_without_a_mongodb_and_written_again_bit_for_bit(
    searched: Experiment,
) -> None:
    content = written(searched)
    store, name = open_bundle(io.BytesIO(content))
    found = store.experiment(name)
    assert [trial.loss for trial in found.trials] == [0.0, 1.0, 2.0, -1.0]
    assert found.trials[3].returned is not None
    assert found.trials[2].result is not None
    assert found.trials[2].result["large"] == LARGE
    assert store.attachments.get(found.trials[1].attachments["model"]["sha256"]) == b"\x00weights"
    report = verify(store.log.documents(name))
    assert (report.findings, report.decisions) == ((), 4)
    assert derive_again(found).is_same
    assert found.digest(3, 0) == searched.digest(3, 0)
    assert written(found) == content


def test_an_imported_bundle_is_the_same_search_and_importing_it_again_adds_nothing(
    searched: Experiment, mongo_store: Store
) -> None:
    other = Store.in_memory() if searched.store.is_durable else mongo_store
    content = written(searched)
    experiment, new = import_bundle(other, io.BytesIO(content))
    assert (new, experiment.state.events) == (searched.state.events, searched.state.events)
    for tid in (None, *searched.state.trials):
        last = len(searched.chain(tid)) - 1
        assert experiment.digest(tid, last) == searched.digest(tid, last)
    assert import_bundle(other, io.BytesIO(content))[1] == 0
    searched.note("more")
    assert import_bundle(other, io.BytesIO(written(searched)))[1] == 1


def test_a_bundle_of_another_search_of_that_name_is_refused() -> None:
    stores = [Store.in_memory(), Store.in_memory()]
    for store in stores:
        trials = Trials()
        fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 1, trials=trials, rstate=0, verbose=False)
        import_bundle(store, io.BytesIO(written(trials.experiment)))
    content = written(stores[0].experiment(stores[0].experiments()[0]))
    with pytest.raises(Conflict):
        import_bundle(stores[1], io.BytesIO(content))


def test_what_was_changed_in_a_bundle_is_found(searched: Experiment) -> None:
    content = written(searched)

    def cheat(raw: bytes) -> bytes:
        documents = bson.decode_all(raw, CODEC)
        (end,) = [each for each in documents if each.get("tid") == 0 and each["type"] == "done"]
        end["data"]["loss"] = -9.0
        return b"".join(bson.encode(each, codec_options=CODEC) for each in documents)

    store, name = open_bundle(changed(content, "events.bson", cheat))
    found = [(finding.tid, finding.kind) for finding in verify(store.log.documents(name)).findings]
    assert (0, "changed") in found, found

    def drop(raw: bytes) -> bytes:
        documents = bson.decode_all(raw, CODEC)
        return b"".join(bson.encode(each, codec_options=CODEC) for each in documents if each.get("ver") != 2)

    store, name = open_bundle(changed(content, "events.bson", drop))
    assert verify(store.log.documents(name)).findings
    assert store.log.look(name).aside
    with pytest.raises(InvalidEvent, match="nothing can be added to a file"):
        store.log.append([])


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, searched: Experiment) -> None:
    (tmp_path / "text.hstore").write_text("no zip")
    with pytest.raises(InvalidValue, match="no file of `hstore export -o`"):
        open_bundle(tmp_path / "text.hstore")
    newer = changed(written(searched), "manifest.json", lambda raw: json.dumps({**json.loads(raw), "version": 2}))
    with pytest.raises(InvalidValue, match="not known here"):
        open_bundle(newer)
    with pytest.raises(InvalidValue, match="cut off"):
        open_bundle(changed(written(searched), "events.bson", lambda raw: raw[:-1]))


def test_a_zip_that_cannot_be_unpacked_or_holds_other_things_is_one_clear_line(searched: Experiment) -> None:
    whole = written(searched)
    for local, central, value in ((6, 8, 1), (8, 10, 99), (6, 8, 0x20)):  # encrypted, packed in an unknown way, patched
        broken = bytearray(whole)
        for mark, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
            at = -1
            while (at := broken.find(mark, at + 1)) >= 0:
                broken[at + offset] = value
        with pytest.raises(InvalidValue, match="no file of `hstore export -o`"):
            open_bundle(io.BytesIO(bytes(broken)))
    with pytest.raises(InvalidValue, match="recursion"):
        open_bundle(changed(whole, "manifest.json", lambda raw: b"[" * 100_000))
    other = changed(whole, "manifest.json", lambda raw: raw)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("blobs/../../evil", b"x")
    assert import_bundle(Store.in_memory(), other)[1] == len(searched.events)
    junk = changed(whole, "events.bson", lambda raw: raw + b"\x0c\0\0\0junkjunk")
    store, name = open_bundle(junk)
    found = verify(store.experiment(name).documents()).findings
    assert "event None of trial None has no place in it" in [finding.message for finding in found]
    with pytest.raises(InvalidEvent, match="part of no chain"):
        import_bundle(Store.in_memory(), junk)


def test_a_long_search_is_written_and_read_an_event_at_a_time(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trials = MongoTrials(mongo_store, exp_key="long")
    trials.asynchronous = False
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 1, trials=trials, rstate=0, verbose=False)
    created, decision = (next(iter(mongo_store.log.chain_documents("long", tid))) for tid in (None, 0))
    large, n = 20_000, 150

    def documents(_: str) -> Iterator[dict[str, Any]]:
        yield created
        for tid in range(n):
            data = decision["data"] | {"point": {"x": 0.5}, "params": {"x": bytes([tid % 256]) * large}}
            yield decision | {"tid": tid, "_id": uuid.uuid4(), "data": data}

    monkeypatch.setattr(mongo_store.log, "documents", documents)
    file = tmp_path / "long.hstore"
    tracemalloc.start()
    assert write_bundle(mongo_store.experiment("long", only=()), file, version="0")["decisions"] == n
    written_with = tracemalloc.get_traced_memory()[1]
    store, _ = open_bundle(file)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert isinstance(store.log, BundleLog)
    assert sum(event is not None for event in store.log.stream()) == n + 1
    read_with = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert max(written_with, read_with) < n * large / 3


@pytest.mark.parametrize("hurt", [{"v": 7}, {"data.loss": "low"}, {"data.result": b"\xff"}])
def test_what_is_quarantined_is_carried_along_and_stays_so(
    mongo_store: Store, database: Database[Any], hurt: dict[str, Any]
) -> None:
    experiment = begin(mongo_store, "q")
    for tid in range(2):
        decided = {"point": {"x": 0.5}, "params": {"x": 0.5}, "observed": experiment.observed()}
        experiment.append(experiment.compose((Queued, tid, decided), attempt.claim(tid, attempts=0, worker="w")))
    end = {"result": {"status": "ok", "loss": 0.5}, "status": "ok", "loss": 0.5}
    experiment.append(experiment.compose(attempt.begin(1, pid=1, objective=None), (Done, 1, end)))
    events = database["events"]
    last = events.find_one({"exp": "q", "tid": 1, "type": "done"})
    assert last is not None
    events.update_one({"_id": last["_id"]}, {"$set": hurt}, bypass_document_validation=True)
    events.insert_one({**last, "_id": uuid.uuid4(), "ver": 99})  # a stray
    events.insert_one({**last, "_id": "text", "tid": "none"}, bypass_document_validation=True)  # which no store takes
    experiment = mongo_store.experiment("q")
    assert experiment.quarantine("w", unreadable=True) is not None
    experiment.append(experiment.compose((Requeued, 1, {"why": "again"})))
    head, file = experiment.head, written(experiment)
    mongo_store.log.remove("q")
    again, new = import_bundle(mongo_store, io.BytesIO(file))
    assert (again.head, new, events.count_documents({"exp": "q"})) == (head, again.state.events, new + 1)
    assert verify(again.documents(), fetch=mongo_store.attachments.get).findings == ()
    assert again.set_aside == []
    assert import_bundle(mongo_store, io.BytesIO(file))[1] == 0
    assert again.trials[1].state == "queued"
    there = Store.in_memory()
    assert import_bundle(there, io.BytesIO(file))[0].head == head
    for made in (again.copy("copy", force=True), mongo_store.fork("q", "fork")):
        assert made.digest(1, 4) == again.digest(1, 4)
        assert verify(made.documents(), fetch=mongo_store.attachments.get).findings == ()


def test_a_file_in_which_an_event_was_changed_is_not_imported(searched: Experiment) -> None:
    def change(events: bytes) -> bytes:
        documents = bson.decode_all(events, CODEC)
        next(each for each in documents if each["type"] == "done")["data"]["loss"] = -9.0
        return b"".join(bson.encode(each, codec_options=CODEC) for each in documents)

    there = Store.in_memory()
    with pytest.raises(VerificationFailed, match="is not imported: event 3 of trial 0 was changed"):
        import_bundle(there, changed(written(searched), "events.bson", change))
    assert there.experiments() == []


def test_the_order_of_the_events_in_a_file_means_nothing(searched: Experiment) -> None:
    content = written(searched)
    raws = [*_split(io.BytesIO(zipfile.ZipFile(io.BytesIO(content)).read("events.bson")))]
    own_last = [raw for raw in raws if b"\x10tid\0" in raw] + [raw for raw in raws if b"\x10tid\0" not in raw]
    for order in (own_last, raws[::-1], random.Random(0).sample(raws, len(raws))):
        assert order != raws
        file = changed(content, "events.bson", lambda _, order=order: b"".join(order))
        store, name = open_bundle(file)
        assert verify(store.log.documents(name)).findings == ()
        assert (store.experiment(name).head, written(store.experiment(name))) == (searched.head, content)
        assert import_bundle(Store.in_memory(), file)[1] == searched.state.events


def test_a_file_that_unpacks_to_far_more_than_it_is_takes_little_memory(searched: Experiment) -> None:
    content = written(searched)
    sha256 = searched.trials[1].attachments["model"]["sha256"]
    bomb = changed(content, f"blobs/{sha256.hex()}", lambda _: bytes(3 * LARGE_BLOB))
    with pytest.raises(InvalidValue, match="more bytes than a document may have"):
        open_bundle(changed(content, "events.bson", lambda raw: raw + struct.pack("<i", 2**30) + b"\0"))
    tracemalloc.start()
    with pytest.raises(VerificationFailed):
        open_bundle(bomb)[0].attachments.get(sha256)
    assert tracemalloc.get_traced_memory()[1] < LARGE_BLOB
    tracemalloc.stop()


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hstore")
    for file in (tmp_path / "pipe.hstore", tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidValue, match="is no plain file"):
            open_bundle(file)
