"""Options: what a call of fmin asks for, read and checked once, and handed down as one value."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hstore.engine import pruners
from hstore.engine.plain_numbers import as_real, as_whole
from hstore.engine.provenance.record import Recording
from hstore.engine.pruners import Pruner
from hstore.engine.search.defaults import RETRIES
from hstore.engine.search.progress import ProgressCallback, default_callback, no_progress_callback
from hstore.engine.search.warm_start import KnownTrial
from hstore.store.errors import InvalidValue
from hstore.store.events import CAUSES
from hstore.store.keep_output import KEEP_OUTPUT

EARLY_STOP = "early_stop_fn(trials, *arguments) returns whether to stop, and a list of arguments for its next call"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a call of fmin stops, and how far ahead it decides."""

    max_evals: int = sys.maxsize
    """Number of trials in all, those of earlier calls included; sys.maxsize for no limit."""
    timeout: float | None = None
    """Seconds."""
    loss_threshold: float | None = None
    max_queue_len: int | None = None
    max_consecutive_failures: int | None = None
    """Number of trials that fail one after the other in one call of fmin."""

    @classmethod
    def of(
        cls, *, max_evals: Any = None, timeout: Any = None, loss_threshold: Any = None, max_queue_len: Any = None,
        max_consecutive_failures: Any = None,
    ) -> Limits:  # fmt: skip
        """Return the limits that a user gave; raises `InvalidValue` for an invalid one."""
        return cls(
            max_evals=_max_evals(max_evals),
            timeout=read_timeout(timeout),
            loss_threshold=read_loss_threshold(loss_threshold),
            max_queue_len=_at_least_one("max_queue_len", max_queue_len),
            max_consecutive_failures=_at_least_one("max_consecutive_failures", max_consecutive_failures),
        )


def _max_evals(given: Any) -> int:
    if given is None or as_real(given) == math.inf:
        return sys.maxsize
    n = as_whole(given)
    if n is None or n < 0:
        raise InvalidValue(f"max_evals must be a whole number of trials, not {given!r}")
    return min(n, sys.maxsize)


def read_timeout(given: Any) -> float | None:
    """Return a *timeout* in seconds as a plain number, or None; raises `InvalidValue` for anything else."""
    seconds = as_real(given)
    if given is not None and not (seconds is not None and seconds > 0):
        raise InvalidValue(f"The timeout argument should be None or a positive value. Given value: {given}")
    return seconds


def read_loss_threshold(given: Any) -> float | None:
    """Return a *loss_threshold* as a plain number, or None; raises `InvalidValue` for anything else."""
    threshold = as_real(given)
    if given is not None and (threshold is None or math.isnan(threshold)):
        raise InvalidValue(f"The loss_threshold argument should be None or a numeric value. Given value: {given}")
    return threshold


def _at_least_one(name: str, given: Any) -> int | None:
    n = as_whole(given)
    if given is not None and (n is None or n < 1):
        raise InvalidValue(f"{name} must be a whole number of at least 1, not {given!r}")
    return n


@dataclass(frozen=True, kw_only=True)
class ParallelOptions:
    """Who evaluates, and what happens to trials that fail or are lost."""

    workers: int | None = None
    """None evaluates in this process; 0 leaves it to workers that others start; else how many to start here."""
    retries: Mapping[str, int] = field(default_factory=lambda: dict(RETRIES))
    """Retries by failure cause, all causes included."""
    grace: float = 10.0
    """Seconds that running trials get when the search ends early."""
    executor: Executor | None = None
    """Evaluates the trials that this process decides."""

    @classmethod
    def of(
        cls, *, workers: Any = None, retries: Any = None, grace: Any = 10.0, executor: Any = None
    ) -> ParallelOptions:
        """Return the options that a user gave; raises `InvalidValue` for an invalid one."""
        n, seconds = as_whole(workers), as_real(grace)
        if workers is not None and (n is None or n < 0):
            raise InvalidValue(f"workers must be a number of processes, 0 or None, not {workers!r}")
        if seconds is None or not seconds >= 0:
            raise InvalidValue(f"grace must be a number of seconds, not {grace!r}")
        if executor is not None and workers is not None:
            raise InvalidValue("give fmin either workers or an executor, not both")
        found = None if executor is None else as_executor(executor)
        return cls(workers=n, retries=RETRIES | _retries(retries), grace=seconds, executor=found)


def as_executor(given: Any) -> Executor:
    """Return the executor that the user gave: a `concurrent.futures.Executor`, or that of a Dask client."""
    if hasattr(given, "get_executor"):
        given = given.get_executor()
    if isinstance(given, type) or not callable(getattr(given, "submit", None)):
        raise InvalidValue(
            f"executor must be a concurrent.futures.Executor or a Dask client, not {type(given).__name__}",
            hint="ThreadPoolExecutor(4), say",
        )
    return given  # type: ignore[no-any-return]


