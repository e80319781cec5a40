"""Attachments: bytes kept by content, in memory or in GridFS."""

from __future__ import annotations

import hashlib
from dataclasses import field
from os import PathLike
from pathlib import Path
from typing import Protocol

from hstore.store.errors import NotFound
from hstore.store.lazy_dataclass import lazy_dataclass

OUTPUT = "output"
"""Name of the attachment that holds what the objective of a trial wrote to stdout and stderr."""


@lazy_dataclass(frozen=True, slots=True)
class SavedAttachment:
    """One attachment of a trial or an experiment: its name and size, and its content when it is asked for."""

    name: str
    length: int
    """Bytes."""
    sha256: bytes
    contents: Attachments = field(repr=False)

    def read(self) -> bytes:
        """Return the content; raises `NotFound` if the store lost it, `VerificationFailed` if it is another one."""
        return self.contents.get(self.sha256)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the content to the file *path*, in the place of what is there; raises `OSError`, and as `read` does."""
        content = self.read()
        Path(path).write_bytes(content)


class Attachments(Protocol):
    """Content by its SHA-256. What was put is never changed; putting it again changes nothing."""

    def put(self, content: bytes) -> bytes:
        """Store *content* durably, which is read back to be sure; return its SHA-256 (32 bytes)."""

    def get(self, sha256: bytes) -> bytes:
        """Return the content; raises `NotFound`, and `VerificationFailed` if nothing stored under it matches."""

    def remove(self, sha256: bytes) -> None:
        """Remove the content, which no event names."""


class MemoryAttachments:
    """See `Attachments`."""

    def __init__(self) -> None:
        self._contents: dict[bytes, bytes] = {}

    def put(self, content: bytes) -> bytes:
        """See `Attachments.put`."""
        sha256 = hashlib.sha256(content).digest()
        self._contents.setdefault(sha256, content)
        return sha256

    def get(self, sha256: bytes) -> bytes:
        """See `Attachments.get`."""
        try:
            return self._contents[sha256]
        except KeyError:
            raise NotFound(f"there is no attachment with SHA-256 {sha256.hex()}") from None

    def remove(self, sha256: bytes) -> None:
        """See `Attachments.remove`."""
        self._contents.pop(sha256, None)
