"""What was acknowledged to processes, read back and compared with the log: such an event is there, once, as it was."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.recorder import ATTACHMENTS
from hstore.store.digest import digest_event
from hstore.store.errors import HstoreError
from hstore.store.events import Event
from hstore.store.log import Place
from hstore.store.state import State

NOTICE_SECONDS = 2.0
"""How long after a loss a process may append what it looked at before: reports for a second, and a slow machine."""


@dataclass(frozen=True, kw_only=True)
class Append:
    """One event of an append that was acknowledged."""

    process: str
    sent: float
    """When the append began, by `time.monotonic`."""
    id: str
    place: Place
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Events that were taken out of the store on purpose."""

    what: str
    began: float
    over: float
    kept: frozenset[str]
    """The `_id`s of all events of the experiment that the store still had then."""
    has_attachments: bool = True
    """Whether the attachments stayed."""
    strays: set[str] = field(default_factory=set)
    """The `_id`s of events that were appended right after the loss, by processes that had just looked, and removed."""

    def explains(self, append: Append) -> bool:
        """Return whether *append* is not in the log because of this."""
        return append.id in self.strays or (append.sent <= self.over and append.id not in self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was acknowledged to a process, or that it said, and that is not so."""

    kind: str
    """missing, different, twice, unnamed, named, wrote-on, answer or attachment: see `compare`."""
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(kw_only=True)
class Acknowledged:
    """All that the processes of a search noted of one experiment."""

    appends: list[Append] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    named: list[tuple[str, float, str]] = field(default_factory=list)
    """Process, time and `_id` of each event that was said to be lost."""


def lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield process and line of all files in *folder*. The last line of a process that was killed may be cut off."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield path.stem, json.loads(line)


def read(folder: Path, exp: str) -> Acknowledged:
    """Return what was noted of experiment *exp*."""
    noted = Acknowledged()
    for process, line in lines(folder / exp):
        for id, tid, ver, _, digest in line.get("events", ()):
            noted.appends.append(Append(process=process, sent=line["sent"], id=id, place=(tid, ver), digest=digest))
        if "answer" in line:
            noted.answers.append(line)
        noted.named += [(process, line["at"], id) for id in line.get("lost", ())]
    return noted


def acknowledged_attachments(folder: Path) -> dict[str, float]:
    """Return the SHA-256 of all attachments that were acknowledged, and when the last such `put` began."""
    sent: dict[str, float] = {}
    for _, line in lines(folder / ATTACHMENTS):
        sent[line["attachment"]] = max(line["sent"], sent.get(line["attachment"], 0.0))
    return sent


def compare(
    noted: Acknowledged,
    events: Sequence[Event],
    state: State | None,
    losses: Sequence[Loss] = (),
    unreadable: Sequence[tuple[int, float, float]] = (),
) -> list[Finding]:
    """Return where what was acknowledged to processes differs from the log, *events*, and its fold, *state*.

    Answers are not compared if *state* is None. unreadable: trials whose ends could not be read, from when to when; an
    answer may lack them.

    missing     an acknowledged event is not there, and no loss explains it
    different   it is in another place, or holds something else
    twice       two events were acknowledged in one place
    unnamed     an acknowledged event was lost, and no StoreRewound named it
    named       a StoreRewound named an event that is there
    wrote-on    a process went on after a loss of what was acknowledged to it
    answer      fmin returned another best, or had seen other trials end, than the log says
    """
    return [
        *_compare_appends(noted, events, losses),
        *_compare_losses(noted, events, losses),
        *(_compare_answers(noted, state, unreadable) if state is not None else ()),
    ]


def _compare_appends(noted: Acknowledged, events: Sequence[Event], losses: Sequence[Loss]) -> Iterator[Finding]:
    there = {event.id.hex: event for event in events}
    by_place: dict[Place, set[str]] = defaultdict(set)
    for append in noted.appends:
        event = there.get(append.id)
        who = f"{_named(append)}, acknowledged to {append.process},"
        if event is None:
            if not any(loss.explains(append) for loss in losses):
                yield Finding(kind="missing", message=f"{who} is not in the log")
            continue
        by_place[append.place].add(append.id)
        if (event.tid, event.ver) != append.place:
            yield Finding(kind="different", message=f"{who} is in place {event.ver} of {event.tid}")
        elif append.digest is not None and append.digest != digest_event(event).hex():
            yield Finding(kind="different", message=f"{who} holds something else in the log")
    for (tid, ver), ids in by_place.items():
        if len(ids) > 1:
            yield Finding(kind="twice", message=f"place {ver} of {tid} was acknowledged to {len(ids)} events")


def _compare_losses(noted: Acknowledged, events: Sequence[Event], losses: Sequence[Loss]) -> Iterator[Finding]:
    there = {event.id.hex for event in events}
    named = {id for _, _, id in noted.named}
    by_loss: dict[int, list[Append]] = defaultdict(list)
    for append in noted.appends:
        if append.id not in there:
            for number, loss in enumerate(losses):
                if loss.explains(append):
                    by_loss[number].append(append)
                    break
    for number, lost in by_loss.items():
        loss = losses[number]
        for append in lost:
            if append.id not in named and append.id not in loss.strays and not _was_in_flight(append, noted):
                yield Finding(
                    kind="unnamed", message=f"{_named(append)} was acknowledged to {append.process}, lost "
                    f"{loss.began - append.sent:.2f} s later ({loss.what}), and named by no StoreRewound",
                )  # fmt: skip
        for process in {append.process for append in lost if append.sent <= loss.began}:
            after = [a for a in noted.appends if a.process == process and a.sent > loss.over + NOTICE_SECONDS]
            if after:
                yield Finding(
                    kind="wrote-on", message=f"{process} appended {_named(after[0])} {after[0].sent - loss.over:.1f} s "
                    f"after events acknowledged to it were lost ({loss.what})",
                )  # fmt: skip
    for process, at, id in noted.named:
        if id in there and not any(loss.began <= at and id not in loss.kept for loss in losses):
            yield Finding(kind="named", message=f"{process} said that event {id} was lost, which is in the log")


def _was_in_flight(append: Append, noted: Acknowledged) -> bool:
    """Return whether another thread of the process reported a loss at about the time at which *append* began."""
    return any(append.process == process and abs(at - append.sent) < NOTICE_SECONDS for process, at, _ in noted.named)


def _compare_answers(
    noted: Acknowledged, state: State, unreadable: Sequence[tuple[int, float, float]]
) -> Iterator[Finding]:
    best = state.best
    ended = sorted(trial.tid for trial in state.trials.values() if trial.is_finished)
    begun = [(append.place[0], append.sent) for append in noted.appends if append.place[1] == 0]
    for answer in noted.answers:
        hidden: set[int | None] = {tid for tid, began, over in unreadable if began <= answer["at"] <= over}
        hidden |= {tid for tid, sent in begun if sent > answer["at"]}  # by an Optuna program that was frozen meanwhile
        if best is not None and best.tid in hidden:
            continue
        if best is None or answer["best"] != best.tid or answer["answer"] != _params(best.params):
            known = None if best is None else (best.tid, dict(best.params))
            said = answer["best"], answer["answer"]
            yield Finding(kind="answer", message=f"fmin returned the best {said}, and the log has {known}")
        if differ := sorted((set(answer["tids"]) ^ set(ended)) - hidden):
            yield Finding(kind="answer", message=f"fmin returned, and of trials {differ[:5]} it knew another state")


def compare_attachments(
    sent: Mapping[str, float], get: Callable[[bytes], bytes], losses: Sequence[Loss] = ()
) -> Iterator[Finding]:
    """Yield the attachments that were acknowledged and cannot be fetched, unless they were lost with all others."""
    for sha256, at in sent.items():
        if any(at <= loss.over and not loss.has_attachments for loss in losses):
            continue
        try:
            get(bytes.fromhex(sha256))
        except HstoreError as error:
            yield Finding(kind="attachment", message=f"attachment {sha256} was acknowledged: {error}")


def _named(append: Append) -> str:
    tid, ver = append.place
    return f"event {ver} of {'the experiment' if tid is None else f'trial {tid}'} ({append.id})"


def _params(params: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in params.items()}
