"""Bundle: one experiment in one file, which proves it without a MongoDB.

A zip of `manifest.json`, `events.bson` (the stored documents one after the other, in the order of
`EventLog.documents`), the same as `events.jsonl` in canonical Extended JSON, and `blobs/<SHA-256>` for each attachment
that they name. The same log makes the same file, byte for byte. `examples/read_bundle.py` reads it without hstore.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import bson
from bson import json_util
from bson.binary import UuidRepresentation

from hstore.store.arrival import in_order_of_arrival
from hstore.store.digest import digest_of_any
from hstore.store.document_cursor import decoded, envelope
from hstore.store.errors import InvalidEvent, InvalidValue, NotFound, VerificationFailed
from hstore.store.event_documents import from_document, keys_of, place, signed, spill, to_document, unreadable
from hstore.store.events import CODEC, Document, Event, Unreadable
from hstore.store.experiment import Experiment
from hstore.store.log import NO_EVENTS, EventIds, ReadCursor
from hstore.store.log_chains import quarantined_ids
from hstore.store.memory import MemoryLog
from hstore.store.named_hashes import named_in
from hstore.store.set_aside import Separated, SetAside, separate
from hstore.store.store import Store

if TYPE_CHECKING:
    from hstore.store.keys import Keys

FORMAT, VERSION = "hstore-bundle", 1
SUFFIX = ".hstore"
MOST_MANIFEST, MOST_EVENT, LARGE = 64 << 20, 48 << 20, 16 << 20
"""Bytes of a manifest and of an event at most, so that no file takes all memory, and of an attachment that is large."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # what a zip can hold as a date, and all of ours hold
_HASH = re.compile("[0-9a-f]{64}")
_CANNOT_READ = (
    OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError, struct.error, zlib.error, lzma.LZMAError, RuntimeError,
)  # fmt: skip
"""What Python raises for the many ways in which a zip can be broken, encrypted, or packed as it cannot unpack."""
_FIRST: tuple[float, int] = (-1, 0)
_NO_RANK: tuple[float, int] = (math.inf, 0)
_BEGINNING = re.compile(
    rb".{4}\x05_id\0\x10\0\0\0\x04.{16}\x02exp\0.{4}[^\0]*\0(?:\x10tid\0(.{4}))?\x10ver\0(.{4})", re.DOTALL
)  # fmt: skip
"""Of an event as hstore writes it: its place is known without decoding it, which takes far longer."""
_JSON = json_util.CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)


# -- writing --------------------------------------------------------------------------------------------------


