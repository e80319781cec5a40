"""The first arm has all turns while it earns; when it does not, the others have every fourth, by what they earned."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from hstore.engine.algorithms.portfolio import Account, account

GETTING_BETTER = [float(-k) for k in range(40)]
BEST_FIRST = [0.0, *[1.0] * 60]


def turns(losses: Sequence[float | None], n_arms: int) -> list[int]:
    return [account(losses[:tid], n_arms).turn(tid) for tid in range(len(losses))]


def test_the_first_arm_has_every_turn_while_losses_get_better() -> None:
    assert set(turns(GETTING_BETTER, 4)) == {0}


def test_after_ten_trials_without_a_better_loss_the_others_share_every_fourth_turn() -> None:
    assert turns(BEST_FIRST, 4)[:36] == [0] * 12 + [
        1,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
    ]


def test_an_arm_that_has_earned_goes_before_the_others() -> None:
    losses: list[float] = BEST_FIRST[:16] + [-1.0] + [1.0] * 43  # trial 16 is the turn of arm 2
    came = turns(losses, 4)
    assert (came[12], came[16]) == (1, 2)
    assert came[17:28] == [0] * 11
    assert came[28::4] == [2, 2, 3, 2, 1, 2, 3, 2]


def test_a_better_loss_gives_all_turns_back_to_the_first() -> None:
    assert set(turns([*BEST_FIRST[:20], -1.0, *[1.0] * 9], 4)[21:]) == {0}


def test_trials_without_a_loss_count_as_turns_and_earn_nothing() -> None:
    kept = account([0.0, *[1.0] * 11, None, *[1.0] * 3], 4)
    assert (kept.trials[1], kept.earned[1], kept.turn(16)) == (1, 0, 2)
    assert account([None] * 30, 4).turn(32) == 0


def test_the_first_trial_earns_nothing() -> None:
    assert account([1.0, 0.0], 4).earned == [1, 0, 0, 0]


def test_one_arm_has_every_turn() -> None:
    assert set(turns(BEST_FIRST, 1)) == {0}


@given(st.lists(st.none() | st.integers(-5, 5).map(float), max_size=80), st.integers(1, 5))
def test_every_trial_is_in_the_account_of_one_arm(losses: list[float | None], n_arms: int) -> None:
    kept: Account = account(losses, n_arms)
    assert sum(kept.trials) == len(losses)
    assert all(earned <= trials for earned, trials in zip(kept.earned, kept.trials, strict=True))
    ended = [loss for loss in losses if loss is not None]
    n_bests = sum(loss < min(ended[:k]) for k, loss in enumerate(ended) if k)
    assert sum(kept.earned) == n_bests
