"""A trial is taken away once its holder was silent for as long as its lease runs, by two clocks; not sooner."""

import datetime as dt
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hstore.store.claims import ActiveLease
from hstore.workers.lease import UNWRITTEN_SECONDS, Silence

BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def held(
    tid: int = 0, *, ver: int = 2, by: str | None = "session", beat: float | None = 0.0, seconds: float | None = 60.0,
    is_over: bool = False, exp: str = "e",
) -> ActiveLease:  # fmt: skip
    """Return a trial whose lease was extended at *beat* for *seconds*."""
    at = None if beat is None else BEGINNING + dt.timedelta(seconds=beat)
    return ActiveLease(
        exp=exp, tid=tid, ver=ver, worker="w", host="h", by=by, beat=at, seconds=seconds, age=None, is_over=is_over
    )  # fmt: skip


UNWRITTEN = held(by=None, beat=None, seconds=None)
OVER = held(is_over=True)


def looks(*seen: tuple[float, ActiveLease]) -> list[bool]:
    """Return, for each look at one trial at a time, whether it may be taken away."""
    silence = Silence()
    return [bool(silence.look([trial], now=now)) for now, trial in seen]


def test_a_lease_that_runs_is_left_alone_however_long_it_was_not_extended() -> None:
    assert looks((0, held()), (61, held()), (10_000, held())) == [False, False, False]


def test_a_lease_that_is_over_counts_once_it_was_seen_unchanged_for_as_long_as_it_runs() -> None:
    assert looks((0, OVER), (59.9, OVER), (60, OVER), (61, OVER)) == [False, False, True, True]


def test_the_time_in_which_it_still_ran_counts_as_well() -> None:
    assert looks((0, held()), (60, OVER)) == [False, True]


def test_a_beat_begins_the_count_anew() -> None:
    later = held(beat=59.0, is_over=True)
    assert looks((0, OVER), (59, later), (118.9, later), (119, later)) == [False, False, False, True]


def test_another_holder_or_another_attempt_begins_the_count_anew() -> None:
    for other in (replace(OVER, by="another"), replace(OVER, ver=5)):
        assert looks((0, OVER), (60, other), (119, other), (120, other)) == [False, False, False, True]


def test_a_clock_of_the_server_that_leaps_takes_nothing_away_at_once() -> None:
    leaped = held(beat=-86_400.0, is_over=True)
    assert looks((0, held()), (1, leaped), (60, leaped), (61, leaped)) == [False, False, False, True]


def test_a_trial_that_was_not_seen_in_between_begins_anew() -> None:
    silence = Silence()
    assert silence.look([OVER], now=0) == []
    assert silence.look([], now=30) == []
    assert silence.look([OVER], now=60) == []
    assert silence.look([OVER], now=120) == [OVER]


def test_a_claim_whose_lease_was_never_written_gets_long_to_write_it() -> None:
    late = UNWRITTEN_SECONDS
    assert looks((0, UNWRITTEN), (late - 1, UNWRITTEN), (late, UNWRITTEN)) == [False, False, True]
    written = held(is_over=True)
    assert looks((0, UNWRITTEN), (late - 1, written), (late + 58, written), (late + 59, written))[-2:] == [False, True]


def test_trials_are_told_apart_by_experiment_and_tid() -> None:
    silence = Silence()
    first, second, third = OVER, held(1, is_over=True), held(exp="other", is_over=True)
    assert silence.look([first, second], now=0) == []
    assert silence.look([first, second, third], now=60) == [first, second]
    assert silence.look([third, second, first], now=120) == [third, second, first]


beats = st.tuples(st.floats(0.01, 40), st.booleans(), st.booleans())


@given(seconds=st.floats(1, 100), steps=st.lists(beats, max_size=40))
def test_nothing_is_taken_before_it_was_seen_unchanged_for_a_whole_lease(
    seconds: float, steps: list[tuple[float, bool, bool]]
) -> None:
    silence, now, beat, since = Silence(), 0.0, 0.0, 0.0
    silence.look([held(seconds=seconds)], now=now)
    for pause, is_extended, is_over in steps:
        now += pause
        if is_extended:
            beat, since = now, now
        trial = held(beat=round(beat, 6), seconds=seconds, is_over=is_over)
        assert silence.look([trial], now=now) == ([trial] if is_over and now - since >= seconds else [])
