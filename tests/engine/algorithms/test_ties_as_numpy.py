"""With ties="as_numpy" tpe and anneal choose what hyperopt 0.3.0 chooses as it is installed on this machine."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import hyperopt
import numpy as np
import pytest

import hstore
from hstore import Trials, fmin, hp
from hstore.store.errors import InvalidValue
from hstore.store.events import Queued

pytestmark = pytest.mark.filterwarnings("ignore")

QUANTISED: dict[str, Callable[[Any], Any]] = {
    "quniform": lambda hp: hp.quniform("x", 0, 10, 0.5),
    "uniformint": lambda hp: hp.uniformint("x", 0, 7),
    "qloguniform": lambda hp: hp.qloguniform("x", -2, 4, 1),
    "qnormal": lambda hp: hp.qnormal("x", 0, 3, 1),
    "qlognormal": lambda hp: hp.qlognormal("x", 0, 2, 0.5),
    "several": lambda hp: {
        "a": hp.quniform("a", 0, 10, 1),
        "b": hp.choice("b", [0, hp.qlognormal("c", 0, 1, 1)]),
        "d": hp.uniform("d", 0, 1),
    },
}


def coarse(config: Any) -> float:
    """Return a loss that is often that of another trial."""
    values = config.values() if isinstance(config, dict) else [config]
    return math.fsum(abs(round(value) - 3) for value in values)


def searched(library: Any, build: Any, algo: str, n: int, **settings: Any) -> Any:
    trials = library.Trials()
    library.fmin(
        coarse, build(library.hp), algo=partial(getattr(library, algo).suggest, **settings), max_evals=n,
        trials=trials, rstate=np.random.default_rng(5), verbose=False,
    )  # fmt: skip
    return {label: [float(value) for value in values] for label, values in trials.vals.items()}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(build, id=name, marks=pytest.mark.long if i > 1 else ())
        for i, (name, build) in enumerate(QUANTISED.items())
    ],
)
def test_tpe_follows_hyperopt_as_it_is_installed_past_many_equal_values(build: Any) -> None:
    theirs = searched(hyperopt, build, "tpe", 90)
    mine = searched(hstore, build, "tpe", 90, ties="as_numpy")
    assert mine == {label: pytest.approx(values, rel=1e-9) for label, values in theirs.items()}


def test_anneal_follows_hyperopt_as_it_is_installed_past_many_equal_losses() -> None:
    theirs = searched(hyperopt, QUANTISED["several"], "anneal", 90)
    mine = searched(hstore, QUANTISED["several"], "anneal", 90, ties="as_numpy")
    assert mine == {label: pytest.approx(values, rel=1e-9) for label, values in theirs.items()}


def test_the_setting_is_recorded_and_replayed_and_binds_the_search_to_this_kind_of_machine(trials: Trials) -> None:
    from hstore.engine.algorithms import tpe
    from hstore.engine.audit.replay import derive_again

    space, algo = hp.quniform("x", 0, 10, 1), partial(hstore.tpe.suggest, ties="as_numpy", n_startup_jobs=5)
    fmin(coarse, space, algo=algo, max_evals=40, trials=trials, rstate=0, verbose=False)
    decision = trials.experiment.chain(39)[0]
    assert isinstance(decision, Queued)
    assert decision.algorithm is not None
    assert decision.algorithm["settings"] == {"ties": "as_numpy", "n_startup_jobs": 5}
    assert not derive_again(trials.experiment).differences
    assert tpe.suggest.is_portable_with({"ties": "stable"})
    assert not tpe.suggest.is_portable_with({"ties": "as_numpy"})


@pytest.mark.parametrize("name", ["tpe", "anneal"])
def test_another_word_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="ties must be 'stable' or 'as_numpy', not 'numpy'"):
        fmin(coarse, hp.uniform("x", 0, 1), algo=partial(getattr(hstore, name).suggest, ties="numpy"), max_evals=1)


def test_log_kinds_are_drawn_within_one_unit_in_the_last_place_of_hyperopts() -> None:
    for kind in ("loguniform", "lognormal"):
        theirs, mine = (
            np.array(searched(library, lambda hp, kind=kind: getattr(hp, kind)("x", -5, 1), "rand", 200)["x"])
            for library in (hyperopt, hstore)
        )
        assert np.all(np.abs(mine - theirs) <= np.spacing(theirs))
