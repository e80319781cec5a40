"""Pickles made to break a reader: they are named and left out, or refused; nothing crashes and nothing runs."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.pickles import read
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hstore.engine.hyperopt.importing import numpy_values
from hstore.engine.hyperopt.importing.pickle_source import HyperoptFile, _Unpickler
from hstore.store.errors import InvalidValue
from hstore.store.values import normalise

OBJECT = np.dtype("O")
ADDRESS = struct.pack("<Q", 0x4141414141414141)
RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
SCALAR: Any = np.float64(0).__reduce__()[0]
FROMBUFFER: Any = np.empty(1).__reduce_ex__(5)[0]


class Reduced:
    """An object whose pickle is exactly this call, followed by this state."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.reduced


def dtype(base: str, *state: Any) -> Reduced:
    return Reduced(np.dtype, (base, False, True), (3, *state))


FIELDS = dtype("V8", "|", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 0)
HOSTILE = {
    "an object field read from bytes": Reduced(FROMBUFFER, (ADDRESS, FIELDS, (1,), "C")),
    "a scalar with an object field": Reduced(SCALAR, (FIELDS, ADDRESS)),
    "objects read from bytes": Reduced(FROMBUFFER, (ADDRESS, OBJECT, (1,), "C")),
    "a scalar object read from bytes": Reduced(SCALAR, (OBJECT, ADDRESS)),
    "a plain dtype that becomes one with fields": Reduced(
        FROMBUFFER, (ADDRESS, dtype("i8", "<", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 0), (1,), "C")
    ),
    "a field beyond the bytes": Reduced(
        FROMBUFFER, (b"x" * 8, dtype("V8", "|", None, ("a",), {"a": (np.dtype("i8"), 10**9)}, 8, 1, 0), (1,), "C")
    ),
    "a huge subarray": Reduced(
        FROMBUFFER, (b"x" * 8, dtype("V8", "|", (np.dtype("i8"), (10**8,)), None, None, 8, 1, 0), (1,), "C")
    ),
    "an array over a buffer": Reduced(np.ndarray, ((1,), OBJECT, ADDRESS)),
    "strides beyond the buffer": Reduced(np.ndarray, ((10**6,), np.dtype("i8"), b"x" * 8, 0, (10**9,))),
    "memory that was never written": Reduced(np.ndarray, ((1000,), OBJECT)),
    "a shape beyond the bytes": Reduced(
        RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (10**9,), np.dtype("i8"), False, b"xx")
    ),
    "a negative item size": Reduced(FROMBUFFER, (b"x" * 8, dtype("S8", "|", None, None, None, -8, 1, 0), (1,), "C")),
    "a huge item size": Reduced(SCALAR, (dtype("S8", "|", None, None, None, 2**31 - 1, 1, 0), b"abc")),
    "more memory than there is": Reduced(np.ndarray, ((10**12,), np.dtype("i8"))),
    "a shape of negative numbers": Reduced(FROMBUFFER, (b"x" * 8, np.dtype("i8"), (-1, -1), "C")),
    "a shape of text": Reduced(FROMBUFFER, (b"x" * 8, np.dtype("i8"), "ab", "C")),
    "an axis order of its own": Reduced(FROMBUFFER, (b"x" * 8, np.dtype("i8"), (1,), "K", (5,))),
    "a kind of array of its own": Reduced(RECONSTRUCT, (np.matrix, (0,), b"b")),
    "a time in no unit": Reduced(SCALAR, (dtype("M8", "<", *[None] * 3, -1, -1, 0, ({}, (b"xy", 1, 1, 1))), ADDRESS)),
}  # fmt: skip


def outlines(path: Path, content: bytes) -> list[dict[str, Any]]:
    (path / "t.pkl").write_bytes(content)
    return [dict(document) for document in HyperoptFile(path / "t.pkl").outlines()]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_numpy_value_that_is_not_plain_is_left_out_and_the_rest_is_read(
    name: str, protocol: int, tmp_path: Path
) -> None:
    (document,) = outlines(tmp_path, pickle.dumps([{"good": np.arange(3), "bad": HOSTILE[name]}], protocol))
    replaced: list[str] = []

    def as_text(value: Any, path: str, why: str) -> str:
        replaced.append(path)
        return "text"

    plain = normalise(document, replace=as_text)
    assert plain == {"good": [0, 1, 2], "bad": "text"}
    assert replaced == ["value.bad"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x80\x04Nr\xff\xff\xff\x7f.", id="a place in the memo beyond all memory"),
        pytest.param(b"\x80\x04" + b"(" * 100_000 + b"l" * 100_000 + b".", id="lists in lists"),
        pytest.param(b"\x80\x04)" + b"\x85" * 200_000 + b".", id="tuples in tuples"),
        pytest.param(b"\x80\x04]\x94h\x00a.", id="a list within itself"),
        pytest.param(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.", id="more bytes than there are"),
        pytest.param(b"\x80\x04cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", id="bytes by their number"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x04", id="no end"),
        pytest.param(b"\x80\x04R.", id="a call of nothing"),
    ],
)
def test_a_pickle_that_is_broken_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue):
        outlines(tmp_path, content)


def test_values_named_over_and_over_are_not_written_out(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(40):
        value = [value] * 10
    with pytest.raises(InvalidValue, match="the same values over and over"):
        outlines(tmp_path, pickle.dumps([{"tid": 0, "result": value}]))
    shared = [0.5] * 20
    assert outlines(tmp_path, pickle.dumps([{"a": shared, "b": shared}]))[0]["b"] == shared


def test_a_document_within_itself_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    document: dict[str, Any] = {"tid": 0}
    document["self"] = document
    assert outlines(tmp_path, pickle.dumps([document]))[0]["tid"] == 0


PLAIN = st.one_of(
    npst.boolean_dtypes(), npst.integer_dtypes(endianness="?"), npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.unicode_string_dtypes(min_len=1), npst.byte_string_dtypes(min_len=1),
    npst.datetime64_dtypes(), npst.timedelta64_dtypes(),
)  # fmt: skip


@given(
    npst.arrays(PLAIN, npst.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    st.sampled_from([0, 2, 4, 5]),
    st.booleans(),
)
def test_every_plain_array_comes_through(array: Any, protocol: int, is_fortran: bool) -> None:
    array = np.asfortranarray(array) if is_fortran else array
    found = _Unpickler(io.BytesIO(pickle.dumps([array, array[()]], protocol)), encoding="latin1").load()
    assert isinstance(found[0], numpy_values.Array)
    assert isinstance(found[0].values, np.ndarray)
    np.testing.assert_array_equal(found[0].values, array)
    assert found[0].values.dtype == array.dtype
    if array.ndim == 0:
        np.testing.assert_array_equal(found[1], array[()])


def test_mutated_pickles_crash_nothing_and_run_nothing() -> None:
    assert read(400, seed=1) >= 0


def test_what_is_nested_without_end_is_refused_at_a_glance(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="nested deeper than 10000 levels"):
        outlines(tmp_path, b"\x80\x04)" + b"\x85" * 20_000 + b".")
