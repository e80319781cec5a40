import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from hstore.store.frozen_makers import maker
from hstore.store.lazy_dataclass import lazy_dataclass


@lazy_dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: tuple[int, ...] = ()
    seen: int = field(default=0, compare=False, repr=False)


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    first: int
    names: list[str] = field(default_factory=list)


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Base):
    last: str = "x"

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")


def twin(of: type, decorate: Any, **options: Any) -> Any:
    """Return a class of *decorate* with the fields of Pair."""
    body = {
        "__annotations__": {"left": int, "right": tuple, "seen": int},
        "__qualname__": of.__qualname__,
        "right": (),
        "seen": field(default=0, compare=False, repr=False),
    }
    return decorate(frozen=True, slots=True, **options)(type("Pair", (), body))


def test_it_does_what_a_dataclass_does() -> None:
    usual, lazy = twin(Pair, dataclass), twin(Pair, lazy_dataclass)
    for made in (usual, lazy):
        assert made(1) == made(left=1, right=(), seen=7) != made(2)
        assert hash(made(1, (2,))) == hash(made(1, (2,), 3))
        assert made(1) != (1, ())
        assert made(1) != Pair(1)
        assert [each.name for each in fields(made)] == ["left", "right", "seen"]
        assert replace(made(1), right=(4,)) == made(1, (4,))
        assert not hasattr(made(1), "__dict__")
    assert repr(usual(1, (2,))) == repr(lazy(1, (2,))) == "Pair(left=1, right=(2,))"
    assert hash(usual(1, (2,))) == hash(lazy(1, (2,)))


def test_a_copy_and_a_pickle_are_equal() -> None:
    for made in (Pair(1, (2,), 3), Thing(first=1, names=["a"])):
        for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert again == made
            assert repr(again) == repr(made)
    assert copy.deepcopy(Pair(1, (), 3)).seen == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda thing: setattr(thing, "first", 2),
        lambda thing: setattr(thing, "other", 2),
        lambda thing: delattr(thing, "first"),
    ],
)
def test_it_cannot_be_changed(change: Callable[[Thing], None]) -> None:
    thing = Thing(first=1)
    with pytest.raises(FrozenInstanceError):
        change(thing)
    assert thing == Thing(first=1)


def test_it_says_what_is_missing_or_too_much() -> None:
    with pytest.raises(TypeError, match=r"Thing\.__init__\(\) missing 1 required keyword-only argument: 'first'"):
        Thing()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="more"):
        Thing(first=1, more=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]


def test_what_follows_init_is_called_and_defaults_are_made_anew() -> None:
    with pytest.raises(ValueError, match="negative"):
        Thing(first=-1)
    assert Thing(first=1).names is not Thing(first=1).names
    assert Base(first=1).names == []


def test_a_repr_of_one_that_holds_itself_ends() -> None:
    names: list[Any] = []
    base = Base(first=1, names=names)
    names.append(base)
    assert repr(base) == "Base(first=1, names=[...])"


def test_a_class_compiles_nothing_before_one_is_made() -> None:
    """Else each process would, for each of a hundred classes."""

    @lazy_dataclass(frozen=True, slots=True)
    class Fresh:
        one: int

    methods = {name: vars(Fresh)[name] for name in ("__init__", "__eq__", "__hash__", "__repr__", "__setattr__")}
    assert all(method.__code__.co_filename != "<string>" for method in methods.values() if hasattr(method, "__code__"))
    assert Fresh(1).one == 1
    assert Fresh.__init__ is not methods["__init__"]


def test_makers_take_it() -> None:
    make = maker(Base)
    assert make(first=1) == Base(first=1)
    assert type(make(first=1)) is Base
