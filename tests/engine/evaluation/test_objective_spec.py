"""What a log holds of an objective and its space is enough to make a domain of them again, in another process too."""

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from hstore import Ctrl, hp
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.engine.evaluation.domain import version
from hstore.engine.evaluation.objective_spec import ObjectiveSpec, imported, named, prepare
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.space import Space, as_apply
from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import CannotLoad

PLAIN = {"x": hp.uniform("x", -5, 5)}
Write = Callable[[str], object]


class StrategyState(Ctrl):
    """A `Ctrl` that is known when it is seen again."""

    def __init__(self) -> None:
        pass


class Model:
    """An option that has no plain form."""

    def __init__(self, power: int) -> None:
        self.power = power

    def __call__(self, x: float) -> float:
        return float(x**self.power)


def domain(fn: Callable[..., Any], space: Any = PLAIN, **options: Any) -> Domain:
    return Domain(fn, Space(as_apply(space)), **options)


def through_the_log(given: Domain) -> ObjectiveSpec:
    """Return the recipe of *given* as it comes back from the log."""
    attachments = MemoryAttachments()
    return objective_spec.fetch(objective_spec.record(given, attachments), given.space.to_data(), attachments)


def value(objective_spec: ObjectiveSpec, point: dict[str, Any]) -> Any:
    return prepare(objective_spec).evaluate(point, StrategyState())["loss"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module "elsewhere" that can be imported; it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "elsewhere", raising=False)
    return lambda code: (tmp_path / "elsewhere.py").write_text(code)


def refusal(objective_spec: ObjectiveSpec) -> str:
    with pytest.raises(CannotLoad) as caught:
        prepare(objective_spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- by name, by value ------------------------------------------------------------------------------------------------


def test_what_can_be_imported_is_imported() -> None:
    objective_spec = through_the_log(domain(math.fsum))
    assert (objective_spec.ref, objective_spec.name) == ("math:fsum", "fsum")
    assert prepare(objective_spec).fn is math.fsum
    assert prepare(replace(objective_spec, pickle=None)).fn is math.fsum


def test_what_has_no_name_to_import_is_pickled() -> None:
    power = 3
    objective_spec = through_the_log(domain(lambda config: config["x"] ** power))
    assert objective_spec.ref is None
    assert value(objective_spec, {"x": 2.0}) == 8.0
    assert version(prepare(objective_spec).fn) == objective_spec.version


@pytest.mark.parametrize(
    "fn", [functools.partial(pow, exp=2), Model(2), Model(2).__call__], ids=["partial", "object", "method"]
)
def test_anything_that_can_be_called_will_do(fn: Callable[..., Any]) -> None:
    assert value(through_the_log(domain(fn, hp.uniform("x", -5, 5))), {"x": 3.0}) == 9.0


def test_what_cannot_be_imported_any_more_comes_from_its_pickle(module: Write) -> None:
    module("def f(config): return 42.0")
    fn = imported("elsewhere:f")
    elsewhere = sys.modules["elsewhere"]
    cloudpickle.register_pickle_by_value(elsewhere)
    try:
        objective_spec = through_the_log(domain(fn))
    finally:
        cloudpickle.unregister_pickle_by_value(elsewhere)
    assert objective_spec.ref == "elsewhere:f"
    assert value(replace(objective_spec, ref="not_there:f"), {"x": 0.0}) == 42.0


def test_of_what_can_be_had_in_neither_way_the_import_is_told() -> None:
    objective_spec = through_the_log(domain(lambda config: 0.0))
    assert refusal(replace(objective_spec, ref="not_there:f", python="3.8.0")) == (
        "cannot import not_there:f: ModuleNotFoundError: No module named 'not_there'"
    )


def test_an_objective_that_can_neither_be_imported_nor_pickled_can_only_be_named() -> None:
    generator = (n for n in range(3))
    objective_spec = through_the_log(domain(lambda config: next(generator)))
    assert objective_spec.pickle is None
    assert "could neither be imported nor pickled" in refusal(objective_spec)
    assert prepare(named("math:fsum", objective_spec)).fn is math.fsum


def test_a_search_in_memory_keeps_no_pickles() -> None:
    data = objective_spec.record(domain(lambda config: 0.0), None)
    assert sorted(data) == ["name", "version"]


# -- what is not right ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "options", "what"),
    [
        (lambda a, b: 0.0, {}, "a point: missing a required argument: 'b'"),
        (lambda: 0.0, {}, "a point: too many positional arguments"),
        (lambda *, x: 0.0, {}, "a point: "),
        (lambda config: 0.0, {"pass_expr_memo_ctrl": True}, "expr, memo and ctrl: "),
    ],
    ids=["two", "none", "keyword", "plain"],
)
def test_an_objective_of_the_wrong_signature_is_refused(
    fn: Callable[..., Any], options: dict[str, Any], what: str
) -> None:
    assert f" cannot be called with {what}" in refusal(through_the_log(domain(fn, **options)))


