"""Expressions read, evaluate, are drawn and are taken apart as hyperopt's: hyperopt itself is the oracle."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from both_pylls import OURS, THEIRS, both, both_raise
from test_order_of_drawing import tangled_space
from test_same_as_hyperopt import random_space

from hstore import errors, hp, pyll, pyll_utils, space_eval

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    import hyperopt.pyll
    import hyperopt.pyll_utils


def random_expression(rng: random.Random, library: Any) -> Any:
    """Return arithmetic, containers, calls and choices over constants and draws, with nodes used again."""
    scope, made = library.scope, list[Any]()

    def number(depth: int) -> Any:
        if made and rng.random() < 0.2:
            return rng.choice(made)
        if depth > 5 or rng.random() < 0.15:
            return rng.choice([1, 2.5, -3, 7])
        b = rng.uniform(-1, 1)

        def a() -> Any:
            return number(depth + 1)

        kinds: list[Callable[[], Any]] = [
            lambda: scope.add(a(), a()), lambda: scope.identity(a()) - a(), lambda: scope.mul(a(), b),
            lambda: -scope.sin(a()),
            lambda: scope.maximum(a(), a()), lambda: scope.uniform(b, b + 1), lambda: scope.normal(b, 2),
            lambda: scope.float(scope.lognormal(b, 0.1)), lambda: scope.quniform(0, 9, 2), lambda: scope.randint(3, 9),
            lambda: scope.sum([a(), a()]), lambda: scope.asarray([a(), a()])[1], lambda: scope.len([a(), 1]),
            lambda: scope.switch(scope.randint(2), a(), a()), lambda: scope.one_of(a(), a(), a()),
            lambda: scope.getitem({"k": a()}, "k"), lambda: scope.max(a(), a()), lambda: library.as_apply(abs)(a()),
            lambda: scope.kwswitch("y", x=a(), y=a()), lambda: scope.callpipe1([scope.partial("add", 1)], a()),
            lambda: scope.cos(a()) / 3, lambda: 2 ** scope.minimum(scope.randint(5), 4), lambda: scope.int(a()) // 2,
            lambda: scope.switch(scope.categorical([0.2, 0.8]), a(), a()), lambda: scope.int(a() < a()),
        ]  # fmt: skip
        node = rng.choice(kinds)()
        made.append(node)
        return node

    return library.as_apply({f"k{i}": [number(0), number(2)] for i in range(3)})


@pytest.mark.covers(
    "pyll.rec_eval", "pyll.base.rec_eval", "pyll.stochastic.sample", "pyll.clone", "pyll.base.clone", "pyll.dfs",
    "pyll.base.dfs", "pyll.base.Apply.pprint", "pyll.as_apply", "pyll.base.as_apply", "pyll.base.Apply.inputs",
    "pyll.scope", "pyll.base.scope", "pyll.Apply", "pyll.base.Apply", "pyll", "pyll.base", "pyll.stochastic",
)  # fmt: skip
@pytest.mark.parametrize("seed", range(30))
def test_random_expressions_have_the_same_text_value_and_draws(seed: int) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def value(library: Any) -> Any:
            expression = random_expression(random.Random(seed), library)
            drawn = library.stochastic.sample(expression, np.random.default_rng(seed))
            again = library.stochastic.sample(library.clone_merge(expression), np.random.default_rng(seed))
            text = str(library.clone(expression))
            assert text == str(expression)
            return repr(drawn), repr(again) != "", text.splitlines(), [node.name for node in library.dfs(expression)]

        both(value)


@pytest.mark.covers(
    "pyll_utils.expr_to_config", "pyll_utils.Cond", "pyll_utils.EQ", "hp.uniform", "hp.quniform", "hp.uniformint",
    "hp.loguniform", "hp.qloguniform", "hp.normal", "hp.qnormal", "hp.lognormal", "hp.qlognormal", "hp.randint",
    "hp.choice", "hp.pchoice", "pyll_utils", "hp",
)  # fmt: skip
@pytest.mark.parametrize("seed", range(20))
def test_random_spaces_have_the_same_text_draws_and_conditions(seed: int) -> None:
    ours = OURS.as_apply(random_space(random.Random(seed), hp))
    theirs = THEIRS.as_apply(random_space(random.Random(seed), hyperopt.hp))
    assert str(ours) == str(theirs)
    for draw in range(3):
        mine = OURS.stochastic.sample(ours, np.random.default_rng(draw))
        assert repr(mine) == repr(THEIRS.stochastic.sample(theirs, np.random.default_rng(draw)))
    if "categorical" not in str(ours):  # which hyperopt's does not know
        assert config(pyll_utils, ours) == config(hyperopt.pyll_utils, theirs)


@pytest.mark.parametrize("seed", range(15))
def test_conditions_of_shared_choices_are_the_same(seed: int) -> None:
    ours = OURS.as_apply(tangled_space(seed, hp, OURS.as_apply))
    theirs = THEIRS.as_apply(tangled_space(seed, hyperopt.hp, THEIRS.as_apply))
    if len(OURS.dfs(ours)) < 1_000:  # hyperopt walks every way to every node
        assert config(pyll_utils, ours) == config(hyperopt.pyll_utils, theirs)


def config(library: Any, expression: Any) -> dict[str, Any]:
    hps: dict[str, Any] = {}
    library.expr_to_config(expression, (), hps)
    return {
        label: (str(found["node"]), sorted(map(str, found["conditions"])), found["label"])
        for label, found in hps.items()
    }


@pytest.mark.covers("pyll_utils.Cond", "pyll_utils.EQ", "pyll_utils.expr_to_config")
def test_conditions_are_values() -> None:
    def made(library: Any) -> Any:
        hps: dict[str, Any] = {}
        space = hp if library is pyll_utils else hyperopt.hp
        library.expr_to_config(space.choice("c", [1, space.normal("y", 0, 1)]), (library.EQ("z", 3),), hps)
        one, other = library.EQ("a", 1), library.Cond("a", 1, "=")
        return str(hps["y"]["conditions"]), one == other, hash(one) == hash(other), one != library.Cond("a", 1, ">")

    assert made(pyll_utils) == made(hyperopt.pyll_utils)


@pytest.mark.covers(
    "pyll.base.exp", "pyll.base.log", "pyll.base.pow", "pyll.base.sin", "pyll.base.cos", "pyll.base.tan",
    "pyll.base.sum", "pyll.base.sqrt", "pyll.base.minimum", "pyll.base.maximum", "pyll.base.array_union1",
    "pyll.base.array_union", "pyll.base.asarray", "pyll.base.str_join", "pyll.base.bincount", "pyll.base.repeat",
    "pyll.base.call_method", "pyll.base.call_method_pure", "pyll.base.copy_call_method_pure", "pyll.base.switch",
    "pyll.base._kwswitch", "pyll.base.identity", "pyll.base.pos_args", "pyll.base.call", "pyll.base.callpipe1",
    "pyll.base.SymbolTable.dict", "pyll.base.SymbolTable.int", "pyll.base.SymbolTable.float",
    "pyll.base.SymbolTable.len", "pyll.base.SymbolTable.list", "pyll.base.SymbolTable.range",
    "pyll.base.SymbolTable.max", "pyll.base.SymbolTable.min", "pyll.base.SymbolTable.getattr",
    "pyll_utils.hyperopt_param",
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("dict", (), {"a": 1, "b": 2}), ("dict", ([(1, 2)],), {}), ("int", ("3",), {}), ("float", ("2",), {}),
        ("len", ([1, 2],), {}), ("list", ((1, 2),), {}), ("range", (3,), {}), ("max", (1, 2), {}),
        ("min", ([3, 1],), {}),
        ("getattr", (1, "foo", 5), {}), ("sum", ([[1, 2], [3, 4]],), {"axis": 0}), ("sum", ([1, 2],), {}),
        ("sqrt", (4,), {}), ("exp", (1,), {}), ("log", (2.0,), {}), ("pow", (2, 3), {}), ("sin", (1,), {}),
        ("cos", (1,), {}),
        ("tan", ([1, 2],), {}), ("minimum", (1, 2), {}), ("maximum", ([1, 5], [2, 3]), {}),
        ("array_union", ([3], [1], [1]), {}),
        ("array_union1", ([[1, 2], [2, 3]],), {}), ("asarray", ([1, 2],), {"dtype": "float32"}),
        ("str_join", (",", ["a", "b"]), {}),
        ("bincount", ([1, 1, 3],), {"offset": 1}), ("bincount", ([0, 1],), {"weights": [0.5, 0.25], "minlength": 5}),
        ("repeat", (3, "a"), {}), ("call_method", ("abc", "upper"), {}),
        ("call_method_pure", ("abc", "replace", "a", "b"), {}),
        ("copy_call_method_pure", ("abc", "title"), {}), ("switch", (1, "a", "b"), {}),
        ("kwswitch", ("b",), {"b": 2, "a": 1}), ("identity", (3,), {}), ("call", (abs, (-3,)), {}),
        ("call", (dict, (), {"a": 1}), {}),
        ("callpipe1", ([abs, str], -3), {}), ("callpipe1", ([], -3), {}), ("pos_args", (1, 2), {}),
        ("pos_args", (), {}),
        ("eq", (1, 1), {}), ("neg", (1,), {}), ("hyperopt_param", ("a", 3), {}), ("getitem", ([1, 2], 1), {}),
        ("add", (1, 2), {}), ("le", (1, 2), {}), ("truediv", (1, 2), {}), ("floordiv", (5, 2), {}),
    ],
)  # fmt: skip
def test_a_symbol_makes_the_same_node_of_the_same_value(name: str, args: Any, kwargs: Any) -> None:
    def made(library: Any) -> Any:
        node = getattr(library.scope, name)(*args, **kwargs)
        return str(node).splitlines(), node.o_len, node.pure, library.rec_eval(node), node.eval()

    both(made)
    public = "_kwswitch" if name == "kwswitch" else name
    if hasattr(THEIRS.base, public) and name not in ("kwswitch", "hyperopt_param"):
        both(lambda library: getattr(library.base, public)(*args, **kwargs))


@pytest.mark.covers(
    "pyll.stochastic.uniform", "pyll.stochastic.loguniform", "pyll.stochastic.quniform", "pyll.stochastic.qloguniform",
    "pyll.stochastic.normal", "pyll.stochastic.qnormal", "pyll.stochastic.lognormal", "pyll.stochastic.qlognormal",
    "pyll.stochastic.randint", "pyll.stochastic.categorical", "pyll.stochastic.randint_via_categorical",
    "pyll.stochastic.rng_from_seed",
)  # fmt: skip
@pytest.mark.parametrize("size", [(), 3, (2,), (2, 2)], ids=str)
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uniform", (0, 1)), ("loguniform", (0, 1)), ("quniform", (0, 9, 2)), ("qloguniform", (0, 3, 1)),
        ("normal", (0, 1)),
        ("qnormal", (0, 3, 1)), ("lognormal", (0, 1)), ("qlognormal", (0, 1, 0.5)), ("randint", (5,)),
        ("randint", (3, 9)),
        ("categorical", ([0.2, 0.8],)), ("randint_via_categorical", ([0.2, 0.8],)),
    ],
)  # fmt: skip
def test_a_distribution_draws_the_same_arrays(name: str, args: Any, size: Any) -> None:
    if "categorical" in name and size == (2, 2):  # which hyperopt's does not know
        node = getattr(OURS.stochastic, name)(*args, rng=np.random.default_rng(0), size=size)
        assert OURS.rec_eval(node).shape == size
        return

    def drawn(library: Any) -> Any:
        rng = library.stochastic.rng_from_seed(3)
        return library.rec_eval(getattr(library.stochastic, name)(*args, rng=rng, size=size))

    both(drawn)


@pytest.mark.covers(
    "pyll.stochastic.choice", "pyll.stochastic.one_of", "pyll.stochastic.recursive_set_rng_kwarg",
    "pyll.stochastic.implicit_stochastic",
)  # fmt: skip
def test_unlabelled_choices_and_generators_are_set_alike() -> None:
    def made(library: Any) -> Any:
        stochastic = library.stochastic
        nodes = [stochastic.choice([1, "b"]), stochastic.one_of(1, 2), library.scope.choice([3, 4])]
        changed = [str(stochastic.recursive_set_rng_kwarg(node, np.random.default_rng(1))) for node in nodes]
        seeded = library.scope.uniform(0, 1, rng=library.scope.rng_from_seed(5))
        other = library.as_apply(library.scope.rng_from_seed(6))
        return changed, library.rec_eval(seeded), str(stochastic.recursive_set_rng_kwarg(seeded, other))

    both(made)
    names = {name for name in THEIRS.stochastic.implicit_stochastic_symbols if "GMM" not in name}
    assert names <= OURS.stochastic.implicit_stochastic_symbols


@pytest.mark.covers("pyll.stochastic.implicit_stochastic", "pyll.base.SymbolTable.define")
def test_a_distribution_of_ones_own_is_given_the_generator() -> None:
    for library in (OURS, THEIRS):

        def dice_for_a_test(n: int, rng: Any = None) -> int:
            return int(rng.integers(1, 7, size=n).sum())

        library.stochastic.implicit_stochastic(library.scope.define(dice_for_a_test))
    try:
        both(lambda library: library.stochastic.sample(library.scope.dice_for_a_test(4), np.random.default_rng(0)))
    finally:
        for library in (OURS, THEIRS):
            library.scope.undefine("dice_for_a_test")
            library.stochastic.implicit_stochastic_symbols.discard("dice_for_a_test")


@pytest.mark.covers(
    "pyll.base.Apply.set_kwarg", "pyll.base.Apply.clone_from_inputs", "pyll.base.Apply.replace_input",
    "pyll.base.Apply.arg", "pyll.base.MissingArgument", "pyll.base.apply", "pyll.base.Literal.obj",
    "pyll.base.Literal.arg", "pyll.base.Literal.clone_from_inputs", "pyll.base.Literal.replace_input",
    "pyll.base.Literal.pprint", "pyll.base.Literal.eval", "pyll.base.Apply.eval", "pyll.Literal", "pyll.base.Literal",
)  # fmt: skip
def test_nodes_are_taken_apart_and_changed_alike() -> None:
    def made(library: Any) -> Any:
        scope, as_apply = library.scope, library.as_apply
        node = scope.uniform(0, high=1)
        arg = {name: str(value) if hasattr(value, "inputs") else value.__name__ for name, value in node.arg.items()}
        node.set_kwarg("rng", 5)
        node.set_kwarg("rng", 6)
        named = [[name, child.obj] for name, child in node.named_args]
        five = as_apply(5)
        twice = scope.add(five, five)
        copies = [node.clone_from_inputs([as_apply(3), as_apply(4), as_apply(2)], **kw) for kw in ({}, {"o_len": 7})]
        return (
            arg, named, str(node), [(str(copy), copy.o_len, copy.pure) for copy in copies],
            twice.replace_input(five, as_apply(6)), str(twice), twice.replace_input(five, five),
            scope.dict(a=five, b=1).replace_input(five, as_apply(6)), [child.obj for child in twice.inputs()],
            five.arg, five.inputs(), five.obj, five.eval(), five.clone_from_inputs([]).obj,
            five.replace_input(five, five),
            str(library.base.apply("foo", 1, b=[2])), str(library.base.Apply("add", [five, five], [])),
            str(as_apply(np.arange(3.0))), as_apply("abc").o_len, as_apply(3).o_len,
        )  # fmt: skip

    both(made)
    both_raise(lambda library: library.scope.uniform(0, 1).set_kwarg("low", 3), NotImplementedError)
    both_raise(lambda library: library.scope.uniform(0, 1).clone_from_inputs([]), TypeError)
    both_raise(lambda library: library.scope.uniform(0, 1, nothing=3).arg, TypeError)


@pytest.mark.covers("pyll_utils.validate_label", "pyll_utils.validate_distribution_range")
def test_labels_and_ranges_are_validated_alike() -> None:
    def refused(library: Any, decorator: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(library, decorator)(lambda label, *a, **k: (a, k))(*args, **kwargs)

    for library in (pyll_utils, hyperopt.pyll_utils):
        assert refused(library, "validate_label", "x", 3, b=1) == ((3,), {"b": 1})
        assert refused(library, "validate_distribution_range", "x", 1, high=3) == ((1,), {"high": 3})
        with pytest.raises(TypeError, match="label"):
            refused(library, "validate_label", 3)
        with pytest.raises(ValueError, match="less than"):
            refused(library, "validate_distribution_range", "x", low=3, high=1)


@pytest.mark.covers("pyll.base.curtime", "pyll.base.pdb_settrace")
def test_the_time_and_a_debugger_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    before = dt.datetime.now(dt.UTC).timestamp()
    at, obj = pyll.rec_eval(pyll.scope.curtime("x"))
    assert (obj, len(pyll.scope.curtime("x"))) == ("x", 2)
    assert before <= at <= dt.datetime.now(dt.UTC).timestamp()
    entered = []
    monkeypatch.setattr("sys.breakpointhook", lambda: entered.append(True))
    assert pyll.rec_eval(pyll.scope.pdb_settrace(3)) == 3
    assert entered == [True]


@pytest.mark.covers(
    "pyll_utils.hp_choice", "pyll_utils.hp_lognormal", "pyll_utils.hp_loguniform", "pyll_utils.hp_normal",
    "pyll_utils.hp_pchoice", "pyll_utils.hp_qlognormal", "pyll_utils.hp_qloguniform", "pyll_utils.hp_qnormal",
    "pyll_utils.hp_quniform", "pyll_utils.hp_randint", "pyll_utils.hp_uniform", "pyll_utils.hp_uniformint",
)  # fmt: skip
def test_the_hp_functions_have_their_second_names() -> None:
    for name in hp.__all__:
        assert getattr(pyll_utils, f"hp_{name}") is getattr(hp, name)
        assert hasattr(hyperopt.pyll_utils, f"hp_{name}")


@pytest.mark.covers(
    "pyll.stochastic.as_apply", "pyll.stochastic.clone", "pyll.stochastic.dfs", "pyll.stochastic.rec_eval",
    "pyll.stochastic.scope", "pyll_utils.Apply", "pyll_utils.Literal", "pyll_utils.MissingArgument",
    "pyll_utils.as_apply", "pyll_utils.scope", "pyll_utils.DuplicateLabel",
)  # fmt: skip
def test_names_that_several_modules_have_are_one_thing() -> None:
    for module in (pyll, pyll.stochastic, pyll_utils):
        for name in set(module.__all__) & set(pyll.base.__all__):
            if module is not pyll.stochastic or name in ("as_apply", "clone", "dfs", "rec_eval", "scope"):
                assert getattr(module, name) is getattr(pyll.base, name)
    assert pyll_utils.DuplicateLabel is errors.DuplicateLabel


@pytest.mark.covers("pyll.base.SymbolTable.define", "pyll.stochastic.sample", "pyll.as_apply")
def test_a_space_with_functions_of_ones_own_is_sampled_and_evaluated_alike() -> None:
    def foo_for_a_test(a: Any, b: float = 0, *args: Any) -> Any:
        return ("foo", a, b, args)

    def made(library: Any) -> Any:
        space = hp if library is OURS else hyperopt.hp
        scope = library.scope
        scope.define(foo_for_a_test)
        try:
            nested = {
                "a": scope.foo_for_a_test(0, space.normal("a", 0, 2), space.randint("r", 7)),
                "b": [scope.foo_for_a_test("b"), space.choice("c", [None, {"n": 1 + space.uniformint("n", 1, 9)}])],
            }
            drawn = [library.stochastic.sample(nested, np.random.default_rng(seed)) for seed in range(5)]
            evaluated = (space_eval if library is OURS else hyperopt.space_eval)(
                nested, {"a": 1.5, "r": 3, "c": 1, "n": 4.0}
            )
            return drawn, evaluated
        finally:
            scope.undefine(foo_for_a_test)

    ours, theirs = made(OURS), made(THEIRS)
    assert repr(ours) == repr(theirs)
