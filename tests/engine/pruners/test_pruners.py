import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.offering import offer

from hstore.engine import pruners
from hstore.engine.pruners import PRUNERS, Curve, Curves, Pruner
from hstore.engine.pruners.asha import rung
from hstore.engine.pruners.curves import curve_of, listed
from hstore.engine.pruners.hyperband import brackets
from hstore.store.errors import InvalidValue
from hstore.store.log import ReportRow


def curve(values: Sequence[float], *, first: int = 1, is_complete: bool = False) -> Curve:
    made = Curve(is_complete=is_complete)
    for step, value in enumerate(values, first):
        made.add(step, value)
    return made


def others(*values: Sequence[float], is_complete: bool = False) -> dict[int, Curve]:
    return {tid: curve(each, is_complete=is_complete) for tid, each in enumerate(values)}


# -- curves ---------------------------------------------------------------------------------------------------


def test_a_step_counts_once_and_nan_is_as_bad_as_can_be() -> None:
    seen = Curve()
    for step, value in [(1, 0.5), (1, 0.1), (0, 0.0), (3, math.nan)]:
        seen.add(step, value)
    assert (seen.steps, seen.values, seen.last) == ([1, 3], [0.5, math.inf], 3)
    assert (seen.at(0), seen.at(2), seen.at(4)) == (0.5, math.inf, None)
    assert (seen.mean(0), seen.mean(2), seen.mean(4)) == (None, 0.5, None)


def chain(tid: int, *events: tuple[str, dict[str, Any]]) -> list[ReportRow]:
    return [(tid, ver, kind, data) for ver, (kind, data) in enumerate(events, 1)]


BEGUN: list[tuple[str, dict[str, Any]]] = [("reserved", {}), ("running", {})]
DONE = ("done", {"status": "ok"})


def report(step: int, value: float) -> tuple[str, dict[str, Any]]:
    return "reported", {"step": step, "value": value}


def test_what_was_seen_is_said_in_few_words() -> None:
    known = Curves()
    for tid in (0, 1, 3, 4):
        known.take(chain(tid, *BEGUN, report(1, 0.5), DONE))
    known.take(chain(2, *BEGUN, report(1, 0.5), report(2, 0.4)))
    known.take(chain(5, *BEGUN))
    known.take(chain(6, *BEGUN, report(1, 0.9), DONE, ("noted", {"void": True})))
    known.take(chain(7, *BEGUN, report(1, 0.9), DONE, ("requeued", {}), *BEGUN, report(1, 0.3), DONE))
    assert known.seen(4) == {"ended": [[0, 1], [3, 3]], "open": [[2, 4], [7, 9]]}
    assert list(known.others(4)) == [0, 1, 2, 3, 7]
    assert list(listed(known.seen(4))) == [(0, None), (1, None), (2, 4), (3, None), (7, 9)]
    assert (known.last, known.open) == (7, {2: 4, 5: 2})


def test_a_hole_in_a_chain_is_waited_for() -> None:
    known = Curves()
    whole = chain(0, *BEGUN, report(1, 0.5), report(2, 0.4), DONE)
    known.take([whole[0], whole[1], whole[3]])
    assert known.open == {0: 2}
    known.take(whole[1:])
    known.take(whole)
    assert known.open == {}
    assert known.others(9)[0].values == [0.5, 0.4]


def test_an_attempt_begins_its_curve_anew() -> None:
    events = chain(0, *BEGUN, report(1, 0.5), ("requeued", {}), *BEGUN, report(1, 0.7), ("failed", {"final": True}))
    assert [curve_of(events, until=ver).values for ver in (3, 4, 7)] == [[0.5], [], [0.7]]
    again = curve_of([*events, *((0, 9, "requeued", {}),)])
    assert again.values == [0.7], "the curve to its first end"


