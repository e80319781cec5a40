"""Whether an experiment is idle: what people do to a whole one waits until no worker holds a trial of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hstore.store.errors import InUse
from hstore.store.fold import HELD

if TYPE_CHECKING:
    from hstore.store.state import State

SHOWN = 5
"""How many trials a message names."""


def require_idle(state: State, done: str) -> None:
    """Raise `InUse` if workers, or fmin, hold trials of the experiment. done: what is not done to it then."""
    tids = [tid for tid in state.awaited if state.trials[tid].state in HELD]
    if tids:
        shown = ", ".join(map(str, tids[:SHOWN])) + (f" and {len(tids) - SHOWN} more" if len(tids) > SHOWN else "")
        trials = f"trial {shown} is" if len(tids) == 1 else f"trials {shown} are"
        raise InUse(
            f"{state.exp!r} was not {done}: {trials} being evaluated",
            hint=f"wait, or `hstore pause {state.exp} --now` requeues them; --force does it all the same", tids=tids,
        )  # fmt: skip
