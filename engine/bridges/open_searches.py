"""Searches that stay open between calls: what `hstore ui --api` and `hstore mcp` ask and tell."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hstore.engine.ask_tell import Search, search
from hstore.engine.asked_trial import AskedTrial
from hstore.engine.space.notation import space_of
from hstore.store.errors import InvalidResult, InvalidValue, NotFound
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.store.values import check_name

LEASE_SECONDS = 3600.0
MOST_OPEN = 32
"""Searches that are kept; another one takes the place of the one that was used longest ago."""
MISTAKES = InvalidValue, InvalidResult, NotFound
"""Errors of a caller, which leave a search as it was."""


class _Held:
    """A search that may be open, and the lock of those who use it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.search: Search | None = None
        self.terms: Any = None
        self.begun: Any = None
        """What the latest call began it with: the same again changes nothing."""

    def close(self) -> None:
        opened, self.search = self.search, None
        if opened is not None:
            opened.close()


class OpenSearches:
    """Asks and tells the searches of *store* by name; threads may share it.

    A search is read from the log once, and then followed, so that the thousandth trial costs as much as the first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._patience = store.timeout
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def ask(
        self,
        experiment: str,
        *,
        lease: float = LEASE_SECONDS,
        space: Mapping[str, str] | None = None,
        algo: str | None = None,
        max_evals: int | None = None,
        seed: int | None = None,
        pruner: str | None = None,
        objectives: int | None = None,
    ) -> dict[str, Any]:
        """Return the next trial of *experiment*: `trial` (its tid, token and params; None without one) and `why`.

        space: begins the experiment if there is none of that name: a range by label (`notation.space_of`). algo,
        max_evals, seed, pruner and objectives go with it, as for `hstore.search`.
        lease: seconds without a report after which the trial is queued again.
        """
        begun: dict[str, Any] = {
            "algo": algo, "max_evals": max_evals, "rstate": seed, "pruner": pruner, "objectives": objectives,
        }  # fmt: skip
        if space is None and (given := [name for name, value in begun.items() if value is not None]):
            named = ", ".join("seed" if name == "rstate" else name for name in given)
            raise InvalidValue(f"there is no space beside {named}", hint="they begin an experiment: give its space too")
        with self._using(experiment) as held:
            if space is not None and held.begun != (space, begun):
                made = space_of(space)
                self._look(experiment)
                held.close()
                search(made, experiment=experiment, store=self._store.for_thread(), **begun).close()
                held.begun = {**space}, begun
            opened = self._opened(held, experiment)
            with opened.locked():
                opened.driver.lease = lease
                opened.experiment.check_links()
                trial = opened.ask()
                if trial is None:
                    return {"trial": None, "why": opened.why}
                return {"trial": {"tid": trial.tid, "token": trial.token, "params": trial.params}, "why": None}

    def report(self, experiment: str, token: str, step: int, value: float) -> bool:
        """Record *value* at *step* of the trial of *token*; return whether it should stop. See `AskedTrial.report`."""
        with self._asked(experiment, token) as trial:
            trial.report(step, value)
            return trial.should_stop()

    def tell(self, experiment: str, token: str, loss: Any = None, result: Mapping[str, Any] | None = None) -> bool:
        """Record the result of the trial of *token*; return whether it counts. See `Search.tell`."""
        more = result or {}
        with self._asked(experiment, token) as trial:
            if loss is None and "loss" not in more and "losses" not in more:
                trial.should_stop()  # what was reported decides whether it was pruned
            return trial.tell({**more} if loss is None else {"loss": loss, **more})

    def fail(self, experiment: str, token: str, error: str) -> bool:
        """Record that the trial of *token* failed; return whether that counts. See `Search.fail`."""
        with self._asked(experiment, token) as trial:
            return trial.fail(error)

    def give_back(self, experiment: str, token: str, why: str = "given back") -> bool:
        """Queue the trial of *token* again; return whether that counts. See `Search.give_back`."""
        with self._asked(experiment, token) as trial:
            return trial.give_back(why)

    def close(self) -> None:
        """Close all searches. What was given out stays with those who have the tokens."""
        with self._lock:
            closing = list(self._held.values())
            self._held.clear()
        for held in closing:
            with held.lock:
                held.close()

    # -- parts ------------------------------------------------------------------------------------------------

    @contextmanager
    def _asked(self, experiment: str, token: str) -> Iterator[AskedTrial]:
        with self._using(experiment) as held:
            yield (held.search or self._opened(held, experiment)).asked(token)

    @contextmanager
    def _using(self, experiment: str) -> Iterator[_Held]:
        """Hand out what is held of *experiment*, to one thread at a time; what an error left half done is not kept."""
        while True:
            held = self._slot(check_name(experiment))
            with held.lock:
                if self._held.get(experiment) is not held:
                    continue  # it was closed meanwhile
                try:
                    yield held
                except BaseException as error:
                    if not isinstance(error, MISTAKES) or held.search is None:
                        with self._lock:
                            self._held.pop(experiment, None)
                        held.close()
                    raise
                return

    def _slot(self, experiment: str) -> _Held:
        with self._lock:
            held = self._held.setdefault(experiment, _Held())
            self._held.move_to_end(experiment)
            for name in list(self._held)[: max(0, len(self._held) - MOST_OPEN)]:
                if self._held[name].lock.acquire(blocking=False):
                    oldest = self._held.pop(name)
                    oldest.close()
                    oldest.lock.release()
            return held

    def _opened(self, held: _Held, experiment: str) -> Search:
        """Return the search as it is recorded now: another program may have raised its limits, say."""
        if held.search is not None:
            with held.search.locked():
                held.search.experiment.refresh()
            if _terms(held.search.experiment) != held.terms:
                held.close()
        if held.search is None:
            self._look(experiment)
            # A result is recorded even if the log was changed elsewhere; `ask` refuses to go on with such a log.
            held.search = search(
                experiment=experiment, store=self._store.for_thread(), lease=LEASE_SECONDS, trust=True
            )  # fmt: skip
            self._store.timeout = self._patience
            held.terms = _terms(held.search.experiment)
        return held.search

    def _look(self, experiment: str) -> None:
        """Raise `StoreUnreachable` if the store is away: a search that opens would wait for it without an end."""
        Experiment(self._store.for_thread(), experiment, only=()).refresh()


def tid_of(token: str) -> int:
    """Return the number of the trial that *token* names."""
    return int(token.partition("-")[0])


def _terms(experiment: Experiment) -> tuple[Any, ...]:
    state = experiment.state
    return state.algorithm, state.limits, state.space, state.objective, state.pruner
