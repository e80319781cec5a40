import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from hstore.store.frozen_makers import maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    first: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Base):
    last: str = "x"


make = maker(Thing)


def test_what_is_made_is_as_what_the_class_makes() -> None:
    made = make(first=1)
    assert type(made) is Thing
    assert made == Thing(first=1)
    assert repr(made) == repr(Thing(first=1))
    assert make(first=2, last="y", names=["a"]) == Thing(first=2, last="y", names=["a"])
    assert make(first=1).names is not made.names
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made


def test_it_cannot_be_changed_either() -> None:
    with pytest.raises(FrozenInstanceError):
        make(first=1).first = 2  # type: ignore[misc]


@pytest.mark.parametrize("given", [{}, {"first": 1, "more": 2}])
def test_what_the_class_refuses_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        make(**given)
