"""A mongod that gets no more security fixes is named, with what to do about it."""

import datetime as dt

import pytest

from hstore.store.mongod_releases import advice, end_of_life


def test_a_release_past_its_end_of_life_is_named_with_what_to_do() -> None:
    message = advice("6.0.27", dt.date(2025, 8, 1))
    assert "MongoDB 6.0 has had no security fixes since 2025-07-31" in message
    assert "HSTORE_MONGOD to mongod 7.0" in message
    assert "HSTORE_URL" in message
    assert "a newer mongod" in advice("8.0.1", dt.date(2040, 1, 1))


@pytest.mark.parametrize("version", ["6.0.27", "7.0.2", "99.1.0", None])
def test_nothing_is_said_of_a_release_that_is_supported_or_not_known(version: str | None) -> None:
    assert advice(version, dt.date(2025, 7, 31)) == ""


def test_a_release_ends_on_the_day_that_mongodb_names() -> None:
    assert end_of_life("6.0.27") == dt.date(2025, 7, 31)
    assert end_of_life("99.1.0") is None
