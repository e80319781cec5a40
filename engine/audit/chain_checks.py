"""Checks of an experiment's chains, which are taken one after the other: of each a few numbers are kept. Pure."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain as chained
from operator import itemgetter
from typing import Any

from hstore.engine.audit.violation import Violation, violation
from hstore.store.chain_digests import full_chain_name
from hstore.store.composing import process_of
from hstore.store.events import (
    CAUSES,
    Cancelled,
    Changed,
    Created,
    Done,
    Event,
    Failed,
    Finished,
    Noted,
    Queued,
    Reported,
    Requeued,
    Running,
    Unreadable,
)
from hstore.store.fold import UNFINISHED, Trial, evolve, is_news, why_not
from hstore.store.state import State

NONE = -1
"""Stands for a place that there is not."""
NUMBERS = 2**31
"""What is kept of places is below this."""


class ChainChecks:
    """Takes the chains of an experiment, its own first and then by trial, each without gaps or up to the first one."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        """What is wrong with single chains, but for trials that have not ended: whether these should have, is known
        when all chains are."""
        self._own: Sequence[Event] = ()
        self._retries: Mapping[str, Any] = {}
        self._open: dict[int, tuple[Event, str]] = {}
        """Of trials that have not ended the last event and the state."""
        self._observed = ObservedNews()
        self._injected = 0
        self._trials = 0

    def take_own(self, chain: Sequence[Event]) -> None:
        """Take the experiment's own *chain*."""
        self._own = chain
        created = next((event for event in reversed(chain) if isinstance(event, Created)), None)
        self._retries = created.retries if created is not None else {}
        for event in chain:
            if isinstance(event, Finished):
                self._observed.observe(event.observed, f"finished (place {event.ver})")
        self._observed.add(None, [event.ver for event in chain if not isinstance(event, Created | Noted)])

    def take(self, tid: int, chain: Sequence[Event]) -> None:
        """Take the *chain* of trial *tid*."""
        self._trials += 1
        trial = evolve(None, chain[0])
        if isinstance(chain[0], Queued):
            self._observed.observe(chain[0].observed, tid)
            self._injected += chain[0].source == "injected"
        elif not (isinstance(chain[0], Unreadable) and chain[0].is_quarantined):
            self.found.append(violation("state", chain[0], f"trial {tid} begins with {chain[0].type}"))
        news: list[int] = []
        for event in chain[1:]:
            before, trial = trial, self._follow(trial, event)
            if is_news(before, trial):
                news.append(event.ver)
        self._observed.add(tid, news)
        if not trial.is_finished:
            self._open[tid] = chain[-1], trial.state

    def _follow(self, trial: Trial, event: Event) -> Trial:
        """Check that *event* follows from the ones before, and comes from whom it has to; return *trial* after it."""
        tid = trial.tid
        if not isinstance(event, Unreadable) and event.ver == trial.ver + 1 and (why := why_not(trial, event)):
            is_end = isinstance(event, Done | Failed | Cancelled) and trial.state not in UNFINISHED
            which = "it ended a second time" if is_end else why
            self.found.append(violation("state", event, f"trial {tid} has {event.type} in place {event.ver}: {which}"))
        elif (
            (claim := trial.reserved) is not None
            and _is_holders(event)
            and process_of(event.by) != process_of(claim.by)
        ):
            message = f"trial {tid} has {event.type} in place {event.ver} from {event.by}, but {claim.by} held it"
            self.found.append(violation("holder", event, message))
        trial = evolve(trial, event)
        if isinstance(event, Requeued) and event.cause in CAUSES and self._retries:
            allowed, n = self._retries.get(event.cause, 0), trial.retries[event.cause]
            if n > allowed:
                message = f"trial {tid} was requeued {n} times ({event.cause}), not {allowed}"
                self.found.append(violation("retries", event, message))
        return trial

    def still_open(self) -> Iterator[Violation]:
        """Find the trials that have not ended, of a search that is over."""
        for tid, (last, state) in self._open.items():
            yield violation("open", last, f"trial {tid} is {state} although the search is over")

    def unobserved(self, *, is_over: bool) -> Iterator[Violation]:
        """Check that each end, and each later change of what a trial counts for, was observed by one decision only."""
        return self._observed.violations(is_over=is_over)

    def number_of_trials(self, state: State, max_evals: int | None) -> Iterator[Violation]:
        """Check that there are as many trials as were asked for. max_evals: if that is known from elsewhere."""
        injected = self._injected  # which objectives add without regard to the limit
        trials = self._trials - injected
        said = [e.limits for e in self._own if isinstance(e, Created | Changed) and e.limits is not None]
        limits = [limit for limit in (limits.get("max_evals") for limits in said) if limit is not None]
        most = max(limits) if limits and len(limits) == len(said) else None  # None: at some time there was none
        if max_evals is not None and not trials <= max_evals <= trials + injected:
            message = f"there are {trials} trials, not {max_evals}"
        elif most is not None and trials > most:
            message = f"there are {trials} trials, more than the {most} that were allowed"
        elif limits and state.status == "finished" and state.why == "max_evals" and trials + injected < limits[-1]:
            message = f"the search ended at max_evals with {trials} trials, not {limits[-1]}"
        else:
            return
        yield Violation(kind="max_evals", message=message)


