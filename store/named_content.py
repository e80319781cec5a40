"""What events name and do not hold: attachments, the code of objectives, values that were too large for an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bson

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import unspill
from hstore.store.events import Document
from hstore.store.log_chains import Chains, Finding, LogChain, data_of
from hstore.store.own_content import contradiction

OF_OBJECTIVES = {"pickle": "pickle", "space_pickle": "pickled space", "source": "source"}
"""What of an objective is kept as an attachment, and what messages call it."""

_NAMING = frozenset({"spilled", "attachment"})
"""What names content in the data of an event, beside an objective that is not only a version."""


def missing_content(chains: Chains, fetch: Callable[[bytes], bytes]) -> Iterator[Finding]:
    """Yield the events of *chains* that name something which cannot be fetched, or is not what it was.

    fetch: returns the content of an attachment by its SHA-256; raises `NotFound` or `VerificationFailed`.
    """
    check = ContentCheck(fetch)
    for chain in chains.values():
        yield from check.missing(chain)


def names_content(document: Document) -> bool:
    """Return whether *document* may name content that is kept elsewhere."""
    data = document.get("data")
    if not isinstance(data, dict):
        return False
    objective = data.get("objective")
    return not _NAMING.isdisjoint(data) or (objective is not None and isinstance(objective, Mapping))


class ContentCheck:
    """Does so chain by chain; what several events name is fetched once."""

    def __init__(self, fetch: Callable[[bytes], bytes]) -> None:
        self._fetch = fetch
        self._fetched: dict[bytes, str] = {}

    def missing(self, chain: LogChain) -> Iterator[Finding]:
        """Yield the events of *chain*, see `missing_content`."""
        for ver, document in enumerate(chain.documents):
            if names_content(document):
                yield from _missing(chain, ver, document, self._fetch, self._why_not)

    def _why_not(self, sha256: bytes) -> str:
        if sha256 not in self._fetched:
            try:
                self._fetch(sha256)
                self._fetched[sha256] = ""
            except (NotFound, VerificationFailed) as error:
                self._fetched[sha256] = str(error)
        return self._fetched[sha256]


def _missing(
    chain: LogChain, ver: int, document: Document, fetch: Callable[[bytes], bytes], why_not: Callable[[bytes], str]
) -> Iterator[Finding]:
    data: Mapping[str, Any] = data_of(document)
    if "spilled" in data:
        try:
            data = unspill(data, fetch)
        except (NotFound, VerificationFailed) as error:
            yield chain.finding(ver, "lost", f"a part of it is kept as an attachment: {error}")
        except (bson.errors.BSONError, KeyError, TypeError, AttributeError):
            yield chain.finding(ver, "lost", "a part of it is kept as an attachment that holds something else")
        else:
            if document.get("type") == "done" and (why := contradiction(data)):
                yield chain.contradiction(ver, why)
    for what, sha256 in _named(data):
        if why := why_not(sha256):
            yield chain.finding(ver, "lost", f"it names {what}: {why}")


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield what *data* names, and its SHA-256."""
    attachment, objective = data.get("attachment"), data.get("objective")
    if isinstance(attachment, Mapping) and isinstance(sha256 := attachment.get("sha256"), bytes):
        yield f"the attachment {attachment.get('name')!r:.80}", sha256
    if not isinstance(objective, Mapping):
        return
    for name, what in OF_OBJECTIVES.items():
        kept = objective.get(name)
        if isinstance(kept, Mapping) and isinstance(sha256 := kept.get("sha256"), bytes):
            yield f"the {what} of the objective", sha256
