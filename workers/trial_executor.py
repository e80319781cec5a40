"""What evaluates trials for a slot: the interface, and what an evaluation comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hstore.engine.evaluation.objective_spec import ObjectiveSpec

MOMENT = 0.05
"""Seconds; a trial that takes no longer has ended before a person could have looked at it."""


@dataclass(frozen=True, kw_only=True)
class CallResult:
    """What one call of an objective came to."""

    kind: Literal["done", "failed", "timeout", "aborted"]
    """aborted: `TrialExecutor.abort` ended it."""
    data: Mapping[str, Any]
    """What the event `done` or `failed` is to say."""
    warnings: list[str] = field(default_factory=list)
    output: bytes = b""
    """The last of what the objective wrote to stdout and stderr."""


class TrialExecutor(Protocol):
    """Calls objectives: in a child process (`Child`), or in the worker's own (`Inline`).

    One thread uses it; `abort` may be called by any.
    """

    jobs: int
    """How many calls the present process has answered."""

    @property
    def pid(self) -> int:
        """The process in which objectives are called; starts it if there is none."""

    def has(self, key: str) -> bool:
        """Return whether `load` has nothing to do for *key*."""

    def load(self, key: str, spec: ObjectiveSpec) -> str | None:
        """Make *spec* ready to be called by *key*; return the version of its code. Raises `CannotLoad`."""

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> CallResult:  # fmt: skip
        """Call the objective under *key* at the point in *job*; never raises what the objective raises.

        serve: answers what the objective asks for while it runs. time_limit: seconds, after which the call is ended.
        on_long: called once if the call takes longer than `MOMENT`.
        """

    def abort(self, why: str) -> None:
        """End the call that is running, or the next one, if that can be done; `clear_abort` undoes it."""

    def clear_abort(self) -> None:
        """Forget an `abort` that came when no call was running."""

    def stop(self) -> None:
        """End the process; the next call starts another one."""

    def close(self) -> None:
        """End the process and release what it needed, for good."""
