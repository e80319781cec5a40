"""What Python's operators and `scope` make of values is what hyperopt makes of them."""

from typing import Any

import hyperopt
import hyperopt.pyll.stochastic
import numpy as np
import pytest

import hstore
import hstore.pyll

OPERATORS: dict[str, list[tuple[Any, ...]]] = {
    "add": [(2, 3.5), ((1,), (2,))],
    "sub": [(2, 3.5)],
    "mul": [(2, 3.5), ("ab", 2)],
    "truediv": [(7, 2)],
    "floordiv": [(7, 2), (-7.5, 2)],
    "pow": [(2, 10), (2.0, 0.5)],
    "neg": [(3,)],
    "getitem": [((1, 2, 3), 1), ({"a": 5}, "a")],
    "eq": [(1, 1.0), ("a", "b")],
    "lt": [(1, 2), (2, 1)],
    "le": [(1, 1), (2, 1)],
    "gt": [(1, 2), (2, 1)],
    "ge": [(1, 1), (1, 2)],
}


@pytest.mark.covers(
    "scope.add", "scope.sub", "scope.mul", "scope.truediv", "scope.floordiv", "scope.pow", "scope.neg", "scope.getitem",
    "scope.eq", "scope.lt", "scope.le", "scope.gt", "scope.ge",
)  # fmt: skip
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_scope_have_the_same_values(name: str) -> None:
    for arguments in OPERATORS[name]:
        ours, theirs = (
            library.space_eval(getattr(library.pyll.scope, name)(*arguments), {}) for library in (hstore, hyperopt)
        )
        assert (ours, type(ours)) == (theirs, type(theirs))


@pytest.mark.covers("scope.kwswitch")
def test_a_switch_by_name_takes_the_same_option() -> None:
    ours, theirs = (
        library.space_eval(library.pyll.scope.kwswitch("b", a=1, b=2, c=3), {}) for library in (hstore, hyperopt)
    )
    assert ours == theirs


@pytest.mark.covers("scope.choice", "scope.one_of")
def test_an_option_without_a_label_is_drawn_alike() -> None:
    for name, arguments in (("one_of", (1, 2, 3)), ("choice", ([1, 2, 3],))):
        ours, theirs = (
            [
                library.pyll.stochastic.sample(getattr(library.pyll.scope, name)(*arguments), np.random.default_rng(i))
                for i in range(8)
            ]
            for library in (hstore, hyperopt)
        )
        assert ours == theirs


@pytest.mark.covers("pyll.base.p0", "pyll.base.p1", "pyll.base.p2", "pyll.base.p3", "pyll.base.p4")
def test_a_function_made_of_an_expression_takes_five_parameters() -> None:
    for library in (hstore, hyperopt):
        base = library.pyll.base
        places = [base.p0, base.p1, base.p2, base.p3, base.p4]
        total = base.p0 + 10 * base.p1 + 100 * base.p2 + 1000 * base.p3 + 10000 * base.p4
        number = base.Lambda("number", list(zip("abcde", places, strict=True)), total)
        assert library.pyll.rec_eval(number(1, 2, 3, 4, 5)) == 54321


@pytest.mark.covers("pyll.stochastic.implicit_stochastic_symbols")
def test_the_symbols_that_draw_are_known() -> None:
    ours, theirs = (library.pyll.stochastic.implicit_stochastic_symbols for library in (hstore, hyperopt))
    assert theirs - {"GMM1", "LGMM1"} <= ours  # which are symbols of hyperopt's tpe
