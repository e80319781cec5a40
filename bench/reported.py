"""A search with many reports: what one more report costs a worker, and the question whether to stop."""

import math
import random
import time
from typing import Any

from bench.filled import AT_ONCE, SPACE, cache, say
from bench.scale_probes import NAME, cpu

STEPS = 100
"""Reports of each trial."""
MEASURED = 3
"""Trials that are measured, after one that reads what others reported."""
SPARE = 10 * (1 + MEASURED)
"""Trials that have begun and reported nothing: the store is made anew when all of them were measured."""


def fill_reported(url: str, size: int) -> None:
    """Have the store at *url* hold *size* trials of `STEPS` reports each, and the pruner asha, unless it does."""
    import hstore
    from hstore import pruners
    from hstore.engine.search.defaults import RETRIES
    from hstore.engine.space import Space, as_apply
    from hstore.store.events import Created, Done, Event
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

    with hstore.open(url) as store:
        assert store.database is not None
        is_filled = store.database["bench"].find_one({"_id": NAME}) is not None
        if is_filled and store.database["trials"].count_documents({"exp": NAME, "ver": 2}) > MEASURED:
            return
        for name in ("events", "trials", "experiments", "bench"):
            store.database[name].delete_many({})
        say(f"filling a store with {size:,} trials of {STEPS} reports …")
        began = time.perf_counter()
        memory = Store.in_memory()
        memory.keys = store.keys
        experiment = Experiment(memory, NAME)
        created = {
            "space": Space(as_apply(SPACE)).to_data(), "objective": {}, "algorithm": {"name": "rand"}, "generator": {},
            "limits": {}, "retries": RETRIES, "fingerprint": {}, "pruner": pruners.asha.describe(),
        }  # fmt: skip
        waiting: list[Event] = experiment.compose((Created, None, created))
        experiment.append(waiting)
        rng = random.Random(0)
        for tid in range(size):
            level = rng.random()
            events = experiment.compose(
                *begun(tid), *(reported(tid, step, level) for step in range(1, STEPS + 1)),
                (Done, tid, {"result": {"status": "ok", "loss": level}, "status": "ok", "loss": level}),
            )  # fmt: skip
            experiment.append(events)
            waiting += events
            if len(waiting) >= AT_ONCE:
                store.log.append(waiting)
                waiting = []
        for tid in range(size, size + SPARE):
            events = experiment.compose(*begun(tid))
            experiment.append(events)
            waiting += events
        store.log.append(waiting)
        store.models.rebuild(experiment.state)
        store.database["bench"].insert_one({"_id": NAME, "events": experiment.state.events})
        say(f"  in {time.perf_counter() - began:.0f} s")


def begun(tid: int) -> list[Any]:
    """What begins trial *tid*."""
    from hstore.store.events import Queued, Reserved, Running

    point = {"x": tid / 7}
    return [
        (Queued, tid, {"point": point, "params": point, "source": "enqueued"}),
        (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
        (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
    ]


def reported(tid: int, step: int, level: float) -> Any:
    from hstore.store.events import Reported

    return Reported, tid, {"step": step, "value": level + 1 / step}


def seconds_of_a_report(size: int) -> float:
    """Return the CPU seconds of `ctrl.report` and `ctrl.should_stop` beside *size* trials with reports.

    The trial is better than all others, so that it reports to its end.
    """
    import hstore
    from hstore.engine.evaluation.ctrl import TrialCtrl
    from hstore.engine.evaluation.pruning import PruningSession
    from hstore.store.experiment import Experiment

    with cache() as kept:
        url = kept.url(size, "reported")
        fill_reported(url, size)
        with hstore.open(url) as store:
            assert store.database is not None
            experiment = Experiment(store, NAME, only=())
            experiment.refresh()
            session = PruningSession(experiment, follows_all=False)
            spent = math.inf
            spare = store.database["trials"].find({"exp": NAME, "ver": 2}, sort=[("tid", 1)], limit=1 + MEASURED)
            for n, tid in enumerate([each["tid"] for each in spare]):
                experiment.load_trial(tid)
                ctrl = TrialCtrl(experiment, tid, pruning=session)
                before = cpu()
                for step in range(1, STEPS + 1):
                    ctrl.report(step, -1.0)
                    assert not ctrl.should_stop()
                if n:
                    spent = min(spent, (cpu() - before) / STEPS)
            return spent
