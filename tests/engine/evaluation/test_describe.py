import functools
import math
import sys
from typing import Any

import numpy as np
import pytest

from hstore.engine.evaluation.domain import describe, pickled, version
from hstore.engine.evaluation.results import as_result
from hstore.store.errors import InvalidLoss, InvalidResult, InvalidResultStatus


@pytest.mark.parametrize("loss", [1, 1.0, True, np.float32(1), np.int64(1), np.array(1.0), "1.0"])
def test_whatever_reads_as_one_real_number_is_a_loss(loss: Any) -> None:
    assert as_result({"status": "ok", "loss": loss})["loss"] == 1.0


def test_a_bare_number_is_an_ok_result() -> None:
    assert as_result(2) == {"loss": 2.0, "status": "ok"}
    assert math.isnan(as_result(math.nan)["loss"])


def test_a_status_other_than_ok_needs_no_loss() -> None:
    assert as_result({"status": "fail", "why": "too hot"}) == {"status": "fail", "why": "too hot"}


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (None, InvalidResult),
        ("1.0", InvalidResult),
        (1 + 1j, InvalidLoss),
        ({}, InvalidResultStatus),
        ({"status": "ok"}, InvalidLoss),
    ],
)
def test_the_message_says_what_was_returned_and_what_to_return(returned: Any, error: type[InvalidResult]) -> None:
    with pytest.raises(error, match=r"returned|loss|status") as caught:
        as_result(returned)
    assert caught.value.hint


def test_an_importable_function_is_named_by_its_reference() -> None:
    assert describe(math.sqrt)["ref"] == "math:sqrt"
    assert "ref" not in describe(lambda x: x)


def test_the_version_of_an_objective_changes_with_its_code_only() -> None:
    def make(k: int) -> Any:
        return eval(f"lambda x: x + {k} if x in {{'a', 'b'}} else 0")

    assert version(make(1)) == version(make(1)) != version(make(2))
    assert version(functools.partial(make(1), x=3)) == version(make(1))


def test_what_cannot_be_pickled_is_left_out() -> None:
    assert pickled(lambda x: x) is not None
    assert pickled(functools.partial(print, file=sys.stdout)) is None
