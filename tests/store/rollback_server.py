"""A stand-in for one collection of a replica set that can lose its primary: what it accepted may be rolled back.

No real server rolls back at a test's command, so this one does. On everything else `test_log_agreement.py` holds it to
the real server. It knows only what `MongoLog` asks of a collection.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure

Document = dict[str, Any]


class RollbackCollection:
    """Documents are unique by `_id` and by (exp, tid, ver); reads see what a majority has, writes all that is there."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.uncommitted: list[Document] = []
        """Accepted by a primary that is about to be lost: there for writes, not yet for majority reads."""
        self.losing: int = 0
        """How many reads still come before the primary is lost and its uncommitted documents with it."""
        self.database = self
        self.client = self

    def with_options(self, **_: Any) -> RollbackCollection:
        return self

    def close(self) -> None:
        pass

    # -- writing ----------------------------------------------------------------------------------------------

    def insert_one(self, document: Document) -> None:
        self._refuse_duplicate(document)
        self.documents.append(copy.deepcopy(document))

    def insert_many(self, documents: Sequence[Document], *, ordered: bool = True) -> None:
        assert ordered
        for index, document in enumerate(documents):
            try:
                self.insert_one(document)
            except DuplicateKeyError as error:
                failure = {"index": index, "code": 11000, "errmsg": str(error)}
                raise BulkWriteError(
                    {"writeErrors": [failure], "writeConcernErrors": [], "nInserted": index}
                ) from error

    def lose(self, documents: Iterable[Document], reads: int) -> None:
        """Accept *documents* on a primary that is lost, with them, after some more *reads*; clients get no answer."""
        for document in documents:
            self._refuse_duplicate(document)
            self.uncommitted.append(copy.deepcopy(document))
        self.losing = reads
        raise AutoReconnect("connection closed")

    def _refuse_duplicate(self, document: Document) -> None:
        for other in (*self.documents, *self.uncommitted):
            if other["_id"] == document["_id"] or _place(other) == _place(document):
                raise DuplicateKeyError("E11000 duplicate key error", 11000)

    # -- reading ----------------------------------------------------------------------------------------------

    def find(self, query: Document, projection: Any = None, *, sort: Any = None, batch_size: int = 0) -> list[Document]:
        if self.uncommitted:
            self.losing -= 1
            if self.losing < 0:
                self.uncommitted.clear()
        found = [copy.deepcopy(document) for document in self.documents if _matches(document, query)]
        return sorted(found, key=_order) if sort else found

    def find_one(self, query: Document, projection: Any = None) -> Document | None:
        return next(iter(self.find(query)), None)

    def distinct(self, name: str, query: Document) -> list[Any]:
        return list(dict.fromkeys(document[name] for document in self.find(query)))

    def watch(self, *_: Any, **__: Any) -> Any:
        raise OperationFailure("no change streams here", 40573)


class FaultyCollection:
    """A collection, real or not, of which the next answer to an insert may get lost, before or after the insert."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.fault: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def with_options(self, **options: Any) -> Any:
        return self._inner.with_options(**options)

    def insert_one(self, document: Document) -> None:
        self._insert([document], lambda: self._inner.insert_one(document))

    def insert_many(self, documents: Sequence[Document], *, ordered: bool = True) -> None:
        self._insert(documents, lambda: self._inner.insert_many(documents, ordered=ordered))

    def _insert(self, documents: Sequence[Document], insert: Callable[[], Any]) -> None:
        fault, self.fault = self.fault, None
        if fault == "before":
            raise AutoReconnect("connection refused")
        if fault in ("rolled back at once", "rolled back later") and isinstance(self._inner, RollbackCollection):
            self._inner.lose(documents, reads=0 if fault == "rolled back at once" else 2)
        insert()
        if fault is not None:
            raise AutoReconnect("connection reset")


def _place(document: Document) -> tuple[Any, ...]:
    return document["exp"], document.get("tid"), document["ver"]


def _order(document: Document) -> tuple[Any, ...]:
    tid = document.get("tid")
    return document["exp"], -1 if tid is None else tid, document["ver"]


def _matches(document: Document, query: Document) -> bool:
    return all(_has(document, name, wanted) for name, wanted in query.items())


def _has(document: Document, name: str, wanted: Any) -> bool:
    if name == "$or":
        return any(_matches(document, branch) for branch in wanted)
    value = document.get(name)
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return all(
        value is not None and (value > bound if operator == "$gt" else value in bound)
        for operator, bound in wanted.items()
    )
