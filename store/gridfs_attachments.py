"""GridFSAttachments: bytes kept by content in MongoDB, in files named by the SHA-256 of what is in them."""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.retry import RetryPolicy

if TYPE_CHECKING:
    from pymongo.database import Database

BUCKET = "attachments"
CHUNK_BYTES = 255 * 1024
MESSAGE_CHUNKS = 4
"""What is sent or asked for at once: a megabyte. gridfs itself sends 32 and has a server send 16, which takes a slow
line longer than the driver waits."""


class GridFSAttachments:
    """See `Attachments`. A file appears when it is whole; an upload that died leaves chunks that nothing refers to."""

    def __init__(self, database: Database[dict[str, Any]], retry: RetryPolicy) -> None:
        self._files = database[f"{BUCKET}.files"]
        self._chunks = database[f"{BUCKET}.chunks"]
        self._retrying = retry

    def put(self, content: bytes) -> bytes:
        """See `Attachments.put`. Two who put the same at once keep it twice, which is once too often and harmless."""
        digest = hashlib.sha256(content)
        self._retrying(lambda: self._upload(digest.hexdigest(), content))
        return digest.digest()

    def _upload(self, name: str, content: bytes) -> None:
        """Write *content* in the format of GridFS, its chunks first; what failed begins anew, under another id."""
        if self._files.find_one({"filename": name}, {"_id": 1}) is not None:
            return
        file = ObjectId()
        starts = range(0, len(content), CHUNK_BYTES)
        chunks = (
            {"files_id": file, "n": n, "data": content[start : start + CHUNK_BYTES]} for n, start in enumerate(starts)
        )
        while message := list(islice(chunks, MESSAGE_CHUNKS)):
            self._chunks.insert_many(message)
        about = {
            "filename": name,
            "length": len(content),
            "chunkSize": CHUNK_BYTES,
            "uploadDate": dt.datetime.now(dt.UTC),
        }
        self._files.insert_one({"_id": file, **about})

    def get(self, sha256: bytes) -> bytes:
        """See `Attachments.get`."""
        content = self._retrying(lambda: self._download(sha256.hex()))
        if hashlib.sha256(content).digest() != sha256:
            raise VerificationFailed(f"the attachment {sha256.hex()} is not what it was", sha256=sha256)
        return content

    def _download(self, name: str) -> bytes:
        file = self._files.find_one({"filename": name}, {"_id": 1}, sort=[("uploadDate", -1)])
        if file is None:
            raise NotFound(f"there is no attachment with SHA-256 {name}")
        found = self._chunks.find({"files_id": file["_id"]}, {"data": 1}, sort=[("n", 1)], batch_size=MESSAGE_CHUNKS)
        return b"".join(chunk["data"] for chunk in found)