HELD = [
    report(1, 0.5),
    report(2, 0.4),
    report(7, 0.9),
    DONE,
    ("done", {"status": "fail", "pruned": True}),
    ("requeued", {}),
]
ENDED: list[tuple[str, dict[str, Any]]] = [("noted", {"void": True}), ("noted", {"void": False}), ("requeued", {})]
MAY_FOLLOW = {
    "queued": [BEGUN[0]], "requeued": [BEGUN[0]], "reserved": HELD, "reported": HELD, "done": ENDED, "noted": ENDED,
}  # fmt: skip


def test_what_is_listed_as_seen_gives_the_same_curves_again() -> None:
    rng = random.Random(0)
    for _ in range(200):
        chains: dict[int, list[ReportRow]] = {}
        known = Curves()
        for _ in range(60):
            tid = rng.randrange(6)
            mine = chains.setdefault(tid, [])
            kind, data = rng.choice(MAY_FOLLOW[mine[-1][2] if mine else "queued"])
            mine.append((tid, len(mine) + 1, kind, data))
            known.take(mine[-1:])
        for mine in chains.values():  # the log goes on
            mine.append((mine[0][0], len(mine) + 1, *report(99, 0.0)))
        for tid in chains:
            again = {other: curve_of(chains[other], until=ver) for other, ver in listed(known.seen(tid))}
            assert {t: (c.steps, c.values) for t, c in again.items()} == {
                t: (c.steps, c.values) for t, c in known.others(tid).items()
            }


def test_what_is_kept_in_order_is_what_would_be_found_by_looking_at_all() -> None:
    rng = random.Random(1)
    rules = [PRUNERS["asha"], PRUNERS["median"](startup_trials=1), PRUNERS["hyperband"](max_steps=9), PRUNERS["auto"]]
    stopped = 0
    for _ in range(60):
        chains: dict[int, list[ReportRow]] = {}
        known = Curves()
        for _ in range(80):
            tid = rng.randrange(8)
            mine = chains.setdefault(tid, [])
            kind, data = rng.choice(MAY_FOLLOW[mine[-1][2] if mine else "queued"])
            if "value" in data:
                value = rng.choice([rng.random(), rng.random(), 0.5, math.inf, -math.inf, math.nan])
                data = {"step": rng.randrange(12), "value": value}
            mine.append((tid, len(mine) + 1, kind, data))
            known.take(mine[-1:])
            curve = curve_of(mine, until=len(mine))
            for rule in rules if curve.steps else ():
                plain = dict(known.others(tid))
                assert rule.stops(tid, curve, known.others(tid)) is rule.stops(tid, curve, plain)
                stopped += rule.stops(tid, curve, plain)
    assert stopped > 20


# -- of one's own ---------------------------------------------------------------------------------------------


def due(curve: Curve, *, worse: float) -> bool:
    return len(curve.steps) > 0


def decide(tid: int, curve: Curve, others: Mapping[int, Curve], *, worse: float = 0.5) -> bool:
    return any(curve.values[-1] > other.values[-1] + worse for other in others.values())


def shaky(tid: int, curve: Curve, others: Mapping[int, Curve], *, worse: float = 0.5) -> bool:
    return 1 / len(others) > worse


own = Pruner(name="own", version=3, due=due, decide=decide)


def test_a_pruner_of_ones_own_is_described_like_ours_and_need_not_be_installed() -> None:
    mild = pruners.resolve(own(worse=np.float64(0.75)))
    assert mild.describe() == {"name": "own", "version": 3, "settings": {"worse": 0.75}}
    assert type(mild.describe()["settings"]["worse"]) is float
    assert not mild.stops(3, curve([1.0]), others([0.5]))
    assert own.stops(3, curve([1.1]), others([0.5]))
    assert pruners.why_unknown(mild.describe()) == "own, which is not installed here"
    with pytest.raises(InvalidValue, match="workers could not find the pruner 'own'") as caught:
        pruners.check_name(mild)
    assert "an entry point own of group hstore.pruners, or search without workers" in caught.value.hint
    pruners.check_name(pruners.asha(min_steps=2))


def test_a_rule_is_tried_out_only_where_it_says_that_a_decision_is_due() -> None:
    late = replace(own, due=lambda curve, *, worse: curve.last > 3, decide=shaky)
    assert pruners.resolve(late) is not None
    with pytest.raises(InvalidValue, match="the pruner own failed: ZeroDivisionError"):
        late.stops(0, curve([0.1] * 4), {})


