import pickle
import traceback

import pytest

from hstore.store.errors import InvalidName, InvalidTrial, NoMongod


@pytest.mark.parametrize(
    "error", [NoMongod("none here", hint="install one"), InvalidTrial("no tid:", {}, hint="install one")]
)
def test_a_traceback_shows_the_hint_once(error: Exception) -> None:
    for each in (error, pickle.loads(pickle.dumps(error))):
        found = "".join(traceback.format_exception(each))
        assert found.endswith(f"{each}\n(install one)\n")
        assert found.count("install one") == 1


def test_an_error_without_a_hint_ends_with_its_message() -> None:
    assert "".join(traceback.format_exception(InvalidName("no name"))).endswith("InvalidName: no name\n")
