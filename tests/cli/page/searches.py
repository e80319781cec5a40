"""Searches whose names and texts are written to be taken for markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from histories import CREATED

from hstore import hp
from hstore.engine.search.seeds import as_generator, to_data
from hstore.engine.space import compile_space
from hstore.store.events import Done, Failed, Queued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store

HOSTILE = '"><img src=x onerror=alert(1)>/../a?b&c#d'
SCRIPT = "<script>alert(1)</script>"
LABEL = "<b>a.b</b>"
SPACE = compile_space({"x": hp.uniform("x", 0, 10), "y": hp.choice(LABEL, [SCRIPT, "other"])}).to_data()


def begin_search(store: Store, name: str, losses: Sequence[float | None]) -> Experiment:
    """Return a search with a trial for each of *losses*; None: it failed."""
    experiment = Experiment(store, name)
    about = {"space": SPACE, "generator": to_data(as_generator(0)), "algorithm": {"name": "rand"}}
    experiment.begin(CREATED | about | {"limits": {"max_evals": 9}})
    for tid, loss in enumerate(losses):
        add_trial(experiment, tid, loss)
    return experiment


def add_trial(experiment: Experiment, tid: int, loss: float | None) -> None:
    """Append a whole trial: its decision, its claim and its end."""
    point, params = {"x": tid / 10, LABEL: 0}, {"x": tid / 10, LABEL: SCRIPT}
    decided = {"point": point, "params": params, "algorithm": {"name": "rand", "version": 1, "settings": {}}}
    end: PendingEvent = (Failed, tid, {"error": "ValueError", "message": SCRIPT, "final": True, "traceback": SCRIPT})
    if loss is not None:
        end = (Done, tid, {"result": {"status": "ok", "loss": loss}, "status": "ok", "loss": loss, "duration": 0.5})
    experiment.append(
        experiment.compose((Queued, tid, {**decided, "observed": experiment.observed()}), *held(tid), end)
    )


def add_documents(store: Store, name: str, losses: Sequence[float]) -> None:
    """Write the documents alone of trials that ended with *losses*: all that the page reads of them, and soon done."""
    about = {"exp": name, "ver": 3, "state": "done", "status": "ok", "final": True, "duration": 0.5, "params": {}}
    assert store.database is not None
    store.database["trials"].insert_many([{**about, "tid": tid, "loss": loss} for tid, loss in enumerate(losses)])


def held(tid: int) -> list[PendingEvent]:
    """Return the events by which a worker takes a trial and begins it."""
    reserved: dict[str, Any] = {"worker": f"w{SCRIPT}", "host": "h", "attempt": 1}
    return [(Reserved, tid, reserved), (Running, tid, {"pid": 1, "python": "3", "hstore": "0"})]
