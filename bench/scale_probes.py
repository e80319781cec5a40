"""What `bench.scale` measures in processes of their own: each prints one JSON object.

Times are CPU seconds of the process: on a machine that others use as well, the clock says little.
"""

import itertools
import json
import os
import pickle
import re
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

NAME = "filled"


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def mb() -> float:
    """Return the most memory that this program had so far: `ru_maxrss` counts that of the one that started it, too."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def say(**found: float) -> None:
    print(json.dumps(found), flush=True)


def put_back(url: str, size: int) -> None:
    """Remove what a probe appended to the store at *url*, so that the next one finds it as it was."""
    import hstore
    from hstore.store.rebuilding import rebuild

    with hstore.open(url) as store:
        assert store.database is not None
        known = store.database["bench"].find_one({"_id": NAME})
        assert known is not None
        events = store.database["events"]
        events.delete_many({"exp": NAME, "tid": {"$gte": size}})
        store.database["trials"].delete_many({"exp": NAME, "tid": {"$gte": size}})
        left = known["events"] - events.count_documents({"exp": NAME, "tid": {"$gte": 0}})
        events.delete_many({"exp": NAME, "tid": None, "ver": {"$gte": left}})
        experiment = store.experiment(NAME, only=())
        store.database["experiments"].update_one(
            {"_id": NAME}, {"$set": {"ver": experiment.state.ver, "events": known["events"]}}
        )
        if size <= 1000:
            rebuild(store, NAME)


def first(url: str, algorithm: str, size: str) -> None:
    """From an import to the first suggestion of a search that goes on."""
    import gridfs  # noqa: F401
    import scipy.special  # noqa: F401

    import hstore
    from bench.filled import SPACE
    from hstore import rand, tpe

    with hstore.open(url.replace(f"/trials_{size}?", "/nothing?")) as store:  # all that this imports
        store.experiments()
    hstore.fmin(lambda _: 0.0, SPACE, algo=tpe.suggest, max_evals=25, verbose=False, rstate=0)
    began, before, wall = cpu(), mb(), time.perf_counter()

    def stop(_: Any) -> float:
        found = {"cpu": cpu() - began, "mb": mb() - before, "wall": time.perf_counter() - wall}
        put_back(url, int(size))
        say(**found)
        os._exit(0)

    algo = {"rand": rand, "tpe": tpe}[algorithm].suggest
    hstore.fmin(stop, SPACE, algo=algo, max_evals=int(size) + 1, verbose=False, experiment=NAME, store=url)


def optuna(where: str) -> None:
    """Load a study, look at its best trial, ask for one more."""
    import optuna as library

    from bench.filled import optuna_ask
    from bench.peers import optuna_storage

    library.logging.set_verbosity(library.logging.ERROR)
    optuna_ask(library.create_study(sampler=library.samplers.TPESampler(seed=0)))  # all that this imports
    moments = [cpu()]
    study = library.load_study(
        study_name=NAME, storage=optuna_storage(where), sampler=library.samplers.TPESampler(seed=0)
    )
    moments.append(cpu())
    _ = study.best_trial
    moments.append(cpu())
    trial = optuna_ask(study)
    moments.append(cpu())
    study.tell(trial, state=library.trial.TrialState.FAIL)
    load, best, ask = (after - before for before, after in itertools.pairwise(moments))
    say(load=load, best=best, ask=ask)


def hyperopt(path: str) -> None:
    """Load a pickle, and go on for one trial."""
    import logging

    import hyperopt as library
    import numpy as np

    logging.getLogger("hyperopt").setLevel(logging.ERROR)
    space = {"x": library.hp.uniform("x", 0, 1)}
    library.fmin(lambda _: 0.0, space, algo=library.rand.suggest, max_evals=1, verbose=False)
    began = cpu()
    with open(path, "rb") as file:
        trials = pickle.load(file)
    library.fmin(
        lambda _: 0.0, space, algo=library.rand.suggest, max_evals=len(trials) + 1, trials=trials, verbose=False,
        rstate=np.random.default_rng(0),
    )  # fmt: skip
    say(cpu=cpu() - began)


def raw(url: str) -> None:
    """Read all documents with pymongo."""
    import hstore

    with hstore.open(url) as store:
        assert store.database is not None
        began = cpu()
        n = sum(1 for _ in store.database["events"].find({"exp": NAME}, batch_size=20_000))
        say(rate=n / (cpu() - began), events=n)


def fold(url: str) -> None:
    """Fold all events: the fold alone, and with the read."""
    import hstore
    from hstore.store.state import fold as fold_events
    from hstore.store.uncollected import uncollected

    with hstore.open(url) as store, uncollected():
        began = cpu()
        events = store.log.read(NAME)
        read = cpu()
        fold_events(NAME, events)
        n, folded = len(events), cpu()
        say(rate=n / (folded - read), read_rate=n / (folded - began), events=n)


def verify(url: str) -> None:
    """What `hstore verify` does."""
    import hstore
    from hstore.store.streamed_verify import verify_streamed

    with hstore.open(url) as store:
        began, before = cpu(), mb()
        found = verify_streamed(
            store.log.documents(NAME, quick=True),
            fetch=store.attachments.get,
            keys=store.keys,
            last=store.log.last_trial(NAME),
        )
        assert found is not None
        n = found.report.events
        say(rate=n / (cpu() - began), mb=mb() - before, events=n)


def rebuild(url: str) -> None:
    """What `hstore rebuild` does."""
    import hstore
    from hstore.store.rebuilding import rebuild as rebuild_documents

    with hstore.open(url) as store:
        began, before = cpu(), mb()
        _, n = rebuild_documents(store, NAME)
        say(rate=n / (cpu() - began), mb=mb() - before, events=n)


def trials(where: str, algorithm: str, url: str, size: str) -> None:
    """What each of some more trials costs, the first ones left out."""
    import numpy as np

    import hstore
    from bench.filled import SPACE, objective
    from hstore import Trials
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

    n, more = int(size), 60
    moments: list[float] = []

    def timed(point: Any) -> float:
        moments.append(cpu())
        return objective(point)

    algo = getattr(hstore, algorithm).suggest
    search = partial(hstore.fmin, timed, SPACE, algo=algo, max_evals=n + more, verbose=False)
    if where == "durable":
        search(experiment=NAME, store=url)
    else:
        store = Store.in_memory()
        with hstore.open(url) as filled:
            store.log.append(filled.log.read(NAME))
        search(trials=Trials(experiment=Experiment(store, NAME)))
    if where == "durable":
        put_back(url, n)
    say(cpu=float(np.median(np.diff(moments)[10:])))


def reports(size: str) -> None:
    """What a report and the question whether to stop cost a worker, beside *size* trials of 100 reports each."""
    from bench.reported import seconds_of_a_report

    say(cpu=seconds_of_a_report(int(size)))


def disk(url: str) -> None:
    """Bytes on disk of the events and of all."""
    import hstore

    with hstore.open(url) as store:
        database = store.database
        assert database is not None
        database.client.admin.command("fsync")

        def of(name: str) -> int:
            said = database.command("collStats", name)
            return int(said["storageSize"] + said["totalIndexSize"])

        names = database.list_collection_names(filter={"type": "collection"})
        say(events=of("events"), all=sum(map(of, names)))


PROBES: dict[str, Callable[..., None]] = {
    probe.__name__: probe
    for probe in (first, optuna, hyperopt, raw, fold, verify, rebuild, trials, reports, disk)
}  # fmt: skip

if __name__ == "__main__":
    PROBES[sys.argv[1]](*sys.argv[2:])
