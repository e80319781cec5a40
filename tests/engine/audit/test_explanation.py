"""Why a trial is where it is: what the search knew, and what its model expected."""

import json
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from tests.cli.commands import run

import hstore
from hstore import Trials, auto, fmin, gp, hp, mix, mtpe, rand, tpe
from hstore.engine.algorithms.auto import ARM_NAMES
from hstore.engine.audit.explanation import calibration, explain, explain_all
from hstore.store.errors import NotFound
from hstore.store.experiment import Experiment
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", [0, 1])}


def searched(algo: Any, n: int = 12) -> Experiment:
    trials = Trials()
    fmin(lambda p: p["x"] ** 2 + p["c"], SPACE, algo, n, trials=trials, rstate=0, verbose=False)
    found: Experiment = trials.experiment
    return found


@pytest.mark.parametrize("algo", [rand.suggest, tpe.suggest, mtpe.suggest, gp.suggest, auto.suggest])
def test_every_algorithm_says_what_it_knew_and_which_seed_it_had(algo: Any) -> None:
    experiment = searched(algo)
    said = explain(experiment, 8)
    assert (said.known, said.new, said.source) == ({"ok": 8}, [7], "suggested")
    assert said.seed == experiment.trials[8].queued.seed  # type: ignore[union-attr]
    best = min(experiment.trials[:8], key=lambda trial: trial.loss or 0)
    assert said.best == (best.tid, best.loss)
    assert (said.loss, said.params) == (experiment.trials[8].loss, experiment.trials[8].params)
    assert (said.arm in ARM_NAMES) is (algo is auto.suggest)
    assert (said.prediction is None) is (algo not in (gp.suggest, auto.suggest))


def test_a_model_expects_a_loss_in_its_own_unit_and_an_improvement() -> None:
    experiment = searched(gp.suggest)
    said = explain(experiment, 11)
    expected = said.prediction
    assert expected is not None
    bounds = [expected.low_95, expected.low_68, expected.median, expected.high_68, expected.high_95]
    assert bounds == sorted(bounds)
    assert expected.median == pytest.approx(said.loss, abs=0.5)
    assert expected.expected_improvement >= 0
    assert 1 <= expected.rank <= 3 < expected.candidates  # it takes the best it finds, and no point twice
    assert set(expected.lengths) == {"x", "c"}
    assert explain(experiment, 1).prediction is None
    assert explain(experiment, 1).why_no_prediction is not None


@pytest.mark.parametrize(
    ("algo", "labels"),
    [
        (partial(tpe.suggest, n_startup_jobs=5), {"x", "c", "n", "q"}),
        (partial(mtpe.suggest, n_startup_jobs=5), {None}),
        (partial(mix.suggest, p_suggest=[(1.0, partial(tpe.suggest, n_startup_jobs=5))]), {"x", "c", "n", "q"}),
    ],
)
def test_densities_say_why_a_point_was_preferred_to_other_candidates(algo: Any, labels: set[str | None]) -> None:
    space = {**SPACE, "n": hp.randint("n", 20_000), "q": hp.qlognormal("q", 0, 1, 1)}
    trials = Trials()
    fmin(lambda p: p["x"] ** 2 + p["c"], space, algo, 14, trials=trials, rstate=0, verbose=False)
    experiment = trials.experiment
    said = experiment.explain(13)
    assert said.densities is not None
    assert {each.label for each in said.densities} == labels
    assert all(each.rank == 1 for each in said.densities)  # it takes the largest ratio, and no point twice
    assert all(each.below > 0 and each.above > 0 for each in said.densities)
    assert said.ratio == pytest.approx(math.prod(each.below / each.above for each in said.densities))
    assert experiment.explain(2).densities is None


def test_a_density_of_tpe_is_one_the_probability_of_a_category_too() -> None:
    trials = Trials()
    algo = partial(tpe.suggest, n_startup_jobs=2, n_EI_candidates=500)
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 4)}, algo, 3, trials=trials, rstate=0, verbose=False)
    found = hstore.explain(trials.experiment, 2).densities
    assert found is not None
    (said,) = found
    # One good trial and one other: a normal around it as wide as half the range, and the prior's, cut to the range.
    x = trials.experiment.trials[2].params["x"]
    good, bad = sorted(trials.experiment.trials[tid].params["x"] for tid in (0, 1))  # its loss is x itself
    for centre, density in ((good, said.below), (bad, said.above)):
        parts = norm(2.0, 4.0), norm(centre, 2.0)
        assert density == pytest.approx(sum(p.pdf(x) for p in parts) / sum(p.cdf(4) - p.cdf(0) for p in parts))


