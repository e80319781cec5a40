"""Calls objectives in the worker's own process, for `--isolate none`: nothing to start, and a crash ends the worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.domain import BoundObjective, version
from hstore.engine.evaluation.objective_spec import ObjectiveSpec, load
from hstore.engine.evaluation.script import Script
from hstore.workers.evaluator import RemoteCtrl, show_logging
from hstore.workers.trial_executor import CallResult


class Inline:
    """See `hstore.workers.trial_executor.TrialExecutor`. A call that is running cannot be ended, only asked to stop."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.jobs = 0
        self.error: BaseException | None = None
        """What the last objective raised, if it did."""
        self._domains: dict[str, tuple[BoundObjective, Script]] = {}
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
            self._domains[key] = load(spec)
        return version(self._domains[key][0].fn)

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> CallResult:  # fmt: skip
        """See `TrialExecutor.evaluate`; there is no time limit: it could not be enforced."""
        on_long()  # it cannot be called later
        self.jobs += 1
        warnings: list[str] = []
        began, self.error = time.monotonic(), None
        try:
            os.chdir(self.workdir)  # the last objective may have gone elsewhere
            domain, script = self._domains[key]
            with script.as_main():
                result = domain.evaluate(job["point"], RemoteCtrl(serve, job))
            plain = attempt.plain_result(result, warnings.append)
        except BaseException as error:  # noqa: BLE001 - SystemExit ends this trial, not the worker
            self.error = error
            return CallResult(
                kind="failed", data=attempt.failure(error, duration=time.monotonic() - began), warnings=warnings
            )
        data = attempt.done(plain, time.monotonic() - began, objectives=domain.objectives)
        return CallResult(kind="done", data=data, warnings=warnings)

    def abort(self, why: str) -> None:
        """Nothing can be done."""

    def clear_abort(self) -> None:
        """Nothing was aborted."""

    def stop(self) -> None:
        """There is no process to end."""

    def close(self) -> None:
        """Nothing is held."""
        self._domains.clear()
