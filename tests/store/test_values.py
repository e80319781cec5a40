import array
import collections
import datetime as dt
import enum
import math
import uuid
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Any

import bson
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_fold import event
from tests.drawing import examples

from hstore.store.digest import digest, digest_event
from hstore.store.errors import InvalidName, InvalidValue
from hstore.store.event_documents import from_document, to_document
from hstore.store.events import CODEC, Done, Queued, Reserved, Running
from hstore.store.store import Store
from hstore.store.values import as_loss, check_name, normalise


class Tensor:
    """An array of some library."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def tolist(self) -> Any:
        return self.items


def kept(plain: Any) -> Any:
    """Return *plain* as it comes back from a stored event."""
    document = to_document(event(Done, 0, 3, result={"v": plain}, status="ok"))
    back = from_document(bson.decode(bson.encode(document, codec_options=CODEC), codec_options=CODEC))
    assert isinstance(back, Done)
    assert digest_event(back) == digest(document)
    return back.result["v"]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(-7), -7),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(3.5), 3.5),
        (np.array([1, "a", None], dtype=object), [1, "a", None]),
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (bytearray(b"ab"), b"ab"),
        (dt.date(2026, 1, 2), dt.datetime(2026, 1, 2)),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6789), dt.datetime(2026, 1, 2, 3, 4, 5, 6000)),
        ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "None": "b", "2.5": "c"}),
        ({"$set": {"a.b": 1}}, {"$set": {"a.b": 1}}),
        (Tensor([1.0, Tensor(2)]), [1.0, 2]),
        (2**63 - 1, 2**63 - 1),
        (math.inf, math.inf),
    ],
)
def test_values_become_plain(value: Any, plain: Any) -> None:
    assert normalise(value) == plain
    assert kept(normalise(value)) == plain


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def cyclic() -> Any:
    value: dict[str, Any] = {"a": [1]}
    value["a"].append(value)
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (2**63, "64 bits"),
        pytest.param(10**5000, "64 bits", id="huge"),
        (1j, "complex"),
        (object(), "object"),
        (cyclic(), "holds itself"),
        (deep(1000), "deeper"),
        ({"a\0b": 1}, "key"),
        ({"\ud800": 1}, "key"),
        ("\ud800", "Unicode"),
        ({1: 1, "1": 2}, "two keys"),
        (lambda: 0, "function"),
        (int, "type"),
        (dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))), "UTC"),
    ],
)
def test_what_has_no_plain_form_is_refused_with_its_path_or_replaced(value: Any, why: str) -> None:
    with pytest.raises(InvalidValue, match=rf"result\.deep\[1\].*{why}"):
        normalise({"deep": [0, value]}, path="result")
    replaced = normalise({"deep": [0, value]}, replace=lambda value, path, why: f"<{why}>")
    assert replaced["deep"][0] == 0
    bson.encode(replaced)


class Halves(collections.UserList[float]):
    """A list class of the user's own."""


class Broken(collections.UserList[float]):
    """One that cannot be read."""

    def __iter__(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (collections.deque([3.0, 1.0, 2.0], maxlen=3), [3.0, 1.0, 2.0]),
        (range(3, 0, -1), [3, 2, 1]),
        (range(0), []),
        ({"z": 3, "a": 1}.values(), [3, 1]),
        ({"z": 3, "a": 1}.keys(), ["z", "a"]),
        ({"z": 3, "a": 1}.items(), [["z", 3], ["a", 1]]),
        (collections.OrderedDict(z=3, a=1).keys(), ["z", "a"]),
        (collections.UserDict(z=3, a=1).keys(), ["z", "a"]),
        (collections.UserDict(z=3, a=1).items(), [["z", 3], ["a", 1]]),
        (collections.UserList([3, 1]), [3, 1]),
        (Halves([0.5, 0.25]), [0.5, 0.25]),
        (array.array("d", [3, 1]), [3.0, 1.0]),
        ({"h": collections.deque([range(2), {"b": (1,), "a": 2}.keys()])}, {"h": [[0, 1], ["b", "a"]]}),
        (frozenset({"z", "a"}), ["a", "z"]),
        (memoryview(b"ab"), b"ab"),
    ],
)
def test_sequences_and_views_keep_their_values_and_order(value: Any, plain: Any) -> None:
    assert normalise(value) == plain


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (range(10**12), "a value of type range whose items cannot be read"),
        (range(2**70), "a value of type range whose items cannot be read"),
        (Broken([1.0]), r"items cannot be read: RuntimeError\('no'\)"),
        (collections.UserString("text"), "a value of type collections.UserString"),
        ((x for x in (1, 2)), "a value of type builtins.generator"),
    ],
)
def test_sequences_that_cannot_be_written_out_are_refused(value: Any, why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        normalise({"v": value})


def test_a_sequence_that_holds_itself_is_refused() -> None:
    held: collections.deque[Any] = collections.deque()
    held.append(held)
    with pytest.raises(InvalidValue, match="a container that holds itself"):
        normalise(held)


@pytest.mark.long
def test_a_million_levels_are_one_clear_error() -> None:
    value = deep(1_000_000)
    with pytest.raises(InvalidValue, match="deeper"):
        normalise(value)
    while isinstance(value, list):  # freed level by level: the interpreter would do it by recursion
        value = value.pop()


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.complex_numbers()
    | st.fractions()
    | st.decimals(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(anything)
def test_whatever_comes_out_is_what_bson_holds_and_gives_back(value: Any) -> None:
    plain = normalise(value, replace=lambda value, path, why: None)
    back = kept(plain)
    assert repr(back).replace("FixedOffset(datetime.timedelta(0), 'UTC')", "datetime.timezone.utc") == repr(plain)
    assert repr(normalise(plain)) == repr(plain)


@pytest.mark.parametrize("name", ["mnist", "a/b.c d", "größe", "x" * 200])
def test_a_name_may_be_any_short_printable_text(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "$x", "a\0", "a\nb", "x" * 201, None, 7, b"x"])
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidName, match="name"):
        check_name(name)


