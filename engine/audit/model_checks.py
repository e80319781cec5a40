"""Comparing the read models of an experiment with its log: of each document a hash is kept, and what differs is read
again."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import bson

from hstore.engine.audit.violation import Violation
from hstore.store.events import CODEC, TABLE_CODEC, Document
from hstore.store.fold import Trial
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.model_documents import EXPERIMENT_FIELDS, TRIAL_FIELDS, experiment_document, trial_document
from hstore.store.null_objects import NoReadModels
from hstore.store.state import State
from hstore.store.store import Store
from hstore.store.values import fits_int64

AT_ONCE = 200
"""Documents that differ, which are read again together."""
_FIELDS = sorted(TRIAL_FIELDS)
_MARK = struct.Struct("<q16s")
"""What is kept of a document: how much of the chain is in it, and a hash of its fields."""
_ABSENT = _MARK.pack(-1, bytes(16))


class ModelChecks:
    """The read models of experiment *name* as they are now. Read the log after them, which they never run ahead of."""

    def __init__(self, store: Store, name: str) -> None:
        models = store.models
        assert not isinstance(models, NoReadModels), "a store in memory has none"
        self._models, self._log, self._name = models, store.log, name
        self._marks, self._n, self._others = bytearray(), 0, dict[Any, bytes]()
        models.each_trial(name, self._begin, self._take)
        self.about: Document | None = models.about(name)
        self._is_named = bytearray(self._n)
        """Of each of the trials in `_marks` whether the log has it."""
        self._differ: dict[int, Trial] = {}
        self._wrong: list[Violation] = []
        self._late: list[Violation] = []

    def _begin(self) -> None:
        self._marks, self._n, self._others = bytearray(), 0, {}

    def _take(self, raw: bytes) -> None:
        document = bson.decode(raw, TABLE_CODEC)
        tid, mark = document.get("tid"), _mark(document)
        if tid == self._n and not isinstance(tid, bool):
            self._marks += mark
            self._n += 1
        else:
            self._others[tid if isinstance(tid, int) else repr(tid)] = mark

    def compare(self, trial: Trial) -> None:
        """Compare the document of *trial*, as the log has it."""
        tid = trial.tid
        if 0 <= tid < self._n:
            self._is_named[tid] = 1
        there = self._others.pop(tid, None) or self._mark_of(tid)
        if there != _mark(trial_document(trial)):
            self._differ[tid] = trial
            if len(self._differ) >= AT_ONCE:
                self.look_again()

    def _mark_of(self, tid: int) -> bytes:
        if not 0 <= tid < self._n:
            return _ABSENT
        return bytes(self._marks[tid * _MARK.size : (tid + 1) * _MARK.size])

    def look_again(self) -> None:
        """Read again what differs, and note in what; call it after the last trial. The search may have gone on."""
        differ, self._differ = self._differ, {}
        there = self._models.trial_documents(self._name, [*differ])
        ahead = {tid: trial.ver for tid, trial in differ.items() if _ver(there.get(tid)) > trial.ver}
        cursor = ReadCursor(header=EVERY_TRIAL, last=EVERY_TRIAL, open=ahead)
        gone_on = {event.tid for event in self._log.read(self._name, cursor)} if ahead else set()
        for tid, trial in differ.items():
            found = there.get(tid)
            ver = _ver(found)
            if found is None or ver < trial.ver:
                known = "is missing" if found is None else f"knows its chain up to place {ver}, not {trial.ver}"
                message = f"the read model of trial {tid} {known}"
                self._late.append(Violation(kind="lag", message=message, tid=tid, ver=ver))
            elif tid not in gone_on and (wrong := _different(found, trial_document(trial), TRIAL_FIELDS)):
                message = f"the read model of trial {tid} has another {wrong}"
                self._wrong.append(Violation(kind="model", message=message, tid=tid))

    def findings(self, state: State, *, is_over: bool) -> list[Violation]:
        """Return what is wrong, after all trials of *state* were looked at. is_over: documents may not be late."""
        found = [*self._wrong, *(self._late if is_over else ())]
        unknown = [tid for tid in range(self._n) if not self._is_named[tid]]
        for tid in (*unknown, *self._others):
            message = f"there is a read model of trial {tid}, which is not in the log"
            found.append(Violation(kind="model", message=message, tid=tid if isinstance(tid, int) else None))
        about, wanted = self.about, experiment_document(state)
        if about is None or _number(about.get("events")) < state.events:
            # A driver does not see notes beside trials that had ended, which change only these two fields.
            fields = EXPERIMENT_FIELDS - {"events", "last"}
            if is_over and (about is None or _different(about, wanted, fields)):
                found.append(Violation(kind="lag", message="the read model of the experiment is behind the log"))
        elif wrong := _different(about, wanted, EXPERIMENT_FIELDS):
            found.append(Violation(kind="model", message=f"the read model of the experiment has another {wrong}"))
        return found


def _mark(document: Mapping[str, Any]) -> bytes:
    fields = bson.encode({name: document.get(name) for name in _FIELDS}, codec_options=CODEC)
    return _MARK.pack(_number(document.get("ver")), hashlib.blake2b(fields, digest_size=16).digest())


def _ver(document: Document | None) -> int:
    return -1 if document is None else _number(document.get("ver"))


def _number(stored: object) -> int:
    """Return what a read model says of how much of the log is in it; -1 if that is no number."""
    return stored if isinstance(stored, int) and fits_int64(stored) else -1


def _different(found: Document, wanted: Document, fields: Iterable[str]) -> str:
    """Return the names of *fields* that are not as they should be; numbers, NaN too, are compared as BSON."""

    def stored(value: Any) -> bytes:
        return bson.encode({"": value}, codec_options=CODEC)

    return ", ".join(name for name in sorted(fields) if stored(found.get(name)) != stored(wanted.get(name)))