OFFERED = """
from hstore.pruners import Pruner
def due(curve, **settings):
    return True
def decide(tid, curve, others, *, worse=0.5):
    return False
level = Pruner(name="level", version=2, due=due, decide=decide)
"""


def test_a_plug_in_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, "hstore.pruners", "level", OFFERED, attribute=":level")
    level = pruners.resolve({"name": "level", "settings": {"worse": 0.25}})
    assert level.describe() == {"name": "level", "version": 2, "settings": {"worse": 0.25}}
    assert pruners.resolve(level).describe() == level.describe()
    pruners.check_name(level)
    assert pruners.why_unknown(level.describe()) is None
    assert pruners.why_unknown({**level.describe(), "version": 1}) == "level 1, this hstore has level 2"
    why = pruners.why_unknown({**level.describe(), "settings": {"of old": 1}})
    assert why == "level, which does not work here: level has no setting 'of old'; it has: worse"
    with pytest.raises(InvalidValue, match="another pruner than the one given is called 'level', and replay would"):
        pruners.resolve(Pruner(name="level", version=2, due=due, decide=decide))
    with pytest.raises(InvalidValue, match=r"there are: asha, auto, hyperband, median, .*level"):
        pruners.resolve("nope")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("ripped", "1 / 0", r"plug-in ripped = .* \(of plug_in_ripped 1.0\) cannot be loaded: ZeroDivisionError"),
        ("module", "", "plug-in module = plug_in_module .* is not a pruner: <module"),
        ("renamed", OFFERED, "plug-in renamed = plug_in_renamed:level .* is called 'level'"),
    ],
)
def test_a_broken_plug_in_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, code: str, message: str
) -> None:
    offer(monkeypatch, tmp_path, "hstore.pruners", name, code, attribute=":level" if name == "renamed" else "")
    with pytest.raises(InvalidValue, match=message):
        pruners.resolve(name)
    why = pruners.why_unknown({"name": name, "version": 2, "settings": {}})
    assert why is not None
    assert why.startswith(f"{name}, which does not work here: the plug-in {name}")


# -- rules ----------------------------------------------------------------------------------------------------


def test_the_rungs_of_successive_halving() -> None:
    rungs = [rung(step, reduction=3, min_steps=2) for step in range(20)]
    assert rungs == [None, None, 2, 2, 2, 2, *[6] * 12, 18, 18]
    assert rung(100, reduction=3, min_steps=2, max_steps=18) == 6
    asha = pruners.asha(min_steps=2)
    assert [step for step in range(1, 20) if asha.is_due(curve([0.0] * step))] == [2, 6, 18]
    assert asha.is_due(curve([0.0, 0.0], first=17)), "a rung was passed between two reports"


@pytest.mark.parametrize(
    ("own", "theirs", "is_stopped"),
    [
        (0.5, [], False),
        (0.5, [0.6], False),
        (0.5, [0.4], True),
        (0.5, [0.5, 0.5, 0.5], False),
        (0.5, [0.1, 0.6, 0.6, 0.6, 0.6], False),  # second of six, of whom two go on
        (0.5, [0.1, 0.2, 0.6, 0.6, 0.6], True),
        (math.nan, [math.nan, math.inf], False),
        (math.nan, [0.9], True),
    ],
)
def test_asha_lets_the_best_third_go_on(own: float, theirs: list[float], is_stopped: bool) -> None:
    assert pruners.asha.stops(9, curve([own]), others(*[[value] for value in theirs])) is is_stopped


def test_asha_compares_at_the_rung_and_only_with_those_that_reached_it() -> None:
    rivals = others([0.1], [0.1, 0.9, 0.9, 0.0])
    assert not pruners.asha.stops(9, curve([0.9, 0.9, 0.8]), rivals)
    assert pruners.asha.stops(9, curve([0.0, 0.0, 0.95]), rivals)