def test_the_calibration_counts_the_losses_that_came_out_where_they_were_expected() -> None:
    explained = list(explain_all(searched(gp.suggest, 14)))
    found = calibration(explained)
    assert found.n == sum(each.prediction is not None for each in explained)
    assert 0 < found.within_68 <= found.within_95 <= found.n


def test_explaining_looks_at_a_correction_from_the_next_decision_on() -> None:
    trials = Trials()
    for n in (8, 10):
        fmin(lambda p: p["x"] ** 2, {"x": SPACE["x"]}, rand.suggest, n, trials=trials, rstate=0, verbose=False)
        if n == 8:
            trials.experiment.amend(2, loss=-7.0, reason="r")
    assert explain(trials.experiment, 7).best != (2, -7.0)
    assert explain(trials.experiment, 8).best == (2, -7.0)
    with pytest.raises(NotFound):
        explain(trials.experiment, 10)


def test_of_several_losses_all_are_printed_and_best_says_that_none_is(mongo_url: str, mongo_store: Store) -> None:
    fmin(lambda p: [p["x"], -p["x"]], {"x": SPACE["x"]}, "rand", 3, experiment="e", store=mongo_store, rstate=0,
         verbose=False, objectives=2)  # fmt: skip
    losses = explain(mongo_store.experiment("e"), 2).losses
    assert losses is not None
    printed = f"{losses[0]:.6g}, {losses[1]:.6g}"
    assert f"it came to done, losses {printed}" in run(mongo_url, "explain", "e", "2").stdout
    assert printed in run(mongo_url, "explain", "e").stdout
    assert "several losses, so none is best" in run(mongo_url, "best", "e").stderr


def test_hstore_explain_prints_one_trial_or_how_far_the_model_can_be_trusted(
    mongo_url: str, mongo_store: Store
) -> None:
    fmin(lambda p: p["x"] ** 2, {"x": SPACE["x"]}, gp.suggest, 9, experiment="e", store=mongo_store, rstate=0,
         verbose=False)  # fmt: skip
    out = run(mongo_url, "explain", "e", "8").stdout
    assert out.startswith("trial 8: suggested; chosen by gp 5, seed ")
    for piece in (
        "it knew    8 ok",
        "new to it  7",
        "best then  trial",
        "with 68 % from",
        "length scales",
        "it came to",
    ):
        assert piece in out
    table = run(mongo_url, "explain", "e").stdout
    assert "came out within the predicted 68 %" in table
    data = json.loads(run(mongo_url, "explain", "e", "--json").stdout)
    assert data["calibration"]["n"] == sum(each["prediction"] is not None for each in data["trials"])
    assert np.isfinite(data["trials"][8]["prediction"]["median"])
    assert run(mongo_url, "explain", "e", "9").exit_code == 3


@pytest.mark.parametrize(
    "algo", [tpe.suggest, mtpe.suggest, auto.suggest, partial(mix.suggest, p_suggest=[(1.0, tpe.suggest)])]
)
def test_replicates_are_no_choices_and_the_others_are_explained(algo: Any) -> None:
    trials = Trials()
    noise = np.random.default_rng(0)
    fmin(
        lambda p: p["x"] ** 2 + p["c"] + noise.normal(), SPACE, algo, 24, trials=trials, rstate=0, verbose=False,
        replicates=3,
    )  # fmt: skip
    said = list(explain_all(trials.experiment, range(20, 24)))
    again = [(each, each.replicate_of) for each in said if each.replicate_of is not None]
    assert again
    for each, first in again:
        assert each.params == trials.experiment.trials[first].params
        assert (each.arm, each.densities) == (None, None)
    if algo is not auto.suggest:
        assert all(each.densities for each in said if each.replicate_of is None)
