"""Objectives called in the worker's own process, for `--isolate none`: nothing to start, and nothing to hide behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.domain import BoundObjective, version
from hstore.engine.evaluation.objective_spec import ObjectiveSpec, prepare
from hstore.workers.child import Outcome
from hstore.workers.evaluator import RemoteCtrl, show_logging


class Inline:
    """See `hstore.workers.slot.TrialExecutor`. What is under way cannot be dropped, only asked to stop."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.jobs = 0
        self.error: BaseException | None = None
        """What the last objective raised, if it did."""
        self._domains: dict[str, BoundObjective] = {}
        show_logging()

    @property
    def pid(self) -> int:
        """This process."""
        return os.getpid()

    def has(self, key: str) -> bool:
        """See `TrialExecutor.has`."""
        return key in self._domains

    def load(self, key: str, spec: ObjectiveSpec) -> str | None:
        """See `TrialExecutor.load`."""
        if key not in self._domains:
            self._domains[key] = prepare(spec)
        return version(self._domains[key].fn)

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> Outcome:  # fmt: skip
        """See `TrialExecutor.evaluate`; there is no time limit, for nobody could enforce it."""
        on_long()  # nobody could call it later
        self.jobs += 1
        said: list[str] = []
        began, self.error = time.monotonic(), None
        try:
            os.chdir(self.workdir)  # the last objective may have gone elsewhere
            result = self._domains[key].evaluate(job["point"], RemoteCtrl(serve, job))
            plain = attempt.plain_result(result, said.append)
        except BaseException as error:  # noqa: BLE001 - SystemExit ends this trial, not the worker
            self.error = error
            return Outcome(kind="failed", data=attempt.failure(error, duration=time.monotonic() - began), said=said)
        return Outcome(kind="done", data=attempt.done(plain, time.monotonic() - began), said=said)

    def abort(self, why: str) -> None:
        """Nothing can be done."""

    def clear_abort(self) -> None:
        """Nothing was dropped."""

    def stop(self) -> None:
        """There is no process to end."""

    def close(self) -> None:
        """Nothing is held."""
        self._domains.clear()
