"""Searches whose names and texts are written to be taken for markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from histories import CREATED

from hstore.store.events import Done, Failed, Queued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store

HOSTILE = '"><img src=x onerror=alert(1)>/../a?b&c#d'
SCRIPT = "<script>alert(1)</script>"


def begin_search(store: Store, name: str, losses: Sequence[float | None]) -> Experiment:
    """Return a search with a trial for each of *losses*; None: it failed."""
    experiment = Experiment(store, name)
    experiment.begin(CREATED | {"algorithm": {"name": "rand"}, "limits": {"max_evals": 9}})
    for tid, loss in enumerate(losses):
        add_trial(experiment, tid, loss)
    return experiment


def add_trial(experiment: Experiment, tid: int, loss: float | None) -> None:
    """Append a whole trial: its decision, its claim and its end."""
    params = {"x": tid / 10, "<b>a.b</b>": SCRIPT}
    end: PendingEvent = (Failed, tid, {"error": "ValueError", "message": SCRIPT, "final": True, "traceback": SCRIPT})
    if loss is not None:
        end = (Done, tid, {"result": {"status": "ok", "loss": loss}, "status": "ok", "loss": loss, "duration": 0.5})
    experiment.append(
        experiment.compose(
            (Queued, tid, {"point": params, "params": params, "observed": experiment.observed()}), *held(tid), end
        )
    )


def held(tid: int) -> list[PendingEvent]:
    """Return the events by which a worker takes a trial and begins it."""
    reserved: dict[str, Any] = {"worker": f"w{SCRIPT}", "host": "h", "attempt": 1}
    return [(Reserved, tid, reserved), (Running, tid, {"pid": 1, "python": "3", "hstore": "0"})]
