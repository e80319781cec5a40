import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore import hp
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.algorithms.history import FAIL, OK, History
from hstore.engine.algorithms.scalarise import is_needed, maximin, scalarise
from hstore.engine.space import compile_space
from hstore.store.ranked import is_feasible

SPACE = compile_space({"x": hp.uniform("x", -1, 1)})


def history_of(*message: tuple[float | None, Sequence[float] | None, Sequence[float] | None]) -> History:
    """Return a history of ok trials, each of loss, losses and constraints."""
    history = History(SPACE)
    for loss, losses, constraints in message:
        history.observe(
            history.add({"x": 0.0}), kind="ok", loss=loss, losses=losses, constraints=constraints
        )  # fmt: skip
    return history


def scalar(history: History, how: str = "maximin") -> History:
    return scalarise(history, how, seed=3)[0]


def test_a_history_of_one_loss_is_left_as_it_is() -> None:
    assert not is_needed(history_of((1.0, None, None)))
    assert is_needed(history_of((None, [1.0, 2.0], None)))
    assert is_needed(history_of((1.0, None, [0.0])))


def test_maximin_fitness_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3):
        vectors = rng.random((60, k)) ** 2 * 10.0 ** np.arange(k)
        low, high = vectors.min(axis=0), vectors.max(axis=0)
        scaled = (vectors - low) / (high - low)
        expected = [max(min(scaled[i] - scaled[j]) for j in range(60) if j != i) for i in range(60)]
        assert maximin(vectors) == pytest.approx(expected, abs=1e-15)
        is_dominated = [any((v <= u).all() and (v < u).any() for v in vectors) for u in vectors]
        assert all((fitness < 0) <= (not dominated) for fitness, dominated in zip(expected, is_dominated, strict=True))


def test_maximin_fitness_of_few_and_of_odd_points() -> None:
    assert maximin(np.empty((0, 2))).tolist() == []
    assert maximin(np.array([[1.0, 2.0]])).tolist() == [-1.0]
    assert maximin(np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [-1.0, -1.0]
    assert maximin(np.array([[0.0, 0.0], [1.0, math.inf], [math.nan, 0.0]])).tolist() == [-1.0, math.inf, math.inf]
    assert maximin(np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])).tolist() == [-1.0, 0.0, 0.0]


CONSTRAINTS = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 5e-324, 1e300])


@given(rows=st.lists(st.lists(CONSTRAINTS, min_size=2, max_size=2), min_size=1))
def test_what_is_infeasible_by_the_log_is_never_better_than_what_is_feasible(rows: list[list[float]]) -> None:
    found = [(-1.0 if is_feasible(row) else -9.0, None, row) for row in [*rows, [0.0, 0.0]]]
    assert min(scalar(history_of(*found)).losses) == -1.0


def test_infeasible_trials_come_after_all_feasible_ones_by_their_violation() -> None:
    history = history_of(
        (3.0, None, [-1.0, 0.0]),
        (1.0, None, [0.0, -5.0]),
        (-9.0, None, [1.0, 20.0]),
        (-9.0, None, [0.5, 0.0]),
        (-9.0, None, [math.nan, 0.0]),
    )
    losses = scalar(history).losses
    assert losses[:2].tolist() == [3.0, 1.0]
    assert losses[3:].tolist() == [4.0, math.inf]
    assert losses[2] == 3.0 + 2.0 * 2.0
    assert np.array_equal(history.losses[:2], [3.0, 1.0]), "the history itself is untouched"


def test_while_nothing_is_feasible_only_the_violation_counts() -> None:
    losses = scalar(history_of((1.0, [1.0, 2.0], [2.0]), (1.0, [0.0, 0.0], [4.0]))).losses
    assert losses.tolist() == [0.5, 1.0]


def test_infeasible_trials_do_not_change_what_feasible_ones_are_worth() -> None:
    found = [(None, [0.0, 1.0], [0.0]), (None, [1.0, 0.0], [-1.0]), (None, [0.9, 0.9], [0.0])]
    alone = scalar(history_of(*found)).losses
    beside = scalar(history_of(*found, (None, [-50.0, -50.0], [1.0]))).losses
    assert beside[:3].tolist() == alone.tolist()
    assert beside[3] > max(alone)


