"""What a check finds: guarantees that the log or a read model of an experiment breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hstore.store.events import Event

Kind = Literal[
    "gap", "twice", "missing", "unreadable", "state", "open", "holder", "retries", "observed", "max_evals", "seal",
    "replay", "model", "lag",
]  # fmt: skip
"""What a violation is about:

gap         a place of a chain, or a trial id, that nothing fills
twice       an event, or a place of a chain, that is there more than once
missing     an event that was acknowledged and is not there
unreadable  an event that this program cannot decode
state       an event that its trial did not allow: an end after an end, say
open        a trial without an end although the search is over
holder      an event from a process other than the one that had claimed the trial
retries     a trial tried more often than the policy allows
observed    an end that no decision observed, or two did
max_evals   more trials than were asked for, or fewer although the search ended for that
seal        a digest that does not match, as `hstore verify` reports it
replay      a decision that does not follow from its history, as `hstore replay` reports it
model       a read model that contradicts the log
lag         a read model that is behind the log although the search is over; `hstore rebuild` brings it up
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A guarantee that the log or a read model of the experiment breaks."""

    kind: Kind
    message: str
    tid: int | None = None
    """None: the experiment itself."""
    ver: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def violation(kind: Kind, event: Event, message: str) -> Violation:
    """Return what is wrong with *event*."""
    return Violation(kind=kind, message=message, tid=event.tid, ver=event.ver)
