"""What may be broken on purpose in the programs under test, to see that the check finds it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.claims import ActiveLease
    from hstore.store.events import Reserved
    from hstore.store.experiment import Experiment

NTH = 10
"""Of how many ends that are acknowledged one is not written."""
LARGE = 60_000
"""Bytes of an attachment that is what a trial returned, not an objective."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One thing broken, and the faults that bring it to light."""

    what: str
    kind: str
    """Of the faults."""
    shows: str
    """What gives it away: the kind of a finding, or words of a trouble."""
    apply: Callable[[], None] = lambda: None
    """Break it in this process."""
    spoil: Callable[[Database[Any]], None] = lambda _: None
    """Break it in the database."""
    is_in_released: bool = False
    """Whether it is the workers of a released version in which it is broken."""
    trials: int = 100
    slow: float = 0.0
    """Seconds that each trial takes beside its usual time."""


def _put(owner: object, name: str, broken: object) -> None:
    """Replace a function of hstore's; one that is no more would leave a control that breaks nothing."""
    if not hasattr(owner, name):
        raise AttributeError(f"there is no {name} to break: bring faults/broken.py up to date")
    setattr(owner, name, broken)


def _acknowledge_before_a_majority() -> None:
    import pymongo

    from hstore.store.mongo import MongoLog

    init = MongoLog.__init__

    def w1(log: MongoLog, events: Any, **more: Any) -> None:
        init(log, events.with_options(write_concern=pymongo.WriteConcern(w=1)), **more)

    _put(MongoLog, "__init__", w1)


def _take_duplicates_for_success() -> None:
    from hstore.store.mongo import MongoLog

    _put(MongoLog, "_confirm_durable", lambda *_: None)


def _drop_unique_index(database: Database[Any]) -> None:
    for name, index in database["events"].index_information().items():
        if index.get("unique"):
            database["events"].drop_index(name)


def _leave_index_lost() -> None:
    from hstore.store import place_index

    _put(place_index, "ensure_place_index", lambda *_: None)


def _ask_own_clock() -> None:
    import datetime as dt
    from dataclasses import replace

    from hstore.store.claims import Claims
    from hstore.workers.lease import Silence

    held = Claims.held

    def by_own_clock(claims: Claims, *arguments: Any) -> list[ActiveLease]:
        now = dt.datetime.now(dt.UTC).timestamp()
        return [
            replace(trial, is_over=trial.beat is not None and trial.beat.timestamp() + (trial.seconds or 0) < now)
            for trial in held(claims, *arguments)
        ]

    def at_once(_: Silence, held: Iterable[ActiveLease], *, now: float) -> list[ActiveLease]:
        return [trial for trial in held if trial.is_over]

    _put(Claims, "held", by_own_clock)
    _put(Silence, "look", at_once)


def _never_repair() -> None:
    from hstore.store.read_models import ReadModels
    from hstore.workers.batch import Batch
    from hstore.workers.reaper import Reaper
    from hstore.workers.slot import Slot

    _put(ReadModels, "repair", lambda *_: 0)
    for owner, name in ((ReadModels, "flush"), (Reaper, "_repair"), (Slot, "_show_as_held"), (Batch, "_show_as_held")):
        _put(owner, name, lambda *_: None)


def _fence_by_status() -> None:
    from hstore.engine.evaluation import attempt

    def is_held(experiment: Experiment, taken: Reserved) -> bool:
        assert taken.tid is not None
        return experiment.state.trials[taken.tid].state in ("reserved", "running")

    _put(attempt, "is_held", is_held)


def _acknowledge_before_the_journal() -> None:
    import pymongo

    from hstore.store.mongo import MongoLog

    init = MongoLog.__init__

    def unflushed(log: MongoLog, events: Any, **more: Any) -> None:
        init(log, events.with_options(write_concern=pymongo.WriteConcern(w=1, j=False)), **more)

    _put(MongoLog, "__init__", unflushed)


def _leave_out_every_tenth_end() -> None:
    from hstore.store.mongo import MongoLog

    append = MongoLog.append
    n = 0

    def forgetful(log: MongoLog, events: Sequence[Any], **how: Any) -> None:
        nonlocal n
        written = []
        for event in events:
            n += event.type == "done"
            if event.type != "done" or n % NTH:
                written.append(event)
        append(log, written, **how)

    _put(MongoLog, "append", forgetful)


