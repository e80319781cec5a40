import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, ServerSelectionTimeoutError

from hstore.store import retry
from hstore.store.errors import InvalidEvent, NoMongod, StoreUnreachable
from hstore.store.retry import RetryPolicy


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.0001)


def after(*errors: Exception) -> Callable[[], str]:
    """Return an attempt that raises *errors*, one a time, before it succeeds."""
    left: Iterator[Exception] = iter(errors)

    def attempt() -> str:
        for error in left:
            raise error
        return "done"

    return attempt


def test_a_transient_error_is_waited_for_and_logged_once(messages: list[str]) -> None:
    waiting = RetryPolicy("the store", seconds=math.inf)
    errors = [
        AutoReconnect("gone"),
        ServerSelectionTimeoutError("none, Timeout: 2s"),
        OperationFailure("stepped down", 10107),
    ]
    assert waiting(after(*errors)) == "done"
    assert messages == ["waiting for the store: gone", "the store answers again"]
    assert waiting.recoveries == 1


def test_waiting_ends_after_the_timeout() -> None:
    def never() -> None:
        raise AutoReconnect("gone")

    with pytest.raises(StoreUnreachable, match="no answer from the store"):
        RetryPolicy("the store", seconds=0.01)(never)


def test_an_embedded_server_is_restarted_between_attempts() -> None:
    revived: list[int] = []
    assert (
        RetryPolicy("s", seconds=1, restart=lambda: revived.append(1))(after(AutoReconnect("x"), AutoReconnect("y")))
        == "done"
    )
    assert len(revived) == 2


def test_a_restart_that_fails_is_logged_and_tried_again(messages: list[str]) -> None:
    def restart() -> None:
        raise NoMongod("there is no mongod")

    assert RetryPolicy("s", seconds=math.inf, restart=restart)(after(AutoReconnect("x"))) == "done"
    assert "there is no mongod" in messages


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (OperationFailure("auth failed", 18), StoreUnreachable),
        (OperationFailure("not allowed", 13), StoreUnreachable),
        (OperationFailure("does not validate", 121), InvalidEvent),
        (BulkWriteError({"writeErrors": [{"code": 121, "errmsg": "x"}]}), InvalidEvent),
    ],
)
def test_a_lasting_error_is_raised_at_once(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours):
        RetryPolicy("the store", seconds=math.inf)(after(error))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OperationFailure("Authentication failed.", 18), "the store: authentication failed"),
        (OperationFailure("bad auth : Authentication failed.", 8000), "the store: authentication failed: bad auth"),
        (OperationFailure("user is not allowed to do action [find]", 8000), "the store: not authorized: user is not"),
        (OperationFailure("not authorized on lab to execute x", 13), "the store: not authorized on lab"),
        (OperationFailure("Command find requires authentication", 13), "the store: authentication required: Command"),
    ],
)
def test_the_code_of_the_server_decides_between_authentication_and_authorization(
    error: Exception, message: str
) -> None:
    with pytest.raises(StoreUnreachable) as caught:
        RetryPolicy("the store", seconds=math.inf)(after(error))
    assert str(caught.value).startswith(message)


def test_a_limit_of_open_files_is_named_as_the_cause(messages: list[str]) -> None:
    error = AutoReconnect("h:1: [Errno 24] Too many open files")
    assert RetryPolicy("the store", seconds=math.inf)(after(error)) == "done"
    assert "too many open files (its limit is " in messages[0]
    assert "`ulimit -n`" in messages[0]


def test_a_cause_that_the_driver_does_not_tell_is_told_instead_of_its_error(messages: list[str]) -> None:
    waiting = RetryPolicy("the store", seconds=math.inf, explain=lambda: "h:1 is a secondary")
    assert waiting(after(AutoReconnect("gone"))) == "done"
    assert messages[0] == "waiting for the store: h:1 is a secondary"
    with pytest.raises(StoreUnreachable, match="is a secondary"):
        RetryPolicy("the store", seconds=0, explain=lambda: "h:1 is a secondary")(after(AutoReconnect("gone")))


def test_dns_that_does_not_answer_is_waited_for() -> None:
    away = StoreUnreachable("DNS does not answer", is_transient=True)
    assert RetryPolicy("the store", seconds=9)(after(away)) == "done"
    with pytest.raises(StoreUnreachable, match="no answer from the store"):
        RetryPolicy("the store", seconds=0)(after(away))
    with pytest.raises(StoreUnreachable, match=r"^refused$"):
        RetryPolicy("the store", seconds=9)(after(StoreUnreachable("refused")))


def test_a_command_that_is_forbidden_is_named_without_its_content() -> None:
    error = OperationFailure('not authorized on lab to execute command { insert: "events", lsid: { id: 1 } }', 13)
    with pytest.raises(StoreUnreachable, match=r"not authorized on lab to execute command insert on events\n"):
        RetryPolicy("the store", seconds=math.inf)(after(error))


def test_a_full_disk_is_waited_for() -> None:
    error: Any = OperationFailure("no space left", 14031)
    assert RetryPolicy("the store", seconds=math.inf)(after(error)) == "done"


def test_an_error_without_words_is_told_by_its_name() -> None:
    with pytest.raises(StoreUnreachable, match="AutoReconnect"):
        RetryPolicy("the store", seconds=0)(after(AutoReconnect("")))


def test_what_the_server_says_can_be_tried_again_is() -> None:
    details = {"ok": 0, "errmsg": "not now", "code": 4242, "errorLabels": ["RetryableWriteError"]}
    assert RetryPolicy("the store", seconds=9)(after(OperationFailure("not now", 4242, details))) == "done"
    with pytest.raises(OperationFailure, match="never"):
        RetryPolicy("the store", seconds=9)(after(OperationFailure("never", 4242, {})))


def test_a_write_concern_that_failed_is_tried_again_whatever_else_did() -> None:
    details = {"writeErrors": [{"code": 11000, "index": 0}], "writeConcernErrors": [{"code": 64}]}
    assert RetryPolicy("the store", seconds=9)(after(BulkWriteError(details))) == "done"
