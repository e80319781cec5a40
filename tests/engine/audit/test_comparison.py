"""What is compared of two experiments and of two trials, in memory and as `hstore diff` prints it."""

import json
from typing import Any

from tests.cli.commands import run

from hstore import Trials, fmin, hp, rand, tpe
from hstore.engine.audit.comparison import Row, compare, compare_trials
from hstore.store.experiment import Experiment
from hstore.store.store import Store


def searched(algo: Any = rand.suggest, high: float = 1, rstate: int = 0, add: float = 0, **kwargs: Any) -> Experiment:
    trials = kwargs.pop("trials", None) or Trials()
    fmin(lambda p: p["x"] + add, {"x": hp.uniform("x", 0, high)}, algo, 4, trials=trials, rstate=rstate, verbose=False)
    found: Experiment = trials.experiment
    return found


def differing(rows: list[Row]) -> dict[str, tuple[Any, Any]]:
    return {f"{row.section} {row.name}": (row.a, row.b) for row in rows if not row.is_same}


def test_the_same_search_twice_has_no_difference_but_its_seeds_would_show() -> None:
    assert differing(compare(searched(), searched())) == {}
    other = differing(compare(searched(), searched(rstate=1)))
    assert any(name.startswith("settings generator.") for name in other)
    assert "decisions first other point: trial 0" in other


def test_space_settings_losses_and_the_first_other_loss_are_told_apart() -> None:
    wider = differing(compare(searched(), searched(high=2)))
    assert "space x" in wider
    assert "result best.loss" in wider
    assert differing(compare(searched(), searched(tpe.suggest)))["settings algorithm.name"] == ("rand", "tpe")
    shifted = differing(compare(searched(), searched(add=1)))
    assert "decisions first other loss at the same point: trial 0" in shifted
    a, b = shifted["losses best after 4"]
    assert b == a + 1


def test_two_trials_are_compared_by_their_parameters_and_what_came_of_them() -> None:
    experiment = searched()
    experiment.amend(1, loss=7.0, reason="r")
    one, other = experiment.trials[:2]
    rows = differing(compare_trials(one, other))
    assert rows["trial params.x"] == (one.params["x"], other.params["x"])
    assert rows["trial loss"] == (one.loss, 7.0)
    assert rows["trial amended"] == (False, True)
    assert "trial state" not in rows


def test_hstore_diff_prints_what_differs_and_with_all_what_is_the_same(mongo_url: str, mongo_store: Store) -> None:
    space = {"x": hp.uniform("x", 0, 1)}
    for name, rstate in (("a", 0), ("b", 1)):
        fmin(lambda p: p["x"], space, rand.suggest, 3, experiment=name, store=mongo_store, rstate=rstate, verbose=False)
    out = run(mongo_url, "diff", "a", "b").stdout
    assert out.splitlines()[0].split() == ["a", "b"]
    assert "first other point: trial 0" in out
    assert "best after 3" in out
    assert "algorithm.name" not in out
    assert "algorithm.name" in run(mongo_url, "diff", "a", "b", "--all").stdout
    rows = json.loads(run(mongo_url, "diff", "a:0", "b:2", "--json").stdout)
    assert {"params.x", "loss", "seed"} <= {row["name"] for row in rows}
    assert run(mongo_url, "diff", "a", "a").stdout == "no difference\n"
    assert run(mongo_url, "diff", "a", "b:1").exit_code == 2
    assert run(mongo_url, "diff", "a:9", "b:1").exit_code == 3
