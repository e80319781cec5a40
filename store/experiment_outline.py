"""Outline: what the collections `trials` and `experiments` say of an experiment, in a few small queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hstore.store.events import Document
from hstore.store.fold import UNFINISHED, UNREADABLE
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.retry import RetryPolicy
from hstore.store.tally import BEST_BY_INDEX, WITH_LOSS

if TYPE_CHECKING:
    from pymongo.collection import Collection

ENDED = ("done", "failed", "cancelled")
GIVEN = ("imported", "injected")
"""Sources of trials that were evaluated elsewhere, some other time."""
AT_ONCE = 1000
"""Documents that are kept at a time."""
LATEST_ENDS = 1000
"""How many trials the pace of an experiment goes by, at most."""


class LatestEvent(NamedTuple):
    """The latest event of an experiment by the clocks of the writers."""

    at: dt.datetime
    type: str


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What the documents of an experiment say."""

    last: int
    """The highest tid of a trial that has a document; -1 without any."""
    open: Mapping[int, str]
    """State by tid of the trials whose chains go on: those that have not ended, or cannot be read."""
    ended: Mapping[str, int]
    """Number of the others by state."""
    known: Mapping[int, str]
    """State by tid of the latest, and of the best, of those."""
    pruned: int
    pareto: Sequence[Document]
    """tid and losses of the trials of the Pareto front, as in `experiments`."""
    events: int
    """Number of events that the document in `experiments` reflects."""
    latest: LatestEvent | None
    """The latest of them."""
    spans: Sequence[tuple[int, dt.datetime, dt.datetime]]
    """tid, begin and end of the latest trials that were evaluated."""
    documents: Callable[[Iterable[str] | None], Iterator[Document]]
    """Yields the documents of all trials by tid, with the fields that it is given; None: all of hstore's."""

    @property
    def adds_up(self) -> bool:
        """Whether there is one document for each tid up to `last`: if not, one is missing, or has just changed."""
        return len(self.open) + sum(self.ended.values()) == self.last + 1


def read_outline(
    trials: Collection[Document],
    experiments: Collection[Document],
    retry: RetryPolicy,
    exp: str,
    *,
    latest: int,
    fields: Iterable[str],
) -> Outline | None:
    """Return what *trials* and *experiments* say of *exp*; None if no program of hstore would say so.

    latest: how many of the last trials are to be among `Outline.known`. fields: those of `Outline.documents`.
    """
    every = sorted(fields)

    def look() -> Outline | None:
        about = experiments.find_one({"_id": exp}, {"events": 1, "pareto": 1, "last": 1})
        if about is None or not isinstance(about.get("events"), int) or not _is_front(about.get("pareto", [])):
            return None
        brief = {"_id": 0, "tid": 1, "state": 1}
        goes_on = [{"state": {"$in": sorted(UNFINISHED | {UNREADABLE})}}, {"state": "failed", "final": False}]
        open_ = [*trials.find({"exp": exp, "$or": goes_on}, brief)]
        ended = {state: trials.count_documents({"exp": exp, "state": state}) for state in ENDED}
        some = [*trials.find({"exp": exp}, brief, sort=[("tid", -1)], limit=latest)]
        best = trials.find_one({"exp": exp, **WITH_LOSS}, brief, sort=BEST_BY_INDEX)
        if not all(map(_is_plain, [*open_, *some, *filter(None, [best])])):
            return None
        states = {each["tid"]: each["state"] for each in open_}
        ended["failed"] -= sum(state == "failed" for state in states.values())
        known = {each["tid"]: each["state"] for each in [*some, *filter(None, [best])]}
        return Outline(
            last=some[0]["tid"] if some else -1,
            open=states,
            ended=ended,
            known={tid: state for tid, state in known.items() if tid not in states},
            pruned=trials.count_documents({"exp": exp, "status": "fail", "pruned": True}),
            pareto=about.get("pareto", []),
            events=about["events"],
            latest=_latest_event(about.get("last")),
            spans=_spans(trials, exp),
            documents=partial(_documents, trials, retry, exp, every),
        )

    return retry(look)


def _spans(trials: Collection[Document], exp: str) -> list[tuple[int, dt.datetime, dt.datetime]]:
    evaluated = {"exp": exp, "state": {"$in": ["done", "failed"]}, "source": {"$nin": [*GIVEN]}}
    steps: list[Document] = [
        {"$match": evaluated}, {"$sort": {"tid": -1}}, {"$limit": LATEST_ENDS},
        {"$group": {"_id": None, "spans": {"$push": {"tid": "$tid", "began": "$started_at", "ended": "$ended_at"}}}},
    ]  # fmt: skip
    found = [span for each in trials.aggregate(steps, hint="exp_1_tid_1") for span in each["spans"]]
    read = [(span.get("tid"), span.get("began"), span.get("ended")) for span in found]
    return [
        (tid, began if isinstance(began, dt.datetime) else ended, ended)
        for tid, began, ended in read
        if isinstance(tid, int) and isinstance(ended, dt.datetime)
    ]


def _documents(
    trials: Collection[Document], retry: RetryPolicy, exp: str, every: Sequence[str], fields: Iterable[str] | None
) -> Iterator[Document]:
    wanted = dict.fromkeys(every if fields is None else sorted({"tid", *fields}), 1)

    def after(tid: int) -> list[Document]:
        return [*trials.find({"exp": exp, "tid": {"$gt": tid}}, wanted, sort=[("tid", 1)], limit=AT_ONCE)]

    last = -1
    while found := retry(partial(after, last)):
        yield from found
        last = found[-1]["tid"]


def _latest_event(latest: object) -> LatestEvent | None:
    at, kind = (latest.get("at"), latest.get("type")) if isinstance(latest, dict) else (None, None)
    return LatestEvent(at, kind) if isinstance(at, dt.datetime) and isinstance(kind, str) else None


def _is_plain(document: Document) -> bool:
    tid = document.get("tid")
    return isinstance(tid, int) and tid >= 0 and type(document.get("state")) is str


def _is_front(front: object) -> bool:
    return isinstance(front, list) and all(
        isinstance(each, dict)
        and isinstance(each.get("tid"), int)
        and isinstance(losses := each.get("losses"), list)
        and all(isinstance(loss, int | float) for loss in losses)
        for each in front
    )
