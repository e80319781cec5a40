"""Failures: which trials came to no loss, of what, and what most of them have in common. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from hstore.store.events import Data, Done, Failed
from hstore.store.fold import Trial
from hstore.store.terminal_text import printable

LONGEST = 200
"""Characters of an error that a message quotes."""
RESULT_FAILED = "its result has the status 'fail'"
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def failure_of(trial: Trial) -> str | None:
    """Return in one line of what *trial* failed; None if it has not ended, or came to a result that is no failure.

    A trial failed if its objective raised or was lost, or if its result has the status "fail" and no pruner asked for
    that.
    """
    end = trial.end
    if isinstance(end, Failed) and trial.is_finished:
        return shortened_error(end.error, end.message)
    if isinstance(end, Done) and is_failure({"status": end.status, "pruned": end.pruned}):
        return RESULT_FAILED
    return None


def is_failure(done: Data) -> bool:
    """Return whether the data of a `Done` say that the objective failed: not if a pruner asked it to end."""
    return done.get("status") == "fail" and not done.get("pruned")


def shortened_error(error: object, message: object) -> str:
    """Return type and message of an error in one line, which Python may print as it is: within an exception, say."""
    return printable(" ".join(f"{error}: {message}".split())[:LONGEST])


def kind_of(failure: str) -> str:
    """Return *failure* without its numbers: two failures that differ only in these have one cause."""
    return _NUMBER.sub("#", failure)


def summary(trials: Iterable[Trial]) -> str:
    """Return in brackets how many of *trials* failed and the most frequent error, for a message; "" if none failed."""
    trials = list(trials)
    failures = [failure for trial in trials if (failure := failure_of(trial)) is not None]
    parts = []
    if failures:
        kind, n = Counter(map(kind_of, failures)).most_common(1)[0]
        example = next(failure for failure in reversed(failures) if kind_of(failure) == kind)
        parts.append(f"{len(failures)} failed; most frequent error, {_times(n)}: {example}")
    if nans := sum(trial.loss is not None and math.isnan(trial.loss) for trial in trials):
        parts.append(f"{nans} returned the loss nan")
    if infeasible := sum(not trial.is_feasible for trial in trials):
        parts.append(f"{infeasible} violated a constraint")
    return f" ({'; '.join(parts)})" if parts else ""


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
