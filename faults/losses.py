"""Losses: what a store loses without having been asked, and whether the programs notice it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from faults.acknowledged import NOTICE_SECONDS, Loss
from hstore.store.errors import ClosedChain, StoreRewound, VerificationFailed
from hstore.store.events import CODEC

if TYPE_CHECKING:
    from pymongo.database import Database

    from faults.process import Subject
    from faults.world import World

RAW: Any = CODEC.with_options(document_class=RawBSONDocument)
RESTORED = ("trials", "experiments", "events")
"""In this order a backup is taken: the read models are not ahead of the log then."""
NOTICE = 60.0
"""Seconds within which the driver must have stopped. An idle machine needs a few hundredths."""
OBSERVED_SECONDS = 2.0
"""Seconds after which a decision has observed the end of a trial, and thereby all events of it."""
CHUNK_SECONDS = 5.0
"""How long a chunk stays lost: longer than it takes until a trial without an end is taken from its worker."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Documents by collection, as `mongodump` would have them."""

    documents: Mapping[str, Sequence[Any]]
    taken: float

    def kept(self, exp: str) -> frozenset[str]:
        """Return the `_id`s of the events of *exp*."""
        return frozenset(event["_id"].hex for event in self.documents["events"] if event["exp"] == exp)


class Losses:
    """What happened to the store of *world*, and what came of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.declared: list[Loss] = []
        self.codes: set[int] = set()
        """Exit codes of processes that have noticed a loss."""
        self.notice = NOTICE if world.broken_way is None else 10.0
        self.before: list[Loss] = []
        """Losses of attachments under earlier searches."""
        self.unreadable: list[tuple[int, float, float]] = []
        """Trials whose ends could not be read, from when to when."""
        self._backup: Backup | None = None

    def begin(self) -> None:
        """Forget what happened to other searches, but for the loss of what they have in common: attachments."""
        self.before += [loss for loss in self.declared if not loss.has_attachments]
        self.declared, self.unreadable, self._backup = [], [], None

    @property
    def database(self) -> Database[Any]:
        """The store itself."""
        database = self.world.store.database
        assert database is not None
        return database

    # -- what can happen; each returns whether it did ---------------------------------------------------------

    def rewind(self) -> bool:
        """Put a backup back that is a moment old, under the processes: not one connection is lost."""
        return self._rewind(self._swap)

    def rewind_with_restart(self) -> bool:
        """Put a backup back while the server is away: all processes stand still, and find another state afterwards."""

        def swap() -> None:
            with self._standing_still():
                pid = self.world.server.pid if self.world.server is not None else None
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                self._patiently(self._swap)

        return self._rewind(swap)

    def empty(self) -> bool:
        """Remove the whole database."""
        if not self._is_under_way():
            return False
        began = time.monotonic()
        self._patiently(lambda: self.database.client.drop_database(self.database.name))
        self._declare("emptied", began, frozenset(), has_attachments=False)
        return self._see_noticed()

    def lose_document(self) -> bool:
        """Remove one event; put it back once a driver refuses to go on without it."""
        rng, events = self.world.rng, self.database["events"]
        query: dict[str, Any] = {"exp": self.world.exp}
        earlier = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=OBSERVED_SECONDS)
        ended = events.distinct("tid", {**query, "type": "done", "at": {"$lt": earlier}})
        inner = events.distinct(
            "_id", {**query, "$or": [{"tid": None}, {"tid": {"$in": ended}, "type": {"$ne": "done"}}]}
        )
        if not self._is_under_way() or not inner:
            return False
        lost = events.with_options(codec_options=RAW).find_one({"_id": rng.choice(inner)})
        if lost is None:
            return False
        began = time.monotonic()
        events.delete_one({"_id": lost["_id"]})
        kept = frozenset(id.hex for id in events.distinct("_id", query))
        self._declare("a lost document", began, kept)
        driver = self.world.drivers[0]
        if not self._stops(driver, within=1.0):  # it has read the event, and needs not look at it again
            driver.kill()
            self.world.start(driver)
            if not self._stops(driver, within=self.notice):
                self.world.failures.append(f"{driver} was started after an event was lost, and goes on without it")
        try:
            events.with_options(codec_options=RAW).insert_one(lost)
        except DuplicateKeyError:
            self.world.failures.append("another event was written in the place of the one that was lost")
        return True

    def lose_chunk(self) -> bool:
        """Remove a chunk of what a trial returned, for so long that a trial without an end would be taken for lost."""
        events, chunks = self.database["events"], self.database["attachments.chunks"]
        query = {"exp": self.world.exp, "type": "done", "data.spilled": {"$exists": True}}
        ends = list(events.find(query, {"tid": 1, "ver": 1, "data.spilled": 1}))
        if not self._is_under_way() or not ends:
            return False
        end = self.world.rng.choice(ends)
        names = [place["sha256"].hex() for place in end["data"]["spilled"].values()]
        files = self.database["attachments.files"].distinct("_id", {"filename": {"$in": names}})
        lost = list(chunks.find({"files_id": {"$in": files}, "n": 0}))
        if not lost:
            return False
        chunks.delete_many({"_id": {"$in": [chunk["_id"] for chunk in lost]}})
        began, driver = time.monotonic(), self.world.drivers[0]
        self.codes.add(ClosedChain.exit_code)  # of a driver that starts, if decisions have observed the end
        driver.kill()
        self.world.start(driver)  # those that have read the trial do not read it again
        self._go_on(CHUNK_SECONDS)
        chain = {"exp": self.world.exp, "tid": end["tid"]}
        if events.count_documents({**chain, "ver": {"$gt": end["ver"]}, "type": {"$ne": "noted"}}):
            self.world.failures.append(f"trial {end['tid']} went on, although its end is there and only cannot be read")
        self._require_told(end["tid"])
        chunks.insert_many(lost)
        self.unreadable.append((end["tid"], began, time.monotonic() + NOTICE_SECONDS))
        driver.kill()
        self.world.start(driver)
        return True

    # -- below: how ---------------------------------------------------------------------------------------------

    def _rewind(self, swap: Callable[[], None]) -> bool:
        if not self._is_under_way():
            return False
        events = self.database["events"]
        if self._backup is None:
            self._backup = self._take_backup()
            return False
        backup, exp = self._backup, self.world.exp
        if events.count_documents({"exp": exp}) - len(backup.kept(exp)) < 5:
            return False
        self._backup = None
        self._prepare(backup)
        if not self._is_under_way():  # that took a moment
            return False
        began = time.monotonic()
        swap()
        self._declare(f"a backup {began - backup.taken:.1f} s old", began, backup.kept(exp))
        return self._see_noticed()

    def _take_backup(self) -> Backup | None:
        """Return a backup; None if it caught one chain in the middle of an append, as a cursor may."""
        taken = time.monotonic()
        documents = {
            name: list(self.database.get_collection(name, codec_options=RAW).find(sort=[("$natural", 1)]))
            for name in RESTORED
        }
        vers: dict[Any, list[int]] = {}
        for event in documents["events"]:
            vers.setdefault((event["exp"], event.get("tid")), []).append(event["ver"])
        tids = sorted(tid for exp, tid in vers if exp == self.world.exp and tid is not None)
        is_dense = all(sorted(chain) == [*range(len(chain))] for chain in vers.values()) and tids == [*range(len(tids))]
        return Backup(documents=documents, taken=taken) if is_dense else None

    def _prepare(self, backup: Backup) -> None:
        """Write each collection of *backup* under another name."""
        about = {found["name"]: found for found in self.database.list_collections()}
        for name in reversed(RESTORED):
            new = f"restored_{name}"
            self.database.drop_collection(new)
            self.database.create_collection(new, check_exists=False, **about[name]["options"])
            for index in self.database[name].list_indexes():
                if index["name"] != "_id_":
                    options = {key: value for key, value in index.items() if key not in ("key", "v", "ns")}
                    self.database[new].create_index(list(index["key"].items()), **options)
            if backup.documents[name]:
                self.database.get_collection(new, codec_options=RAW).insert_many(backup.documents[name])

    def _swap(self) -> None:
        """Put what was prepared in the place of what is there: of each collection in one step."""
        there = self.database.list_collection_names()
        for name in reversed(RESTORED):
            if (new := f"restored_{name}") in there:
                self.database[new].rename(name, dropTarget=True)

    def _declare(self, what: str, began: float, kept: frozenset[str], *, has_attachments: bool = True) -> None:
        over = time.monotonic()
        self.declared.append(Loss(what=what, began=began, over=over, kept=kept, has_attachments=has_attachments))
        self.codes |= {StoreRewound.exit_code, VerificationFailed.exit_code}

    def _is_under_way(self) -> bool:
        """Return whether a driver is at work that has begun its search, so that it knows something to be lost."""
        driver = self.world.drivers[0]
        with contextlib.suppress(PyMongoError):
            n = self.database["events"].count_documents({"exp": self.world.exp, "type": "done"})
            is_amid = 5 < n < 0.8 * self.world.trials  # not when the driver may just be about to return
            return is_amid and driver.is_alive and not driver.is_frozen and self.has_read(driver)
        return False

    def has_read(self, driver: Subject) -> bool:
        """Return whether *driver* has read the log, as it must have before it appends: else it can miss nothing."""
        process = driver.process
        return process is not None and (self.world.acks / self.world.exp / f"{driver}-{process.pid}.jsonl").exists()

    def _see_noticed(self) -> bool:
        """Return True; note it as a failure if the driver goes on as if nothing had happened."""
        driver, loss = self.world.drivers[0], self.declared[-1]
        process, deadline = driver.process, time.monotonic() + self.notice
        assert process is not None
        while process.poll() is None or time.monotonic() < loss.over + NOTICE_SECONDS:
            self._remove_strays(loss)
            self.world.ensure_running(may_fail=self.world.broken_way is not None)
            if process.poll() is None and time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if process.poll() in (None, 0):
            self.world.failures.append(f"{driver} did not notice within {self.notice:.0f} s: {loss.what}")
        return True

    def _remove_strays(self, loss: Loss) -> None:
        """Remove what was appended between a look at what the store has and the loss that came right after it.

        A store has no way to refuse such an event, and its process notices at its next step. It hangs in the air: the
        one before it is gone. Here it is removed, as a person would do, so that what comes after can be checked.
        """
        events = self.database["events"]
        with contextlib.suppress(PyMongoError):
            vers: dict[Any, list[tuple[int, str, Any]]] = {}
            for event in events.find({"exp": self.world.exp}, {"tid": 1, "ver": 1}):
                vers.setdefault(event.get("tid"), []).append((event["ver"], event["_id"].hex, event["_id"]))
            begun = {tid for tid, chain in vers.items() if any(ver == 0 for ver, _, _ in chain)}
            first_gap = next(tid for tid in range(len(vers) + 1) if tid not in begun)
            for tid, chain in vers.items():
                for n, (ver, name, id) in enumerate(sorted(chain)):
                    is_stray = ver > n or (tid is not None and tid > first_gap) or None not in begun
                    if is_stray and name not in loss.kept:
                        loss.strays.add(name)
                        events.delete_one({"_id": id})

    def _stops(self, driver: Subject, *, within: float) -> bool:
        process, deadline = driver.process, time.monotonic() + within
        while process is not None and process.poll() is None:
            self.world.ensure_running(may_fail=self.world.broken_way is not None)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return process is None or process.poll() != 0

    def _go_on(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.world.ensure_running(may_fail=self.world.broken_way is not None)
            time.sleep(0.02)

    def _require_told(self, tid: int) -> None:
        """Note it as a failure if `hstore check` does not say that the end of trial *tid* cannot be read."""
        from hstore.engine.audit.check import check

        found = check(self.world.store, self.world.exp, timeout=0.0)
        if not any(finding.kind == "unreadable" and finding.tid == tid for finding in found):
            self.world.failures.append(f"`hstore check` does not say that the end of trial {tid} cannot be read")

    @contextlib.contextmanager
    def _standing_still(self) -> Any:
        """Let no process of the search do anything meanwhile."""
        stopped = [subject for subject in (*self.world.workers, *self.world.drivers) if subject.is_alive]
        for subject in stopped:
            subject.freeze(3600.0)
        try:
            yield
        finally:
            for subject in stopped:
                subject.thaw()

    def _patiently(self, act: Callable[[], Any]) -> None:
        """Do *act*, again and again while the server is away."""
        deadline = time.monotonic() + 60.0
        while True:
            try:
                act()
            except pymongo.errors.ConnectionFailure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return
