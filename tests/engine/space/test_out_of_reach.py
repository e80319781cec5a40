"""A hyperparameter within an object that is no dict, list or tuple is refused by its label, before the search."""

import argparse
import functools
from collections import deque
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVC

from hstore import Trials, fmin, hp
from hstore.engine.space import compile_space, space_eval
from hstore.store.errors import BadSearchSpace, InvalidPoint

LR = hp.uniform("lr", 0, 1)


@dataclass
class Config:
    lr: Any
    inner: Any = None


@dataclass(slots=True)
class Slotted:
    lr: Any


class Holder:
    def __init__(self, lr: Any) -> None:
        self.settings = {"deep": [lr]}


@pytest.mark.parametrize(
    "holder",
    [
        Config(LR), Config(1, Config({"lr": [LR]})), Slotted(LR), SimpleNamespace(lr=LR), argparse.Namespace(lr=LR),
        {LR, 2}, frozenset({LR}), deque([LR]), Holder(LR), SVC(C=LR), functools.partial(dict, lr=LR),
        functools.partial(len, LR), np.array([LR, 1], dtype=object), MappingProxyType({"lr": LR}),
        pd.Series([1, LR]), pd.DataFrame({"a": [1.0], "lr": [LR]}),
    ],
    ids=lambda holder: type(holder).__name__,
)  # fmt: skip
def test_a_hyperparameter_within_an_object_is_refused_by_name(holder: Any) -> None:
    for space in (holder, {"x": hp.uniform("x", 0, 1), "o": holder}, hp.choice("c", [1, {"o": holder}])):
        with pytest.raises(
            BadSearchSpace, match=rf"^lr: is within an object of type {type(holder).__name__}"
        ) as refused:
            compile_space(space)
        assert refused.value.values["label"] == "lr"
    with pytest.raises(BadSearchSpace, match=r"^lr: "):
        fmin(lambda config: 0.0, {"o": holder}, max_evals=1, verbose=False)


def test_objects_without_hyperparameters_are_constants_as_ever() -> None:
    itself = SimpleNamespace()
    itself.itself = itself
    for constant in (itself, Config(1), {1, 2}, np.arange(3), SVC(), Trials(), len, json_like := {"a": {"b": 1}}):
        assert compile_space({"x": LR, "o": hp.choice("o", [constant, json_like])}).labels == ("o", "lr")


@pytest.mark.parametrize("vals", [{"lr": [0.5]}, {"lr": []}, {"lr": (0.5,)}])
def test_the_values_of_a_document_are_refused_by_name_with_the_way_to_their_point(vals: Any) -> None:
    for space in ({"lr": LR}, compile_space({"lr": LR}), hp.choice("lr", ["a", "b"])):
        with pytest.raises(InvalidPoint, match=r"^lr=.* is a list"):
            space_eval(space, vals)
    trials = Trials()
    fmin(lambda config: config["lr"], {"lr": LR}, max_evals=2, trials=trials, verbose=False, rstate=0)
    document = trials.best_trial
    with pytest.raises(InvalidPoint, match="argmin"):
        space_eval({"lr": LR}, document["misc"]["vals"])
    assert space_eval({"lr": LR}, trials.argmin) == {"lr": document["result"]["loss"]}
