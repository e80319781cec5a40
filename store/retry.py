"""Driver errors: which ones pass, to be waited for, and which ones are raised as errors of hstore."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)  # fmt: skip

from hstore.store.errors import HstoreError, InvalidEvent, StoreUnreachable
from hstore.store.file_limit import file_limit
from hstore.store.messages import Log

LOG = Log("store")

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0

_TRANSIENT = (
    AutoReconnect, ConnectionFailure, NetworkTimeout, ServerSelectionTimeoutError, WTimeoutError, ExecutionTimeout,
    WaitQueueTimeoutError,
)  # fmt: skip
_DUPLICATE = 11000
_REFUSED = {121, 10334, 17280, 2, 9, 10, 14, 52, 57}  # validation, too large, malformed
_UNAUTHORIZED, _AUTHENTICATION_FAILED, _ATLAS = 13, 18, 8000
_PASSING = {
    6, 7, 24, 50, 64, 79, 89, 91, 100, 112, 134, 175, 189, 202, 215, 262, 317, 358, 384, 402, 9001, 10058, 10107, 11600,
    11602, 13388, 13435, 13436, 14031,
}  # fmt: skip
"""Codes of servers that step down, stop, recover, are slow, have a full disk (14031) or drop a database (175, 215)."""
_TOO_MANY_FILES = re.compile(r"too many open files|errno 24\b", re.IGNORECASE)


class RetryPolicy:
    """Repeats what a server did not answer, logs once that it waits, and gives up after so many seconds."""

    def __init__(
        self,
        where: str,
        *,
        seconds: float,
        restart: Callable[[], None] | None = None,
        explain: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.where = where
        self.seconds = seconds
        self.restart = restart
        """Called between attempts: an embedded server is started again if it died."""
        self.explain = explain
        """Returns the cause that the driver's error does not tell, or None; called before a message."""
        self.recoveries = 0
        """How often the server answered after an interruption: what was sent without an answer may be lost."""

    def __call__(self, attempt: Callable[[], T]) -> T:
        """Return what *attempt* returns, repeated while the server cannot be reached.

        Raises `StoreUnreachable` when the timeout is over, or the server refuses the user or what the user asks for,
        and `InvalidEvent` for a document that it refuses.
        """
        began = time.monotonic()
        pause, is_announced = FIRST_PAUSE, False
        while True:
            try:
                result = attempt()
            except PyMongoError as error:
                reason = self._reason_to_wait(error)
                let_go(error)
            except StoreUnreachable as error:
                if not error.values.get("is_transient"):
                    raise
                reason = str(error)
            else:
                if pause > FIRST_PAUSE:
                    self.recoveries += 1
                if is_announced:
                    LOG.warning(f"{self.where} answers again")
                return result
            spent = time.monotonic() - began
            if spent + pause > self.seconds:
                raise StoreUnreachable(
                    f"no answer from {self.where} within {spent:.1f} s: {self.explain() or reason}",
                    hint="check that the URL is right and the server runs", url=self.where,
                )  # fmt: skip
            if not is_announced and (math.isinf(self.seconds) or spent > 1.0):
                LOG.warning(f"waiting for {self.where}: {self.explain() or reason}")
                is_announced = True
            self._restart()
            time.sleep(pause * random.uniform(0.5, 1.0))  # many clients must not come back at the same moment
            pause = min(2 * pause, LONGEST_PAUSE)

    def _restart(self) -> None:
        if self.restart is not None:
            try:
                self.restart()
            except HstoreError as error:
                LOG.warning(str(error))

    def _reason_to_wait(self, error: PyMongoError) -> str:
        """Return *error* in a few words if it passes; raise it, as an error of hstore, if it does not."""
        text = (str(error).splitlines() or [type(error).__name__])[0]
        text = re.split(r", Timeout:|, full error:| \(configured timeouts", text)[0][:300]
        if _TOO_MANY_FILES.search(str(error)):
            return f"this process has too many open files (its limit is {file_limit()}; raise it with `ulimit -n`)"
        if isinstance(error, _TRANSIENT):
            return text
        code = _code(error)
        if (refusal := _refusal(code, text)) is not None:
            problem, hint = refusal
            raise StoreUnreachable(f"{self.where}: {problem}", hint=hint, url=self.where) from error
        if code in _PASSING or error.has_error_label("RetryableWriteError"):
            return text
        if code in _REFUSED or isinstance(error, DocumentTooLarge):
            raise InvalidEvent(f"{self.where} rejects the document: {text}", path="event") from error
        if isinstance(error, (ConfigurationError, InvalidOperation)):
            raise StoreUnreachable(f"{self.where} cannot be used: {text}") from error
        raise error


def _refusal(code: int | None, text: str) -> tuple[str, str] | None:
    """Return problem and hint if the server refuses the user, or what the user asks for; the code decides which."""
    if code == _AUTHENTICATION_FAILED or (code == _ATLAS and re.search(r"\bauth", text, re.IGNORECASE)):
        detail = text.rstrip(".")
        problem = "authentication failed" + ("" if detail.lower() == "authentication failed" else f": {detail}")
        return problem, "check the user and the password in the URL, and its authSource"
    if code not in (_UNAUTHORIZED, _ATLAS):
        return None
    # Of the command, which the server repeats in full, only its name and its collection.
    text = re.sub(r'\{ (\w+): "([^"]+)".*', r"\1 on \2", text)
    if "requires authentication" in text:
        return f"authentication required: {text}", "add user and password to the URL: mongodb://user:password@host/db"
    problem = text if text.startswith("not authorized") else f"not authorized: {text}"
    return problem, "give the user a role that allows it; docs/roles.md lists what each program needs"


def _code(error: PyMongoError) -> int | None:
    if isinstance(error, BulkWriteError):
        # A write concern that failed says more than a refusal: when the same is sent again, the refusal comes again.
        failures = [*error.details.get("writeConcernErrors", ()), *error.details.get("writeErrors", ())]
        return failures[0].get("code") if failures else None
    return error.code if isinstance(error, OperationFailure) else None


def let_go(error: BaseException) -> None:
    """Let go of the frames that *error*, which has been dealt with, was raised through.

    pymongo's own frames hold the errors of writes that it may retry. So these frames, those that called them and the
    store would stay until Python's garbage collector runs.
    """
    error.__traceback__ = None


def is_duplicate(error: PyMongoError) -> bool:
    """Return whether *error* says that a document with the same unique key exists."""
    return _code(error) == _DUPLICATE
