"""hyperopt's stores: its jobs and attachments in a MongoDB, as its drivers and workers left them. Only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from hstore.engine.hyperopt.importing.jobs import Job
from hstore.store.errors import InvalidValue, NotFound, StoreUnreachable
from hstore.store.events import Document

T = TypeVar("T")

OUTLINE = ("tid", "exp_key", "state", "misc.tid", "misc.vals", "result.status", "_attachments")
BATCH = 50
"""Documents that are asked for at once: they may be large."""
OF_A_TRIAL = re.compile(r"[0-9a-f]{24}_")
"""Begins the names of files that belong to a job: its `_id`."""


class HyperoptStore:
    """The jobs of the collection that a URL names, `jobs` unless it says another, and the files of `fs`; see `Source`.

    timeout: seconds that its server may take to answer. Raises `BadUrl`, `StoreUnreachable`, and `NotFound` if there
    is no such collection.
    """

    default_name = "default"

    def __init__(self, url: str, *, timeout: float) -> None:
        from gridfs import GridFS

        from hstore.store.retry import RetryPolicy
        from hstore.store.url import connect, parse

        place = parse(url)
        self.shown = place.shown
        self._retrying = RetryPolicy(place.shown, seconds=timeout)
        self._database = connect(place)
        self._jobs = self._database[_collection(url)]
        try:
            kinds = self._ask(lambda: {each["name"]: each.get("type") for each in self._database.list_collections()})
            if kinds.get(self._jobs.name) == "view":
                raise InvalidValue(
                    f"{self._jobs.name!r} in {self.shown} is a view, such as hstore has of its own trials",
                    hint="what is an experiment already needs no import",
                )
            if self._jobs.name not in kinds:
                there = ", ".join(sorted(kinds)[:10])
                raise NotFound(
                    f"there is no collection {self._jobs.name!r} in {self.shown}",
                    hint=f"there are {there}" if there else "the database is empty",
                )
        except BaseException:
            self.close()
            raise
        self._files = self._database["fs.files"]
        self._gridfs = GridFS(self._database, "fs")

    def outlines(self) -> Iterator[Document]:
        """See `Source.outlines`."""
        projection = dict.fromkeys(OUTLINE, 1)
        yield from self._ask(lambda: list(self._jobs.find({}, projection)))

    def documents(self, outlines: Sequence[Document]) -> list[Document]:
        """See `Source.documents`; jobs that were removed meanwhile are left out."""
        ids = [outline["_id"] for outline in outlines]
        found: dict[str, Document] = {}
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            jobs = self._ask(lambda some=some: list(self._jobs.find({"_id": {"$in": some}})))  # type: ignore[misc]
            found |= {repr(job["_id"]): job for job in jobs}
        return [found[repr(id)] for id in ids if repr(id) in found]

    def attachments(self, job: Job) -> Iterator[tuple[str, bytes | None]]:
        """See `Source.attachments`."""
        for name, file in job.attachments:
            yield name, self._content(file)

    def shared(self, exp_key: str | None) -> Iterator[tuple[str, bytes | None]]:
        """See `Source.shared`."""
        query = {"exp_key": exp_key, "filename": {"$not": OF_A_TRIAL}}
        latest = self._ask(lambda: list(self._files.find(query, sort=[("uploadDate", 1)])))
        for name, file in {str(file["filename"]): file["_id"] for file in latest if "filename" in file}.items():
            yield name, self._content(file)

    def _content(self, file: Any) -> bytes | None:
        from gridfs.errors import CorruptGridFile, NoFile

        def read() -> bytes | None:
            try:
                return self._gridfs.get(file).read()
            except (NoFile, CorruptGridFile):
                return None

        return self._ask(read)

    def _ask(self, what: Callable[[], T]) -> T:
        from bson.errors import BSONError
        from pymongo.errors import PyMongoError

        try:
            return self._retrying(what)
        except BSONError as error:
            raise InvalidValue(f"{self.shown} holds a document that cannot be read: {error}") from error
        except PyMongoError as error:
            raise StoreUnreachable(f"{self.shown} cannot be read: {error}") from error

    def close(self) -> None:
        """See `Source.close`."""
        self._database.client.close()


def _collection(url: str) -> str:
    """Return the collection that hyperopt's mongo://host:port/db/collection names; the others name none."""
    found = re.fullmatch(r"mongo://[^/?]+/[^/?]+/([^/?]+)(\?.*)?", url.strip())
    return found[1] if found else "jobs"
