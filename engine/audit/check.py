"""Check: compare an experiment with everything that hstore guarantees, whichever processes died on the way."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from hstore.engine.audit.whole_log import WholeLog, read_whole
from hstore.store.composing import process_of
from hstore.store.errors import HstoreError
from hstore.store.events import (
    CAUSES,
    CODEC,
    TABLE_CODEC,
    Cancelled,
    Changed,
    Created,
    Document,
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
from hstore.store.experiment import Experiment
from hstore.store.fold import UNFINISHED, Trial, evolve, why_not
from hstore.store.indigestible import BROKEN
from hstore.store.lineage import compare
from hstore.store.log_chains import chains_of
from hstore.store.memory import MemoryLog
from hstore.store.signatures import look_at
from hstore.store.state import State
from hstore.store.store import Store
from hstore.store.streamed_verify import verify_streamed
from hstore.store.verify import verify

TIMEOUT, POLL_SECONDS = 5.0, 0.1
"""Seconds for which read models may be behind a search that is over, and between two looks at them."""
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


def check(
    store: Store,
    name: str,
    *,
    max_evals: int | None = None,
    acknowledged: Collection[UUID] | None = None,
    timeout: float = TIMEOUT,
    on_progress: Callable[[int], object] = lambda _: None,
) -> list[Violation]:
    """Return what is wrong with experiment *name*. Nothing should be, whichever processes and servers died on the way.

    For a search that its log calls finished, all trials must have ended, all ends must have been observed, and the read
    models must be up to date. A search that goes on is checked as far as it went.

    max_evals: what the search was asked for, if it is known: it is over then, with as many trials.
    acknowledged: ids of the events whose append was acknowledged to the writer.
    timeout: seconds to wait for read models, which are written after the events.
    on_progress is called with 1 after each decision that was derived again. Raises `NotFound`.
    """
    shown = _shown(store, name)  # before the log, which the read models never run ahead of
    log = read_whole(store, name)
    is_over = max_evals is not None or _is_over(log.state)
    findings = [
        *_digested(_check_places(log)),
        *_check_acknowledged(log, acknowledged or ()),
        *_digested(f for tid, chain in log.trials for f in _check_chain(tid, chain, _retries(log), is_over)),
        *_digested(_check_observed(log, is_over)),
        *_digested(_check_max_evals(log, max_evals)),
        *_check_digests(store, name),
        *_check_source(store, log),
    ]
    if not any(finding.kind in ("gap", "twice", "unreadable") for finding in findings):
        findings += _check_replay(store, log, on_progress)
        if shown is not None:
            models = [*_check_models(shown, log.state, is_over)]
            deadline = time.monotonic() + timeout
            while any(finding.kind == "lag" for finding in models) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                shown = _shown(store, name) or shown
                models = [*_check_models(shown, read_whole(store, name).state, is_over)]
            findings += models
    return findings


def _digested(found: Iterator[Violation]) -> Iterator[Violation]:
    """Yield what is *found*; if an event holds what cannot be checked, that is found as well."""
    try:
        yield from found
    except BROKEN as error:
        message = f"it cannot be checked, since an event holds what is not expected: {type(error).__name__}: {error}"
        yield Violation(kind="unreadable", message=message)


def _check_digests(store: Store, name: str) -> Iterator[Violation]:
    """Find what `hstore verify` finds; with a key also what processes with it set aside since no key signs it."""
    fetch = store.attachments.get
    last = store.log.last_trial(name)
    seen = verify_streamed(
        store.log.documents(name, quick=True), fetch=fetch, keys=store.keys, last=last, looks_for_content=False
    )  # fmt: skip
    if seen is not None:
        signatures, findings = seen.signatures, seen.report.findings
    else:
        documents = list(store.log.documents(name))
        signatures, findings = look_at(documents, store.keys), verify(documents, fetch=fetch).findings
    yield from (Violation(kind="seal", message=message) for message in (*signatures.wrong, *signatures.refused))
    yield from (Violation(kind="seal", message=f.message, tid=f.tid, ver=f.ver) for f in findings)


def _check_source(store: Store, log: WholeLog) -> Iterator[Violation]:
    """Find that the experiment from which this one was forked was changed since."""
    if log.state.forked is None:
        return
    source = chains_of(store.log.documents(log.state.forked.source))
    found = compare(chains_of(store.log.documents(log.exp)), source, store.attachments.get)
    if found is not None and found.state == "changed":
        yield Violation(kind="seal", message=found.message)


def _is_over(state: State) -> bool:
    """Return whether no more events are expected. A search that was stopped may let running trials end."""
    is_ending = bool(state.open) and state.why not in ("max_evals", "exhausted")
    return state.status == "finished" and not is_ending


Shown: TypeAlias = tuple[list[bytes], Document | None]
"""The read models of trials, as BSON since they are all kept, and that of the experiment."""


def _shown(store: Store, name: str) -> Shown | None:
    """Return the read models; None where there are none."""
    return store.models.stored(name) if store.is_durable else None


# -- the chains -----------------------------------------------------------------------------------------------


def _check_places(log: WholeLog) -> Iterator[Violation]:
    """Check that trial ids and chains are dense, that no place is taken twice, and no id given twice."""
    for stray in log.strays:
        message = f"event {stray.get('ver')!r:.40} of trial {stray.get('tid')!r:.40} has no place in any chain"
        yield Violation(kind="gap", message=message)
    ids = Counter(event.id for event in log.events)
    places = Counter((event.tid, event.ver) for event in log.events)
    for event in log.events:
        if isinstance(event, Unreadable) and not event.is_quarantined:
            yield _found("unreadable", event, f"event {event.ver} of {_whose(event.tid)} cannot be read: {event.why}")
        if ids.pop(event.id, 1) > 1:
            yield _found("twice", event, f"the id {event.id} was given to several events")
        if (n := places.pop((event.tid, event.ver), 1)) > 1:
            yield _found("twice", event, f"place {event.ver} of {_whose(event.tid)} is taken {n} times")
    expected = 0
    for tid, _ in log.trials:
        if tid != expected:
            which = f"trial {expected}" if tid == expected + 1 else f"trials {expected} to {tid - 1}"
            yield Violation(kind="gap", message=f"there is no {which}, but trial {tid}", tid=expected)
        expected = tid + 1
    for whose, chain in log.chains.items():
        for ver, event in enumerate(chain):
            if event.ver != ver:
                message = f"event {ver} of {_whose(whose)} is missing, but not {event.ver}"
                yield Violation(kind="gap", message=message, tid=whose, ver=ver)
                break
    if not log.header:
        yield Violation(kind="gap", message="the experiment has no beginning", ver=0)


def _check_acknowledged(log: WholeLog, acknowledged: Iterable[UUID]) -> Iterator[Violation]:
    there = {event.id for event in log.events}
    for id in (id for id in acknowledged if id not in there):
        yield Violation(kind="missing", message=f"event {id} was acknowledged and is not in the log")


def _check_chain(tid: int, chain: Sequence[Event], retries: Mapping[str, Any], is_over: bool) -> Iterator[Violation]:
    """Check that each event of a trial follows from the one before, and comes from whom it has to come from."""
    trial: Trial | None = None
    for event in chain:
        if trial is None:
            trial = evolve(None, event)
            if not isinstance(event, Queued) and not (isinstance(event, Unreadable) and event.is_quarantined):
                yield _found("state", event, f"trial {tid} begins with {event.type}")
            continue
        at = trial if event.ver == trial.ver + 1 else evolve(trial, event)  # a gap is reported by `_check_places`
        if not isinstance(event, Unreadable) and event.ver == trial.ver + 1 and (why := why_not(at, event)):
            is_end = isinstance(event, Done | Failed | Cancelled) and trial.state not in UNFINISHED
            which = "it ended a second time" if is_end else why
            yield _found("state", event, f"trial {tid} has {event.type} in place {event.ver}: {which}")
        elif (
            (claim := trial.reserved) is not None
            and _is_holders(event)
            and process_of(event.by) != process_of(claim.by)
        ):
            yield _found(
                "holder", event,
                f"trial {tid} has {event.type} in place {event.ver} from {event.by}, but {claim.by} held it",
            )  # fmt: skip
        trial = evolve(trial, event)
        if isinstance(event, Requeued) and event.cause in CAUSES and retries:
            allowed, n = retries.get(event.cause, 0), trial.retries[event.cause]
            if n > allowed:
                yield _found("retries", event, f"trial {tid} was requeued {n} times ({event.cause}), not {allowed}")
    if is_over and trial is not None and not trial.is_finished:
        yield _found("open", chain[-1], f"trial {tid} is {trial.state} although the search is over")


def _is_holders(event: Event) -> bool:
    """Return whether only the process that holds a trial may write *event*: not what reapers and people write."""
    if isinstance(event, Failed):
        return event.cause != "lost"
    return isinstance(event, Running | Reported | Done)


def _retries(log: WholeLog) -> Mapping[str, Any]:
    return log.state.created.retries if log.state.created is not None else {}


# -- what decisions knew --------------------------------------------------------------------------------------


def _check_observed(log: WholeLog, is_over: bool) -> Iterator[Violation]:
    """Check that each end, and each later change of what a trial counts for, was observed by one decision only."""
    observed: dict[int | None, list[tuple[int, str]]] = defaultdict(list)
    for event in (*(chain[0] for _, chain in log.trials), *log.header):
        if isinstance(event, Queued | Finished):
            who = f"finished (place {event.ver})" if isinstance(event, Finished) else f"trial {event.tid}"
            for tid, ver, _ in event.observed:
                observed[tid].append((ver, who))
    for tid, chain in log.chains.items():
        news = _news(chain)
        before, first = -1, ""
        for ver, who in sorted(observed.pop(tid, ()), key=lambda entry: entry[0]):
            # A decision names the place where a chain was, which may be later than that of the news.
            if not any(before < place <= ver for place in news):
                again = f"{first} had observed it" if first else "there was nothing to observe"
                yield Violation(
                    kind="observed", message=f"{who} observed {_whose(tid)} up to place {ver}: {again}",
                    tid=tid, ver=ver,
                )  # fmt: skip
            before, first = ver, who
        if is_over and tid is not None and news and news[-1] > before:
            yield Violation(
                kind="observed", message=f"the end of trial {tid} (place {news[-1]}) was not observed by any decision",
                tid=tid, ver=news[-1],
            )  # fmt: skip
    for tid, entries in observed.items():
        yield Violation(kind="observed", message=f"{entries[0][1]} observed {_whose(tid)}, which is not there", tid=tid)


def _news(chain: Sequence[Event]) -> list[int]:
    """Return the places of a chain that decisions have to observe."""
    if chain[0].tid is None:
        return [event.ver for event in chain if not isinstance(event, Created | Noted)]
    places: list[int] = []
    trial: Trial | None = None
    for event in chain:
        before, trial = trial, evolve(trial, event)
        if before is not None and (_end(before) is not _end(trial) or before.is_void is not trial.is_void):
            places.append(event.ver)
    return places


def _end(trial: Trial) -> Event | None:
    return trial.end if trial.is_finished else None


def _check_max_evals(log: WholeLog, max_evals: int | None) -> Iterator[Violation]:
    trials = sum(trial.queued is None or trial.queued.source != "injected" for trial in log.state.trials.values())
    injected = len(log.state.trials) - trials  # which objectives add without regard to the limit
    said = [event.limits for event in log.header if isinstance(event, Created | Changed) and event.limits is not None]
    limits = [limit for limit in (limits.get("max_evals") for limits in said) if limit is not None]
    most = max(limits) if limits and len(limits) == len(said) else None  # None: at some time there was none
    if max_evals is not None and not trials <= max_evals <= trials + injected:
        yield Violation(kind="max_evals", message=f"there are {trials} trials, not {max_evals}")
    elif most is not None and trials > most:
        yield Violation(kind="max_evals", message=f"there are {trials} trials, more than the {most} that were allowed")
    elif limits and log.state.status == "finished" and log.state.why == "max_evals" and trials + injected < limits[-1]:
        yield Violation(
            kind="max_evals", message=f"the search ended at max_evals with {trials} trials, not {limits[-1]}"
        )


# -- what follows from the log --------------------------------------------------------------------------------


def _check_replay(store: Store, log: WholeLog, on_progress: Callable[[int], object]) -> Iterator[Violation]:
    from hstore.engine.audit.replay import derive_again

    copy = MemoryLog()
    for chain in (log.header, *(chain for _, chain in log.trials)):
        copy.append(chain)
    experiment = Experiment(Store(copy, store.attachments), log.exp)
    experiment.refresh()
    try:
        replay = derive_again(experiment, on_progress=on_progress)
    except (HstoreError, *BROKEN) as error:
        yield Violation(kind="replay", message=f"the suggestions cannot be derived again: {error}")
        return
    for difference in replay.differences:
        yield Violation(
            kind="replay", tid=difference.tid, ver=0,
            message=f"trial {difference.tid}: {difference.label} is {difference.recorded!r}, "
            f"derived again {difference.derived!r}",
        )  # fmt: skip


def _check_models(shown: Shown, state: State, is_over: bool) -> Iterator[Violation]:
    """Compare the read models with those that the log gives, as MongoDB holds them."""
    import bson

    from hstore.store.model_documents import EXPERIMENT_FIELDS, TRIAL_FIELDS, experiment_document, trial_document

    raws, experiment = shown
    tids = (bson.decode(raw, TABLE_CODEC).get("tid") for raw in raws)
    there = {tid if isinstance(tid, int) else repr(tid): raw for tid, raw in zip(tids, raws, strict=True)}
    for tid, trial in sorted(state.trials.items()):
        found = bson.decode(there.pop(tid), TABLE_CODEC) if tid in there else None
        ver = -1 if found is None else _number(found.get("ver"))
        if found is None or ver < trial.ver:
            if is_over:
                known = "is missing" if found is None else f"knows its chain up to place {ver}, not {trial.ver}"
                yield Violation(kind="lag", message=f"the read model of trial {tid} {known}", tid=tid, ver=ver)
        elif wrong := _different(found, trial_document(trial), TRIAL_FIELDS):
            yield Violation(kind="model", message=f"the read model of trial {tid} has another {wrong}", tid=tid)
    for unknown in there:
        message = f"there is a read model of trial {unknown}, which is not in the log"
        yield Violation(kind="model", message=message, tid=unknown if isinstance(unknown, int) else None)
    if experiment is None or _number(experiment.get("events")) < state.events:
        # A driver does not see notes beside trials that had ended, which change only these two fields.
        fields = EXPERIMENT_FIELDS - {"events", "last"}
        if is_over and (experiment is None or _different(experiment, experiment_document(state), fields)):
            yield Violation(kind="lag", message="the read model of the experiment is behind the log")
    elif wrong := _different(experiment, experiment_document(state), EXPERIMENT_FIELDS):
        yield Violation(kind="model", message=f"the read model of the experiment has another {wrong}")


def _number(stored: object) -> int:
    """Return what a read model says of how much of the log is in it; -1 if that is no number."""
    return stored if isinstance(stored, int) else -1


def _different(found: Document, wanted: Document, fields: Iterable[str]) -> str:
    """Return the names of *fields* that are not as they should be; numbers, NaN too, are compared as BSON."""
    import bson

    def stored(value: Any) -> bytes:
        return bson.encode({"": value}, codec_options=CODEC)

    return ", ".join(name for name in sorted(fields) if stored(found.get(name)) != stored(wanted.get(name)))


def _found(kind: Kind, event: Event, message: str) -> Violation:
    return Violation(kind=kind, message=message, tid=event.tid, ver=event.ver)


def _whose(tid: int | None) -> str:
    return "the experiment's own chain" if tid is None else f"trial {tid}"
