"""As of: what an experiment was at a decision, or at a time. Pure; `Store.experiment(name, at=…)` shows it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from operator import index
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

from hstore.store.chain_digests import Chain
from hstore.store.errors import InvalidEvent, InvalidValue, NotFound
from hstore.store.events import Created, Event, Finished, Noted
from hstore.store.fold import Trial, evolve, is_news
from hstore.store.log import NO_EVENTS, EventIds
from hstore.store.memory import MemoryLog
from hstore.store.read_ahead import ChainsAhead

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment

When: TypeAlias = SupportsIndex | dt.date | str
"""The number of a decision, a time, or either as people write it: see `parse`."""
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)[- ]ago")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class PastLog(MemoryLog):
    """A log that nothing can be appended to, of the events of one experiment up to some moment.

    events: those of each chain in order, as a log has them. Not all trials have to be there.
    """

    def __init__(self, events: Sequence[Event], at: int | dt.datetime) -> None:
        super().__init__()
        for event in events:
            self._chains.setdefault(event.exp, {}).setdefault(event.tid, []).append(event)
        self.at = at

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        """Raise `InvalidEvent`: nothing can be written to the past."""
        name = events[0].exp if events else "the experiment"
        raise InvalidEvent(
            f"{name!r} is shown as of {described(self.at)}; nothing can be added to that",
            hint="open the experiment without `at` to write to it",
        )


def parse(at: When, now: dt.datetime) -> int | dt.datetime:
    """Return *at* as the number of a decision or as a time: 50, "50", "2026-11-30 15:00", "2h-ago".

    A time without a zone is UTC, as all times that hstore prints; the units are s, m, h, d and w. Raises
    `InvalidValue`.
    """
    if isinstance(at, str):
        text = at.strip()
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            if (ago := _AGO.fullmatch(text)) is not None:
                return now - dt.timedelta(**{_UNITS[ago[2]]: float(ago[1])})
            at = dt.datetime.fromisoformat(text)
        except (ValueError, OverflowError):  # the second for a moment before the year 1
            raise InvalidValue(
                f"at: {text!r} is no moment", hint='a decision (50), a time ("2026-11-30 15:00", UTC), or 2h-ago'
            ) from None
    if isinstance(at, dt.date) and not isinstance(at, dt.datetime):
        at = dt.datetime(at.year, at.month, at.day)  # noqa: DTZ001 - given a zone below
    if isinstance(at, dt.datetime):
        return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
    try:
        number = -1 if isinstance(at, bool) else index(at)  # of numpy's integers, too
    except TypeError:
        number = -1
    if number < 0:
        raise InvalidValue(f"at: {at!r} is no moment", hint="the number of a decision, a datetime, or text")
    return number


def described(at: int | dt.datetime) -> str:
    """Return *at* in words."""
    return f"decision {at}" if isinstance(at, int) else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def events_at(experiment: Experiment, at: int | dt.datetime) -> list[Event]:
    """Return the events of *experiment* as of *at*, by chain.

    A number: what the decision of that trial knew, which its `observed` and those before it say. Trials whose ends it
    did not know are as they were by the clocks of the writers. The number of the next trial stands for all there is.
    A time: what had been written by then, by the clocks of the writers.
    Raises `NotFound` if there is no such decision, or nothing had been written.
    """
    chains = ChainsAhead(experiment)
    return [event for tid, end in ends_at(experiment, at, chains) for event in chains[tid][: end + 1]]


def ends_at(experiment: Experiment, at: int | dt.datetime, chains: ChainsAhead) -> Iterator[tuple[Chain, int]]:
    """Yield the chains in which `events_at` has events, the experiment's own first, and up to which place.

    chains: those of *experiment*. Raises as `events_at`.
    """
    n = len(experiment.state.trials)
    if not isinstance(at, int):
        found = list(_written_by(at, n, chains))
        if not found:
            raise NotFound(
                f"experiment {experiment.name!r} had not begun at {described(at)}",
                hint=f"it began at {described(chains[None][0].at)}", at=at,
            )  # fmt: skip
        yield from found
    elif at > n:
        raise NotFound(
            f"experiment {experiment.name!r} has no decision {at}", hint=f"the next one is {n}", at=at,
        )  # fmt: skip
    elif at == n:
        yield from ((tid, chains.last(tid)) for tid in (None, *range(n)))
    else:
        yield from _known_to(at, chains)


def _known_to(number: int, chains: ChainsAhead) -> Iterator[tuple[Chain, int]]:
    known: dict[Chain, int] = {None: 0}
    for tid in range(number + 1):
        _observe(known, chains, chains[tid][0])
    moment = chains[number][0].at
    yield None, _last_of(header_at(chains[None], known[None], moment))
    for tid in range(number):
        known_until, last = known.get(tid, 0), chains.last(tid)
        yield tid, last if known_until >= last else _last_of(trial_at(chains[tid], known_until, moment))


def _last_of(events: Iterable[Event]) -> int:
    return max(event.ver for event in events)


def _observe(known: dict[int | None, int], chains: Mapping[int | None, Sequence[Event]], event: Event) -> None:
    """Add to *known* what *event*, a decision or the end of a search, observed."""
    for tid, ver, _ in getattr(event, "observed", ()):
        before = known.get(tid, -1)
        known[tid] = max(ver, before)
        if tid is None:
            for each in chains[None][before + 1 : ver + 1]:
                if isinstance(each, Finished):
                    _observe(known, chains, each)


def header_at(chain: Sequence[Event], known: int, moment: dt.datetime) -> Iterator[Event]:
    """Yield what is *known* of the experiment's own chain, and the notes on it until *moment*."""
    for event in chain:
        if event.ver > known and (not isinstance(event, Created | Noted) or event.at > moment):
            return
        yield event


def trial_at(chain: Sequence[Event], known: int, moment: dt.datetime) -> Iterator[Event]:
    """Yield what is *known* of a trial, and what was under way at *moment* until there was news of it."""
    trial: Trial | None = None
    for event in chain:
        before, trial = trial, evolve(trial, event)
        if event.ver > known and (event.at > moment or before is None or is_news(before, trial)):
            return
        yield event


def _written_by(moment: dt.datetime, n: int, chains: ChainsAhead) -> Iterator[tuple[Chain, int]]:
    for tid in (None, *range(n)):
        written = [*takewhile(lambda event: event.at <= moment, chains[tid])]
        if not written:
            return  # its clock may be ahead of that of the next decision, but trials are numbered without gaps
        yield tid, written[-1].ver
