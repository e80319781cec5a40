"""Which attachments an event names, by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hstore.store.event_documents import from_document, place, to_document
from hstore.store.events import Document, Unreadable


def hashes_in(value: Any) -> Iterator[bytes]:
    """Yield each SHA-256 that *value*, the document of an event, names."""
    if isinstance(value, Mapping):
        if isinstance(sha256 := value.get("sha256"), bytes) and len(sha256) == hashlib.sha256().digest_size:
            yield bytes(sha256)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, (Mapping, list)):
                yield from hashes_in(each)


def named_in(document: Document, fetch: Callable[[bytes], bytes]) -> set[bytes]:
    """Return each SHA-256 that the stored *document* of an event names, also in data that was moved out of it."""
    named = set(hashes_in(document))
    data = document.get("data")
    if isinstance(data, Mapping) and "spilled" in data and place(document) is not None:
        event = from_document(document, fetch)
        named |= set() if isinstance(event, Unreadable) else set(hashes_in(to_document(event)))
    return named