def test_what_is_pending_failed_or_void_counts_as_before() -> None:
    history = history_of((None, [1.0, 2.0], None))
    for kind, loss in [("pending", None), ("fail", 0.5), ("error", None), ("void", None), ("pruned", 0.1)]:
        history.observe(history.add({"x": 0.0}), kind=kind, loss=loss)
    scalar_ = scalar(history)
    assert scalar_.losses.tolist() == pytest.approx([-1, math.inf, math.inf, math.nan, math.nan, math.inf], nan_ok=True)
    assert scalar_.kinds.tolist() == history.kinds.tolist()
    assert not is_needed(scalar_)


def test_a_vector_of_another_length_than_the_first_is_a_failure() -> None:
    history = history_of((None, [1.0, 2.0], None), (None, [1.0, 2.0, 3.0], None), (None, [math.nan, 1.0], None))
    assert history.kinds.tolist() == [OK, FAIL, OK]
    assert history.loss_vectors.tolist()[0] == [1.0, 2.0]
    assert np.isnan(history.loss_vectors[1]).all()
    with pytest.raises(ValueError, match="read-only"):
        history.loss_vectors[0] = 0.0


def test_what_a_history_knows_of_vectors_grows_is_copied_and_is_replaced() -> None:
    history = history_of(*[(None, [float(i), -float(i)], [float(i % 2)]) for i in range(150)])
    twin = history.copy()
    twin.observe(149, kind="void")
    assert np.isnan(twin.loss_vectors[149]).all()
    assert np.isnan(twin.constraints[149]).all()
    assert history.loss_vectors.shape == (150, 2)
    assert history.loss_vectors[149].tolist() == [149.0, -149.0]
    assert history.constraints[:4, 0].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert History(SPACE).loss_vectors.shape == (0, 0)


def test_chebyshev_weighs_the_losses_as_the_seed_draws() -> None:
    ends = [
        (None, [0.0, 20.0], None),
        (None, [1.0, 10.0], None),
        (None, [2.0, 0.0], None),
        (None, [9.0, math.inf], None),
    ]
    losses, weights = set(), []
    for seed in range(200):
        history, within = scalarise(history_of(*ends), "chebyshev", seed=seed)
        assert 0 <= within != seed
        first, middle, last, odd = history.losses.tolist()
        assert first == pytest.approx(1.05 * (1 - last / 1.05))
        assert middle == pytest.approx(max(first, last) / 1.05 / 2 + 0.05 / 2)
        assert odd == math.inf
        losses.add((first, middle, last))
        weights.append(last / 1.05)
    assert len(losses) == 200
    assert abs(np.mean(weights) - 0.5) < 0.05
    assert min(weights) < 0.05
    assert max(weights) > 0.95


def test_the_weights_of_three_losses_add_up_to_one() -> None:
    history = history_of(*[(None, list(row), None) for row in np.eye(3)])
    for seed in range(20):
        losses = scalarise(history, "chebyshev", seed=seed)[0].losses
        assert sum(losses) == pytest.approx(1.05)


@pytest.mark.parametrize("how", ["maximin", "chebyshev"])
@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "grid"])  # which reads no losses
def test_every_algorithm_reads_what_comes_of_it(name: str, how: str) -> None:
    rng = np.random.default_rng(1)
    history = History(SPACE)
    for n in range(45):
        tid = history.add(SPACE.sample(rng))
        if n % 9 == 0:
            history.observe(tid, kind="pruned", loss=rng.random(), step=3)
        elif n % 10 > 0:
            history.observe(tid, kind="ok", losses=rng.random(2).tolist(), constraints=[rng.random() - 0.5])
    one, seed = scalarise(history, how, seed=5)
    before = one.losses.tobytes()
    point = ALGORITHMS[name].choose(SPACE, one, seed=seed)
    SPACE.check(point)
    assert point == ALGORITHMS[name].choose(SPACE, scalarise(history, how, seed=5)[0], seed=seed)
    assert one.losses.tobytes() == before