def write_bundle(
    experiment: Experiment, file: Path | IO[bytes], *, version: str,
    on_progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Write *experiment* to *file*; return the manifest. version: that of hstore.

    on_progress is called with the number of events that were written just now.
    Its log is read once, one event after the other, whatever was read of it before. Attachments that the store has lost
    are listed in the manifest as `missing`. Raises `InvalidEvent` for a search in memory with a result that no document
    can hold.
    """
    attachments = experiment.store.attachments
    blobs: dict[bytes, bytes | None] = {}
    manifest: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "experiment": experiment.name,
        "events": 0, "decisions": 0, "last_decision": None,
    }  # fmt: skip
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryFile() as same:
        with archive.open(_entry("events.bson"), "w", force_zip64=True) as stream:
            for raw, spilled in _stored(experiment):
                stream.write(raw)
                same.write(raw)
                manifest["events"] += 1
                if (decision := _decision(raw)) is not None:
                    manifest["decisions"] += 1
                    manifest["last_decision"] = decision.hex()
                blobs |= spilled
                blobs |= dict.fromkeys(_named_by(raw, attachments.get) - blobs.keys())
                on_progress(1)
        same.seek(0)  # the log may have grown meanwhile
        with archive.open(_entry("events.jsonl"), "w", force_zip64=True) as stream:
            for raw in _split(same):
                stream.write(_as_json(raw) + b"\n")
        missing = []
        hashes = sorted(blobs)
        for sha256 in hashes:
            try:
                content = blobs.pop(sha256)
                content = attachments.get(sha256) if content is None else content
            except (NotFound, VerificationFailed):
                missing.append(sha256.hex())
            else:
                archive.writestr(_entry(f"blobs/{sha256.hex()}"), content)
        manifest |= {"attachments": len(hashes) - len(missing), "missing": missing, "hstore": version}
        archive.writestr(_entry("manifest.json"), json.dumps(manifest, indent=1) + "\n")
    return manifest


def _decision(raw: bytes) -> bytes | None:
    """Return the digest of the event *raw* if it is a decision, or has the place of one."""
    document = decoded(raw)
    at = place(document)
    return digest_of_any(document) if at is not None and at[0] is not None and at[1] == 0 else None


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _stored(experiment: Experiment) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """Yield each event as a MongoDB stores it, and what is moved out of it into blobs if it was in memory."""
    log = experiment.store.log
    if isinstance(log, MemoryLog) and not isinstance(log, BundleLog):
        for event in log.read(experiment.name):
            try:
                document, blobs = spill(to_document(event))
                yield bson.encode(signed(document, event.mac), codec_options=CODEC), blobs
            except (bson.errors.BSONError, OverflowError) as error:
                raise InvalidEvent(f"no document can hold this {event.type} event: {error}", path="data") from error
        return
    for document in experiment.documents():
        yield document.get("raw") or bson.encode(document, codec_options=CODEC), {}


def _as_json(raw: bytes) -> bytes:
    try:
        document = bson.decode(raw, codec_options=CODEC)
    except bson.errors.BSONError:
        document = {"raw": raw}
    return json_util.dumps(document, json_options=_JSON).encode("ascii")


def _named_by(raw: bytes, fetch: Any) -> set[bytes]:
    """Return the SHA-256 of what the event *raw* names, also in data that was moved out of it."""
    try:
        document = bson.decode(raw, codec_options=CODEC)
    except bson.errors.BSONError:
        return set()
    return named_in(document, fetch)


# -- reading --------------------------------------------------------------------------------------------------


def is_bundle(name: str) -> bool:
    """Return whether *name* is that of a file of `write_bundle`, and not of an experiment."""
    return name.endswith(SUFFIX) and Path(name).is_file()


def open_bundle(file: Path | IO[bytes], *, keys: Keys | None = None) -> tuple[Store, str]:
    """Return a store that holds what is in *file* and takes nothing, and the name of the experiment in it.

    keys: check its signatures. What was tampered with is read as far as that goes: `verify` says what was. Raises
    `InvalidValue` for a file that is no bundle.
    """
    if isinstance(file, Path) and file.exists() and not file.is_file():
        raise InvalidValue(f"{file} is no plain file", hint="name a file of `hstore export -o`")  # a device has no end
    try:
        archive = zipfile.ZipFile(file)
        with archive.open("manifest.json") as stream:
            manifest = json.loads(stream.read(MOST_MANIFEST))
        raws = _in_order(partial(_events_in, archive))  # that all of them can be read is known then
    except FileNotFoundError:
        raise InvalidValue(
            f"there is no file {_shown(file)}", hint="`hstore export EXP -o FILE.hstore` makes one"
        ) from None
    except _CANNOT_READ as error:
        raise InvalidValue(f"{_shown(file)} is no file of `hstore export -o`: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise InvalidValue(f"{_shown(file)} is of a format that is not known here", hint="update hstore")
    name = str(manifest.get("experiment"))
    attachments = BundleAttachments(archive)
    store = Store(BundleLog(raws, name, attachments), attachments, url=_shown(file), keys=keys)
    return store, name


def _shown(file: Path | IO[bytes]) -> str:
    return str(file) if isinstance(file, Path) else "the file"


def _events_in(archive: zipfile.ZipFile) -> Iterator[bytes]:
    with archive.open("events.bson") as stream:
        yield from _split(stream)


def _in_order(raws: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[bytes]]:
    """Return what yields *raws* in the order of `EventLog.documents`, as hstore writes them; others may write another.

    Only those of a file that has another one are kept in memory. What has no place comes last then.
    """
    last, is_in_order = _FIRST, True
    for raw in raws():
        at = _rank(raw)
        is_in_order = is_in_order and (at == _NO_RANK or at >= last)
        last = last if at == _NO_RANK else at
    if is_in_order:
        return raws
    ordered = sorted(raws(), key=_rank)
    return lambda: iter(ordered)


def _rank(raw: bytes) -> tuple[float, int]:
    if found := _BEGINNING.match(raw):
        tid, ver = (-1 if part is None else int.from_bytes(part, "little", signed=True) for part in found.groups())
        if ver >= 0 and (tid >= 0 or found[1] is None):
            return tid, ver
    at = place(decoded(raw))
    return _NO_RANK if at is None else (-1 if at[0] is None else at[0], at[1])


def _split(stream: IO[bytes]) -> Iterator[bytes]:
    while length := stream.read(4):
        size = struct.unpack("<i", length)[0]
        if size > MOST_EVENT:
            raise ValueError("events.bson has an event of more bytes than a document may have")
        raw = length + (stream.read(size - 4) if size > 4 else b"")
        if size < 5 or len(raw) != size:
            raise ValueError("events.bson is cut off")
        yield raw


class BundleAttachments:
    """See `Attachments`: those of a file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def put(self, content: bytes) -> bytes:
        """Raise `InvalidEvent`: nothing can be added to a file."""
        raise InvalidEvent("nothing can be added to a file", hint="`hstore import FILE` makes an experiment of it")

    def get(self, sha256: bytes) -> bytes:
        """See `Attachments.get`."""
        name = f"blobs/{sha256.hex()}"
        try:
            is_whole = self._archive.getinfo(name).file_size <= LARGE or self._hash(name) == sha256
            content = self._archive.read(name) if is_whole else b""
        except KeyError:
            raise NotFound(f"there is no attachment with SHA-256 {sha256.hex()}") from None
        except _CANNOT_READ:
            content = b""
        if hashlib.sha256(content).digest() != sha256:
            raise VerificationFailed(f"the attachment {sha256.hex()} is not what it was", sha256=sha256)
        return content

    def _hash(self, name: str) -> bytes:
        """Return the SHA-256 of an entry, of which little is in memory: a few bytes may unpack to gigabytes."""
        with self._archive.open(name) as stream:
            return hashlib.file_digest(cast(Any, stream), "sha256").digest()

    def remove(self, sha256: bytes) -> None:
        """Raise `InvalidEvent`: nothing can be removed from a file."""
        raise InvalidEvent("nothing can be removed from a file", hint="delete the file")

    def hashes(self) -> list[bytes]:
        """Return the SHA-256 that each of them claims to have."""
        names = {name.removeprefix("blobs/") for name in self._archive.namelist() if name.startswith("blobs/")}
        return [bytes.fromhex(name) for name in sorted(names) if _HASH.fullmatch(name)]

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


class BundleLog(MemoryLog):
    """See `EventLog`: the events of a file, as they are stored there. Nothing can be appended."""

    is_on_disk = True

    def __init__(self, raws: Callable[[], Iterator[bytes]], exp: str, attachments: BundleAttachments) -> None:
        super().__init__()
        self._raws, self._attachments, self._exp = raws, attachments, exp
        self._aside: list[SetAside] | None = None

    def _decode(self) -> list[SetAside]:
        """Decode all events, unless that was done, for those who look at more than documents; return what is aside."""
        if self._aside is None:
            events = (_event(raw, self._attachments) for raw in self._raws())
            found = separate((event for event in events if event is not None and event.exp == self._exp), ReadCursor())
            super().append(found.sound)
            self._aside = found.aside
        return self._aside

    def _of(self, exp: str) -> dict[int | None, list[Event]]:
        self._decode()
        return super()._of(exp)

    def stream(self) -> Iterator[Event | None]:
        """Yield the events that have a place in a chain, one by one; None for one that cannot be read or leaves a gap.

        What is quarantined is yielded where it has a place, readable or not.
        """
        return (event for event, is_stray in self._apart() if not is_stray)

    def quarantined_strays(self) -> Iterator[Event | None]:
        """Yield what is quarantined and has no place in a chain; None for what could be in none."""
        return (event for event, is_stray in self._apart() if is_stray) if self._gone else iter(())

    @cached_property
    def _gone(self) -> set[str]:
        """The ids of what is quarantined."""
        return quarantined_ids(self.documents(self._exp))

    def _apart(self) -> Iterator[tuple[Event | None, bool]]:
        """Yield what both of these do, and whether it is a stray."""
        gone = self._gone
        at: tuple[int | None, int] = (None, -1)
        for raw in self._raws():
            event = _event(raw, self._attachments)
            is_gone = bool(gone) and not gone.isdisjoint(keys_of(decoded(raw)))
            is_next = event is not None and (event.tid, event.ver) in ((at[0], at[1] + 1), (_after(at[0]), 0))
            is_known = event is not None and event.exp == self._exp and (is_gone or not isinstance(event, Unreadable))
            if event is not None and is_next and is_known:
                at = event.tid, event.ver
                yield event, False
            else:
                yield (event if is_gone else None), is_gone

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        """Raise `InvalidEvent`: nothing can be added to a file."""
        raise InvalidEvent("nothing can be added to a file", hint="`hstore import FILE` makes an experiment of it")

    def remove(self, exp: str) -> int:
        """Raise `InvalidEvent`: nothing can be removed from a file."""
        raise InvalidEvent("nothing can be removed from a file", hint="delete the file")

    def look(self, exp: str, known: ReadCursor = ReadCursor()) -> Separated:  # noqa: B008 - frozen
        """See `EventLog.look`."""
        aside = self._decode()
        return Separated(super().look(exp, known).sound, list(aside))

    def documents(self, exp: str, *, quick: bool = False) -> Iterator[Document]:
        """See `EventLog.documents`: bit for bit what is in the file."""
        for raw in self._raws():
            document = decoded(raw)
            if document.get("exp", exp) == exp:  # what is no document is of this experiment as much as of any
                yield document

    def chain_documents(self, exp: str, tid: int | None) -> Iterator[Document]:
        """See `EventLog.chain_documents`."""
        return (document for document in self.documents(exp) if document.get("tid") == tid)

    def experiments(self) -> list[str]:
        """See `EventLog.experiments`."""
        self._decode()
        return super().experiments()

    def last_trial(self, exp: str) -> int:
        """See `EventLog.last_trial`."""
        tids = (at[0] for document in self.documents(exp) if (at := place(document)) is not None)
        return max((tid for tid in tids if tid is not None), default=-1)

    def latest_documents(self, exp: str, n: int) -> list[Document]:
        """See `EventLog.latest_documents`: in the order in which the server of the search received them."""
        return [*in_order_of_arrival(self.documents(exp))][-n:]

    def close(self) -> None:
        """Close the file."""
        self._attachments.close()


def _after(tid: int | None) -> int:
    return 0 if tid is None else tid + 1


def _event(raw: bytes, attachments: BundleAttachments) -> Event | None:
    """Return the event in *raw*; None if it has no place in any chain."""
    try:
        document = bson.decode(raw, codec_options=CODEC)
    except bson.errors.BSONError as error:
        known = envelope(raw)
        return unreadable(known, str(error), raw) if place(known) is not None and "_id" in known else None
    return from_document(document, attachments.get) if place(document) is not None else None
