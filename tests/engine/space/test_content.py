"""A durable search goes on when the same script is typed again, whatever objects are options of its space."""

import datetime as dt
import decimal
import enum
import functools
import json
import operator
import os
import re
import subprocess
import sys
import textwrap
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from hstore.engine.space import Space, compile_space, hp
from hstore.engine.space.content import content


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Config:
    metrics: set[str]
    depth: int = 3
    inner: "Config | None" = None


class Estimator:
    """A class of a user's own, without a repr."""

    def __init__(self, n: Any) -> None:
        self.n = n

    def fit(self) -> None: ...


class Slots:
    __slots__ = ("n",)

    def __init__(self, n: int) -> None:
        self.n = n


class Lazy(Estimator):
    @functools.cached_property
    def table(self) -> list[int]:
        return [*range(self.n)]


class Stateless(Estimator):
    def __getstate__(self) -> dict[str, Any]:
        return {}


class Broken:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("no")


def a_function(x: int) -> int:
    return x


def closed_over(n: Any) -> Any:
    return lambda x: x + n


def a_cycle(n: int) -> Estimator:
    one = Estimator([n])
    one.n.append(one)
    return one


PAIRS: dict[str, tuple[Any, Any]] = {
    "set": ({"l1", "l2"}, {"l1", "auc"}),
    "frozenset": (frozenset({"a", "b"}), frozenset({"a"})),
    "set of tuples": ({("a", 1), ("b", 2)}, {("a", 1)}),
    "partial": (functools.partial(len, {"a", "b"}), functools.partial(len, {"a", "c"})),
    "estimator": (SVC(C=2.0), SVC(C=3.0)),
    "another estimator": (SVC(), LogisticRegression()),
    "pipeline": (make_pipeline(StandardScaler(), SVC()), make_pipeline(StandardScaler(), SVC(C=2))),
    "estimator with a set": (FunctionTransformer(kw_args={"c": {"a", "b"}}), FunctionTransformer(kw_args={"c": {"a"}})),
    "dataclass": (Config({"a", "b"}), Config({"a", "c"})),
    "dataclass within": (Config(set(), inner=Config({"a"})), Config(set(), inner=Config({"b"}))),
    "plain object": (Estimator(1), Estimator(2)),
    "object with slots": (Slots(1), Slots(2)),
    "object that holds itself": (a_cycle(1), a_cycle(2)),
    "namespace": (SimpleNamespace(a={"x", "y"}), SimpleNamespace(a={"x"})),
    "array": (np.array([1 / 3, 2 / 3]), np.array([1 / 3, 0.67])),
    "array of another shape": (np.arange(4), np.arange(4).reshape(2, 2)),
    "array of another type": (np.arange(4), np.arange(4.0)),
    "array of objects": (np.array([{"a"}, None]), np.array([{"b"}, None])),
    "masked array": (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False])),
    "large array, in its middle": (np.arange(10_000), np.where(np.arange(10_000) == 5000, 0, np.arange(10_000))),
    "sparse matrix": (sparse.csr_matrix(np.eye(3)), sparse.csr_matrix(np.eye(3) * 2)),
    "frame": (pd.DataFrame(np.arange(60.0).reshape(2, 30)), pd.DataFrame(np.arange(60.0).reshape(2, 30) + 1)),
    "frame of other columns": (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "frame of texts": (pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": ["x", "z"]})),
    "series": (pd.Series([1, 2], index=["a", "b"]), pd.Series([1, 2], index=["a", "c"])),
    "index": (pd.Index(["a", "b"]), pd.Index(["a", "c"])),
    "timestamp": (pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01 00:00:00.000000001", tz="UTC")),
    "date": (dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
    "time": (dt.time(1, 2), dt.time(1, 2, 0, 1)),
    "timedelta": (dt.timedelta(1), dt.timedelta(1, 1)),
    "decimal": (decimal.Decimal("1.0"), decimal.Decimal("1.1")),
    "path": (PurePosixPath("a/b"), PurePosixPath("a/c")),
    "enumeration": (Colour.RED, Colour.BLUE),
    "range": (range(3), range(4)),
    "complex": (1 + 2j, 1 + 3j),
    "function": (a_function, closed_over),
    "function of a library": (np.log, np.sqrt),
    "operator": (operator.itemgetter("a"), operator.itemgetter("b")),
    "lambda over a value": (closed_over({"a", "b"}), closed_over({"a"})),
    "bound method": (Estimator({"a"}).fit, Estimator({"b"}).fit),
    "class": (SVC, LogisticRegression),
    "module": (json, os),
    "ordered dict": (Estimator(OrderedDict(a=1, b=2)), Estimator(OrderedDict(b=2, a=1))),
    "defaultdict": (defaultdict(set, a={"x", "y"}), defaultdict(set, a={"x"})),
    "deque": (deque([1, 2]), deque([2, 1])),
    "distribution": (stats.norm(0, 1), stats.norm(0, 2)),
    "key": ({frozenset({"a", "b"}): 1}, {frozenset({"a", "b"}): 2}),
}  # fmt: skip


def there_and_back(space: Space) -> Space:
    return Space.from_data(json.loads(json.dumps(space.to_data())))


@pytest.mark.parametrize("kind", PAIRS)
def test_an_option_that_holds_something_else_is_another_space(kind: str) -> None:
    mine, other = PAIRS[kind]
    recorded = there_and_back(compile_space(hp.choice("c", [mine, {"k": mine, "x": hp.uniform("x", 0, 1)}])))
    assert recorded.differences(compile_space(hp.choice("c", [mine, {"k": mine, "x": hp.uniform("x", 0, 1)}]))) == []
    (difference,) = recorded.differences(
        compile_space(hp.choice("c", [mine, {"k": other, "x": hp.uniform("x", 0, 1)}]))
    )
    assert difference.startswith("c: ")


@pytest.mark.parametrize("kind", [kind for kind in PAIRS if kind != "key"])
def test_what_a_store_of_an_earlier_version_recorded_as_text_goes_on(kind: str) -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1), "c": hp.choice("c", [PAIRS[kind][0], "b"])})
    data = space.to_data()
    old = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(PAIRS[kind][0]))[:200]
    if isinstance(name := getattr(PAIRS[kind][0], "__qualname__", None), str):
        old = f"{getattr(PAIRS[kind][0], '__module__', '')}.{name}"
    data["nodes"] = [{"repr": old} if "opaque" in node else node for node in data["nodes"]]
    assert Space.from_data(data).differences(space) == []