def test_a_pickle_of_another_python_is_refused_and_one_of_another_patch_is_not() -> None:
    objective_spec = through_the_log(domain(lambda config: 1.0))
    major, minor, *_ = sys.version_info
    assert value(replace(objective_spec, python=f"{major}.{minor}.99"), {"x": 0.0}) == 1.0
    assert "was pickled by Python 3.8.1, this is" in refusal(replace(objective_spec, python="3.8.1"))


def test_a_pickle_that_is_not_there_is_said() -> None:
    given = domain(lambda config: 1.0)
    data = objective_spec.record(given, MemoryAttachments())
    with pytest.raises(CannotLoad, match="its pickle cannot be read: there is no attachment"):
        objective_spec.fetch(data, given.space.to_data(), MemoryAttachments())


def test_a_space_of_a_format_to_come_is_refused() -> None:
    objective_spec = through_the_log(domain(lambda config: 1.0))
    assert (
        refusal(replace(objective_spec, space={"format": 99, "nodes": []})) == "a space in format 99 is not known here"
    )


# -- spaces -----------------------------------------------------------------------------------------------------------


def test_a_plain_space_comes_from_the_log_and_is_not_pickled() -> None:
    objective_spec = through_the_log(domain(lambda config: config["x"]))
    assert objective_spec.space_pickle is None
    assert prepare(objective_spec).space.to_data() == Space(as_apply(PLAIN)).to_data()


def test_a_space_with_objects_for_options_is_pickled() -> None:
    def model(x: float) -> float:
        return x**3

    space = {"x": hp.uniform("x", -5, 5), "model": hp.choice("model", [model, math.fabs])}
    objective_spec = through_the_log(domain(lambda config: config["model"](config["x"]), space))
    assert objective_spec.space_pickle is not None
    assert value(objective_spec, {"x": -2.0, "model": 0}) == -8.0
    assert value(objective_spec, {"x": -2.0, "model": 1}) == 2.0
    assert "objects that could not be pickled" in refusal(replace(objective_spec, space_pickle=None))
    assert "the space was pickled by Python 3.8.1" in refusal(replace(objective_spec, ref="math:fsum", python="3.8.1"))


def test_a_space_with_objects_that_cannot_be_pickled_can_not_be_had_elsewhere() -> None:
    space = {"x": hp.choice("x", [(n for n in range(3)), 1])}
    objective_spec = through_the_log(domain(math.fsum, space))
    assert refusal(objective_spec) == "the space of fsum holds objects that could not be pickled"


def test_a_space_that_asks_for_its_ctrl_is_handed_the_live_one() -> None:
    space = {"x": hp.uniform("x", -5, 5), "ctrl": Ctrl}
    objective_spec = through_the_log(domain(lambda config: 1.0 if hasattr(config["ctrl"], "report") else 0.0, space))
    seen = []

    def look(config: dict[str, Any]) -> float:
        seen.append(config["ctrl"])
        return 0.0

    ctrl = StrategyState()
    Domain(look, prepare(objective_spec).space).evaluate({"x": 0.0}, ctrl)
    assert seen == [ctrl]
    assert value(objective_spec, {"x": 0.0}) == 1.0


def test_an_objective_may_be_handed_expression_memo_and_ctrl() -> None:
    def objective(expr: Any, memo: Any, ctrl: Any) -> float:
        from hstore.engine.space.evaluation import evaluate

        config = evaluate(expr, memo)
        assert config["ctrl"] is ctrl
        return float(config["x"])

    objective.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]
    objective_spec = through_the_log(domain(objective, {**PLAIN, "ctrl": Ctrl}))
    assert objective_spec.pass_expr_memo_ctrl
    assert value(objective_spec, {"x": 3.0}) == 3.0


# -- another objective ------------------------------------------------------------------------------------------------


def test_what_is_named_takes_the_place_of_the_objective(module: Write) -> None:
    module("class Group:\n    @staticmethod\n    def f(config): return config['x'] + 1")
    objective_spec = through_the_log(domain(lambda config: 0.0))
    other = named("elsewhere:Group.f", replace(objective_spec, python="3.8.1"))
    assert (other.name, other.ref, other.pickle, other.version) == ("Group.f", "elsewhere:Group.f", None, None)
    assert value(other, {"x": 1.0}) == 2.0


def test_what_is_named_says_itself_what_it_wants_to_be_handed(module: Write) -> None:
    module("def f(expr, memo, ctrl): return 7.0\nf.fmin_pass_expr_memo_ctrl = True")
    objective_spec = through_the_log(domain(lambda config: 0.0))
    assert value(named("elsewhere:f", objective_spec), {"x": 1.0}) == 7.0


@pytest.mark.parametrize("ref", ["", "math", "math:", ":f", "math:not there", "math:pi", "..math:fsum", "math:fsum.x"])
def test_what_names_no_objective_is_refused(ref: str) -> None:
    with pytest.raises(CannotLoad) as caught:
        imported(ref)
    assert "\n" not in str(caught.value)
