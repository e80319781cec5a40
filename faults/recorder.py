"""What the store acknowledges to the programs under test, and what they report: written down outside the store.

Each process appends lines of JSON to files of its own, `FOLDER/EXP/ROLE-NUMBER-PID.jsonl`, and each line is on the disk
before the program goes on. `faults.acknowledged` reads them and compares them with the log. A line has one of these
shapes:

    {"sent": s, "events": [[id, tid, ver, type, digest], …]}    the append that began at s returned
    {"at": s, "answer": {label: value}, "best": tid, "tids": […]}    fmin returned this; the trials it had seen end
    {"at": s, "lost": [id, …]}                                  StoreRewound was raised, and named these events
    {"sent": s, "attachment": sha256}                           Attachments.put returned this; in the folder ATTACHMENTS

Times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore.store.events import Event
    from hstore.store.log import Place
    from hstore.store.rewind_check import RewindCheck

ATTACHMENTS = "_attachments"


class Recorder:
    """Writes the lines of one process, *name*, into files in *folder*. For all threads."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = f"{name}-{os.getpid()}"
        self._files: dict[str, int] = {}
        self._gate = threading.Lock()

    def write(self, where: str, line: Mapping[str, Any]) -> None:
        """Append *line* to the file of experiment *where*; return when it is on the disk."""
        with self._gate:
            if where not in self._files:
                path = self.folder / where / f"{self.name}.jsonl"
                path.parent.mkdir(parents=True, exist_ok=True)
                self._files[where] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._files[where], json.dumps(line).encode() + b"\n")
            os.fsync(self._files[where])

    def appended(self, sent: float, events: Sequence[Event]) -> None:
        """Note that the append of *events*, which began at *sent*, was acknowledged."""
        by_experiment: dict[str, list[Any]] = {}
        for event in events:
            about = [event.id.hex, event.tid, event.ver, event.type, _digest(event)]
            by_experiment.setdefault(event.exp, []).append(about)
        for exp, appended in by_experiment.items():
            self.write(exp, {"sent": sent, "events": appended})


def _digest(event: Event) -> str | None:
    try:
        from hstore.store.digest import digest_event
    except ImportError:  # a released version, which has another name for it
        return None
    return digest_event(event).hex()


def replace(owner: object, name: str, by: object) -> None:
    """Replace a function of hstore's. Raises `AttributeError` if there is none of that name: nothing would be noted."""
    if not hasattr(owner, name):
        raise AttributeError(f"there is no {name} to replace: bring faults/ up to date")
    setattr(owner, name, by)


def record(
    recorder: Recorder, *, before: Callable[..., Any] | None = None, after: Callable[..., Any] | None = None
) -> None:
    """Have *recorder* note what this process is acknowledged. before, after: called with the events of each append."""
    from hstore.store.gridfs_attachments import GridFSAttachments
    from hstore.store.mongo import MongoLog

    append, put = MongoLog.append, GridFSAttachments.put

    def noted_append(log: MongoLog, events: Sequence[Event], **how: Any) -> None:
        if before is not None:
            before(events)
        sent = time.monotonic()
        append(log, events, **how)
        recorder.appended(sent, events)
        if after is not None:
            after(events)

    def noted_put(attachments: GridFSAttachments, content: bytes) -> bytes:
        sent = time.monotonic()
        sha256 = put(attachments, content)
        recorder.write(ATTACHMENTS, {"sent": sent, "attachment": sha256.hex()})
        return sha256

    replace(MongoLog, "append", noted_append)
    replace(GridFSAttachments, "put", noted_put)


def record_losses(recorder: Recorder) -> None:
    """Have *recorder* note which events this process says the store has lost. Not for versions that notice none."""
    from hstore.store.latest_events import LatestEvents
    from hstore.store.rewind_check import RewindCheck

    known: dict[int, dict[Place, str]] = defaultdict(dict)

    def remembering(method: Callable[..., None]) -> Callable[..., None]:
        def remember(latest: LatestEvents, events: Sequence[Event]) -> None:
            method(latest, events)
            known[id(latest)] |= {(event.tid, event.ver): event.id.hex for event in events}

        return remember

    for name in ("read", "appended"):
        replace(LatestEvents, name, remembering(getattr(LatestEvents, name)))
    lost = RewindCheck._lost

    def noted(check: RewindCheck) -> Any:
        error = lost(check)
        if error is not None:
            store, exp = check._store, check._name
            mine = known[id(store.latest[exp])]
            ids = [mine[place] for place in error.lost if place in mine]
            recorder.write(exp, {"at": time.monotonic(), "lost": ids})
        return error

    replace(RewindCheck, "_lost", noted)


def record_answers(recorder: Recorder) -> Callable[[str, Mapping[str, Any]], None]:
    """Return what is to be called with the name of an experiment and what fmin returned: *recorder* notes it.

    What fmin computed its answer from is noted with it.
    """
    from hstore.engine.search.driver import Driver

    finish = Driver.finish
    seen: dict[str, Any] = {}

    def noted(driver: Driver, why: str) -> None:
        finish(driver, why)
        state = driver.experiment.state
        tids = sorted(trial.tid for trial in state.trials.values() if trial.is_finished)
        seen.update(best=None if state.best is None else state.best.tid, tids=tids)

    def answered(exp: str, answer: Mapping[str, Any]) -> None:
        values = {name: float(value) for name, value in answer.items()}
        recorder.write(exp, {"at": time.monotonic(), "answer": values, **seen})

    replace(Driver, "finish", noted)
    return answered
