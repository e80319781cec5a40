"""Check: compare an experiment with everything that hstore guarantees, whichever processes died on the way.

A log in which nothing is out of place is read once, one chain after the other, for all of this but the replay, which
reads it once more: what is kept of each trial is a few numbers. Any other log is read as a whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

from hstore.engine.audit.chain_checks import ChainChecks
from hstore.engine.audit.model_checks import ModelChecks
from hstore.engine.audit.violation import Kind as Kind
from hstore.engine.audit.violation import Violation as Violation
from hstore.engine.audit.violation import violation
from hstore.engine.audit.whole_log import WholeLog, read_whole
from hstore.store.chain_digests import full_chain_name
from hstore.store.errors import HstoreError
from hstore.store.events import Unreadable
from hstore.store.experiment import Experiment
from hstore.store.indigestible import BROKEN
from hstore.store.lineage import compare
from hstore.store.log_chains import LogChain, chains_of
from hstore.store.memory import MemoryLog
from hstore.store.quick_documents import with_uuid
from hstore.store.settled_reading import SettlingFold
from hstore.store.signatures import look_at
from hstore.store.state import State
from hstore.store.store import Store
from hstore.store.streamed_verify import NeedsWholeLog, verify_streamed
from hstore.store.verify import verify

TIMEOUT, POLL_SECONDS = 5.0, 0.1
"""Seconds for which read models may be behind a search that is over, and between two looks at them."""
BEYOND_CHECKING = ("gap", "twice", "unreadable")
"""Kinds of findings after which neither decisions nor read models can be compared."""


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
    looked = _look(store, name, {*(acknowledged or ())})
    state = looked.state
    is_over = max_evals is not None or _is_over(state)
    checks = looked.chains
    findings = [
        *looked.found,
        *checks.found,
        *(checks.still_open() if is_over else ()),
        *_digested(checks.unobserved(is_over=is_over)),
        *_digested(checks.number_of_trials(state, max_evals)),
        *looked.seals,
    ]
    if not any(finding.kind in BEYOND_CHECKING for finding in findings):
        findings += _check_replay(looked.experiment(), on_progress)
        if looked.models is not None:
            models = looked.models.findings(state, is_over=is_over)
            deadline = time.monotonic() + timeout
            while any(finding.kind == "lag" for finding in models) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                looked = _look(store, name, set())
                assert looked.models is not None
                models = looked.models.findings(looked.state, is_over=is_over)
            findings += models
    return findings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What was found as the log was read."""

    state: State
    experiment: Callable[[], Experiment]
    """To make its decisions again: with what was read, and without keys, since signatures are looked at here."""
    chains: ChainChecks
    models: ModelChecks | None
    """None where there are none."""
    found: list[Violation]
    """Of places, of what cannot be read, and of what was acknowledged."""
    seals: list[Violation]


def _look(store: Store, name: str, acknowledged: set[UUID]) -> _Looked:
    """Read the log of experiment *name*, chain by chain if that goes. Raises `NotFound`."""
    if store.is_durable:
        try:
            return _streamed(store, name, acknowledged)
        except (NeedsWholeLog, *BROKEN):
            pass
    return _whole(store, name, acknowledged)


def _streamed(store: Store, name: str, acknowledged: set[UUID]) -> _Looked:
    """Do so chain by chain; raises `NeedsWholeLog` where something may be wrong that takes a look at the whole log."""
    models = ModelChecks(store, name)  # before the log, which the read models never run ahead of
    fold, checks, missing = SettlingFold(store, name, keys=None), ChainChecks(), set(acknowledged)

    def take(read: LogChain) -> None:
        chain, trial = fold.take(read.documents, read.digests)
        if any(isinstance(event, Unreadable) for event in chain):
            raise NeedsWholeLog
        if trial is not None:
            checks.take(trial.tid, chain)
            models.compare(trial)
        elif chain:
            checks.take_own(chain)
        if missing:
            missing.difference_update(with_uuid(document)["_id"] for document in read.documents)

    seen = verify_streamed(
        store.log.documents(name, quick=True), fetch=store.attachments.get, keys=store.keys, last=fold.n - 1,
        looks_for_content=False, on_chain=take,
    )  # fmt: skip
    if seen is None or not fold.own:
        raise NeedsWholeLog
    models.look_again()
    experiment = Experiment(Store(store.log, store.attachments), name, opened=fold.opened())
    experiment.refresh()
    seals = [Violation(kind="seal", message=message) for message in (*seen.signatures.wrong, *seen.signatures.refused)]
    return _Looked(
        state=experiment.state, experiment=lambda: experiment, chains=checks, models=models, found=_lost(missing),
        seals=seals,
    )  # fmt: skip


