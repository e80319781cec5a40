"""Live searches: one reader per experiment, however many browsers look, which publishes only what changed."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError

from hstore.cli.page.screen_points import ChartPart, ScreenPoints
from hstore.cli.page.trial_rows import IS_A_TRIAL, SLIM, collection, columns_json, head_of, slim_row, table_row
from hstore.store.errors import HstoreError, NotFound
from hstore.store.experiment import Experiment
from hstore.store.fold import UNREADABLE
from hstore.store.indigestible import BROKEN, refusal
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.messages import Log
from hstore.store.model_documents import trial_document

if TYPE_CHECKING:
    from hstore.store.events import Document
    from hstore.store.state import State
    from hstore.store.store import Store

LOG = Log("page")

INTERVAL = 0.4
"""Seconds between two messages at least."""
WAIT = 2.0
"""Seconds of one wait for something new; after that the watch looks whether it still has a viewer."""
EXISTS_SECONDS = 10.0
"""How often it is looked whether an experiment without news is still in the store."""
KEPT_MESSAGES = 200
"""A viewer that is further behind loads everything again."""
SPARSE = 10_000
"""More trials than this are not missing among the documents: a document far behind the others is a stray."""
UNWATCHED_SECONDS = 60.0
"""How long a watch stays current without a viewer: one that comes back by then has its data at once."""


class SearchWatch:
    """The trials of one experiment, kept current by a thread of its own while it is in use.

    It begins with the documents of `trials`, so that a page has its data before any log is read, and goes on with the
    events behind them, which it reads from the log: a document whose writer died is corrected. Of the trials it keeps
    what `slim_row` returns.
    Raises `NotFound` if there is no such experiment.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self.began = time.time_ns() // 1_000_000
        """Number before the first message, which no earlier watch came to: a viewer who comes back to a server that was
        started anew has a number of before, and must not be taken to know what this one published."""
        self.tick = self.began
        """Number of the last message."""
        self.is_over = False
        """Whether the thread has ended: another watch must take over."""
        self.failure: str | None = None
        """Why it ended, if what the search holds, or the store, did not let it go on."""
        self._store = store
        self._changed = threading.Condition()
        self._messages: deque[tuple[int, str]] = deque(maxlen=KEPT_MESSAGES)
        self._open = Experiment(store, name, only=())
        self._open.refresh()
        if self._open.state.ver < 0:
            raise NotFound(f"there is no experiment {name!r}")
        self._rows: dict[int, dict[str, Any]] = {}
        self._vers: dict[int, int] = {}
        self._columns: tuple[int, str] = -1, ""
        """What `columns` returned last, and at which tick."""
        self._points: tuple[int, ScreenPoints] = -1, ScreenPoints([])
        self._following: set[int] = set()
        """Trials whose chains may go on."""
        self._missing: set[int] = set()
        """Trials without a document, whose writer died."""
        self._last = -1
        """The last trial."""
        self._load()
        self._used = time.monotonic()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"hstore-ui {name}", daemon=True)
        self._thread.start()

    # -- for viewers: any thread ------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The experiment's own chain, folded, and the trials that have not ended; read it, do not keep it."""
        return self._open.state

    def columns(self, part: ChartPart | None = None) -> str:
        """Return the trials that a screen shows apart, in *part* or in all, as JSON; see `columns_json`."""
        with self._changed:
            self._used = time.monotonic()
            if part is None and self._columns[0] == self.tick:  # those who open a search without news share it
                return self._columns[1]
            known, points = self._points
            rows = None if known == self.tick else [self._rows[tid] for tid in sorted(self._rows)]
            tick, head = self.tick, self._head()
        if rows is not None:
            points = ScreenPoints(rows)
            self._points = tick, points
        text = columns_json(tick, head, points, part)
        if part is None:
            self._columns = tick, text
        return text

    def known(self, below: int) -> list[tuple[int, int, dict[str, Any]]]:
        """Return tid, ver and row of each trial before *below* that it has; see `slim_row`."""
        with self._changed:
            self._used = time.monotonic()
            return [(tid, self._vers[tid], row) for tid, row in self._rows.items() if tid < below]

    @property
    def count(self) -> int:
        """The number of trials."""
        return len(self._rows)

    def latest(self, n: int) -> tuple[list[int], int | None]:
        """Return the numbers of the latest *n* trials and of the best one, and that of the best."""
        with self._changed:
            self._used = time.monotonic()
            tids, best = sorted(self._rows)[-n:], self._head()["best"]
        return (tids, None) if best is None else (sorted({*tids, best["tid"]}), best["tid"])

    def messages_since(self, tick: int, *, timeout: float) -> list[tuple[int, str]] | None:
        """Return the messages after *tick* as soon as there are any, none after *timeout* seconds.

        None: the viewer has missed some, and must load the columns again.
        """
        with self._changed:
            self._used = time.monotonic()
            self._changed.wait_for(lambda: self.tick != tick or self.is_over, timeout)
            if self.tick < tick or self.is_over:
                return None
            found = [message for message in self._messages if message[0] > tick]
            return found if len(found) == self.tick - tick else None

    def close(self) -> None:
        """End the thread soon."""
        self._stopping = True
        with self._changed:
            self._changed.notify_all()

    # -- the thread -------------------------------------------------------------------------------------------

    def _load(self) -> None:
        database = self._store.database
        assert database is not None, "a store in memory has no page"
        found = list(collection(database, "trials").find({"exp": self.name, **IS_A_TRIAL}, SLIM).sort("tid", 1))
        for document in found:
            if document["tid"] < 2 * len(found) + SPARSE:
                self._take(document, document["ver"] - (document.get("state") == UNREADABLE))

    def _take(self, document: Document, ver: int) -> None:
        tid = document["tid"]
        self._rows[tid] = slim_row(document)
        self._vers[tid] = ver
        is_over = document.get("state") in ("done", "cancelled") or document.get("final") is True
        (self._following.discard if is_over else self._following.add)(tid)
        self._missing.update(range(self._last + 1, tid))
        self._missing.discard(tid)
        self._last = max(self._last, tid)

    def _run(self) -> None:
        looked = time.monotonic()
        try:
            while not self._stopping and time.monotonic() - self._used < UNWATCHED_SECONDS:
                if self._look():
                    time.sleep(INTERVAL)  # what comes meanwhile goes into one message
                    continue
                self._store.log.wait(self.name, self._cursor(), WAIT)
                if time.monotonic() > looked + EXISTS_SECONDS:
                    looked = time.monotonic()
                    self._require_there()
        except (HstoreError, PyMongoError, *BROKEN) as error:
            said = refusal(self.name, error) or error
            self.failure = str(said)
            LOG.warning(f"the page stopped following {self.name!r}: {said}", experiment=self.name)
        finally:
            with self._changed:
                self.is_over = True
                self._changed.notify_all()

    def _require_there(self) -> None:
        """Raise `NotFound` if the experiment was removed: then nothing new would ever come."""
        if not self._store.log.read(self.name, ReadCursor(header=-1, last=EVERY_TRIAL, open={})):
            raise NotFound(f"experiment {self.name!r} is not in the store any more")

    def _cursor(self) -> ReadCursor:
        """Return how far this has read: the chains of some trials may go on, and those of missing ones begin."""
        open_ = {tid: self._vers[tid] for tid in self._following} | dict.fromkeys(self._missing, -1)
        return ReadCursor(header=self._open.state.ver, last=self._last, open=open_)

    def _look(self) -> bool:
        """Read what is new in the log, and publish it; return whether there was anything."""
        events = self._store.log.read(self.name, self._cursor())
        if not events:
            return False
        if about := {tid for event in events for tid in getattr(event, "about", None) or () if tid in self._rows}:
            self._following |= about  # trials that had ended, whose chains go on
            events = self._store.log.read(self.name, self._cursor())
        tids = sorted({event.tid for event in events if event.tid is not None})
        documents = self._documents(tids)
        with self._changed:
            self._publish(documents)
        for tid in tids:
            if tid in self._open.state.trials and tid not in self._following:
                self._open.evict(tid)
        return True

    def _documents(self, tids: list[int]) -> list[Document]:
        """Return the documents of the trials *tids*, derived from their chains as they are now."""
        trials = self._open.load_trials(tids)
        return [trial_document(trial) for trial in trials if trial is not None]

    def _publish(self, documents: list[Document]) -> None:
        for document in documents:
            self._take(document, document["ver"])
        self.tick += 1
        message = {"tick": self.tick, "head": self._head(), "rows": [table_row(document) for document in documents]}
        self._messages.append((self.tick, json.dumps(message, separators=(",", ":"))))
        self._changed.notify_all()

    def _head(self) -> dict[str, Any]:
        return head_of(self._open.state, self._rows.values())


class Watches:
    """The watches of a store, by experiment: made when first asked for, closed some time after the last viewer left."""

    def __init__(self, handle: Callable[[], Store]) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._watches: dict[str, SearchWatch] = {}

    def __call__(self, name: str) -> SearchWatch:
        """Return the watch of experiment *name*; raises `NotFound`."""
        with self._lock:
            found = self._watches.get(name)
            if found is None or found.is_over:
                self._watches = {key: watch for key, watch in self._watches.items() if not watch.is_over}
                found = self._watches[name] = SearchWatch(self._handle(), name)
            return found

    def close(self) -> None:
        """End all of them."""
        for watch in list(self._watches.values()):
            watch.close()