def test_median_compares_with_those_that_were_trained_to_the_end() -> None:
    rule = pruners.median(startup_trials=3)
    done = others([1.0, 0.5], [1.0, 0.6], [1.0, 0.7], is_complete=True)  # means up to step 2: 0.75, 0.8, 0.85
    assert rule.stops(9, curve([0.9, 0.81]), done)
    assert not rule.stops(9, curve([0.79, 0.9]), done), "its best so far counts"
    assert not rule.stops(9, curve([0.9, 0.81]), others(*[each.values for each in done.values()]))
    assert not rule.stops(9, curve([0.9, 0.81, 0.8]), done), "no other trial came that far"
    assert not rule.stops(9, curve([0.9, 0.81]), dict(itertools.islice(done.items(), 2)))
    assert not pruners.median(min_steps=3).is_due(curve([1.0, 1.0]))


def test_a_wave_of_hyperband_has_trials_of_each_bracket_as_its_paper_says() -> None:
    wave = brackets(3, 1, 81)
    assert [wave.count(first) for first in (1, 3, 9, 27, 81)] == [81, 34, 15, 8, 5]
    assert set(wave[:13]) == {1, 3, 9, 27, 81}


def test_hyperband_compares_within_a_bracket() -> None:
    wave = brackets(3, 1, 81)
    assert wave[:4] == (1, 3, 1, 9)
    rivals = {0: curve([0.1] * 81), 1: curve([0.1] * 81)}
    assert pruners.hyperband.stops(2, curve([0.5]), rivals)
    assert not pruners.hyperband.stops(3, curve([0.5]), rivals)
    assert not pruners.hyperband.stops(wave.index(81), curve([0.5] * 81), rivals)


def falling(final: float, by: float = 1.0, *, until: int = 27, of: int = 27) -> list[float]:
    """Return the values at steps 1 to *until* of a curve that falls to *final* at step *of*."""
    return [final + by * (1 / step - 1 / of) for step in range(1, until + 1)]


def test_auto_stops_what_would_end_worse_however_it_began() -> None:
    done = others(*[falling(0.3 + k / 20, 0.3 + k % 3) for k in range(6)], is_complete=True)
    rule = pruners.auto(max_steps=27)
    slow, fast = falling(0.25, 2.0, until=4), falling(0.5, 0.3, until=4)
    assert slow[-1] > fast[-1], "asha would take the other one"
    assert not rule.stops(9, curve(slow), done)
    assert rule.stops(9, curve(fast), done)
    assert rule.stops(9, curve(falling(0.4, 0.5, until=20)), done)
    assert not rule.stops(9, curve(falling(0.4, 0.5)), done), "nothing is saved in the last step"


def test_auto_waits_for_trials_that_were_trained_to_the_end() -> None:
    done = others(*[falling(0.3 + k / 20) for k in range(6)], is_complete=True)
    bad = curve(falling(3.0, until=5))
    assert pruners.auto.stops(9, bad, done)
    assert not pruners.auto(startup_trials=7).stops(9, bad, done)
    assert not pruners.auto(startup_trials=0).stops(9, bad, dict(itertools.islice(done.items(), 3)))
    assert not pruners.auto.stops(9, bad, others(*[each.values for each in done.values()]))
    assert not pruners.auto.stops(9, curve([9.0] * 40), done), "it is longer than any other"


@pytest.mark.parametrize("unit", [1e-300, 1.0, -1.0, 1e300])
def test_auto_is_right_whatever_the_unit_of_the_values(unit: float) -> None:
    done = others(*[[unit * v for v in falling(0.3 + k / 20)] for k in range(6)], is_complete=True)
    ends = sorted(each.values[-1] for each in done.values())
    better, worse = (2 * ends[0] - ends[-1], 2 * ends[-1] - ends[0])
    for final, is_stopped in ((better, False), (worse, True)):
        values = [final + unit * (1 / step - 1 / 27) for step in range(1, 13)]
        assert pruners.auto.stops(9, curve(values), done) is is_stopped