def _leave_out_chunks() -> None:
    from hstore.store.gridfs_attachments import GridFSAttachments

    upload = GridFSAttachments._upload

    def forgetful(attachments: GridFSAttachments, name: str, content: bytes) -> Any:
        file = upload(attachments, name, content)
        if len(content) > LARGE:
            attachments._chunks.delete_many({"files_id": file})
        return file

    _put(GridFSAttachments, "_upload", forgetful)
    _put(GridFSAttachments, "_is_complete", lambda *_: True)


def _return_another_best() -> None:
    from hstore.engine import fmin as module

    _put(module, "_argmin", lambda _: {"x": 3.0, "how": 0.5})


def _notice_no_loss() -> None:
    from hstore.store.mongo import MongoLog
    from hstore.store.rewind_check import RewindCheck

    _put(MongoLog, "_refuse_loss", lambda *_: None)
    _put(RewindCheck, "_lost", lambda _: None)


def _notice_no_gap() -> None:
    from hstore.store import mongo
    from hstore.store.experiment import Experiment
    from hstore.store.set_aside import Separated
    from hstore.store.sound_chains import SoundChains

    _notice_no_loss()
    _put(mongo, "separate", lambda events, _: Separated([*events], []))
    _put(Experiment, "check_links", lambda _: None)
    _put(SoundChains, "begin_to_check", lambda *_: False)  # signatures are of all that comes before an event


def _go_on_after_what_cannot_be_read() -> None:
    from hstore.engine.search.driver import Driver
    from hstore.store.events import Requeued, Unreadable
    from hstore.store.fold import Trial

    def requeue(driver: Driver) -> None:
        experiment = driver.experiment
        for tid, trial in experiment.state.trials.items():
            if isinstance(trial.last, Unreadable):
                again = {"cause": "lost", "why": "its end cannot be read"}
                experiment.append(experiment.compose((Requeued, tid, again)))

    _put(Trial, "closed_by", None)
    _put(Driver, "_warn_of_closed", requeue)


WAYS = {
    "w1": Way(
        what="w:1 instead of majority", kind="primary-cut-off", apply=_acknowledge_before_a_majority, shows="missing"
    ),
    "duplicate": Way(
        what="a duplicate taken for success", kind="two-drivers", apply=_take_duplicates_for_success, shows="missing"
    ),
    "index": Way(
        what="no unique index", kind="two-drivers", spoil=_drop_unique_index, apply=_leave_index_lost, shows="twice"
    ),
    "clock": Way(
        what="leases by clients' clocks", kind="clock", apply=_ask_own_clock,
        shows="neither killed nor frozen",
    ),
    "repair": Way(what="read models never repaired", kind="aimed", apply=_never_repair, shows="lag"),
    "status": Way(
        what="status instead of ver as fence", kind="worker-freeze", apply=_fence_by_status, shows="holder",
        trials=60, slow=2.5,
    ),
    "unwritten": Way(
        what="ends that are acknowledged and not written", kind="worker-kill", apply=_leave_out_every_tenth_end,
        shows="missing",
    ),
    "answer": Way(
        what="an answer that is not what the log says", kind="child-kill", apply=_return_another_best, shows="answer",
    ),
    "attachment": Way(
        what="attachments that are acknowledged and not whole", kind="lost-chunk", apply=_leave_out_chunks,
        shows="attachment",
    ),
    "rewind": Way(what="a backup put back unnoticed", kind="rewind", apply=_notice_no_loss, shows="unnamed"),
    "emptied": Way(what="a database emptied unnoticed", kind="emptied", apply=_notice_no_loss, shows="unnamed"),
    "document": Way(
        what="an event lost unnoticed", kind="lost-document", apply=_notice_no_gap, shows="goes on without it",
        slow=0.5,
    ),
    "chunk": Way(
        what="an end that cannot be read taken for none", kind="lost-chunk", apply=_go_on_after_what_cannot_be_read,
        shows="went on",
    ),
    "journal": Way(
        what="acknowledged before it is on the disk", kind="slow-disk", apply=_acknowledge_before_the_journal,
        shows="missing",
    ),
    "mixed": Way(
        what="a released version that does not write what it acknowledges", kind="mixed-versions",
        apply=_leave_out_every_tenth_end, is_in_released=True, shows="missing",
    ),
}  # fmt: skip
