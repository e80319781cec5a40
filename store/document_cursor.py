"""StoredDocuments: the events of an experiment as MongoDB holds them, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import bson
import pymongo
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.errors import ExecutionTimeout, PyMongoError

from hstore.store.arrival import are_newest_first, arrival
from hstore.store.events import CODEC, Document
from hstore.store.quick_documents import QUICK, decoded_quickly
from hstore.store.retry import RetryPolicy, let_go

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.cursor import RawBatchCursor

IN_ORDER = [("exp", pymongo.ASCENDING), ("tid", pymongo.ASCENDING), ("ver", pymongo.ASCENDING)]
RAW: bson.CodecOptions[RawBSONDocument] = CODEC.with_options(document_class=RawBSONDocument)
LENIENT = RAW.with_options(unicode_decode_error_handler="replace")
AT_ONCE = 1000
"""Documents that are fetched, and kept, at a time."""
SPARE, SCAN_MS = 200, 300
"""How many more than the latest documents are looked at, and how long at most before the server sorts them all."""


class StoredDocuments:
    """Reads the collection *events*. What cannot be decoded comes as in `EventLog.documents`."""

    def __init__(self, events: Collection[Document], retry: RetryPolicy) -> None:
        self._events = events
        self._raw = events.with_options(codec_options=RAW)
        self._retrying = retry

    def read(self, query: Document, *, quick: bool = False) -> Iterator[Document]:
        """Yield the documents that match *query*, which names an experiment, in the order of `EventLog.read`.

        quick: as in `EventLog.documents`.
        If the server goes away meanwhile, the rest is read once it is back.
        """
        cursor: RawBatchCursor[Document] | None = None
        after: Document | None = None
        is_opened_again = False

        def fetch() -> bytes:
            nonlocal cursor, is_opened_again
            try:
                if cursor is None:
                    cursor = self._open(query, after)
                return cast(bytes, next(cursor, b""))
            except PyMongoError:
                cursor, is_opened_again = None, True
                raise

        try:
            while batch := self._retrying(fetch):
                documents = decoded_all(batch, quick=quick)
                if is_opened_again:
                    is_opened_again = False
                    documents = [each for each in documents if after is None or _place(each) != _place(after)]
                after = documents[-1] if documents else after
                yield from documents
        finally:
            if cursor is not None:
                cursor.close()

    def _open(self, query: Document, after: Document | None) -> RawBatchCursor[Document]:
        cursor = self._events.find_raw_batches(query, sort=IN_ORDER, batch_size=AT_ONCE)
        if after is None:
            return cursor
        return cursor.min([(name, cast(Any, after.get(name))) for name, _ in IN_ORDER]).hint(IN_ORDER)

    def latest(self, exp: str, n: int) -> list[Document]:
        """Return the last *n* documents of *exp* that arrived, in that order."""
        found = self._retrying(lambda: self._last_inserted(exp, n + SPARE))
        if found is None:
            by_time: Any = self._raw.find({"exp": exp}, sort=[("ts", pymongo.DESCENDING)], limit=n)
            found = [decoded(bytes(raw.raw)) for raw in self._retrying(lambda: list(by_time.clone()))]
        return sorted(found, key=arrival)[-n:]

    def _last_inserted(self, exp: str, n: int) -> list[Document] | None:
        """Return the last *n* of *exp* in the order in which the collection holds them; None if that is not of use.

        It is the order of arrival, unless the collection was copied in another one. No index has that order: it would
        cost every append.
        """
        try:
            raws = list(self._raw.find({"exp": exp}, sort=[("$natural", -1)], limit=n, max_time_ms=SCAN_MS))
        except ExecutionTimeout as error:  # other experiments wrote much since
            let_go(error)
            return None
        found = [decoded(bytes(raw.raw)) for raw in raws]
        if len(found) < n:
            return found
        newest = max(map(arrival, found))
        last_decision = self._events.find_one({"exp": exp, "tid": {"$gte": 0}}, {"ts": 1}, sort=[("tid", -1)])
        last_own = self._events.find_one({"exp": exp, "tid": None}, {"ts": 1}, sort=[("ver", -1)])
        is_newest = all(arrival(each) <= newest for each in (last_decision, last_own) if each is not None)
        return found if is_newest and are_newest_first(found) else None


def decoded_all(batch: bytes, *, quick: bool = False) -> list[Document]:
    """Return the documents whose BSON follows one another in *batch*, each as `decoded` returns it.

    quick: as in `EventLog.documents`.
    """
    if quick and (documents := decoded_quickly(batch)) is not None:
        return documents
    codec = QUICK if quick else CODEC
    try:
        documents = bson.decode_all(batch, codec)
    except BSONError:
        documents = [decoded(raw, codec) for raw in split(batch)]
    if quick:  # what is bytes was no UUID
        for document in documents:
            if type(id := document.get("_id")) is bytes:
                document["_id"] = bson.Binary(id)
    return documents


def _place(document: Document) -> tuple[Any, Any]:
    return document.get("tid"), document.get("ver")


def split(batch: bytes) -> Iterator[bytes]:
    """Yield the BSON of each document in *batch*."""
    start = 0
    while start < len(batch):
        length = int.from_bytes(batch[start : start + 4], "little")
        yield batch[start : start + length]
        start += length


def decoded(raw: bytes, codec: bson.CodecOptions[Document] = CODEC) -> Document:
    """Return the document of BSON *raw*; if it cannot be decoded as in `EventLog.documents`."""
    try:
        return bson.decode(raw, codec_options=codec)
    except BSONError:
        return envelope(raw) | {"raw": raw}


def envelope(raw: bytes) -> Document:
    """Return what of a document can be read without looking into its data; nothing of what is no BSON."""
    try:
        return {name: value for name, value in RawBSONDocument(raw, LENIENT).items() if name != "data"}
    except BSONError:
        return {}