def _retries(given: Any) -> dict[str, int]:
    read = {}
    if given is not None and not isinstance(given, Mapping):
        raise InvalidValue(f"retries maps {', '.join(CAUSES)} to a number of retries; it is no {type(given).__name__}")
    for cause, times in ({} if given is None else dict(given)).items():
        n = as_whole(times)
        if cause not in CAUSES or n is None or n < 0:
            raise InvalidValue(
                f"retries cannot hold {cause!r}: {times!r}", hint=f"it maps {', '.join(CAUSES)} to a number of retries"
            )
        read[cause] = n
    return read


@dataclass(frozen=True, kw_only=True)
class Display:
    """What the user sees while it goes on."""

    verbose: bool = True
    show_progressbar: bool | ProgressCallback = True

    @classmethod
    def of(cls, *, verbose: Any = True, show_progressbar: Any = True) -> Display:
        """Return the options that a user gave; raises `InvalidValue` for a bar that is neither wanted nor made."""
        if callable(show_progressbar):
            return cls(verbose=bool(verbose), show_progressbar=show_progressbar)
        if isinstance(show_progressbar, (str, bytes)) or getattr(show_progressbar, "ndim", 0) > 0:
            raise InvalidValue(
                f"show_progressbar must be True, False or a function, not {show_progressbar!r:.60}",
                hint="hstore.progress.tqdm_progress_callback is one",
            )
        return cls(verbose=bool(verbose), show_progressbar=bool(show_progressbar))

    @property
    def progress(self) -> ProgressCallback:
        """What makes the progress bar."""
        if not self.verbose or self.show_progressbar is False:
            return no_progress_callback
        return default_callback if isinstance(self.show_progressbar, bool) else self.show_progressbar


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """All arguments of fmin but the objective, its space, the algorithm and where the trials are kept."""

    limits: Limits = field(default_factory=Limits)
    parallel: ParallelOptions = field(default_factory=ParallelOptions)
    display: Display = field(default_factory=Display)
    rstate: Any = None
    points: Sequence[Mapping[str, Any]] = ()
    """Points that the user wants evaluated first, on top of max_evals."""
    known: Sequence[KnownTrial] = ()
    """Trials of other experiments that this one is to know, on top of max_evals."""
    forked: Mapping[str, Any] | None = None
    """Of an experiment that begins in another space than the one that it is forked from: the data of its `Forked`."""
    early_stop_fn: Callable[..., Any] | None = None
    trials_save_file: str | os.PathLike[str] = ""
    catch_eval_exceptions: bool = False
    pruner: Pruner | None = None
    objectives: int | None = None
    """How many losses a result has to have; None leaves it to the results."""
    keep_output: str = KEEP_OUTPUT[0]
    recording: Recording = field(default_factory=Recording.of)
    """What is recorded of where the search comes from."""
    trust: bool = False
    """Whether it goes on with a log that does not fit its digests."""

    @classmethod
    def of(
        cls, *, points: Any = None, pruner: Any = None, objectives: Any = None, keep_output: Any = KEEP_OUTPUT[0],
        **others: Any,
    ) -> SearchOptions:  # fmt: skip
        """Return the options that a user gave; raises `InvalidValue` for those that make no sense.

        others: fields that any value fits.
        """
        if points is not None and not isinstance(points, (list, tuple)):
            raise InvalidValue(f"points_to_evaluate must be a list of {{label: value}}, not {type(points).__name__}")
        n = as_whole(objectives)
        if objectives is not None and (n is None or n < 2):
            raise InvalidValue(f"objectives must be a number of losses, 2 or more, not {objectives!r}")
        stop, file = others.get("early_stop_fn"), others.get("trials_save_file")
        if stop is not None and not callable(stop):
            raise InvalidValue(f"early_stop_fn must be a function, not {stop!r:.60}", hint=EARLY_STOP)
        if file and not Path(file).absolute().parent.is_dir():
            raise InvalidValue(f"trials_save_file: there is no folder {Path(file).parent}", hint="make it first")
        if keep_output not in KEEP_OUTPUT:
            raise InvalidValue(f"keep_output must be one of {', '.join(KEEP_OUTPUT)}, not {keep_output!r}")
        options = cls(
            points=tuple(points or ()),
            pruner=None if pruner is None else pruners.resolve(pruner),
            objectives=n,
            keep_output=keep_output,
            **others,
        )
        if n is not None and options.limits.loss_threshold is not None:
            raise InvalidValue("loss_threshold is for one loss, not for several objectives")
        return options

    def as_hyperopts(self) -> dict[str, Any]:
        """Return the arguments that hyperopt's `Trials.fmin` has for these options."""
        limits = self.limits
        return {
            "max_evals": None if limits.max_evals == sys.maxsize else limits.max_evals,
            "timeout": limits.timeout,
            "loss_threshold": limits.loss_threshold,
            "max_queue_len": limits.max_queue_len,
            "rstate": self.rstate,
            "verbose": self.display.verbose,
            "catch_eval_exceptions": self.catch_eval_exceptions,
            "show_progressbar": self.display.show_progressbar,
            "early_stop_fn": self.early_stop_fn,
            "trials_save_file": self.trials_save_file,
        }
