"""The roles of docs/roles.md are enough for what they are for, on a MongoDB with access control, and for no more."""

import json
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure
from tests.waiting import GENEROUS, until

import hstore
from hstore import fmin, hp, rand
from hstore.migrations import m0001_create_collections as m0001
from hstore.store.claims import Claims
from hstore.store.errors import NotFound, StoreUnreachable
from hstore.store.retry import RetryPolicy
from hstore.store.server import find_mongod
from hstore.store.store import Store
from hstore.store.verify import verify

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
USERS = {"owner": ["readWrite", "dbAdmin"], "worker": ["hstoreWorker"], "reader": ["hstoreReader"]}
COLLECTIONS = [*m0001.INDEXES, "workers", "wakeups", "schema", "jobs", "results"]
Url = Callable[[str], str]
Documents = dict[str, Any]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Url]:
    """The URL, by user, of a store that its owner has opened once: a replica set of one, with access control."""
    folder = tmp_path_factory.mktemp("auth")
    key, member = folder / "key", "./mongod.sock"
    key.write_text("between members of the replica set")
    key.chmod(0o600)
    options = ["--dbpath", ".", "--logpath", "log", "--bind_ip", member, "--nounixsocket"]
    process = subprocess.Popen([find_mongod(), *options, "--replSet", "lab", "--keyFile", key], cwd=folder)
    place, end = urllib.parse.quote_plus(str(folder / "mongod.sock")), "?directConnection=true"
    try:
        with pymongo.MongoClient[Documents](f"mongodb://{place}/{end}", serverSelectionTimeoutMS=30_000) as client:
            client.admin.command("replSetInitiate", {"_id": "lab", "members": [{"_id": 0, "host": member}]})
            until(lambda: client.admin.command("hello")["isWritablePrimary"])
            client.admin.command("createUser", "root", pwd="x", roles=["root"])
        with pymongo.MongoClient[Documents](f"mongodb://root:x@{place}/{end}") as client:
            for command in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL):
                client["lab"].command(json.loads(command))
            for user, roles in USERS.items():
                client["lab"].command("createUser", user, pwd="x", roles=roles)
        hstore.open(f"mongodb://owner:x@{place}/lab{end}").close()
        yield lambda user: f"mongodb://{user}:x@{place}/lab{end}"
    finally:
        process.terminate()
        process.wait(GENEROUS)


def search(url: str, max_evals: int) -> None:
    fmin(
        lambda config: {"status": "ok", "loss": config["x"], "attachments": {"note": "kept"}},
        {"x": hp.uniform("x", 0, 1)},
        algo=rand.suggest,
        max_evals=max_evals,
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment="e",
        store=url,
    )


def rebuild(url: str) -> None:
    with hstore.open(url) as store:
        assert store.models is not None
        store.models.rebuild(store.experiment("e").state)


def claims(store: Store) -> Claims:
    assert store.database is not None
    return Claims(store.database, RetryPolicy("here", seconds=10))


def test_a_worker_can_search_and_go_on_and_a_reader_can_check_it(url: Url) -> None:
    search(url("worker"), 2)
    search(url("worker"), 4)
    with hstore.open(url("reader")) as store:
        found = store.experiment("e")
        assert [trial.state for trial in found.trials] == ["done"] * 4
        assert verify(found.documents()).findings == ()
        assert store.attachments.get(found.trials[0].attachments["note"]["sha256"])
        assert found.wait(0.01) is False


def test_a_worker_can_come_claim_and_go_and_a_reader_sees_it(url: Url) -> None:
    with hstore.open(url("worker")) as store, hstore.open(url("reader")) as seen:
        claims(store).announce("w", "session", 60, {"experiments": ["e"]})
        assert claims(store).take_ticket("session", ["nothing there"], seconds=1) is None
        claims(store).extend("session", {("e", 0): 1}, seconds=60)
        assert [worker["_id"] for worker in claims(seen).workers("e")] == ["w"]
        assert claims(seen).held(["e"]) == []
        claims(store).leave("w", "session")
        assert claims(seen).workers("e") == []


def test_a_worker_is_told_of_news_and_need_not_ask(url: Url) -> None:
    search(url("worker"), 1)
    with hstore.open(url("worker")) as store:
        news = claims(store).wakeups()
        assert not news.wait(5.0)  # begins to listen
        assert not news.wait(5.0)
        search(url("worker"), len(store.experiment("e").trials) + 1)
        assert news.wait(5.0)
        news.close()


def test_only_the_owner_rebuilds(url: Url) -> None:
    search(url("worker"), 1)
    for user in ("worker", "reader"):
        with pytest.raises(StoreUnreachable, match="not authorized"):
            rebuild(url(user))
    rebuild(url("owner"))


def test_the_page_names_every_collection_of_a_store_in_each_role(url: Url) -> None:
    with hstore.open(url("owner")) as store:
        assert store.database is not None
        assert sorted(store.database.list_collection_names()) == sorted([*COLLECTIONS, "system.views"])
    for command in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL):
        named = {privilege["resource"]["collection"] for privilege in json.loads(command)["privileges"]}
        assert named - {""} == {*COLLECTIONS, "removed"}  # which the first `hstore rm` makes


def test_only_the_owner_removes_an_experiment_and_the_others_are_told(url: Url) -> None:
    search(url("worker"), 1)
    for user in ("worker", "reader"):
        with hstore.open(url(user)) as store, pytest.raises(StoreUnreachable, match="not authorized"):
            store.remove("e")
    with hstore.open(url("owner")) as store:
        assert store.remove("e", person="ann").events > 0
    for user in ("worker", "reader"):
        with hstore.open(url(user)) as store, pytest.raises(NotFound, match="by ann"):
            store.experiment("e")
    with hstore.open(url("owner")) as store:
        assert store.database is not None
        store.database.drop_collection("removed")


@pytest.mark.parametrize("user", ["worker", "reader"])
@pytest.mark.parametrize(
    "act",
    [
        lambda db: db["events"].update_one({}, {"$set": {"by": "me"}}),
        lambda db: db["events"].delete_one({}),
        lambda db: db["events"].drop(),
        lambda db: db["events"].insert_one({"_id": 1}, bypass_document_validation=True),
        lambda db: db.command("collMod", "events", validator={}),
        lambda db: db["attachments.chunks"].update_one({}, {"$set": {"data": b""}}),
        lambda db: db["attachments.files"].delete_one({}),
        lambda db: db["trials"].delete_one({}),
        lambda db: db["trials"].create_index("loss"),
        lambda db: db["schema"].insert_one({"_id": 99}),
    ],
    ids=["update", "delete", "drop", "bypass", "validator", "chunk", "file", "trial", "index", "schema"],
)
def test_nobody_but_the_owner_can_touch_what_is_there(
    act: Callable[[Database[Documents]], object], user: str, url: Url
) -> None:
    refused = pytest.raises(OperationFailure, match="not authorized")
    with pymongo.MongoClient[Documents](url(user)) as client, refused:
        act(client["lab"])


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_reader_writes_nothing(collection: str, url: Url) -> None:
    refused = pytest.raises(OperationFailure, match="not authorized")
    with pymongo.MongoClient[Documents](url("reader")) as client, refused:
        client["lab"][collection].insert_one({})
