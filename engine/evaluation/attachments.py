"""Attachments: named contents beside a trial or an experiment, as mutable mappings whose changes are events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from hstore.engine.evaluation.attempt import append_held
from hstore.engine.evaluation.gate import gate
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import Noted, Reported
from hstore.store.experiment import Experiment


class ChainAttachments(MutableMapping[str, Any]):
    """Named contents beside a trial (or, for tid None, beside the experiment); each change is an event.

    Contents are bytes, and text that comes back as bytes; in memory, as in hyperopt, any object, and it comes back.
    """

    def __init__(self, experiment: Experiment, tid: int | None) -> None:
        self._experiment = experiment
        self._tid = tid

    def _index(self) -> Mapping[str, Any]:
        experiment = self._experiment
        if self._tid is None:
            return experiment.state.attachments
        trial = experiment.state.trials[self._tid]
        if trial.is_finished and experiment.store.is_durable:  # others may have attached something since it ended
            trial = experiment.load_trial(self._tid) or trial
        return trial.attachments

    def _record(self, attachment: dict[str, Any]) -> None:
        with gate(self._experiment):
            self._append(attachment)

    def _append(self, attachment: dict[str, Any]) -> None:
        experiment = self._experiment
        trial = None if self._tid is None else experiment.state.trials[self._tid]
        if trial is not None and trial.state == "running" and trial.reserved is not None:
            append_held(experiment, trial.reserved, [(Reported, self._tid, {"attachment": attachment})])
            return
        experiment.append_decided(lambda: [(Noted, self._tid, {"attachment": attachment})])

    def __getitem__(self, name: str) -> Any:
        entry = self._index()[name]
        if "object" in entry:
            return entry["object"]
        try:
            return self._experiment.store.attachments.get(entry["sha256"])
        except NotFound as error:
            raise KeyError(name) from error

    def __setitem__(self, name: str, content: Any) -> None:
        is_bytes = isinstance(content, (bytes, bytearray, memoryview))
        if not is_bytes and not self._experiment.store.is_durable and isinstance(name, str):
            self._record({"name": name, "object": content})
            return
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(name, str) or not isinstance(content, (bytes, bytearray, memoryview)):
            raise InvalidValue(
                f"attachment {name!r:.80} must be bytes or text under a name, not {type(content).__name__}"
            )
        content = bytes(content)
        sha256 = self._experiment.store.attachments.put(content)
        self._record({"name": name, "sha256": sha256, "length": len(content)})

    def __delitem__(self, name: str) -> None:
        if name not in self._index():
            raise KeyError(name)
        self._record({"name": name, "removed": True})

    def __iter__(self) -> Iterator[str]:
        return iter(self._index())

    def __len__(self) -> int:
        return len(self._index())
