"""GridFSAttachments: bytes kept by content in MongoDB, in files named by the SHA-256 of what is in them."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import AutoReconnect

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
    """See `Attachments`. A file appears when it is whole; an upload that died leaves chunks that nothing refers to.

    The name of a file is a claim that its content has to prove: any writer can insert another file of that
    name, and chunks get lost. So `get` looks for a file that holds the content, and `put` does not trust one by name.
    """

    def __init__(self, database: Database[dict[str, Any]], retry: RetryPolicy, *, bucket: str = BUCKET) -> None:
        self._files = database[f"{bucket}.files"]
        self._chunks = database[f"{bucket}.chunks"]
        self._retrying = retry

    def put(self, content: bytes) -> bytes:
        """See `Attachments.put`. Two who put the same at once keep it twice, which is once too often and harmless."""
        sha256 = hashlib.sha256(content).digest()
        self._retrying(lambda: self._ensure(sha256, content))
        return sha256

    def get(self, sha256: bytes) -> bytes:
        """See `Attachments.get`."""
        files = self._retrying(lambda: self._named(sha256))
        for file in files:
            content = self._retrying(partial(self._content, file))
            if hashlib.sha256(content).digest() == sha256:
                return content
        if files:
            raise VerificationFailed(f"the attachment {sha256.hex()} is not what it was", sha256=sha256)
        raise NotFound(f"there is no attachment with SHA-256 {sha256.hex()}")

    def ensure_indexes(self) -> None:
        """Create the indexes of the bucket, as step 1 of the migrations does for attachments."""
        self._retrying(lambda: self._files.create_index([("filename", 1), ("uploadDate", 1)]))
        self._retrying(lambda: self._chunks.create_index([("files_id", 1), ("n", 1)], unique=True))

    def remove(self, sha256: bytes) -> None:
        """See `Attachments.remove`."""
        for file in self._retrying(lambda: self._named(sha256)):
            self._retrying(partial(self._files.delete_one, {"_id": file["_id"]}))
            self._retrying(partial(self._chunks.delete_many, {"files_id": file["_id"]}))

    def _ensure(self, sha256: bytes, content: bytes) -> None:
        """Return once a file holds *content*: one that is there already, or else a new one."""
        for file in self._named(sha256):
            if self._is_complete(file["_id"], content) and self._content(file) == content:
                return
        file_id = self._upload(sha256.hex(), content)
        if not self._is_complete(file_id, content):
            raise AutoReconnect("what was written of an attachment cannot be read back")  # it is uploaded again

    def _upload(self, name: str, content: bytes) -> ObjectId:
        """Write *content* in the format of GridFS, its chunks first; what failed begins again, under another id."""
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
        return file

    def _named(self, sha256: bytes) -> list[dict[str, Any]]:
        """Return the files that are named as the content with *sha256* is, the newest first."""
        return list(self._files.find({"filename": sha256.hex()}, {"length": 1}, sort=[("uploadDate", -1)]))

    def _is_complete(self, file_id: Any, content: bytes) -> bool:
        """Return whether the chunks of a file add up to the length of *content*. Nothing of them is transferred."""
        size = {"$cond": [{"$eq": [{"$type": "$data"}, "binData"]}, {"$binarySize": "$data"}, 0]}
        total = [{"$match": {"files_id": file_id}}, {"$group": {"_id": None, "bytes": {"$sum": size}}}]
        found = next(self._chunks.aggregate(total), {"bytes": 0})
        return int(found["bytes"]) >= len(content)

    def _content(self, file: dict[str, Any]) -> bytes:
        """Return what the chunks of *file* hold, up to its length; chunks that others added to them are skipped."""
        length = file.get("length")
        parts: list[bytes] = []
        left = length if isinstance(length, (int, float)) else 0  # JavaScript writes a double
        found = self._chunks.find(
            {"files_id": file["_id"]}, {"n": 1, "data": 1}, sort=[("n", 1)], batch_size=MESSAGE_CHUNKS
        )
        for chunk in found:
            if left <= 0:
                break
            if chunk["n"] == len(parts) and isinstance(chunk.get("data"), bytes):
                parts.append(chunk["data"])
                left -= len(chunk["data"])
        return b"".join(parts)
