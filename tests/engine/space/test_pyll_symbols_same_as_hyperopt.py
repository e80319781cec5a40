"""Symbols, functions, copies and evaluation are hyperopt's: hyperopt itself is the oracle."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from both_pylls import OURS, THEIRS, both, both_raise

from hstore import hp, pyll

with warnings.catch_warnings():
    warnings.simplefilter("ignore")


def over_a_node(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda library: function(library.scope.identity(1))


@pytest.mark.covers("pyll.base.Apply.__getitem__", "pyll.base.Apply.__len__", "pyll.base.Apply.__call__")
def test_operators_make_the_same_nodes() -> None:
    def made(library: Any) -> Any:
        x = library.as_apply({"a": 1.5})["a"]
        pair = library.as_apply((1, 2))
        nodes = [
            1 + x, x + 1, 1 - x, x - 1, 2 * x, x * 2, 1 / x, x / 2, 2**x, x**2, 5 // x, x // 1, -x, x < 2, x <= 2,
            x > 2,
            x >= 2, *pair, pair[-1], library.as_apply([1, 2, 3])[:2], library.as_apply(dict)(a=x),
        ]  # fmt: skip
        return [(str(node), library.rec_eval(node)) for node in nodes], len(pair), x == x, x != library.as_apply(1)

    both(made)
    for refused in (lambda x: x % 2, abs, bool, len):
        both_raise(over_a_node(refused), TypeError)
    both_raise(lambda library: library.as_apply((1, 2))[2], IndexError)


@pytest.mark.covers(
    "pyll.base.SymbolTable", "pyll.base.SymbolTableEntry", "pyll.base.SymbolTable.define",
    "pyll.base.SymbolTable.define_pure", "pyll.base.SymbolTable.define_info", "pyll.base.SymbolTable.define_if_new",
    "pyll.base.SymbolTable.undefine", "pyll.base.SymbolTable.inject", "pyll.base.SymbolTable.import_",
    "pyll.base.PyllImportError", "pyll.base.SymbolTableEntry.__call__",
)  # fmt: skip
def test_symbols_are_defined_imported_and_removed_alike() -> None:
    def pair_for_a_test(a: Any) -> tuple[Any, Any]:
        return a, a

    def plain_for_a_test(a: Any, b: Any = 2) -> Any:
        return a + b

    def made(library: Any) -> Any:
        scope = library.scope
        try:
            assert scope.define_info(o_len=2, pure=True)(pair_for_a_test) is pair_for_a_test
            assert scope.define_if_new(plain_for_a_test) is scope.define_if_new(plain_for_a_test)
            a, b = scope.pair_for_a_test(4)
            namespace: dict[str, Any] = {}
            scope.import_(namespace, "add", plus="sub")
            both_made = scope.plain_for_a_test(a, b=b), namespace["add"](1, 2), scope.inject("mul")["mul"](2, 3)
            return (
                [library.rec_eval(node) for node in both_made], scope.pair_for_a_test(1).pure, sorted(namespace),
                sorted(scope.plain_for_a_test(1).arg), type(scope.add).__name__, scope.add.apply_name, scope.add.pure,
            )  # fmt: skip
        finally:
            scope.undefine(pair_for_a_test)
            scope.undefine("plain_for_a_test")

    both(made)
    both_raise(lambda library: library.scope.pair_for_a_test, AttributeError)
    both_raise(lambda library: library.scope.undefine("nothing_such"), KeyError)
    both_raise(lambda library: library.scope.inject("nothing_such"), ImportError)
    both_raise(lambda library: library.scope.import_({}, there="nothing_such"), ImportError)
    assert issubclass(OURS.base.PyllImportError, ImportError)

    def add(a: Any) -> Any:
        return a

    both_raise(lambda library: library.scope.define(add), ValueError)
    both_raise(lambda library: library.scope.define_pure(add), ValueError)
    both_raise(lambda library: library.scope.define_if_new(add), ValueError)


@pytest.mark.covers(
    "pyll.base.Lambda", "pyll.base.partial", "pyll.base.UndefinedValue", "pyll.base.SymbolTable.map",
    "pyll.base.Lambda.__call__",
)  # fmt: skip
def test_functions_made_of_expressions_work_alike() -> None:
    def made(library: Any) -> Any:
        base, scope = library.base, library.scope
        square = base.Lambda("square", [("a", base.p0)], base.p0 * base.p0)
        difference = base.Lambda("difference", [("a", base.p0), ("b", base.p1)], base.p0 - base.p1)
        mapped = scope.map(library.as_apply(abs), library.as_apply((1, -2)))
        nodes = [
            square(3), difference(3, 4), scope.callpipe1([square, square], 4), scope.call(square, (3,)),
            scope.callpipe1([scope.partial("add", 1), scope.partial("mul", 3)], 4), scope.partial("sub", 9)(2),
        ]  # fmt: skip
        return (
            [(str(node) if "call" not in str(node) else "", library.rec_eval(node)) for node in nodes],
            list(library.rec_eval(mapped)), mapped.o_len, base.p0.obj.__name__, square.__name__,
        )  # fmt: skip

    both(made)
    both_raise(lambda library: library.base.Lambda("f", [("a", library.base.p0)], library.base.p0)(1, 2), TypeError)


@pytest.mark.covers("pyll.toposort", "pyll.base.toposort", "pyll.clone", "pyll.clone_merge", "pyll.base.clone_merge")
def test_copies_replace_what_is_given_and_merge_what_is_equal() -> None:
    for library in (OURS, THEIRS):
        x = library.scope.identity(library.scope.sin(3) + library.scope.sin(3))
        order = library.toposort(x)
        assert all(order.index(child) < order.index(node) for node in order for child in node.inputs())
        assert order[-1] is x
        assert str(library.clone(x, memo={x.pos_args[0]: library.as_apply(9)})) == "0 identity\n1   Literal{9}"
        assert library.rec_eval(library.clone_merge(x, merge_literals=True)) == library.rec_eval(x)
    merged = pyll.clone_merge(pyll.scope.sin(3) + pyll.scope.sin(3), merge_literals=True)
    assert str(merged) == "0 add\n1   sin\n2     Literal{3}\n3   sin  [line:1]"
    drawn = pyll.clone_merge(pyll.scope.uniform(0, 1) + pyll.scope.uniform(0, 1), merge_literals=True)
    assert len({*drawn.inputs()}) == 2  # two draws stay two


def chosen(index: Any) -> Callable[[Any], Any]:
    return lambda library: library.rec_eval(library.scope.switch(index, "a", "b"), print_node_on_error=False)


@pytest.mark.covers(
    "pyll.rec_eval", "pyll.base.rec_eval", "pyll.base.Raise", "pyll.base.DEFAULT_MAX_PROGRAM_LEN",
    "pyll.base.GarbageCollected",
)  # fmt: skip
def test_evaluation_takes_the_same_options_and_raises_the_same_kinds() -> None:
    def made(library: Any) -> Any:
        x, given = library.scope.identity(1), [1]
        holder = library.as_apply(library.base.Literal(given))
        library.rec_eval(library.scope.call_method(holder, "append", 2), deepcopy_inputs=True)
        assert given == [1]
        lazy = library.scope.switch(1, library.scope.Raise(ValueError, "x"), "b")
        return library.rec_eval(x + 1, memo={x: 3}), library.rec_eval({"k": [1]}), library.rec_eval(lazy, memo_gc=False)

    both(made)
    for index, kind in [(2, IndexError), (-1, ValueError), (1.0, TypeError), ("x", TypeError), (None, TypeError)]:
        both_raise(chosen(index), kind)
    both_raise(lambda library: library.rec_eval(library.as_apply(1), {}), ValueError)
    both_raise(lambda library: library.rec_eval(list(range(10)), max_program_len=5), RuntimeError)
    both_raise(
        lambda library: library.rec_eval(library.scope.Raise(KeyError, "x"), print_node_on_error=False), KeyError
    )
    both_raise(
        lambda library: library.rec_eval(library.scope.kwswitch("z", a=1), print_node_on_error=False), ValueError
    )
    assert OURS.base.DEFAULT_MAX_PROGRAM_LEN == THEIRS.base.DEFAULT_MAX_PROGRAM_LEN


@pytest.mark.covers("pyll.base.rec_eval")
def test_a_trace_is_printed_and_an_error_is_noted_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    both(lambda library: (library.rec_eval(library.scope.add(1, 2), print_trace=True), capsys.readouterr().out))
    with pytest.raises(TypeError) as raised:
        pyll.rec_eval(pyll.scope.add(1, "a"))
    assert raised.value.__notes__ == ["while evaluating\n0 add\n1   Literal{1}\n2   Literal{a}"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.covers("pyll.base.p0", "pyll.base.p1", "pyll.base.p2", "pyll.base.p3", "pyll.base.p4")
def test_five_placeholders_stand_for_arguments() -> None:
    def made(library: Any) -> Any:
        base = library.base
        places = [base.p0, base.p1, base.p2, base.p3, base.p4]
        listed = base.Lambda("listed", list(zip("abcde", places, strict=True)), library.as_apply(places))
        return library.rec_eval(listed(1, 2, 3, 4, 5)), len(set(places))

    both(made)


@pytest.mark.covers("pyll.base.GarbageCollected", "pyll.base.rec_eval")
def test_a_value_that_was_dropped_is_only_missed_where_it_is_used() -> None:
    x = hp.uniform("x", 0, 1)
    (param,) = (node for node in pyll.dfs(x) if node.name == "hyperopt_param")
    memo = {param: pyll.base.GarbageCollected}
    assert pyll.rec_eval(pyll.scope.switch(0, 1, x), memo=memo) == 1
    with pytest.raises(AttributeError, match=r"^x: is active"):
        pyll.rec_eval(x, memo=memo)