def test_of_a_text_of_an_earlier_version_the_name_still_counts() -> None:
    data = compile_space(hp.choice("c", [SVC(), "b"])).to_data()
    data["nodes"] = [{"repr": "SVC()"} if "opaque" in node else node for node in data["nodes"]]
    assert Space.from_data(data).differences(compile_space(hp.choice("c", [LogisticRegression(), "b"])))
    assert not Space.from_data(data).differences(compile_space(hp.choice("c", [SVC(C=2), "b"])))


def test_fitting_an_estimator_does_not_make_it_another() -> None:
    model = SVC()
    before = content(model)
    model.fit([[0], [1]], [0, 1])
    assert content(model) == before == content(SVC(C=1.0))


def test_an_evaluation_that_changes_an_option_does_not_make_it_another_for_the_next_call() -> None:
    option, lazy = Estimator(3), Lazy(3)
    before = content(option), content(lazy)
    option.n = 4
    assert lazy.table == [0, 1, 2]
    assert (content(option), content(lazy)) == before
    used = Lazy(3)
    assert used.table
    assert content(used) == content(Lazy(3))


def test_what_differs_from_run_to_run_counts_by_its_type() -> None:
    assert content(np.random.default_rng()) == content(np.random.default_rng())
    assert content(Stateless(1)) == content(Stateless(2))
    assert content(Broken()) == content(Broken())
    with open(os.devnull) as one, open(os.devnull) as other:
        assert content(one) == content(other)


def test_the_order_of_a_dict_and_a_shared_part_make_no_difference() -> None:
    shared = Estimator(1)
    assert content(Estimator({"a": 1, "b": 2})) == content(Estimator({"b": 2, "a": 1}))
    assert content(Estimator([shared, shared])) == content(Estimator([Estimator(1), Estimator(1)]))


def test_a_deep_nest_and_a_wide_graph_have_a_content() -> None:
    deep: Any = Estimator(0)
    for _ in range(2000):
        deep = [deep]
    wide: Any = Estimator(0)
    for _ in range(50):
        wide = Estimator([wide, wide])
    assert len(content(Estimator(deep))) == len(content(wide)) == 32


SCRIPT = """
import functools, os, re, sys, types, json
from dataclasses import dataclass
import numpy as np, pandas as pd
from sklearn.preprocessing import FunctionTransformer
from hstore import hp
from hstore.engine.space import compile_space
np.set_printoptions(precision=int(os.environ["DIGITS"]))
@dataclass
class Config:
    metrics: frozenset
class Plain:
    def __init__(self): self.names = {"x", "y", "z"}
cols = {"a", "b", "c", "d"}
options = [
    cols, frozenset(cols), {"m": {"l1", "l2", "auc"}}, FunctionTransformer(kw_args={"cols": cols}),
    functools.partial(len, cols), Config(frozenset(cols)), Plain(), types.SimpleNamespace(a=cols), lambda v: cols,
    pd.DataFrame(np.arange(60.).reshape(2, 30)), pd.Series([1 / 3]), np.array([1 / 3, 2 / 3]), np.arange(3000.) / 7,
    json, {frozenset(cols): 1}, re.compile("a"), Plain, Plain().__init__, [Plain()], (cols, 1),
]
print(json.dumps(compile_space({"x": hp.uniform("x", 0, 1), "o": hp.choice("o", options)}).to_data()))
"""


def test_another_process_with_other_settings_finds_the_same_options() -> None:
    spaces = []
    for seed, width, digits in (("1", "60", "8"), ("2", "200", "2")):
        env = os.environ | {"PYTHONHASHSEED": seed, "COLUMNS": width, "DIGITS": digits}
        out = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(SCRIPT)], env=env, capture_output=True, text=True, check=True
        )
        spaces.append(Space.from_data(json.loads(out.stdout)))
    assert spaces[0].differences(spaces[1]) == []


@dataclass
class Node:
    name: str
    next: list[Any] = field(default_factory=list)


def test_two_objects_that_hold_each_other_have_the_same_content_each_time() -> None:
    def ring(last: str) -> Node:
        nodes = [Node("a"), Node("b"), Node(last)]
        for one, other in zip(nodes, nodes[1:] + nodes[:1], strict=True):
            one.next.append(other)
        return nodes[0]

    assert content(ring("c")) == content(ring("c")) != content(ring("d"))
