"""Databases for tests: emptied and handed out again, since to create the collections of a store costs 0.2 s of CPU."""

import contextlib
import os
import re
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import bson
import psutil
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from hstore import migrations
from hstore.store.events import CODEC
from hstore.store.url import connect, parse

AHEAD = 3
"""So many databases lie between two tests that get the same one: a process that a test killed may still write."""
LEFT_ALONE = frozenset({"schema", "wakeups", "system.views"})
"""Collections that hold more than what a test wrote."""


MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that are enough for the databases of a run."""


@contextlib.contextmanager
def in_memory(home: Path) -> Iterator[Path]:
    """Yield a folder in memory for a server whose folder would be *home*, or that where there is no room.

    What a majority acknowledges is flushed first: on a disk that is a quarter of the CPU time of mongod, and most of
    what the tests wait for. The processes of a run have the same folder; the last one to leave removes it, and those
    of runs that were killed.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield home
        return
    place = MEMORY / f"hstore-tests{str(home).replace('/', '-')}"
    users = place / "users"
    users.mkdir(parents=True, exist_ok=True)
    mine = users / str(os.getpid())
    mine.touch()
    try:
        yield place / "home"
    finally:
        mine.unlink()
        for each in MEMORY.glob("hstore-tests-*"):
            if not any(psutil.pid_exists(int(user.name)) for user in each.glob("users/*")):
                _remove(each)


def _remove(folder: Path) -> None:
    """Remove *folder*, into which a mongod that is about to end may still write."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


class Databases:
    """The databases that one process uses on the server at *uri*; a new one is made when those there are were hurt."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = connect(parse(uri)).client
        self._free: deque[tuple[str, bytes]] = deque()
        self._written: dict[Callable[[str], object], tuple[uuid.UUID, dict[str, list[Any]]]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @contextlib.contextmanager
    def absent(self) -> Iterator[str]:
        """Yield the URL of a database that is not there yet; it is dropped afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        yield self._url(name)
        self._client.drop_database(name)

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the URL of a database with the collections of a current store and nothing in them."""
        name, shape = self._next()
        yield self._url(name)
        self._free.append((name, shape))

    def at(self, url: str) -> Database[dict[str, Any]]:
        """Return the database at *url*, one of those that were handed out."""
        return self._client.get_database(parse(url).database, CODEC)

    def fill(self, url: str, write: Callable[[str], object]) -> str:
        """Have *write* fill the empty store at *url*, or copy what it wrote for an earlier test; return *url*.

        The copy has the identity of the store that was written, as one that `mongorestore` brought back has.
        """
        database = self._client.get_database(
            parse(url).database, CodecOptions(document_class=RawBSONDocument), write_concern=WriteConcern(w=1)
        )
        schema = self.at(url)["schema"]  # with what a majority acknowledges there, all before is
        if write in self._written:
            identity, written = self._written[write]
            for name, documents in written.items():
                database[name].insert_many(documents)
            schema.update_one({"_id": 1}, {"$set": {"store": identity}})
        else:
            write(url)
            found = {name: list(database[name].find()) for name in _shape(self.at(url))[1]}
            identity = schema.find({"_id": 1})[0]["store"]
            self._written[write] = identity, {name: documents for name, documents in found.items() if documents}
        return url

    def _url(self, name: str) -> str:
        return re.sub(r"/hstore\?", f"/{name}?", self._uri)

    def _next(self) -> tuple[str, bytes]:
        while len(self._free) >= AHEAD:
            name, shape = self._free.popleft()
            database = self._client.get_database(name, CODEC)
            now, names = _shape(database)
            if now == shape:
                _empty(database, names)
                return name, shape
            self._client.drop_database(name)
        database = self._client.get_database(f"test_{uuid.uuid4().hex}", CODEC)
        migrations.apply(database, by_version="test")
        return database.name, _shape(database)[0]


def _shape(database: Database[dict[str, Any]]) -> tuple[bytes, list[str]]:
    """Return what no test may change in a database that others get: collections by UUID, options, indexes, schema.

    And the names of the collections that tests write to.
    """
    collections = sorted(database.list_collections(), key=itemgetter("name"))
    parts = {
        "collections": collections,
        "indexes": list(database["events"].list_indexes()),
        "schema": list(database["schema"].find({}, {"store": 0}).sort("_id")),
    }
    names = [each["name"] for each in collections if each["type"] == "collection" and each["name"] not in LEFT_ALONE]
    # As bytes, for the pipeline of a view holds nan, which equals nothing.
    return bson.encode(parts, codec_options=CODEC), names


def _empty(database: Database[dict[str, Any]], names: list[str]) -> None:
    """Remove what a test wrote to the collections *names*, and make it another store than the test knew."""

    def look(name: str) -> list[dict[str, Any]]:
        return [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}]

    first, *others = names
    beside = [{"$unionWith": {"coll": name, "pipeline": look(name)}} for name in others]
    filled = database.get_collection(first, read_concern=ReadConcern("local")).aggregate([*look(first), *beside])
    for each in list(filled):
        database.get_collection(each["name"], write_concern=WriteConcern(w=1)).delete_many({})
    schema = database.get_collection("schema", write_concern=WriteConcern("majority"))  # and with it all before
    schema.update_one({"_id": 1}, {"$set": {"store": uuid.uuid4()}})
