"""The fold: what a trial is, given its events. Pure; whatever is in the log can be folded. `state`: the experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import reduce
from types import MappingProxyType
from typing import Literal, TypeAlias

from hstore.store.events import (  # fmt: skip
    AMENDABLE,
    NOTHING,
    RELEASED,
    Cancelled,
    Data,
    Done,
    Event,
    Failed,
    Noted,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Running,
    TrialNumber,
    Unreadable,
)
from hstore.store.frozen_makers import maker
from hstore.store.html import trial_html
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.ranked import is_feasible, why_unranked
from hstore.store.terminal_text import printable
from hstore.store.trial_actions import TrialActions

TrialState: TypeAlias = Literal["queued", "reserved", "running", "done", "failed", "cancelled"]
HELD: frozenset[str] = frozenset({"reserved", "running"})
"""A worker has the trial."""
UNFINISHED: frozenset[str] = HELD | {"queued"}
UNREADABLE = "unreadable"
"""What is shown as the state of a trial whose last event cannot be read: what it says of the trial is not known."""

FOLLOWS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reserved": frozenset({"queued"}),
        "running": frozenset({"reserved"}),
        "reported": frozenset({"running"}),
        "done": frozenset({"running"}),
        "failed": HELD,
        "requeued": HELD | {"failed", "done", "cancelled"},
        "cancelled": UNFINISHED,
        "noted": frozenset({"queued", "reserved", "running", "done", "failed", "cancelled"}),
    }
)
"""From which states each event of a trial may lead on (a person may requeue a trial that ended)."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Trial(TrialActions):
    """One point and what became of it: the events that still matter, and what follows from them."""

    tid: TrialNumber
    ver: int
    """Place of the last event in the chain; the next one goes to ver + 1."""
    state: TrialState
    queued: Queued | None
    last: Event
    attempt: int = 0
    reserved: Reserved | None = None
    running: Running | None = None
    end: Done | Failed | Cancelled | None = None
    reports: tuple[Reported, ...] = ()
    asked_point: Data = field(default_factory=lambda: NOTHING)
    """Raw value of each label that the objective asked for as it went."""
    asked_params: Data = field(default_factory=lambda: NOTHING)
    """What these mean."""
    notes: tuple[Noted, ...] = ()
    is_void: bool = False
    returned: Done | None = None
    """The end as the objective returned it, if a note has amended it since; `end` is what counts now."""
    retries: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    """How often the trial was requeued, by cause, since a person last requeued it."""

    def __repr__(self) -> str:
        losses = {"loss": self.loss, "losses": None if self.losses is None else list(self.losses)}
        loss = "".join(f", {name} {value}" for name, value in losses.items() if value is not None)
        params = ", ".join(f"{label}={value!r:.40}" for label, value in list(self.params.items())[:6])
        more = ", …" if len(self.params) > 6 else ""
        return printable(f"<Trial {self.tid} {self.state}{loss}{f': {params}{more}' if params else ''}>")

    def _repr_html_(self) -> str:
        return trial_html(self)

    @property
    def closed_by(self) -> Unreadable | None:
        """The last event, if this program cannot read it: it may say that the trial ended, so nothing may follow it."""
        return self.last if isinstance(self.last, Unreadable) and not self.last.is_quarantined else None

    @property
    def is_none(self) -> bool:
        """Whether the number is that of no trial, since what was in the place of its decision was quarantined."""
        return self.queued is None and self.end is not None and self.end.ver == 0

    @property
    def point(self) -> Data:
        """Raw value per active label."""
        queued = self.queued.point if self.queued else NOTHING
        return {**queued, **self.asked_point} if self.asked_point else queued

    @property
    def params(self) -> Data:
        """Readable value per active label."""
        queued = self.queued.params if self.queued else NOTHING
        return {**queued, **self.asked_params} if self.asked_params else queued

    @property
    def is_finished(self) -> bool:
        """Whether the trial has ended: done, failed for good, or cancelled."""
        is_final = not isinstance(self.end, Failed) or self.end.final
        return self.state not in UNFINISHED and is_final

    @property
    def loss(self) -> float | None:
        """The loss, NaN and infinities included; None without one."""
        return self.end.loss if isinstance(self.end, Done) else None

    @property
    def losses(self) -> Sequence[float] | None:
        """One loss for each objective, where there are several; None without them."""
        return self.end.losses if isinstance(self.end, Done) else None

    @property
    def constraints(self) -> Sequence[float] | None:
        """The constraints in the result, each kept if it is at most 0; None if it has none."""
        return self.end.constraints if isinstance(self.end, Done) else None

    @property
    def is_feasible(self) -> bool:
        """Whether no constraint is violated; one that is NaN is."""
        return is_feasible(self.constraints)

    @property
    def why_unranked(self) -> tuple[str, ...]:
        """Why it cannot be the best, nor on the Pareto front; nothing if it is ranked. See `ranked.why_unranked`."""
        return why_unranked(
            status=self.status, loss=self.loss, losses=self.losses, constraints=self.constraints,
            is_pruned=self.is_pruned, is_void=self.is_void,
        )  # fmt: skip

    @property
    def status(self) -> str | None:
        """hyperopt's status string of a trial that is done."""
        return self.end.status if isinstance(self.end, Done) else None

    @property
    def is_pruned(self) -> bool:
        """Whether it was stopped early, since what it had reported was hopeless."""
        return isinstance(self.end, Done) and bool(self.end.pruned)

    @property
    def latest_reports(self) -> list[tuple[int, float]]:
        """The steps and values that its latest attempt reported, in order."""
        since = self.reserved.ver if self.reserved else -1
        return [
            (report.step, float(report.value))
            for report in self.reports
            if report.ver > since and report.step is not None and report.value is not None
        ]

    @property
    def last_report(self) -> tuple[int, float] | None:
        """The step and the value that its latest attempt reported last; None if it reported none."""
        since = self.reserved.ver if self.reserved else self.ver
        for report in reversed(self.reports):
            if report.ver > since and report.step is not None and report.value is not None:
                return report.step, report.value
        return None

    @property
    def result(self) -> Data | None:
        """What the objective returned."""
        return self.end.result if isinstance(self.end, Done) else None

    @property
    def error(self) -> str | None:
        """Type and message of what the objective raised."""
        return f"{self.end.error}: {self.end.message}" if isinstance(self.end, Failed) else None

    @property
    def duration(self) -> float | None:
        """Seconds that the last attempt took."""
        return None if self.end is None or isinstance(self.end, Cancelled) else self.end.duration

    @property
    def attachments(self) -> dict[str, Data]:
        """name, sha256 and length of each attachment, by its name; a later one of that name replaces it."""
        named: list[Reported | Noted] = sorted((*self.reports, *self.notes), key=lambda event: event.ver)
        return latest_attachments(event.attachment for event in named)

    @property
    def amended_by(self) -> Noted | None:
        """The last note that amended the end of the trial; None if it counts as the objective returned it."""
        if self.returned is None:
            return None
        return next(note for note in reversed(self.notes) if note.amend is not None)

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags from all notes, in order."""
        return tuple(dict.fromkeys(tag for note in self.notes for tag in note.tags or ()))


_make_trial = maker(Trial)


def evolve(trial: Trial | None, event: Event) -> Trial:
    """Return *trial* as it is after *event*."""
    if trial is None:
        assert event.tid is not None
        queued = event if isinstance(event, Queued) else None
        trial = Trial(tid=TrialNumber(event.tid), ver=event.ver, state="queued", queued=queued, last=event)
        if isinstance(event, Unreadable) and event.is_quarantined:  # a number that is no trial
            return replace(trial, state="cancelled", end=_no_trial(event))
        return trial
    ver = event.ver
    match event:
        case Queued():
            return replace(trial, ver=ver, state="queued", queued=event, last=event)
        case Reserved():
            return replace(
                trial, ver=ver, state="reserved", reserved=event, running=None, end=None, returned=None,
                attempt=event.attempt, last=event,
            )  # fmt: skip
        case Running():
            return replace(trial, ver=ver, state="running", running=event, last=event)
        case Reported(point=None, params=None):
            return replace(trial, ver=ver, reports=(*trial.reports, event), last=event)
        case Reported(point=point, params=params):
            return replace(
                trial, ver=ver, reports=(*trial.reports, event), last=event,
                asked_point={**trial.asked_point, **(point or {})},
                asked_params={**trial.asked_params, **(params or {})},
            )  # fmt: skip
        case Done():
            return replace(trial, ver=ver, state="done", end=event, returned=None, last=event)
        case Failed():
            return replace(trial, ver=ver, state="failed", end=event, last=event)
        case Cancelled():
            return replace(trial, ver=ver, state="cancelled", end=event, last=event)
        case Requeued(cause=cause):
            retries = {**trial.retries, cause: trial.retries.get(cause, 0) + 1} if cause else NOTHING
            if cause == RELEASED:
                retries = trial.retries
            return replace(
                trial, ver=ver, state="queued", reserved=None, running=None, end=None, returned=None, retries=retries,
                last=event,
            )  # fmt: skip
        case Noted(void=void):
            is_void = trial.is_void if void is None else void
            trial = _amended(trial, event)
            return replace(trial, ver=ver, notes=(*trial.notes, event), is_void=is_void, last=event)
        case _:  # unreadable, or of the experiment's chain: the place is taken, nothing else changes
            return replace(trial, ver=ver, last=event)


def _amended(trial: Trial, note: Noted) -> Trial:
    """Return *trial* with what *note* amends of its end; all that reads the end of a trial then sees it."""
    if note.amend is None or not isinstance(end := trial.end, Done):
        return trial
    result = {**end.result, **note.amend}
    amended = replace(end, result=result, **{name: note.amend.get(name, getattr(end, name)) for name in AMENDABLE})
    return replace(trial, end=amended, returned=trial.returned or end)


def fold_chain(chain: Sequence[Event]) -> Trial:
    """Return the trial whose events are *chain*, all of them from the first on."""
    if (trial := fold_plain(chain)) is not None:
        return trial
    first, *later = chain
    return reduce(evolve, later, evolve(None, first))


def fold_plain(chain: Sequence[Event]) -> Trial | None:
    """Return what `fold_chain` does, in a third of the time, for chains as most are: queued, taken once, perhaps ended.

    None for any other.
    """
    queued = chain[0]
    if type(queued) is not Queued:
        return None
    reserved: Reserved | None = None
    running: Running | None = None
    end: Done | Failed | Cancelled | None = None
    reports: list[Reported] = []
    state: TrialState = "queued"
    for event in chain[1:]:
        kind = type(event)
        if end is not None:
            return None
        if kind is Done or kind is Failed or kind is Cancelled:
            end, state = event, kind.type  # type: ignore[assignment]
        elif kind is Running:
            running, state = event, "running"  # type: ignore[assignment]
        elif kind is Reported and event.point is None:  # type: ignore[attr-defined]
            reports.append(event)  # type: ignore[arg-type]
        elif kind is Reserved and reserved is None and running is None:
            reserved, state = event, "reserved"  # type: ignore[assignment]
        else:
            return None
    return _make_trial(
        tid=TrialNumber(queued.tid), ver=chain[-1].ver, state=state, queued=queued, last=chain[-1],
        attempt=0 if reserved is None else reserved.attempt, reserved=reserved, running=running, end=end,
        reports=tuple(reports),
    )  # fmt: skip


def is_news(before: Trial, after: Trial) -> bool:
    """Return whether decisions have to observe what made *before* into *after*: an end, or what it counts for."""
    ends = [trial.end if trial.is_finished else None for trial in (before, after)]
    return ends[0] is not ends[1] or before.is_void is not after.is_void


def _no_trial(event: Unreadable) -> Cancelled:
    return Cancelled(
        exp=event.exp, tid=event.tid or 0, ver=event.ver, id=event.id, at=event.at, by=event.by,
        why="its decision was quarantined",
    )  # fmt: skip


def why_not(trial: Trial | None, event: Event) -> str | None:
    """Return why *event* cannot follow in the chain of *trial*, None if it can. Writers ask before they append."""
    if trial is None:
        return None if event.type == "queued" and event.ver == 0 else "the trial does not exist"
    if event.ver != trial.ver + 1:
        return f"its place is {event.ver}, the chain goes on at {trial.ver + 1}"
    if (closed_by := trial.closed_by) is not None:
        return unread(closed_by)
    if trial.state not in FOLLOWS.get(event.type, frozenset()):
        return f"the trial is {trial.state}"
    return None


def unread(event: Unreadable) -> str:
    """Return in a few words that *event* cannot be read by this program, and why."""
    return f"its event {event.ver} cannot be read by this program: {event.why}"


def latest_attachments(named: Iterable[Data | None]) -> dict[str, Data]:
    """Return the last attachment of each name in *named*, in order; one that was removed since is left out."""
    latest = {attachment["name"]: attachment for attachment in named if attachment is not None}
    return {name: attachment for name, attachment in latest.items() if not attachment.get("removed")}
