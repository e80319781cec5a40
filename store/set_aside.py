"""Set aside: events of a log that cannot be part of their chains, and how they are separated from the sound ones. Pure.

One that leaves a gap before it, or has no place at all, may be a stray, or what follows an event that was lost. Only a
person who looks can say. So the sound ones before it can be read, and nothing may follow them until a person says that
what was set aside is to count for nothing (`hstore quarantine`), or the gap is filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from hstore.store.chain_digests import chain_name
from hstore.store.digest import digest_event
from hstore.store.errors import ClosedChain, HstoreError, NotSigned
from hstore.store.event_documents import as_written, quarantined
from hstore.store.events import Data, Event, Quarantined
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log import Place, ReadCursor

if TYPE_CHECKING:
    from hstore.store.state import State


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A stored event that is left out of its chain. Fields are as they are stored, whatever that is."""

    tid: Any
    """None: it is of the experiment's own chain."""
    ver: Any
    id: Any
    type: Any
    by: Any
    digest: bytes
    """Of the event by itself."""
    why: str
    missing: Place | None = None
    """The place before it that nothing fills, if that is why."""
    is_unsigned: bool = False
    """Whether it is left out since no key signs it."""

    @property
    def key(self) -> str:
        """What tells it from others; any value may be its id."""
        return repr(self.id)

    @property
    def problem(self) -> str:
        """Which event it is, and what is wrong with it."""
        return f"event {self.ver!r:.40} of {chain_name(self.tid)} {self.why}"

    def __str__(self) -> str:
        return f"{self.problem}; it is set aside"

    def entry(self) -> list[Any]:
        """Return how a `Quarantined` names it."""
        return [self.tid, self.ver, self.id, self.digest]


class Separated(NamedTuple):
    """The events of a log that a reader asked for."""

    sound: list[Event]
    """By tid (the experiment's own chain first), then ver: per chain without gaps."""
    aside: list[SetAside]


def set_aside(event: Event, why: str, **more: Any) -> SetAside:
    """Return *event* as it is set aside, and *why*."""
    return SetAside(
        tid=event.tid, ver=event.ver, id=event.id, type=event.type, by=event.by, digest=digest_event(event), why=why,
        **more,
    )  # fmt: skip


def separate(events: Iterable[Event], known: ReadCursor) -> Separated:
    """Return which of *events*, which come in the order of `EventLog.read`, follow without a gap what is *known*."""
    found = Separated([], [])
    next_ver: dict[int | None, int] = {tid: ver + 1 for tid, ver in known.open.items()}
    next_ver[None] = known.header + 1
    next_tid, gap = known.last + 1, None  # of trials that are not known
    whose: Any = object()
    missing: Place | None = None
    for event in events:
        tid, ver = event.tid, event.ver
        if tid != whose:
            whose, missing = tid, None
            if tid is not None and tid not in next_ver and tid >= next_tid:
                if gap is None and tid > next_tid:
                    gap = next_tid, 0
                if gap is None and ver > 0:
                    gap = tid, 0
                missing, next_tid = gap, tid + 1
        expected = next_ver.get(tid, 0)
        if missing is None and ver < expected:
            found.aside.append(set_aside(event, "has the place of another event, which the store should have refused"))
            continue
        if missing is None and ver != expected:
            missing = tid, expected
        if missing is None:
            found.sound.append(event)
            next_ver[tid] = ver + 1
        else:
            why = f"is there without event {missing[1]} of {chain_name(missing[0])}, which is missing"
            found.aside.append(set_aside(event, why, missing=missing))
    return found


