"""Patience: what to do with a driver's error — wait and try again, or say what is wrong."""

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
_FORBIDDEN = {13, 18, 8000}  # not authorised, wrong credentials
_PASSING = {
    6, 7, 24, 50, 64, 79, 89, 91, 100, 112, 134, 189, 202, 262, 317, 358, 384, 402, 9001, 10058, 10107, 11600, 11602,
    13388, 13435, 13436, 14031,
}  # fmt: skip
"""Codes of servers that step down, stop, recover, are slow or (14031) out of disk space."""


class RetryPolicy:
    """Repeats what a server did not answer, says once that it waits, and gives up after so many seconds."""

    def __init__(
        self,
        where: str,
        *,
        seconds: float,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self.where = where
        self.seconds = seconds
        self.restart = restart
        """Called between attempts: an embedded server is started again if it died."""
        self.recoveries = 0
        """How often the server answered after it had not: what was sent without waiting for an answer may be lost."""

    def __call__(self, attempt: Callable[[], T]) -> T:
        """Return what *attempt* returns, repeated while the server cannot be reached.

        Raises `StoreUnreachable` when the timeout is over or the server does not let us in, `InvalidEvent` for what it
        refuses.
        """
        began = time.monotonic()
        pause, has_said = FIRST_PAUSE, False
        while True:
            try:
                result = attempt()
            except PyMongoError as error:
                reason = self._reason_to_wait(error)
            else:
                if pause > FIRST_PAUSE:
                    self.recoveries += 1
                if has_said:
                    LOG.warning(f"{self.where} answers again")
                return result
            spent = time.monotonic() - began
            if spent + pause > self.seconds:
                raise StoreUnreachable(
                    f"no answer from {self.where} within {spent:.1f} s: {reason}",
                    hint="check that the URL is right and the server runs", url=self.where,
                )  # fmt: skip
            if not has_said and (math.isinf(self.seconds) or spent > 1.0):
                LOG.warning(f"waiting for {self.where}: {reason}")
                has_said = True
            self._restart()
            time.sleep(pause * random.uniform(0.5, 1.0))  # many clients must not come back as one
            pause = min(2 * pause, LONGEST_PAUSE)

    def _restart(self) -> None:
        if self.restart is not None:
            try:
                self.restart()
            except HstoreError as error:
                LOG.warning(str(error))

    def _reason_to_wait(self, error: PyMongoError) -> str:
        """Return *error* in a few words if it passes, raise it in our words if it does not."""
        text = (str(error).splitlines() or [type(error).__name__])[0]
        text = re.split(r", Timeout:|, full error:| \(configured timeouts", text)[0][:300]
        if isinstance(error, _TRANSIENT):
            return text
        code = _code(error)
        if code in _FORBIDDEN:
            # Of the command, which the server repeats in full, its name and whose it is.
            text = re.sub(r'\{ (\w+): "([^"]+)".*', r"\1 on \2", text)
            raise StoreUnreachable(
                f"{self.where} does not let us in: {text}", hint="check user, password and roles"
            ) from error
        if code in _PASSING or error.has_error_label("RetryableWriteError"):
            return text
        if code in _REFUSED or isinstance(error, DocumentTooLarge):
            raise InvalidEvent(f"{self.where} refuses the document: {text}", path="event") from error
        if isinstance(error, (ConfigurationError, InvalidOperation)):
            raise StoreUnreachable(f"{self.where} cannot be used: {text}") from error
        raise error


def _code(error: PyMongoError) -> int | None:
    if isinstance(error, BulkWriteError):
        # A write concern that failed says more than a refusal: when the same is sent again, the refusal comes again.
        failures = [*error.details.get("writeConcernErrors", ()), *error.details.get("writeErrors", ())]
        return failures[0].get("code") if failures else None
    return error.code if isinstance(error, OperationFailure) else None


def is_duplicate(error: PyMongoError) -> bool:
    """Return whether *error* says that a unique index has the place already."""
    return _code(error) == _DUPLICATE
