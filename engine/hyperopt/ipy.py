"""IPythonTrials, of which nothing is left but a word on what to use: IPython.parallel ended with IPython 4."""

from __future__ import annotations

from typing import Any, NoReturn

from hstore.store.errors import HstoreError


class LostEngineError(RuntimeError):
    """hyperopt's; nothing raises it."""

    __module__ = "hstore.ipy"


class IPythonTrials:
    """Cannot be made: `HstoreError` says what to use instead."""

    __module__ = "hstore.ipy"

    def __init__(self, client: Any = None, job_error_reaction: str = "raise", save_ipy_metadata: bool = True) -> None:
        _refuse("IPythonTrials")


class IPYAsync:
    """Cannot be made, as `IPythonTrials`."""

    __module__ = "hstore.ipy"

    def __init__(self, *_: Any, **__: Any) -> None:
        _refuse("IPYAsync")


def call_domain(*_: Any, **__: Any) -> NoReturn:
    """Raise `HstoreError`, as `IPythonTrials`."""
    _refuse("call_domain")


def _refuse(name: str) -> NoReturn:
    raise HstoreError(
        f"{name} is for IPython.parallel, which ended with IPython 4",
        hint="fmin(…, workers=N) runs workers here, hstore.workers.run_in(client.executor(), N) those of ipyparallel",
    )
