"""What a store loses under a serial search in this process: what is put back, and what is noted of it."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from faults import acknowledged, broken
from faults.losses import Losses
from faults.recorder import Recorder, record, record_losses
from faults.world import World
from pymongo.database import Database

from hstore import fmin, hp
from hstore.engine.search.driver import Driver
from hstore.store.errors import HstoreError, StoreRewound
from hstore.store.gridfs_attachments import GridFSAttachments
from hstore.store.latest_events import LatestEvents
from hstore.store.mongo import MongoLog
from hstore.store.rewind_check import RewindCheck
from hstore.store.state import fold
from hstore.store.store import Store

REPLACED = (
    (MongoLog, "append"), (MongoLog, "_refuse_loss"), (GridFSAttachments, "put"), (GridFSAttachments, "_upload"),
    (GridFSAttachments, "_is_complete"), (LatestEvents, "read"), (LatestEvents, "appended"), (RewindCheck, "_lost"),
    (Driver, "finish"),
)  # fmt: skip
LARGE = 100_000


@pytest.fixture(autouse=True)
def whole_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo afterwards what a test has replaced in hstore."""
    for owner, name in REPLACED:
        monkeypatch.setattr(owner, name, getattr(owner, name))


def losses(store: Store) -> Losses:
    """Return what takes events of experiment "e" out of *store*."""
    return Losses(cast("World", SimpleNamespace(store=store, exp="e", broken_way=None)))


def search(store: Store, acks: Path, at: dict[int, Any]) -> None:
    """Search for 8 trials, and do what *at* says when so many objectives were called; note what is acknowledged."""
    recorder, calls = Recorder(acks, "driver-0"), 0
    record(recorder)
    record_losses(recorder)

    def objective(config: dict[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        at.get(calls, lambda: None)()
        return {"status": "ok", "loss": config["x"] ** 2, "content": bytes(LARGE if calls == 1 else 1)}

    space = {"x": hp.uniform("x", -1, 1)}
    rstate = np.random.default_rng(0)
    fmin(objective, space, algo="rand", max_evals=8, rstate=rstate, verbose=False, experiment="e", store=store.uri)


def found(store: Store, acks: Path, lost: Losses) -> set[str]:
    events = [*store.experiment("e").events] if store.experiments() else []
    noted = acknowledged.read(acks, "e")
    noted.answers.clear()
    kinds = {finding.kind for finding in acknowledged.compare(noted, events, fold("e", events), lost.declared)}
    sent = acknowledged.acknowledged_attachments(acks)
    return kinds | {f.kind for f in acknowledged.compare_attachments(sent, store.attachments.get, lost.declared)}


def rewind(lost: Losses, backup: list[Any]) -> None:
    lost._prepare(backup[0])
    lost._swap()
    lost._declare("a backup", 0.0, backup[0].kept("e"))


def empty(lost: Losses, database: Database[Any]) -> None:
    database.client.drop_database(database.name)
    lost._declare("emptied", 0.0, frozenset(), has_attachments=False)


def test_a_backup_that_is_put_back_is_noticed_and_all_that_it_loses_is_named(
    mongo_store: Store, tmp_path: Path
) -> None:
    lost, backup = losses(mongo_store), []
    with pytest.raises(StoreRewound):
        search(mongo_store, tmp_path, {4: lambda: backup.append(lost._take_backup()), 6: lambda: rewind(lost, backup)})
    assert found(mongo_store, tmp_path, lost) == set()
    assert {index["name"] for index in lost.database["events"].list_indexes()} > {"_id_"}
    assert len(acknowledged.read(tmp_path, "e").named) == 2 * 4


def test_an_emptied_database_is_noticed_and_all_that_was_in_it_is_named(
    mongo_store: Store, database: Database[Any], tmp_path: Path
) -> None:
    lost = losses(mongo_store)
    with pytest.raises(StoreRewound):
        search(mongo_store, tmp_path, {3: lambda: empty(lost, database)})
    assert found(mongo_store, tmp_path, lost) == set()


def test_a_program_that_notices_no_loss_is_found_out(mongo_store: Store, tmp_path: Path) -> None:
    broken.WAYS["rewind"].apply()
    lost, backup = losses(mongo_store), []
    with contextlib.suppress(HstoreError):
        search(mongo_store, tmp_path, {4: lambda: backup.append(lost._take_backup()), 6: lambda: rewind(lost, backup)})
    lost.database["events"].delete_many({"tid": {"$gte": 4}})  # what it wrote on top of what was lost
    assert "unnamed" in found(mongo_store, tmp_path, lost)


@pytest.mark.parametrize(("way", "kind"), [("unwritten", "missing"), ("attachment", "attachment")])
def test_what_is_acknowledged_and_not_kept_is_found_out(
    way: str, kind: str, mongo_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken, "NTH", 3)
    broken.WAYS[way].apply()
    with contextlib.suppress(HstoreError):
        search(mongo_store, tmp_path, {})
    assert kind in found(mongo_store, tmp_path, losses(mongo_store))
