"""GridFSAttachments: bytes kept by content in MongoDB, in files named by the SHA-256 of what is in them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import gridfs

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.patience import Patience

if TYPE_CHECKING:
    from pymongo.database import Database

BUCKET = "attachments"


class GridFSAttachments:
    """See `Attachments`. A file appears when it is whole; an upload that died leaves chunks that nothing refers to."""

    def __init__(self, database: Database[dict[str, Any]], patience: Patience) -> None:
        self._bucket = gridfs.GridFSBucket(database, BUCKET)
        self._files = database[f"{BUCKET}.files"]
        self._patiently = patience

    def put(self, content: bytes) -> bytes:
        """See `Attachments.put`. Two who put the same at once keep it twice, which is once too often and harmless."""
        digest = hashlib.sha256(content)
        self._patiently(lambda: self._upload(digest.hexdigest(), content))
        return digest.digest()

    def _upload(self, name: str, content: bytes) -> None:
        if self._files.find_one({"filename": name}, {"_id": 1}) is None:
            self._bucket.upload_from_stream(name, content)

    def get(self, sha256: bytes) -> bytes:
        """See `Attachments.get`."""
        content = self._patiently(lambda: self._download(sha256.hex()))
        if hashlib.sha256(content).digest() != sha256:
            raise VerificationFailed(f"the attachment {sha256.hex()} is not what it was", sha256=sha256)
        return content

    def _download(self, name: str) -> bytes:
        try:
            with self._bucket.open_download_stream_by_name(name) as stream:
                return stream.read()
        except gridfs.errors.NoFile as error:
            raise NotFound(f"there is no attachment with SHA-256 {name}") from error
        except gridfs.errors.CorruptGridFile as error:
            raise VerificationFailed(f"the attachment {name} is not what it was: {error}") from error
