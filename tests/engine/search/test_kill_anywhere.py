"""A serial search killed at any instruction and started again yields the trials of an undisturbed one."""

import json
import math
import random
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hstore
from hstore.engine.audit.replay import derive_again
from hstore.store.verify import verify

LIVES = Path(__file__).with_name("lives.py")
lives = runpy.run_path(str(LIVES), run_name="lives")


def what_is_recorded(experiment: Any) -> list[Any]:
    """Return what must be the same however often the search was killed."""
    return [
        (t.tid, t.state, dict(t.point), t.status, None if t.loss is None or math.isnan(t.loss) else t.loss)
        for t in experiment.trials
    ]


def live_through(url: str, plan: list[dict[str, Any]], max_queue_len: int = 1, *more: str) -> int:
    run = subprocess.run(
        [sys.executable, str(LIVES), url, "lives", json.dumps(plan), str(max_queue_len), *more],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def check(url: str, max_queue_len: int = 1) -> None:
    with hstore.open(url) as store:
        search = store.experiment("lives")
        assert what_is_recorded(search) == what_is_recorded(lives["undisturbed"](max_queue_len).experiment)
        assert search.state.status == "finished"
        assert derive_again(search).is_same
        assert not verify(search.documents()).findings
        assert store.models is not None
        assert store.models.repair(search.state) >= 0
        for trial in search.trials:
            kinds = [event.type for event in search.chain(trial.tid)]
            assert kinds.count("done") == 1
            assert kinds.count("reserved") == kinds.count("requeued") + 1
            assert set(trial.attachments) == {"a"} or trial.status == "fail"
            if trial.point["n"] == 5.0:
                assert trial.result is not None
                assert len(trial.result["big"]) == 70_000


@pytest.mark.parametrize(
    ("how", "side"),
    [
        ("append", "after"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (("append", "before"), ("show", "before"), ("show", "after"))
        ),
    ],
)  # fmt: skip
def test_killed_on_either_side_of_a_write_it_goes_on_as_if_nothing_had_happened(
    mongo_url: str, how: str, side: str
) -> None:
    # Each life dies a little later in its own course, so that every kind of append is hit.
    plan = [{"how": how, "n": n, "side": side} for n in (1, 2, 3, 4, 5, 6, 7, 3, 2, 1)]
    assert live_through(mongo_url, plan) == len(plan)
    check(mongo_url)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_killed_at_random_instants_it_goes_on_as_if_nothing_had_happened(mongo_url: str, seed: int) -> None:
    rng = random.Random(seed)
    plan = [{"how": "time", "after": rng.uniform(0.0, 0.25)} for _ in range(15)]
    live_through(mongo_url, plan)
    check(mongo_url)


@pytest.mark.long
def test_a_batch_that_was_cut_short_is_made_whole_first(mongo_url: str) -> None:
    plan = [{"how": "append", "n": n, "side": side} for n in (2, 3, 4) for side in ("before", "after")]
    assert live_through(mongo_url, plan, max_queue_len=4) == len(plan)
    check(mongo_url, max_queue_len=4)


@pytest.mark.long
def test_what_was_stopped_early_is_stopped_where_it_would_have_been(mongo_url: str) -> None:
    plan = [{"how": "append", "n": n, "side": side} for n in (3, 5, 7, 10) for side in ("before", "after")]
    assert live_through(mongo_url, plan, 1, "asha") == len(plan)
    with hstore.open(mongo_url) as store:
        search = store.experiment("lives")
        calm = lives["undisturbed"](pruner="asha").experiment
        assert what_is_recorded(search) == what_is_recorded(calm)
        assert 0 < search.state.pruned < len(search.trials)
        assert [t.last_report for t in search.trials] == [t.last_report for t in calm.trials]
        assert derive_again(search).is_same
        assert derive_again(search).pruned >= search.state.pruned
        assert not verify(search.documents()).findings
