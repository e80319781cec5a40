"""FMinIter: hyperopt's way to carry out a call of fmin step by step."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from hstore.engine.hyperopt.domain import Domain
from hstore.engine.hyperopt.search_call import SearchCall
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.search.control import LIMITS_REACHED
from hstore.engine.search.options import Display, Limits, ParallelOptions, SearchOptions
from hstore.engine.search.progress import ProgressCallback


class FMinIter:
    """A search to be run in parts: `run(n)` for n trials more, `exhaust()` to its end, or as an iterator by trials.

    Arguments are those of `fmin`, and *domain* a `Domain`; nothing is read or written before the first trial is asked
    for. As in hyperopt it yields the trials after each trial but the last. *asynchronous* leaves evaluating to workers,
    which *run* waits for; *poll_interval_secs* is hyperopt's and changes nothing: ends are waited for, not polled.
    """

    __module__ = "hstore"

    catch_eval_exceptions = False
    """Set it to True to go on when the objective raises."""
    pickle_protocol = -1
    """hyperopt's; changes nothing."""

    def __init__(
        self,
        algo: Any,
        domain: Domain,
        trials: Trials,
        rstate: Any,
        asynchronous: bool | None = None,
        max_queue_len: int | None = None,
        poll_interval_secs: float = 1.0,
        max_evals: int | None = sys.maxsize,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        verbose: bool = False,
        show_progressbar: bool | ProgressCallback = True,
        early_stop_fn: Callable[..., Any] | None = None,
        trials_save_file: str | os.PathLike[str] = "",
    ) -> None:
        self.algo = algo
        self.domain = domain
        self.trials = trials
        self.rstate = rstate
        self.asynchronous = trials.asynchronous if asynchronous is None else asynchronous
        self.max_queue_len = max_queue_len
        self.poll_interval_secs = poll_interval_secs
        self.max_evals = sys.maxsize if max_evals is None else max_evals
        self.timeout = timeout
        self.loss_threshold = loss_threshold
        self.verbose = verbose
        self.show_progressbar = show_progressbar
        self.early_stop_fn = early_stop_fn
        self.trials_save_file = trials_save_file
        self.start_time = time.monotonic()

    @cached_property
    def _prepared(self) -> SearchCall:
        """The search with the attributes that this has when the first trial is asked for."""
        options = SearchOptions.of(
            limits=Limits.of(
                max_evals=self.max_evals, timeout=self.timeout, loss_threshold=self.loss_threshold,
                max_queue_len=self.max_queue_len,
            ),
            parallel=ParallelOptions(workers=0 if self.asynchronous else None),
            display=Display.of(verbose=self.verbose, show_progressbar=self.show_progressbar),
            rstate=self.rstate,
            early_stop_fn=self.early_stop_fn,
            trials_save_file=self.trials_save_file,
        )  # fmt: skip
        return SearchCall(self.algo, self.domain, self.trials, options, began=self.start_time)

    @property
    def _call(self) -> SearchCall:
        call = self._prepared
        call.catch_eval_exceptions = self.catch_eval_exceptions
        return call

    @property
    def _count(self) -> int:
        return len(self._call.driver.experiment.state.trials)

    def exhaust(self) -> FMinIter:
        """Search until a limit is reached; return self."""
        self._call.search(ends=True)
        return self

    def run(self, N: int, block_until_done: bool = True) -> None:  # noqa: N803 - hyperopt's name
        """Make *N* trials more, unless a limit is reached, and wait for their ends (whatever *block_until_done*)."""
        self._call.search(self._count + N)

    def __iter__(self) -> FMinIter:
        return self

    def __next__(self) -> Trials:
        call = self._call
        total = call.driver.limits.max_evals
        if call.why is None:
            call.search(self._count + 1)
        if call.why is not None or self._count >= total:
            call.why = call.why or "max_evals"
            call.driver.finish(call.why)
            raise StopIteration
        return self.trials

    def serial_evaluate(self, N: int = -1) -> None:  # noqa: N803 - hyperopt's name
        """Evaluate what is queued, or the first *N* of that, here."""
        self._call.evaluate_queued(None if N < 0 else N)

    def block_until_done(self) -> None:
        """Wait for the ends of all that is queued or under way; here, evaluate it."""
        self._call.search(self._count)

    @property
    def is_cancelled(self) -> bool:
        """Whether the search was ended or paused from outside."""
        why = self._prepared.why if "_prepared" in vars(self) else None
        return why is not None and why not in LIMITS_REACHED