def _lost(missing: Collection[UUID]) -> list[Violation]:
    messages = (f"event {id} was acknowledged and is not in the log" for id in sorted(missing))
    return [Violation(kind="missing", message=message) for message in messages]


# -- a whole log ----------------------------------------------------------------------------------------------


def _whole(store: Store, name: str, acknowledged: set[UUID]) -> _Looked:
    """Do so with all of it in memory, whatever is wrong with it."""
    models = ModelChecks(store, name) if store.is_durable else None
    log, checks = read_whole(store, name), ChainChecks()
    found = [*_digested(_check_places(log)), *_lost(acknowledged - {event.id for event in log.events})]
    try:
        checks.take_own(log.header)
        for tid, chain in log.trials:
            checks.take(tid, chain)
    except BROKEN as error:
        found.append(_undigested(error))
    if models is not None:
        for trial in log.state.trials.values():
            models.compare(trial)
        models.look_again()

    def experiment() -> Experiment:
        copy = MemoryLog()
        for chain in (log.header, *(chain for _, chain in log.trials)):
            copy.append(chain)
        copied = Experiment(Store(copy, store.attachments), name)
        copied.refresh()
        return copied

    seals = [*_check_digests(store, name), *_check_source(store, log)]
    return _Looked(state=log.state, experiment=experiment, chains=checks, models=models, found=found, seals=seals)


def _check_places(log: WholeLog) -> Iterator[Violation]:
    """Check that trial ids and chains are dense, that no place is taken twice, and no id given twice."""
    for stray in log.strays:
        message = f"event {stray.get('ver')!r:.40} of trial {stray.get('tid')!r:.40} has no place in any chain"
        yield Violation(kind="gap", message=message)
    ids = Counter(event.id for event in log.events)
    places = Counter((event.tid, event.ver) for event in log.events)
    for event in log.events:
        if isinstance(event, Unreadable) and not event.is_quarantined:
            yield violation(
                "unreadable", event, f"event {event.ver} of {full_chain_name(event.tid)} cannot be read: {event.why}"
            )
        if ids.pop(event.id, 1) > 1:
            yield violation("twice", event, f"the id {event.id} was given to several events")
        if (n := places.pop((event.tid, event.ver), 1)) > 1:
            yield violation("twice", event, f"place {event.ver} of {full_chain_name(event.tid)} is taken {n} times")
    expected = 0
    for tid, _ in log.trials:
        if tid != expected:
            which = f"trial {expected}" if tid == expected + 1 else f"trials {expected} to {tid - 1}"
            yield Violation(kind="gap", message=f"there is no {which}, but trial {tid}", tid=expected)
        expected = tid + 1
    for of, chain in log.chains.items():
        for ver, event in enumerate(chain):
            if event.ver != ver:
                message = f"event {ver} of {full_chain_name(of)} is missing, but not {event.ver}"
                yield Violation(kind="gap", message=message, tid=of, ver=ver)
                break
    if not log.header:
        yield Violation(kind="gap", message="the experiment has no beginning", ver=0)


def _digested(found: Iterator[Violation]) -> Iterator[Violation]:
    """Yield what is *found*; if an event holds what cannot be checked, that is found as well."""
    try:
        yield from found
    except BROKEN as error:
        yield _undigested(error)


def _undigested(error: Exception) -> Violation:
    message = f"it cannot be checked, since an event holds what is not expected: {type(error).__name__}: {error}"
    return Violation(kind="unreadable", message=message)


def _check_digests(store: Store, name: str) -> Iterator[Violation]:
    """Find what `hstore verify` finds; with a key also what processes with it set aside since no key signs it."""
    documents = list(store.log.documents(name))
    signatures, findings = look_at(documents, store.keys), verify(documents, fetch=store.attachments.get).findings
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


def _check_replay(experiment: Experiment, on_progress: Callable[[int], object]) -> Iterator[Violation]:
    from hstore.engine.audit.replay import derive_again

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