def test_a_loss_is_a_finite_number_or_named() -> None:
    assert as_loss(1.5) == (1.5, "finite")
    assert as_loss(None) == (None, None)
    assert [as_loss(x)[1] for x in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]


class Colour(str, enum.Enum):  # noqa: UP042 - how most programs still spell it
    RED = "red"


class Never:
    """An array that cannot be had."""

    def tolist(self) -> Any:
        raise RuntimeError("it is on another device")


class Matryoshka:
    """An array that only ever unpacks to another one."""

    def tolist(self) -> Any:
        return Other()


class Other:
    def tolist(self) -> Any:
        return Matryoshka()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({Colour.RED: Colour.RED}, {"red": "red"}),
        (np.longdouble(1.5), 1.5),
        (np.array(["2020-01-02"], "datetime64[ns]"), [dt.datetime(2020, 1, 2)]),
        (np.datetime64("NaT"), None),
        (Fraction(1, 4), 0.25),
        (Decimal("0.25"), 0.25),
        (Decimal("-inf"), -math.inf),
        (pd.Series([3, 1], index=["z", "a"]), [3, 1]),
        (pd.Series(pd.to_datetime(["2020-01-02"])), [dt.datetime(2020, 1, 2)]),
        (pd.Series(pd.to_datetime(["2020-01-02"], utc=True)), [dt.datetime(2020, 1, 2, tzinfo=dt.UTC)]),
        (pd.DataFrame({"z": [1, 2], "a": [0.5, None]}).fillna(0.0), {"z": [1, 2], "a": [0.5, 0.0]}),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), [["a", [1]], ["a", [2]]]),
        (pd.Timestamp("2020-01-02T03:04:05.678901234"), dt.datetime(2020, 1, 2, 3, 4, 5, 678000)),
        ({frozenset("ab"), frozenset("cd")}, None),
        ({"b", "a", "10"}, ["10", "a", "b"]),
        ({1.5, -1, True}, [-1, 1, 1.5]),
        (HTTPStatus.OK, 200),
    ],
)
def test_less_common_values_become_plain_too(value: Any, plain: Any) -> None:
    if plain is not None:
        assert normalise(value) == plain
    else:
        assert normalise(value) in (None, [["a", "b"], ["c", "d"]])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Fraction(10**400), "beyond all floats"),
        (Decimal("1e400"), "beyond all floats"),
        (Decimal("sNaN"), "beyond all floats"),
        (Never(), "tolist fails"),
        (Matryoshka(), "a value of type"),
        (np.timedelta64(5, "ns"), "a value of type"),
        ({10**5000: 1}, "key"),
        ({"$ref": "a", "$id": 1}, "reference"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_be_lost_or_changed_on_its_way_is_refused(value: Any, why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        normalise(value)
    bson.encode({"v": normalise([value], replace=lambda value, path, why: why)})


def test_a_replacement_for_a_key_may_be_anything() -> None:
    assert normalise({"\ud800": 1}, replace=lambda value, path, why: "\0?\ud800") == {"??": 1}


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(value=anything, tid=st.just(0))
def test_whatever_comes_out_a_real_server_keeps(value: Any, tid: int, mongo_store: Store) -> None:
    exp = uuid.uuid4().hex
    result = {"v": normalise(value, replace=lambda value, path, why: None)}
    events = [
        replace(event(kind, tid, ver), exp=exp, **({"result": result} if kind is Done else {}))
        for ver, kind in enumerate((Queued, Reserved, Running, Done))
    ]
    mongo_store.log.append(events)
    back = mongo_store.log.read(exp)[-1]
    assert isinstance(back, Done)
    assert digest_event(back) == digest_event(events[-1])
    assert repr(normalise(back.result)) == repr(result)
