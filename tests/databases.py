"""Databases for tests: emptied and handed out again, since to create the collections of a store costs 0.2 s of CPU."""

import contextlib
import re
import uuid
from collections import deque
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import bson
from pymongo.database import Database

from hstore import migrations
from hstore.store.events import CODEC
from hstore.store.url import connect, parse

AHEAD = 3
"""So many databases lie between two tests that get the same one: a process that a test killed may still write."""
LEFT_ALONE = frozenset({"schema", "wakeups", "system.views"})
"""Collections that hold more than what a test wrote."""


class Databases:
    """The databases that one process uses on the server at *uri*; a new one is made when those there are were hurt."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = connect(parse(uri)).client
        self._free: deque[tuple[str, bytes]] = deque()

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

    def _url(self, name: str) -> str:
        return re.sub(r"/hstore\?", f"/{name}?", self._uri)

    def _next(self) -> tuple[str, bytes]:
        while len(self._free) >= AHEAD:
            name, shape = self._free.popleft()
            database = self._client.get_database(name, CODEC)
            if _shape(database) == shape:
                _empty(database)
                return name, shape
            self._client.drop_database(name)
        database = self._client.get_database(f"test_{uuid.uuid4().hex}", CODEC)
        migrations.apply(database, by_version="test")
        return database.name, _shape(database)


def _shape(database: Database[dict[str, Any]]) -> bytes:
    """Return what no test may change in a database that others get: collections by UUID, options, indexes, schema."""
    parts = {
        "collections": sorted(database.list_collections(), key=itemgetter("name")),
        "indexes": list(database["events"].list_indexes()),
        "schema": list(database["schema"].find({}, {"store": 0}).sort("_id")),
    }
    return bson.encode(parts, codec_options=CODEC)  # the pipeline of a view holds nan, which equals nothing


def _empty(database: Database[dict[str, Any]]) -> None:
    """Remove what a test wrote, and make it another store than the one that the test knew."""
    for name in database.list_collection_names(filter={"type": "collection"}):
        if name not in LEFT_ALONE:
            database[name].delete_many({})
    database["schema"].update_one({"_id": 1}, {"$set": {"store": uuid.uuid4()}})
