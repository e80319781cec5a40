import datetime as dt
import hashlib
import threading
from typing import Any

import pytest
from bson import ObjectId
from gridfs import GridFSBucket
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from tests.waiting import GENEROUS

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.gridfs_attachments import GridFSAttachments
from hstore.store.retry import RetryPolicy
from hstore.store.store import Store
from hstore.store.url import connect, parse

LARGE = bytes(range(256)) * 80_000  # 20 MB


@pytest.mark.parametrize("content", [b"", b"x", b"\0\xff" * 500, LARGE], ids=len)
def test_what_was_put_comes_back(content: bytes, store: Store) -> None:
    sha256 = store.attachments.put(content)
    assert len(sha256) == 32
    assert store.attachments.put(content) == sha256
    assert store.attachments.get(sha256) == content


def test_what_was_never_put_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="00000000"):
        store.attachments.get(b"\0" * 32)


def test_the_same_content_is_kept_once(mongo_store: Store, database: Database[Any]) -> None:
    for _ in range(3):
        mongo_store.attachments.put(b"same")
    assert database["attachments.files"].count_documents({}) == 1


@pytest.mark.parametrize("size", [0, 1, 255 * 1024 - 1, 255 * 1024, 255 * 1024 + 1, 4 * 255 * 1024, 3_000_000])
def test_any_program_that_knows_gridfs_can_read_it(size: int, mongo_store: Store, database: Database[Any]) -> None:
    content = LARGE[:size]
    name = mongo_store.attachments.put(content).hex()
    assert GridFSBucket(database, "attachments").open_download_stream_by_name(name).read() == content


def test_what_another_program_put_with_gridfs_is_read(mongo_store: Store, database: Database[Any]) -> None:
    sha256 = hashlib.sha256(LARGE[:3_000_000]).digest()
    GridFSBucket(database, "attachments").upload_from_stream(sha256.hex(), LARGE[:3_000_000], chunk_size_bytes=100_000)
    assert mongo_store.attachments.get(sha256) == LARGE[:3_000_000]


class Sizes(CommandListener):
    """Notes how many bytes of attachments each message carries."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append(sum(len(d.get("data", b"")) for d in event.command.get("documents", ())))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        cursor = event.reply.get("cursor", {})
        batch = cursor.get("firstBatch") or cursor.get("nextBatch") or ()
        self.received.append(sum(len(d.get("data", b"")) for d in batch))

    def failed(self, event: CommandFailedEvent) -> None:
        raise AssertionError(event)


def test_no_message_is_larger_than_a_slow_line_carries_in_time(mongo_url: str, mongo_store: Store) -> None:
    sizes = Sizes()
    database = connect(parse(mongo_url), event_listeners=[sizes])
    with database.client:
        attachments = GridFSAttachments(database, RetryPolicy("here", seconds=10))
        assert attachments.get(attachments.put(LARGE)) == LARGE
    assert sum(sizes.sent) == sum(sizes.received) == len(LARGE)
    assert max(sizes.sent + sizes.received) <= 1024**2


def test_an_upload_that_died_halfway_does_no_harm(mongo_store: Store, database: Database[Any]) -> None:
    sha256 = mongo_store.attachments.put(LARGE[:600_000])
    database["attachments.files"].delete_many({})  # GridFS writes the file last: this is what a death before it leaves
    with pytest.raises(NotFound):
        mongo_store.attachments.get(sha256)
    mongo_store.attachments.put(LARGE[:600_000])
    assert mongo_store.attachments.get(sha256) == LARGE[:600_000]


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_content_that_is_not_what_it_was_is_told(damage: str, mongo_store: Store, database: Database[Any]) -> None:
    sha256 = mongo_store.attachments.put(b"precious")
    if damage == "changed":
        database["attachments.chunks"].update_one({}, {"$set": {"data": b"precioux"}})
    else:
        database["attachments.chunks"].delete_many({})
    with pytest.raises(VerificationFailed, match=sha256.hex()):
        mongo_store.attachments.get(sha256)


def test_two_who_put_the_same_at_once_both_have_it(mongo_store: Store) -> None:
    put: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: put.append(mongo_store.attachments.put(LARGE[:900_000]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS)
    assert len(set(put)) == 1
    assert mongo_store.attachments.get(put[0]) == LARGE[:900_000]


def shadow(database: Database[Any], sha256: bytes, year: int) -> Any:
    """Insert a file under the name of other content, as a worker's role allows; return its id."""
    file = {"filename": sha256.hex(), "length": 1, "chunkSize": 1, "uploadDate": dt.datetime(year, 1, 1)}
    return database["attachments.files"].insert_one(file).inserted_id


