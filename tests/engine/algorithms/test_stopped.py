"""What stopped trials are believed to have come to, and that gp and mtpe go by it."""

import math
from typing import Any

import numpy as np
import pytest

from hstore.engine.algorithms import ALGORITHMS, mtpe
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.stopped import as_if_ended, losses_as_if_ended
from hstore.engine.algorithms.surrogate import known
from hstore.engine.space import compile_space, hp

SPACE = compile_space({"x": hp.uniform("x", -5, 5), "y": hp.uniform("y", -5, 5)})
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("partial", "steps", "ended", "expected"),
    [
        ([0.9, 0.7, 0.8], [1, 1, 1], [0.1, 0.3, 0.2], [0.4, 0.2, 0.3]),  # the best is middling, the others behind it
        ([0.9, 0.7, 0.4, 0.3], [1, 1, 9, 9], [0.2], [0.4, 0.2, 0.3, 0.2]),  # only what is at one step is compared
        ([0.5, 0.5], [3, 3], [0.1, 0.2, 0.4, 0.9], [0.3, 0.3]),  # of an even number the middle, equal ones stay equal
        ([0.9, 0.7], [1, 1], [], [0.2, 0.0]),  # nothing has ended to be compared with
        ([0.9], [4], [0.1, 0.3], [0.2]),
        ([0.9, NAN, INF, -INF, 0.7], [1, 1, 1, 1, 1], [0.2], [0.4, INF, INF, 0.2, 0.2]),
        ([-INF, NAN], [1, 2], [0.2], [0.2, INF]),
        ([0.9, 0.7, 0.3], [NAN, NAN, 1], [0.2], [0.4, 0.2, 0.2]),  # at unknown steps
        ([1e308, -1e308], [1, 1], [1.7e308, 1.7e308], [INF, 1.7e308]),
        ([], [], [0.2], []),
    ],
)
def test_stopped_trials_keep_their_distances_behind_a_middling_one(
    partial: Any, steps: Any, ended: Any, expected: Any
) -> None:
    found = as_if_ended(*(np.array(column, dtype=np.float64) for column in (partial, steps, ended)))
    assert found == pytest.approx(expected, rel=1e-12)


def test_whoever_reported_less_at_the_same_step_never_ranks_behind() -> None:
    rng = np.random.default_rng(0)
    values = np.array([-INF, -1e308, -1.0, -0.0, 0.0, 1e-300, 0.5, 1.0, 1e308, INF, NAN])
    for _ in range(300):
        n = int(rng.integers(1, 12))
        partial, steps = rng.choice(values, n), rng.integers(1, 4, n).astype(np.float64)
        ended = rng.choice(values[1:-2], int(rng.integers(0, 4)))
        found = as_if_ended(partial, steps, ended)
        assert not np.isnan(found).any()
        for i in range(n):
            for j in range(n):
                if steps[i] == steps[j] and partial[i] <= partial[j]:
                    assert found[i] <= found[j]
        if len(ended):  # and none is better than the middle of those that ended
            assert (found >= np.sort(ended)[(len(ended) - 1) // 2]).all()


def history_of(*trials: tuple[Any, ...]) -> History:
    """Return a history of trials (x, kind, loss, and of stopped ones the step)."""
    history = History(SPACE)
    for x, kind, loss, *step in trials:
        history.observe(history.add({"x": x, "y": x}), kind=kind, loss=loss, step=step[0] if step else None)
    return history


def test_only_stopped_trials_are_given_another_loss() -> None:
    history = history_of((0.0, "ok", 0.5), (1.0, "pruned", 0.9, 1), (2.0, "fail", None), (3.0, "pruned", None))
    assert losses_as_if_ended(history).tolist() == [0.5, 0.5, INF, INF]
    assert history.losses.tolist() == [0.5, INF, INF, INF]
    unstopped = history_of((0.0, "ok", -INF), (1.0, "error", None), (2.0, "fail", 0.3), (4.0, "ok", -0.0))
    assert losses_as_if_ended(unstopped).tobytes() == unstopped.losses.tobytes()


def test_gp_takes_a_stopped_trial_without_a_number_for_a_failed_one() -> None:
    trials = known(
        history_of((0.0, "ok", 0.5), (1.0, "pruned", 0.9, 1), (2.0, "pruned", NAN, 1), (3.0, "pruned", None))
    )
    assert (trials.with_loss.tolist(), trials.valid.tolist(), trials.failed.tolist()) == ([0, 1], [0], [2, 3])


def halved(n: int, *, by: float = 1.0) -> History:
    """Return *n* trials of a bowl around 1, of which every tenth has ended and the others were stopped at step 1 or 3.

    by: what their last values are multiplied with.
    """
    history, rng = History(SPACE), np.random.default_rng(1)
    for tid in range(n):
        point = SPACE.sample(rng)
        loss = (point["x"] - 1) ** 2 + (point["y"] - 1) ** 2
        row = history.add(point)
        if tid % 10 == 0:
            history.observe(row, kind="ok", loss=loss)
        else:
            history.observe(row, kind="pruned", loss=by * loss + 10, step=2 * (tid % 3) - 1)
    return history


def test_mtpe_goes_by_what_stopped_trials_reported() -> None:
    def off(history: History) -> float:
        points = [mtpe.choose(SPACE, history, seed=seed) for seed in range(30)]
        return float(np.mean([abs(point["x"] - 1) + abs(point["y"] - 1) for point in points]))

    assert off(halved(60)) < 0.8 * off(halved(60, by=-1.0)), "its good trials are where the least was reported"


@pytest.mark.parametrize("name", ["mtpe", "gp", "auto"])
@pytest.mark.parametrize("kinds", [["pruned"], ["pruned", "ok"], ["pruned", "error", "fail"]], ids=" ".join)
def test_stopped_trials_alone_or_among_few_others_are_searched_on(name: str, kinds: list[str]) -> None:
    for n in (1, 2, 20):
        for value in (0.5, NAN, INF, -INF, None):
            history = history_of(*[(k / 5, kinds[k % len(kinds)], value, k % 3) for k in range(n)])
            SPACE.check(ALGORITHMS[name].choose(SPACE, history, seed=n))
