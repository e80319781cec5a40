"""Under hyperopt's module names, what its modules import is there too: programs reach through them."""

import subprocess
import sys
import types
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from hstore.engine.hyperopt.exposed_names import _NAMES, exposed_by, lookup

ABSENT = {
    # the inside of hyperopt's own algorithms and workers, which docs/hyperopt-names.md says are absent
    "algobase": {"ExprEvaluator"}, "anneal": {"ExprEvaluator"},
    "atpe": {"ATPEOptimizer", "ClosedNamedTempFile", "Hyperparameter"}, "base": {"_all_same"},
    "pyll.base": {"np_versions"},
    "pyll_utils": {"_expr_to_config", "_remove_allpaths"},
    "spark": {"_SparkFMinState", "_get_logger", "_get_random_id", "_have_spark", "_spark_major_minor_version"},
    "tpe": {
        "adaptive_parzen_normal_orig", "adaptive_parzen_sampler", "build_posterior", "build_posterior_wrapper",
    },
    "utils": {"_get_logger", "_get_random_id"},
    "": {"atpe_models", "tests"}, "pyll": {"tests"},
}  # fmt: skip
OPTIONAL = {"pyspark", "sklearn", "bson", "pymongo", "gridfs", "tqdm"}


@pytest.mark.parametrize("module", sorted({*_NAMES, "hp", "pyll", "exceptions"} - {"ipy"}))
def test_every_name_that_a_module_of_hyperopt_exposes_is_there(module: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = import_module(f"hyperopt{module and '.'}{module}")
    ours = import_module(f"hstore{module and '.'}{module}")
    submodules = {name.rpartition(".")[2] for name in sys.modules if name.startswith("hyperopt.")}
    is_hyperopt = module == ""  # whose attributes include each submodule that was imported by anyone
    wanted = {name for name in dir(theirs) if not name.startswith("__")} - ABSENT.get(module, set())
    missing = {name for name in wanted if not hasattr(ours, name)} - set(exposed_by(module))
    missing -= submodules if is_hyperopt else set()
    assert missing == set()


@pytest.mark.parametrize("module", sorted(_NAMES))
def test_every_exposed_name_is_found(module: str) -> None:
    look_up = lookup(module)
    for name in exposed_by(module):
        if (module, name) != ("atpe", "hyperopt"):  # that is hstore itself, where hyperopt's names are in use
            assert look_up(name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        look_up("nothing_such")


def test_programs_reach_through_modules(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import hyperopt, hyperopt.pyll, logging\n"
        "import hyperopt.fmin as module\n"
        "assert str(hyperopt.base.pyll.scope.int(hyperopt.hp.uniform('x', 0, 9)).name) == 'int'\n"
        "assert hyperopt.tpe.logger is logging.getLogger('hyperopt.tpe')\n"
        "assert hyperopt.pyll.base.np is hyperopt.base.np is __import__('numpy')\n"
        "from hyperopt.tpe import scope, logger, miscs_to_idxs_vals\n"
        "from hyperopt.pyll.stochastic import np\n"
        "assert hyperopt.vectorize.VectorizeHelper and hyperopt.version('numpy')\n"
        "assert not hasattr(hyperopt.base, 'nothing_such')\n"
        "v = hyperopt.hp.choice('c', [1, hyperopt.hp.uniform('x', 0, 1)])\n"
        "assert 'hyperopt' in str(type(v)).lower() and 'hyperopt' in repr(type(v)), type(v)\n"
        "import pickle, hstore\n"
        "assert type(v).__module__ == 'hstore.engine.space.expressions'\n"
        "assert b'hyperopt.' not in pickle.dumps(v), 'it loads wherever hstore is'\n"
        "assert hyperopt.base is hstore.base\n"
    )
    subprocess.run([sys.executable, "-m", "hstore.compat", str(script)], check=True)


def test_hstores_own_modules_do_not_expose_them() -> None:
    code = "import hstore.base; assert not hasattr(hstore.base, 'pyll')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_keeps_the_names_of_its_own() -> None:
    import hstore.tpe

    assert isinstance(hstore.tpe.suggest, object)
    assert isinstance(lookup("tpe")("np"), types.ModuleType)
