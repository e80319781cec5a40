"""Versions and times of documents, as hyperopt's utils have them."""

import datetime as dt
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore import utils

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import utils as theirs

documents = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, unique=True
).map(lambda pairs: [{"_id": _id, "version": version} for _id, version in pairs])  # fmt: skip


@given(documents)
@pytest.mark.covers("utils.get_most_recent_inds")
def test_the_latest_versions_are_the_same(given_documents: list[dict[str, Any]]) -> None:
    ours = utils.get_most_recent_inds(given_documents)
    assert ours.tolist() == theirs.get_most_recent_inds(given_documents).tolist()
    assert utils.get_most_recent_inds([]).tolist() == []  # hyperopt's raises


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
@pytest.mark.covers("utils.fast_isin")
def test_membership_is_the_same(x: list[int], y: list[int]) -> None:
    ours = utils.fast_isin(x, y)
    assert ours.tolist() == theirs.fast_isin(np.array(x, dtype=int), np.array(y, dtype=int)).tolist()


@pytest.mark.covers("utils.coarse_utcnow")
def test_times_are_in_whole_milliseconds_of_utc() -> None:
    now = utils.coarse_utcnow()
    assert now.microsecond % 1000 == 0
    assert now.tzinfo is None
    assert abs(now - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=5)
