"""A program's own algorithm draws as hyperopt's wiki shows: by evaluating `domain.s_idxs_vals`."""

import warnings
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import Domain, Trials, fmin
from hstore.base import miscs_update_idxs_vals
from hstore.pyll import rec_eval

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


def space(hp: Any) -> dict[str, Any]:
    return {
        "x": hp.uniform("x", -1, 1),
        "k": hp.choice("k", [1, {"y": hp.normal("y", 0, 1)}, {"n": hp.randint("n", 7)}]),
        "q": hp.quniform("q", 0, 10, 2),
    }


def suggest_with(library: Any) -> Any:
    pyll = library.pyll

    def suggest(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        rng, documents = np.random.default_rng(seed), []
        for new_id in new_ids:
            memo = {domain.s_new_ids: [new_id], domain.s_rng: rng}
            idxs, vals = pyll.rec_eval(domain.s_idxs_vals, memo=memo)
            misc = {"tid": new_id, "cmd": domain.cmd, "workdir": domain.workdir}
            library.base.miscs_update_idxs_vals([misc], idxs, vals)
            documents.extend(trials.new_trial_docs([new_id], [None], [domain.new_result()], [misc]))
        return documents

    return suggest


@pytest.mark.covers("base.Domain.s_idxs_vals", "base.Domain.s_new_ids", "base.Domain.s_rng", "base.Domain.vh")
@pytest.mark.parametrize("seed", range(3))
def test_an_algorithm_that_evaluates_s_idxs_vals_draws_the_points_that_hyperopt_draws(seed: int) -> None:
    found = []
    for library in (hyperopt, hstore):
        trials = library.Trials()
        library.fmin(
            lambda config: config["x"], space(library.hp), suggest_with(library), 8, trials=trials,
            rstate=np.random.default_rng(seed), show_progressbar=False, verbose=False,
        )  # fmt: skip
        found.append((trials.vals, trials.idxs, trials.losses()))
    assert found[0] == found[1]


def test_draws_for_several_trials_are_by_label_with_their_ids() -> None:
    domain = Domain(lambda config: 0.0, space(hstore.hp))
    memo = {domain.s_new_ids: [4, 5, 9], domain.s_rng: np.random.default_rng(0)}
    idxs, vals = _evaluate(domain.s_idxs_vals, memo)
    assert sorted(idxs) == sorted(vals) == ["k", "n", "q", "x", "y"]
    assert idxs["x"].tolist() == [4, 5, 9]
    for label in idxs:
        assert len(idxs[label]) == len(vals[label])
    assert idxs["y"].tolist() == [tid for tid, k in zip([4, 5, 9], vals["k"], strict=True) if k == 1]
    miscs: list[dict[str, Any]] = [{"tid": tid} for tid in (4, 5, 9)]
    miscs_update_idxs_vals(miscs, idxs, vals)
    assert [misc["idxs"]["x"] for misc in miscs] == [[4], [5], [9]]


def test_ids_and_values_can_be_evaluated_apart() -> None:
    domain = Domain(lambda config: 0.0, space(hstore.hp))
    memo = {domain.s_new_ids: [3], domain.s_rng: np.random.default_rng(1)}
    vals = _evaluate(domain.s_idxs_vals[1], memo)
    assert len(vals["x"]) == 1
    assert -1 <= vals["x"][0] <= 1


def test_a_search_with_it_ends_with_a_point() -> None:
    trials = Trials()
    best = fmin(
        lambda config: config["x"] ** 2, space(hstore.hp), suggest_with(hstore), 5, trials=trials, rstate=0,
        verbose=False,
    )  # fmt: skip
    assert best == trials.argmin


def _evaluate(expression: Any, memo: dict[Any, Any]) -> Any:
    return rec_eval(expression, memo=memo)
