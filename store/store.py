"""Store: a database of experiments, in MongoDB or in memory."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hstore.store.as_of import PastLog, When, events_at, parse
from hstore.store.attachments import Attachments, MemoryAttachments
from hstore.store.errors import HstoreError, InvalidValue, NotFound, StoreRewound
from hstore.store.html import escaped, store_html
from hstore.store.latest_events import LatestEvents, keep
from hstore.store.log import EventLog
from hstore.store.memory import MemoryLog
from hstore.store.null_objects import NoClaims, NoReadModels
from hstore.store.removal import Progress, Removed, remove
from hstore.store.snapshots import MemorySnapshots, Snapshots
from hstore.store.tables import experiments_table, to_pandas
from hstore.store.tombstones import MemoryRemovals, Removals, latest_removal
from hstore.store.trial_actions import handed_out
from hstore.store.values import check_name, fits_int64

if TYPE_CHECKING:
    import pandas as pd
    from pymongo.database import Database

    from hstore.store.claims import Claims
    from hstore.store.experiment_summary import ExperimentSummary
    from hstore.store.fold import Trial
    from hstore.store.keys import Keys
    from hstore.store.read_models import ReadModels
    from hstore.store.server import EmbeddedServer

from hstore.store.events import Document
from hstore.store.experiment import Experiment, now


class Store:
    """A MongoDB database with hstore's collections, or the same in memory."""

    __module__ = "hstore"

    def __init__(
        self,
        log: EventLog,
        attachments: Attachments,
        *,
        models: ReadModels | None = None,
        claims: Claims | None = None,
        database: Database[dict[str, Any]] | None = None,
        url: str = "memory:",
        uri: str = "",
        server: EmbeddedServer | None = None,
        identity: uuid.UUID | None = None,
        keys: Keys | None = None,
        snapshots: Snapshots | None = None,
        removals: Removals | None = None,
    ) -> None:
        self.log = log
        self.attachments = attachments
        self.is_durable = models is not None
        """Whether what is appended outlives this process: False for a store in memory."""
        self.models: ReadModels | NoReadModels = NoReadModels() if models is None else models
        self.claims: Claims | NoClaims = NoClaims() if claims is None else claims
        """Tickets, leases and the presence of workers."""
        self.database = database
        """MongoDB itself, for queries; None in memory."""
        self.url = url
        """Where it is, for messages: a password is left out."""
        self.uri = uri
        """Where it is, for another process to open it: with the password."""
        self.server = server
        """The embedded mongod behind the store, if it has one."""
        self.identity = identity
        """The UUID of the store as this process opened it; None in memory, and in a store of before it had one."""
        self.latest: defaultdict[str, LatestEvents] = defaultdict(LatestEvents)
        """By experiment the latest events that this process knows."""
        self.rewound: dict[str, StoreRewound] = {}
        """What the store has lost, by experiment, once that was noticed: this process writes nothing more to those."""
        self.recovers = False
        """Whether this process puts back at once what the store lost and it still holds, rather than to stop."""
        self.keys = keys
        """What signs the events that are appended, and checks those that are acted on; None: nothing does."""
        self.snapshots: Snapshots = MemorySnapshots() if snapshots is None else snapshots
        """What experiments may begin from instead of the whole log; never the truth."""
        self.removals: Removals = MemoryRemovals() if removals is None else removals
        """The tombstones of experiments that people removed."""
        self.before_close: list[Callable[[], object]] = []
        """Called once before the connection is closed: what still has to be written."""
        self._is_closed = False

    @classmethod
    def in_memory(cls) -> Store:
        """Return a new store that lives and dies with this process."""
        return cls(MemoryLog(), MemoryAttachments())

    def experiments(self) -> list[str]:
        """Return the names of all experiments, sorted."""
        return self.log.experiments()

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with one row an experiment; needs pandas (`pip install 'hstore[pandas]'`)."""
        return to_pandas(experiments_table(self.overview()))

    def overview(self, *, at: When | None = None) -> list[Document]:
        """Return what is known of each experiment, by name, as in the collection `experiments`, with its `name`.

        at: as of a time, without those that had not begun.

        The trials are counted, and the best of them found, now: a driver may not have recorded it yet. A document that
        no program of hstore would have written has the status "unreadable", and `why`.
        """
        from hstore.store.overview import overview_in_memory, overview_of  # with pymongo, which memory does without

        if at is not None:
            if not isinstance(moment := parse(at, now()), dt.datetime):
                raise InvalidValue("the decisions of an experiment say nothing of others", hint="give a time")
            return overview_in_memory(experiment.state for experiment in self._all_at(moment))
        if isinstance(self.models, NoReadModels):
            return overview_in_memory(self.experiment(name).state for name in self.experiments())
        return overview_of(self.models)

    def _all_at(self, moment: dt.datetime) -> Iterator[Experiment]:
        for name in self.experiments():
            experiment = self.experiment(name)
            if experiment.chain(None)[0].at <= moment:
                yield self.past(experiment, moment)

    def experiment(
        self, name: str, *, only: Iterable[int] | None = None, from_snapshot: bool = False, at: When | None = None
    ) -> Experiment:
        """Return experiment *name* as the log has it now; raises `NotFound`.

        only: the tids of the trials to read, whatever the number of the others; None: all. from_snapshot: see
            `Experiment`.
        at: returns a view of it that nothing can be written to, as of then: the number of a decision (what that knew),
            a time (without a zone: UTC), or either as text: "50", "2026-11-30 15:00", "2h-ago". All trials are read.
            Raises `InvalidValue` for any other text.
        """
        if at is not None:
            return self.past(self.experiment(name), parse(at, now()))
        if only is not None:
            only = [int(tid) for tid in only if fits_int64(tid)]  # no document could ask for others
        experiment = Experiment(self, check_name(name), only=only, from_snapshot=from_snapshot)
        experiment.refresh()
        if experiment.state.events == 0:
            if (removal := latest_removal(self, name)) is not None:
                raise NotFound(f"experiment {removal}", hint=removal.hint, name=name, removal=removal)
            names = self.experiments()
            raise NotFound(
                f"there is no experiment {name!r} in {self.place}", hint=_where_to_look(name, names), name=name
            )
        return experiment

    def remove(
        self, name: str, *, reason: str = "", person: str | None = None, force: bool = False,
        on_progress: Progress = lambda _: None,
    ) -> Removed:  # fmt: skip
        """Remove experiment *name* for good: its events, documents, snapshots, and what it alone has attached.

        A tombstone stays: when it was removed, by whom (*person*; default: see `person.person`), for which *reason*,
        and the head of all that was there. force: also while workers hold trials of it, without which that raises
        `InUse`. on_progress: called with the number of events of other experiments that were just looked at for
        attachments that they share. Needs rights that the roles of docs/roles.md do not give. Raises `NotFound`.
        """
        return remove(self, check_name(name), reason=reason, person=person, force=force, on_progress=on_progress)

    def past(self, experiment: Experiment, at: int | dt.datetime) -> Experiment:
        """Return *experiment*, of which all trials were read, as of *at*: a view that nothing can be written to."""
        store = Store(PastLog(events_at(experiment, at), at), self.attachments, url=self.url, identity=self.identity)
        return store.experiment(experiment.name)

    def fork(self, name: str, new: str, *, at: When | None = None) -> Experiment:
        """Begin experiment *new* with the first decisions of experiment *name* and what these knew; return it.

        at: the number of a decision, which will be the next one of *new*, or a time; see `experiment`. None: all that
            there is. Nothing is evaluated again: the log of *new* begins with copies that have the digests of their
            originals, so `hstore verify` compares them. What trials had not ended then are queued in *new*.
        Raises `InvalidValue` if there is an experiment *new*, `NotFound` if there is no *name*, or no decision *at*.
        """
        from hstore.store.forking import fork
        from hstore.store.settled_reading import settled_experiment

        source = settled_experiment(self, check_name(name), verifies=True)
        return fork(source, new, at=None if at is None else parse(at, now()))

    def trial(self, name: str, tid: int) -> Trial:
        """Return trial *tid* of experiment *name*; no other one is read. Raises `NotFound`."""
        return handed_out(self.experiment(name, only=[tid]).trial(tid), partial(self.experiment, name))

    def summary(self, name: str, *, exact: bool = False) -> ExperimentSummary:
        """Return what experiment *name* is now; raises `NotFound`.

        The trials that have ended are counted in the collection `trials`, all others are read from the log. exact: read
        the whole log instead.
        """
        from hstore.store.experiment_summary import ExperimentSummary, read_summary

        return ExperimentSummary(self.experiment(name)) if exact else read_summary(self, check_name(name))

    @property
    def timeout(self) -> float:
        """Seconds to wait for a server that does not answer before `StoreUnreachable` is raised."""
        return getattr(self.log, "timeout", math.inf)

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        if self.is_durable:
            self.log.timeout = seconds  # type: ignore[attr-defined]

    def for_thread(self) -> Store:
        """Return another handle on the same connection, for another thread to append through; not to be closed."""
        if not self.is_durable:
            return self
        for_thread = copy(self)
        for_thread.models = self.models.for_thread()
        return for_thread

    def close(self) -> None:
        """Close the connection; an embedded server that no other process uses stops."""
        was_closed, self._is_closed = self._is_closed, True
        try:
            if not was_closed:
                self._write_rest()
        finally:
            getattr(self.log, "close", lambda: None)()
            if self.server is not None:
                self.server.release()

    def _write_rest(self) -> None:
        for write in self.before_close:
            write()
        if self.identity is not None:  # unless it was told already
            keep(self.identity, {exp: known for exp, known in self.latest.items() if exp not in self.rewound})
        self.models.flush()

    @property
    def place(self) -> str:
        """Where it is, in a sentence: the folder of an embedded store, else its URL without a password."""
        return self.url if self.server is None else f"the embedded store in {self.server.home}"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hstore.Store {self.place}>"

    def _repr_html_(self) -> str:
        try:
            return store_html(self.place, self.overview())
        except HstoreError as error:  # a notebook shows what there is, and goes on
            return f"<div>{escaped(self)}: {escaped(error, 400)}</div>"


def _where_to_look(name: str, names: Sequence[str]) -> str:
    """Return what to do about the *name* of an experiment that there is not, among *names*."""
    if name.endswith(".hstore"):
        if Path(name).is_file():
            return f"it is a file: `hstore import {name}` makes an experiment of it"
        return "nor is there a file of that name here"
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return "`hstore ls` lists the experiments" if names else "the store has no experiments yet"