class SetAsideEvents:
    """What is set aside of experiment *exp*, as far as it was read, and what a `Quarantined` has named of it."""

    def __init__(self, exp: str) -> None:
        self._exp = exp
        self._known: dict[str, SetAside] = {}
        self._quarantined: set[str] = set()

    @property
    def ids(self) -> frozenset[Any]:
        """The `_id`s of all that was set aside, quarantined or not: reading them again is no news."""
        return frozenset(each.id for each in self._known.values() if isinstance(each.id, (UUID, bytes, str)))

    @property
    def open(self) -> list[SetAside]:
        """What is set aside, and not quarantined."""
        return [each for key, each in self._known.items() if key not in self._quarantined]

    @property
    def closed(self) -> Mapping[Any, str]:
        """Why nothing may be appended to a chain, by chain."""
        closed: dict[Any, str] = {}
        for each in self.open:
            if each.tid is None or isinstance(each.tid, int):
                closed.setdefault(each.tid, str(each))
        return closed

    def is_quarantined(self, event: Event) -> bool:
        """Return whether a `Quarantined` that was read names *event*."""
        if not self._quarantined:
            return False
        return repr(event.id) in self._quarantined or repr(as_written(event).id) in self._quarantined

    def note(self, aside: Iterable[SetAside]) -> bool:
        """Note what is set aside; return whether that is new."""
        new = {each.key: each for each in aside if each.key not in self._known}
        self._known |= new
        return bool(new)

    def forget(self, tid: int) -> None:
        """Forget what is set aside of trial *tid*."""
        self._known = {key: each for key, each in self._known.items() if each.tid != tid}

    def quarantine(self, keys: Iterable[str]) -> bool:
        """Note that those of *keys* count for nothing; return whether that is new."""
        before = len(self._quarantined)
        self._quarantined.update(keys)
        return len(self._quarantined) > before

    def in_place(self, events: Iterable[Event]) -> list[Event]:
        """Return *events*, which take their places now: those that are quarantined as what means nothing."""
        if not self._known and not self._quarantined:
            return list(events)
        taken = [quarantined(event) if self.is_quarantined(event) else event for event in events]
        for event in taken:
            self._known.pop(repr(event.id), None)  # the gap before it was filled
        return taken

    def refusal(self, chain: int | None, *, decides: bool = False, trials: int = 0) -> HstoreError | None:
        """Return the error that says why nothing may follow in *chain*; None if it may.

        decides: a new trial is to be appended behind so many *trials*.
        """
        stops = [
            each for each in self.open
            if (each.tid is None and (decides or chain is None))
            or (decides and not (isinstance(each.tid, int) and 0 <= each.tid < trials))
            or (not decides and chain is not None and each.tid == chain)
        ]  # fmt: skip
        if not stops:
            return None
        more = f", and {len(stops) - 1} more" if len(stops) > 1 else ""
        what = f"experiment {self._exp!r}" if chain is None or decides else f"trial {chain} of {self._exp!r}"
        hint = f"`hstore verify {self._exp}` shows more; `hstore quarantine {self._exp}` lets it go on without them"
        if stops[0].is_unsigned:
            hint = f"{hint}; `hstore sign {self._exp}` signs them if you trust them"
            return NotSigned(f"{what} is refused: {stops[0].problem}{more}", hint=hint, exp=self._exp, aside=stops)
        return ClosedChain(f"{what} cannot go on: {stops[0]}{more}", hint=hint, exp=self._exp, aside=stops)


def named(events: Sequence[Event]) -> list[str]:
    """Return the keys of what the `Quarantined` among *events* name."""
    return [repr(entry[2]) for event in events if isinstance(event, Quarantined) for entry in event.events]


def quarantine_of(aside: Iterable[SetAside], why: str) -> Data:
    """Return the data of the `Quarantined` that names *aside*."""
    return {"why": why, "events": [each.entry() for each in aside]}


def unreadable_ends(state: State) -> list[SetAside]:
    """Return the ends of chains in *state* that cannot be read, as what is set aside for that."""
    ends = [state.closed_by, *(state.trials[tid].closed_by for tid in sorted(state.trials))]
    return [set_aside(end, f"cannot be read: {end.why}") for end in ends if end is not None]


def unsigned(event: Event, why: str) -> SetAside:
    """Return *event* as it is set aside; *why*: "is not signed", say."""
    return replace(set_aside(event, why), is_unsigned=True)
