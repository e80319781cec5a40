"""Importing a bundle: what a file holds becomes an experiment of a store, or more of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from hstore.store.arrival import events_as_they_arrived
from hstore.store.bundle import BundleLog, open_bundle
from hstore.store.copying import append_all
from hstore.store.errors import Conflict, InvalidEvent, VerificationFailed
from hstore.store.events import Event
from hstore.store.experiment import Experiment
from hstore.store.messages import Log
from hstore.store.rebuilding import rebuild
from hstore.store.store import Store
from hstore.store.streamed_verify import verify_streamed
from hstore.store.values import check_name
from hstore.store.verify import verify

LOG = Log("bundle")


def import_bundle(store: Store, file: Path | IO[bytes]) -> tuple[Experiment, int]:
    """Do what `append_bundle` does; return the experiment, all of which is read, and how many events were new."""
    name, new = append_bundle(store, file)
    return store.experiment(name), new


def append_bundle(
    store: Store, file: Path | IO[bytes], *, on_progress: Callable[[int], object] = lambda _: None
) -> tuple[str, int]:
    """Append what is in *file* to the log of *store*; return the name of the experiment, and how many events were new.

    A few of them are kept at a time. All digests stay, and what is quarantined stays so. What is there already stays as
    it is, so it can be killed and repeated, and a longer file of the same search adds what it has more.
    on_progress is called with the number of events that were appended just now. Raises `Conflict` if the store has
    another search of that name, `InvalidEvent` for a file with events that this program cannot read or that are part of
    no chain, unless they are quarantined, `VerificationFailed` for one in which events were changed.
    """
    source, name = open_bundle(file)
    with source:
        check_name(name)
        log = source.log
        assert isinstance(log, BundleLog)
        if any(event is None for event in log.stream()):
            raise InvalidEvent(
                f"{source.url} has events that cannot be read, or that are part of no chain",
                hint=f"see `hstore verify {source.url}`",
            )
        _require_unchanged(source, name)
        for sha256 in log._attachments.hashes():
            store.attachments.put(source.attachments.get(sha256))
        is_new = next(iter(store.log.chain_documents(name, None)), None) is None
        arrived = events_as_they_arrived(event for event in log.stream() if event is not None)
        new = append_all(store, name, arrived, on_progress)
        _append_strays(store, name, [*log.quarantined_strays()])
    if is_new and store.is_durable:
        rebuild(store, name)
    else:
        store.experiment(name).repair()
    return name, new


def _append_strays(store: Store, name: str, strays: Sequence[Event | None]) -> None:
    """Append those of *strays* that *store* takes. They mean nothing: none has to be there."""
    there = store.log.ids(name) if strays else {}
    left_out = 0
    for stray in strays:
        if stray is not None and there.get((stray.tid, stray.ver)) == stray.id:
            continue
        try:
            store.log.append([] if stray is None else [stray])
        except (InvalidEvent, Conflict):
            stray = None
        left_out += stray is None
    if left_out:
        LOG.warning(f"{name}: {left_out} quarantined events were left out: the store takes no such documents")


def _require_unchanged(source: Store, name: str) -> None:
    """Raise `VerificationFailed` if an event of experiment *name* of *source* is not what others say of it."""
    fetch = source.attachments.get
    seen = verify_streamed(
        source.log.documents(name, quick=True), fetch=fetch, keys=None, last=source.log.last_trial(name),
        looks_for_content=False,
    )  # fmt: skip
    if seen is None and (findings := verify(source.log.documents(name), fetch=fetch).findings):
        raise VerificationFailed(
            f"{source.url} is not imported: {findings[0].message}", hint=f"see `hstore verify {source.url}`"
        )