@pytest.mark.parametrize("year", [2000, 2100])
def test_a_file_of_the_same_name_does_not_hide_the_content(
    year: int, mongo_store: Store, database: Database[Any]
) -> None:
    sha256 = mongo_store.attachments.put(LARGE[:600_000])
    empty, other = shadow(database, sha256, year), shadow(database, sha256, year)
    database["attachments.chunks"].insert_one({"files_id": other, "n": 0, "data": "no bytes"})
    assert mongo_store.attachments.get(sha256) == LARGE[:600_000]
    assert empty != other


def test_chunks_added_to_a_file_do_not_change_its_content(mongo_store: Store, database: Database[Any]) -> None:
    sha256 = mongo_store.attachments.put(LARGE[:600_000])
    (file,) = database["attachments.files"].find()
    for n in (-1, 0.5, 3, 99):
        database["attachments.chunks"].insert_one({"files_id": file["_id"], "n": n, "data": b"more"})
    assert mongo_store.attachments.get(sha256) == LARGE[:600_000]
    mongo_store.attachments.put(LARGE[:600_000])
    assert database["attachments.files"].count_documents({}) == 1


def test_what_was_put_is_kept_although_a_file_of_its_name_was_there(
    mongo_store: Store, database: Database[Any]
) -> None:
    sha256 = hashlib.sha256(b"about to be kept").digest()
    shadow(database, sha256, 2100)
    assert mongo_store.attachments.put(b"about to be kept") == sha256
    assert mongo_store.attachments.get(sha256) == b"about to be kept"


@pytest.mark.parametrize("damage", ["a chunk lost", "all chunks lost", "a chunk changed"])
def test_what_was_damaged_is_whole_again_once_it_is_put_again(
    damage: str, mongo_store: Store, database: Database[Any]
) -> None:
    sha256 = mongo_store.attachments.put(LARGE[:600_000])
    match damage:
        case "a chunk lost":
            database["attachments.chunks"].delete_one({"n": 1})
        case "all chunks lost":
            database["attachments.chunks"].delete_many({})
        case _:
            database["attachments.chunks"].update_one({"n": 1}, {"$set": {"data": b"\0" * 255 * 1024}})
    with pytest.raises(VerificationFailed):
        mongo_store.attachments.get(sha256)
    mongo_store.attachments.put(LARGE[:600_000])
    assert mongo_store.attachments.get(sha256) == LARGE[:600_000]


def test_what_cannot_be_read_back_is_not_acknowledged(
    mongo_store: Store, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    attachments = GridFSAttachments(database, RetryPolicy("here", seconds=0.3))
    upload, uploads = attachments._upload, 0

    def lossy(name: str, content: bytes) -> ObjectId:
        nonlocal uploads
        uploads += 1
        file = upload(name, content)
        if uploads == 1:
            database["attachments.chunks"].delete_one({"files_id": file, "n": 1})
        return file

    monkeypatch.setattr(attachments, "_upload", lossy)
    sha256 = attachments.put(LARGE[:600_000])
    assert uploads == 2
    assert attachments.get(sha256) == LARGE[:600_000]
