"""Experiment: one search in a store. What was read of it, and what is appended to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.store.attachments import SavedAttachment
from hstore.store.chain_digests import Chain
from hstore.store.composing import Composer
from hstore.store.composing import PendingEvent as PendingEvent
from hstore.store.composing import author as author
from hstore.store.composing import now as now
from hstore.store.errors import Conflict, NotFound
from hstore.store.events import Created, Event, Noted, Quarantined
from hstore.store.fold import Trial
from hstore.store.folded_log import FoldedLog
from hstore.store.housekeeping import Housekept
from hstore.store.html import state_html
from hstore.store.log import EVERY_TRIAL
from hstore.store.set_aside import quarantine_of, unreadable_ends
from hstore.store.signed_chains import note_of_all
from hstore.store.table_kinds import TableKind
from hstore.store.tables import table_of, to_pandas
from hstore.store.trial_actions import handed_out
from hstore.store.values import check_name

if TYPE_CHECKING:
    import pandas as pd

    from hstore.engine.analysis.importance import LabelImportance
    from hstore.engine.audit.explanation import Explanation
    from hstore.engine.search.recommendation import Recommendation
    from hstore.store.snapshots import Opened
    from hstore.store.store import Store


class Experiment(FoldedLog, Housekept):
    """One search: its chains as far as they were read, and their fold. Not for use by several threads at once.

    only: the tids of the trials that are read beside the experiment's own chain; None for all of them. A worker
    reads those that it holds (`load_trial`, `evict`), whatever the size of the search.
    after: beside *only* some trials those with a higher tid than this are read.
    from_snapshot: whether the first read may begin from a snapshot. Trials that are in it are read when they are asked
    for, and their events are not among those `received`.
    opened: what the first read begins from; see `settled_reading`.
    """

    __module__ = "hstore"

    def __init__(
        self, store: Store, name: str, *, only: Iterable[int] | None = None, after: int = EVERY_TRIAL,
        from_snapshot: bool = False, opened: Opened | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, name, only=only, after=after, from_snapshot=from_snapshot, opened=opened)
        self._composer = Composer(name, self._chains, self._digests, self._sound)
        self._digests.known = self._composer.digests, self._sound.digests

    @property
    def trials(self) -> list[Trial]:
        """All trials by tid."""
        trials, itself = self.state.trials, self._itself
        return [handed_out(trials[tid], itself) for tid in sorted(trials)]

    @property
    def best(self) -> Trial:
        """The trial with the smallest loss; raises `AllTrialsFailed` if no trial has one."""
        return handed_out(self.state.require_best(), self._itself)

    @property
    def recommended(self) -> Recommendation:
        """The tried point whose expected loss is lowest: that of `best`, unless losses are noisy.

        Raises `AllTrialsFailed` as `best` does. It is computed each time that it is asked for.
        """
        from hstore.engine.search.recommendation import recommendation

        return recommendation(self)

    @property
    def pareto(self) -> list[Trial]:
        """The Pareto front, by tid, of a search with several losses."""
        return [handed_out(trial, self._itself) for trial in self.state.pareto]

    def to_pandas(self, kind: TableKind = "trials") -> pd.DataFrame:
        """Return a frame with one row a trial, event or report; needs pandas (`pip install 'hstore[pandas]'`).

        kind: "trials" (with a column `params.<label>` for each label), "events", or "reports" (what `ctrl.report` and
            `should_stop` were given). Numbers that are missing are NA, times are UTC. Raises `InvalidValue` for another
            kind.
        """
        return to_pandas(table_of(self, kind))

    def explain(self, tid: int) -> Explanation:
        """Return why trial *tid* is where it is: what the search knew, and what its model expected."""
        import hstore  # the package, whose names are imported when asked for: what explains is above the store

        return hstore.explain(self, tid)

    def importance(self, **options: Any) -> list[LabelImportance]:
        """Return how important each label was for a trial to be among the best; see `hstore.importance`."""
        import hstore

        return hstore.importance(self, **options)

    def attachment(self, tid: Chain, name: str) -> SavedAttachment:
        """Return attachment *name* of trial *tid*, or of the experiment itself for None: to `read()` or `save(path)`.

        Raises `NotFound`, which says what attachments there are. Attachments that are no bytes, as a search in memory
        may have, are in `Trials.trial_attachments`.
        """
        self.chain(tid)  # raises NotFound
        found = self.state.attachments if tid is None else self.state.trials[tid].attachments
        entry = found.get(name)
        if entry is None or "sha256" not in entry:
            of = "the experiment" if tid is None else f"trial {tid}"
            there = ", ".join(repr(each) for each, entry in found.items() if "sha256" in entry)
            raise NotFound(
                f"{of} of {self.name!r} has no attachment {name!r}", hint=f"it has {there}" if there else "it has none"
            )
        return SavedAttachment(name, entry["length"], entry["sha256"], self.store.attachments)

    def begin(self, created: Mapping[str, Any]) -> bool:
        """Begin the experiment with *created*, the data of a `Created`; return False if it has begun already."""
        check_name(self.name)
        beginning: list[PendingEvent] = [(Created, None, created)]
        return bool(self.append_decided(lambda: beginning if self.state.ver < 0 else []))

    def trial(self, tid: int) -> Trial:
        """Return trial *tid*; raises `NotFound`. See `Store.trial` to read no other one."""
        self.chain(tid)
        return handed_out(self.state.trials[tid], self._itself)

    def _itself(self) -> Experiment:
        return self

    def compose(self, *pending: PendingEvent) -> list[Event]:
        """Return the events of *pending*, each put at the end of its chain (one builds on those before it).

        Raises `InvalidEvent` for one that its chain does not allow, `NotSigned` as `check_signatures` does. Nothing is
        written.
        """
        self.check_signatures()
        self._recall(tid for _, tid, _ in pending)
        return self._composer.compose(pending, self.state)

    def quarantine(self, why: str, *, unreadable: bool = False) -> Quarantined | None:
        """Append an event by which all that is set aside counts for nothing; return it, or None if nothing is.

        Chains go on behind it. With a key that is also what no key signs. unreadable: also the ends of chains that this
        program cannot read. Raises `Conflict` if the experiment has gone on meanwhile: then begin with a new
        `Experiment`.
        """
        self._sound.be_strict(anew=True)
        self._restart()
        aside = [*self.set_aside, *(unreadable_ends(self.state) if unreadable else ())]
        if not aside:
            return None
        self._sound.aside.note(aside)
        self._sound.aside.quarantine(each.key for each in aside)
        self._restart()
        named: PendingEvent = Quarantined, None, quarantine_of(aside, why)
        [event] = self._composer.compose([named], self.state)
        self.append([event])
        assert isinstance(event, Quarantined)
        return event

    def sign(self) -> Event:
        """Sign all events that were read: append a note that names the end of each chain; return it.

        For a person who has looked at them: unlike `compose` this asks for no signature. Needs `Store.keys`, and an
        experiment of which all trials are read. Raises `Conflict` if it has gone on meanwhile: look at that first.
        """
        if self.store.keys is not None:
            self.store.keys.unsigned.discard(self._chains[None][0].id)
        return self.append_unchecked(Noted, note_of_all(self.all_chains, self.digest))

    def append_unchecked(self, kind: type[Event], data: Mapping[str, Any]) -> Event:
        """Append an event to its own chain, signed or not as that is; for what a person does who has looked at it."""
        [event] = self._composer.compose([(kind, None, data)], self.state)
        self.append([event])
        return event

    def require_open(self) -> None:
        """Raise `ClosedChain` if the last event of the experiment's own chain cannot be read: it may have ended."""
        self._composer.require_open(self.state)

    def append_decided(
        self, decide: Callable[[], Sequence[PendingEvent]], *, more_to_come: bool = False, was_read: bool = False,
        note_written: Callable[[Sequence[Event]], object] = lambda _: None,
    ) -> list[Event]:  # fmt: skip
        """Append what *decide* returns, asking it again whenever another writer was first; return what was appended.

        decide: called with nothing; what others wrote has been read and folded by the time it is called again. An empty
            answer ends it. What it raises passes through, and nothing is written. With a key it sees what that signs.
        more_to_come, was_read: see `append`. note_written: called with what was written, also with what was before
            another writer was first.
        """
        while True:
            self.check_signatures()
            pending = decide()
            if not pending:
                return []
            events = self.compose(*pending)
            try:
                self.append(events, more_to_come=more_to_come, was_read=was_read)
            except Conflict as conflict:
                note_written(events[: events.index(conflict.mine)])
                continue
            note_written(events)
            return events

    def append(
        self, events: Sequence[Event], *, more_to_come: bool = False, not_yet: Collection[int] = (),
        was_read: bool = False,
    ) -> None:  # fmt: skip
        """Make *events* durable, fold them, bring the read models up to them (unless *more_to_come* at once).

        not_yet: trials whose documents may wait for the next append, or for `project`: one that soon ends is then
            written once.
        was_read: whether what they build on was read a moment ago for their sake: then nothing looks for it again,
            however seldom this process appends.
        Raises `Conflict` if another writer was first; what it wrote has been read and folded then.
        Raises `StoreRewound` if the store lost what these events build on; nothing is written then.
        """
        check = self._rewind_check
        is_due = check.is_due(events, was_read=was_read)
        try:
            check.guarded(
                lambda: self.store.log.append(events, held=check.ids_below(events), is_checked=not is_due),
                repair=self._repair_whole,
            )
        except Conflict as conflict:
            written = events[: events.index(conflict.mine)]
            check.appended(written, looked=is_due)
            self._take(written)
            self.load_trials([] if conflict.mine.tid is None else [conflict.mine.tid])
            raise
        check.appended(events, looked=is_due)
        self._take(events)
        self._digests.keep(events, self._composer.digests)
        chains, whole = {event.tid for event in events}, self._only is None
        for some, later in ((chains - set(not_yet), more_to_come), (chains & set(not_yet), True)):
            if some:
                self.store.models.project(self.state, some, later=later, whole=whole)

    def project(self, tid: int, *, lease: float | None = None) -> None:
        """Bring the document of trial *tid* up to what was read here, if it lags behind.

        lease: seconds that its holder has from now on; the lease is not in the document yet if that lags behind.
        """
        if tid in self.state.trials:
            if lease is not None:
                self.store.models.lease(self.name, tid, "", lease)
            self.store.models.project(self.state, {tid}, whole=self._only is None)

    def __repr__(self) -> str:
        return f"<hstore.Experiment {self.state.summary}>"

    def _repr_html_(self) -> str:
        return state_html(self.state)