def _is_holders(event: Event) -> bool:
    """Return whether only the process that holds a trial may write *event*: not what reapers and people write."""
    if isinstance(event, Failed):
        return event.cause != "lost"
    return isinstance(event, Running | Reported | Done)


class ObservedNews:
    """The news of each chain, and who observed them. Most trials have one of either, which takes twelve bytes."""

    def __init__(self) -> None:
        self._news = array("i")
        """By tid the place of the only news; `NONE`: there is no, or more."""
        self._vers, self._who = array("i"), array("i")
        """By tid up to which place it was observed first, `NONE` if it was not, and by the decision of which trial."""
        self._more_news: dict[int | None, list[int]] = {}
        """The news of all other chains."""
        self._more: defaultdict[int | None, list[tuple[int, str]]] = defaultdict(list)
        """What else was observed: up to which place, and by whom."""

    def add(self, tid: int | None, news: list[int]) -> None:
        """Take the places of the chain of *tid* that decisions have to observe."""
        if tid == len(self._news):
            self._news.append(news[0] if len(news) == 1 else NONE)
            self._vers.append(NONE)
            self._who.append(NONE)
            if len(news) < 2:
                return
        self._more_news[tid] = news

    def observe(self, observed: Sequence[Any], who: int | str) -> None:
        """Take what the decision of trial *who*, or an end of the search, says it *observed*."""
        for tid, ver, _ in observed:
            is_trial = type(tid) is int and 0 <= tid < len(self._vers) and 0 <= ver < NUMBERS
            if is_trial and isinstance(who, int) and self._vers[tid] == NONE:
                self._vers[tid], self._who[tid] = ver, who
            else:
                self._more[tid].append((ver, f"trial {who}" if isinstance(who, int) else who))

    def violations(self, *, is_over: bool) -> Iterator[Violation]:
        """Check that each news was observed once. is_over: that all ends were."""
        n = len(self._news)
        others = sorted(tid for tid in self._more_news if tid is not None and tid >= n)
        for tid in chained([None] if None in self._more_news else [], range(n), others):
            news, observed = self._of(tid)
            before, first = NONE, ""
            for ver, who in observed:
                # A decision names the place where a chain was, which may be later than that of the news.
                if not any(before < place <= ver for place in news):
                    again = f"{first} had observed it" if first else "there was nothing to observe"
                    message = f"{who} observed {full_chain_name(tid)} up to place {ver}: {again}"
                    yield Violation(kind="observed", message=message, tid=tid, ver=ver)
                before, first = ver, who
            if is_over and tid is not None and news and news[-1] > before:
                message = f"the end of trial {tid} (place {news[-1]}) was not observed by any decision"
                yield Violation(kind="observed", message=message, tid=tid, ver=news[-1])
        for tid, entries in self._more.items():
            if tid not in self._more_news and not (isinstance(tid, int) and 0 <= tid < n):
                message = f"{entries[0][1]} observed {full_chain_name(tid)}, which is not there"
                yield Violation(kind="observed", message=message, tid=tid)

    def _of(self, tid: int | None) -> tuple[list[int], list[tuple[int, str]]]:
        """Return the news of the chain of *tid*, and what observed it, by place."""
        more = self._more.get(tid, [])
        if tid is None or tid >= len(self._news):
            return self._more_news[tid], sorted(more, key=itemgetter(0))
        news = self._more_news.get(tid) or [place for place in (self._news[tid],) if place != NONE]
        first = [] if self._vers[tid] == NONE else [(self._vers[tid], f"trial {self._who[tid]}")]
        return news, sorted([*first, *more], key=itemgetter(0))
