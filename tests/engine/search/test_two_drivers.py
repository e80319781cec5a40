"""Any number of drivers may run one experiment: each decision is made once, `max_evals` is kept to the letter."""

import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
from tests.waiting import GENEROUS

import hstore
from hstore import Trials, fmin, hp, rand
from hstore.engine.audit.replay import derive_again
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", -1, 1)}
RUN = """
import sys
import numpy as np
from hstore import fmin, hp, tpe
from functools import partial
fmin(lambda c: c["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, algo=partial(tpe.suggest, n_startup_jobs=5), max_evals=60,
     rstate=np.random.default_rng(0), verbose=False, experiment="shared", store=sys.argv[1],
     points_to_evaluate=[{"x": 0.5}, {"x": -0.5}])
"""


@pytest.mark.long
def test_processes_that_begin_and_run_one_experiment_at_once_share_its_trials(mongo_url: str) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, mongo_url], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for run in runs:
        _, said = run.communicate(timeout=GENEROUS)
        assert run.returncode == 0, said
    with hstore.open(mongo_url) as store:
        search = store.experiment("shared")
        assert [(t.tid, t.state) for t in search.trials] == [(tid, "done") for tid in range(62)]
        assert Counter(event.type for event in search.events)["queued"] == 62
        assert search.state.status == "finished"
        assert Counter(event.type for event in search.chain(None))["created"] == 1
        assert derive_again(search).is_same
        assert not verify(search.documents()).findings


def test_a_driver_that_loses_the_race_for_a_decision_folds_the_winners(mongo_url: str) -> None:
    with hstore.open(mongo_url) as first, hstore.open(mongo_url) as second:
        barrier = threading.Barrier(2)

        def run(store: Store) -> None:
            barrier.wait()
            fmin(
                lambda c: c["x"] ** 2,
                SPACE,
                algo=rand.suggest,
                max_evals=40,
                rstate=np.random.default_rng(0),
                verbose=False,
                experiment="raced",
                store=store,
            )

        threads = [
            threading.Thread(target=run, args=(store,), name=f"driver-{i}") for i, store in enumerate((first, second))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GENEROUS)
        alone = Trials()
        fmin(
            lambda c: c["x"] ** 2,
            SPACE,
            algo=rand.suggest,
            max_evals=40,
            rstate=np.random.default_rng(0),
            verbose=False,
            trials=alone,
        )
        search = first.experiment("raced")
        assert [dict(t.point) for t in search.trials] == [dict(t.point) for t in alone.experiment.trials]
        workers: set[Any] = {t.reserved.worker for t in search.trials if t.reserved}
        assert len(workers) <= 2
        assert derive_again(search).is_same
