"""atpe: hyperopt's trained models choose for our searches, the same at the same seed. With a real LightGBM."""

import math
import os
import random
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hstore import Trials, atpe, fmin, hp, rand
from hstore.engine.audit.replay import derive_again
from hstore.engine.space import compile_space
from hstore.store.errors import BadSearchSpace, CannotLoad

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt.atpe

pytestmark = pytest.mark.filterwarnings("ignore")


def space() -> Any:
    inner = hp.choice("inner", [1, {"e": hp.normal("e", 0, 1)}])
    options = [{"u": hp.loguniform("u", -3, 0)}, {"r": hp.randint("r", 5)}, {"d": inner}]
    return {"x": hp.uniform("x", -3, 3), "c": hp.choice("c", options), "n": hp.uniformint("n", 1, 5)}


def treacherous(config: Any) -> Any:
    if config["x"] > 2:
        return {"status": "fail"}
    return math.nan if config["x"] < -2.5 else config["x"] ** 2 + config["n"]


def globals_of_the_process() -> Any:
    legacy: Any = np.random.get_state()  # noqa: NPY002
    return random.getstate(), legacy[1].tolist(), os.environ.get("HYPEROPT_FMIN_SEED")


@pytest.mark.covers("atpe.suggest")
def test_atpe_follows_the_seed_and_takes_failed_trials_and_nan(capfd: pytest.CaptureFixture[str]) -> None:
    trials = Trials()
    fmin(treacherous, space(), algo=rand.suggest, max_evals=14, trials=trials, verbose=False, rstate=5)
    assert None in trials.losses()
    assert any(loss is not None and math.isnan(loss) for loss in trials.losses())
    searched = compile_space(space())
    domain = SimpleNamespace(space=searched)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = globals_of_the_process()
    (first,) = atpe.suggest([14], domain, trials, 3)
    after = globals_of_the_process()
    assert after == before
    random.random()
    (again,) = atpe.suggest([14], domain, trials, 3)
    assert again == first
    (other,) = atpe.suggest([14], domain, trials, 4)
    assert other["misc"]["vals"] != first["misc"]["vals"]
    for document in (first, other):
        vals = document["misc"]["vals"]
        searched.check({label: values[0] for label, values in vals.items() if values})
        assert {label for label, tids in document["misc"]["idxs"].items() if tids == [14]} == {
            label for label, values in vals.items() if values
        }
    assert capfd.readouterr().out == ""
    assert atpe.suggest([], domain, trials, 3) == []


def test_a_search_by_atpe_is_on_record_as_one_that_replay_cannot_derive() -> None:
    trials = Trials()
    fmin(treacherous, space(), algo=atpe.suggest, max_evals=2, trials=trials, verbose=False, rstate=5)
    replayed = derive_again(trials.experiment)
    assert [why for _, why in replayed.skipped] == [
        "chosen by hstore.engine.hyperopt.atpe:suggest, which is not part of this hstore"
    ] * 2


def test_kinds_that_atpe_has_no_notion_of_are_refused_by_name() -> None:
    for node in (hp.pchoice("p", [(0.5, 1), (0.5, 2)]), hp.qnormal("p", 0, 1, 1), hp.qlognormal("p", 0, 1, 1)):
        with pytest.raises(BadSearchSpace, match="p: atpe has no notion of"):
            atpe.suggest([0], SimpleNamespace(space=compile_space(node)), Trials(), 0)


def test_without_its_packages_atpe_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = SimpleNamespace(space=compile_space(space()))
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(CannotLoad, match="atpe needs lightgbm") as refused:
        atpe.suggest([0], domain, Trials(), 0)
    assert refused.value.hint == "pip install 'hstore[atpe]'"


def test_where_hstore_stands_in_for_hyperopt_atpe_does_not_call_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperopt.atpe, "suggest", atpe.suggest)
    with pytest.raises(CannotLoad, match="whose name hstore has taken"):
        atpe.suggest([0], SimpleNamespace(space=compile_space(space())), Trials(), 0)