def test_auto_stops_what_diverged_and_reads_what_others_diverged_to() -> None:
    done = others(*[falling(0.3 + k / 20) for k in range(6)], [math.inf] * 27, is_complete=True)
    assert pruners.auto.stops(9, curve([0.1, math.nan]), done)
    assert not pruners.auto.stops(9, curve([0.1, -math.inf]), done)
    assert not pruners.auto.stops(9, curve([math.nan]), others(*[[math.inf]] * 6, is_complete=True))
    same = others(*[[0.5, 0.5, 0.5, 0.5]] * 6, is_complete=True)
    assert pruners.auto.stops(9, curve([0.6, 0.6, 0.6]), same)


def test_auto_decides_ever_more_rarely() -> None:
    due = [step for step in range(1, 60) if pruners.auto.is_due(curve([0.0] * step))]
    assert due == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41, 51]
    from_0 = [step for step in range(10) if pruners.auto.is_due(curve([0.0] * (step + 1), first=0))]
    assert from_0 == [1, 2, 3, 4, 5, 6, 7, 9]
    assert not pruners.auto(min_steps=4).is_due(curve([0.0] * 3))
    assert pruners.auto(min_steps=9).is_due(curve([0.0] * 9))
    assert not pruners.auto(max_steps=27).is_due(curve([0.0] * 27))


@pytest.mark.parametrize("name", PRUNERS)
def test_a_pruner_is_found_by_its_name_and_by_what_the_log_says_of_it(name: str) -> None:
    pruner = pruners.resolve(name)
    again = pruners.resolve(pruner.describe())
    assert again.describe() == pruner.describe()
    assert pruners.why_unknown(pruner.describe()) is None
    assert pruners.why_unknown({**pruner.describe(), "version": 0}) == f"{name} 0, this hstore has {name} 1"
    assert not pruner.stops(0, curve([1.0]), {})
    assert not pruner.is_due(Curve())


@pytest.mark.parametrize(
    ("pruner", "message"),
    [
        (lambda: pruners.resolve("ahsa"), "no pruner is called 'ahsa'; there are: asha, auto, hyperband, median"),
        (lambda: pruners.resolve(3), "no pruner is called 3"),
        (lambda: pruners.asha(eta=3), "asha has no setting 'eta'; it has: reduction, min_steps, max_steps"),
        (lambda: pruners.asha(reduction=1), "reduction must be a whole number of at least 2, not 1"),
        (lambda: pruners.asha(min_steps=0), "min_steps must be at least 1"),
        (lambda: pruners.asha(min_steps=9, max_steps=9), "max_steps must be more than min_steps"),
        (lambda: pruners.auto(chance=0), "chance must be above 0 and at most 1, not 0"),
        (lambda: pruners.auto(chance="a"), "chance must be above 0 and at most 1, not 'a'"),
        (lambda: pruners.auto(min_steps=9, max_steps=9), "max_steps must be more than min_steps"),
        (lambda: pruners.hyperband(max_steps=None), "max_steps must be a whole number"),
        (lambda: pruners.median(startup_trials=2.5), "startup_trials must be a whole number"),
        (lambda: Pruner(name="", version=1, due=due, decide=decide), "a pruner's name must be a text, not ''"),
        (lambda: Pruner(name="own", version="1", due=due, decide=decide), "own: the version must be a whole number"),  # type: ignore[arg-type]
        (
            lambda: Pruner(name="own", version=1, due=lambda c: True, decide=decide),
            "own: due cannot be called",
        ),
        (lambda: Pruner(name="own", version=1, due=due, decide=lambda tid: True), "own: decide cannot be called as"),
        (lambda: own(step=2), "own has no setting 'step'; it has: worse"),
        (lambda: own(worse=object()).describe(), "settings.worse"),
        (lambda: pruners.resolve(replace(own, name="asha")), "another pruner than the one given is called 'asha'"),
        (lambda: pruners.resolve(replace(own, decide=shaky)), "the pruner own failed: ZeroDivisionError: division by"),
    ],
)
def test_what_cannot_be_meant_is_refused(pruner: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message.replace("(", r"\(")):
        pruner()
