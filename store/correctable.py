"""Corrections: what people say of trials after the fact. Each is an event; what was there before stays in the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from hstore.store.errors import Conflict, InvalidValue, NotFound
from hstore.store.events import AMENDABLE, Done, Event, Finished, Noted
from hstore.store.fold import Trial
from hstore.store.person import person as who_is_there

if TYPE_CHECKING:
    from hstore.store.composing import PendingEvent
    from hstore.store.seals import Seals
    from hstore.store.state import State


class Correctable:
    """The corrections of an experiment. Algorithms see them from the next decision on, which says that it knew them.

    person: who corrects; without it `person.person` finds out. All raise `NotFound` for a trial that does not exist and
    `InvalidValue` for a correction that cannot be made; nothing is written then. All return what was written: nothing
    if everything was as asked for already.
    """

    name: str
    state: State

    if TYPE_CHECKING:
        refresh: Callable[[], list[Event]]
        check_signatures: Callable[[], None]
        compose: Callable[..., list[Event]]
        append: Callable[[Sequence[Event]], None]
        append_decided: Callable[[Callable[[], Sequence[PendingEvent]]], list[Event]]
        repair: Callable[[], None]
        observed: Callable[[], list[list[Any]]]
        seals: Seals

    def void(self, *tids: int, reason: str, person: str | None = None) -> list[Event]:
        """Take trials out of what algorithms see; they are never the best. Their results stay in the log."""
        return self._void(tids, True, reason, person)

    def unvoid(self, *tids: int, reason: str, person: str | None = None) -> list[Event]:
        """Put trials back that are void."""
        return self._void(tids, False, reason, person)

    def amend(
        self, tid: int, *, reason: str, loss: float | None = None, losses: Sequence[float] | None = None,
        constraints: Sequence[float] | None = None, person: str | None = None,
    ) -> list[Event]:  # fmt: skip
        """Let trial *tid*, which has ended with a result, count with another loss from now on.

        losses: of a search with several, one for each objective. constraints: each is kept if it is at most 0.
        What the objective returned stays visible, as `Trial.returned`. A later retry of the trial ends the amendment.
        """
        given = {"loss": loss, "losses": losses, "constraints": constraints}
        amend = {name: _numbers(name, value) for name, value in given.items() if value is not None}
        if not amend:
            raise InvalidValue(f"nothing to amend of trial {tid}: give one of {', '.join(AMENDABLE)}")

        def wanted(trial: Trial) -> bool:
            end = _amendable_end(trial, amend)
            return any(_listed(getattr(end, name)) != value for name, value in amend.items())

        return self._note([tid], {"amend": amend, "note": _text("reason", reason)}, person, wanted)

    def note(self, text: str, tid: int | None = None, *, person: str | None = None) -> list[Event]:
        """Add *text* to trial *tid*, or to the experiment itself; nothing else changes."""
        return self._note([tid], {"note": _text("text", text)}, person, lambda _: True)

    def tag(self, tag: str, tid: int | None = None, *, person: str | None = None) -> list[Event]:
        """Add *tag* to trial *tid*, or to the experiment itself, unless it has it."""
        tag = _text("tag", tag)
        return self._note([tid], {"tags": [tag]}, person, lambda noted: tag not in noted.tags)

    def _void(self, tids: Sequence[int], is_void: bool, reason: str, person: str | None) -> list[Event]:
        data = {"void": is_void, "note": _text("reason", reason)}
        return self._note(tids, data, person, lambda trial: trial.is_void is not is_void)

    def _note(
        self, tids: Sequence[int | None], data: Mapping[str, Any], person: str | None, is_wanted: Callable[[Any], bool]
    ) -> list[Event]:
        """Append a `Noted` with *data* to each chain of *tids* of which *is_wanted*, given trial or state, says so."""
        said = {**data, "person": person or who_is_there()}
        self.refresh()
        self.check_signatures()
        is_of_trials = "void" in data or "amend" in data
        tids = [self._trial(tid).tid if is_of_trials or tid is not None else None for tid in tids]  # not numpy's ints
        left, written = list(dict.fromkeys(tids)), list[Event]()
        has_lost = False
        while wanted := [tid for tid in left if is_wanted(self.state if tid is None else self._trial(tid))]:
            events = self.compose(*self._about(wanted), *((Noted, tid, said) for tid in wanted))
            try:
                self.append(events)
            except Conflict as conflict:
                has_lost = True
                events = events[: events.index(conflict.mine)]
            written += [event for event in events if isinstance(event, Noted) and event.about is None]
            left = [tid for tid in wanted if all(tid != event.tid for event in written)]
        if has_lost:
            self.repair()  # of what was appended before a conflict, the read models have not heard
        self.append_decided(self._conclusion)
        return written

    def _conclusion(self) -> list[PendingEvent]:
        """Return the end of a search that has ended already once more, if there is a correction that it does not know.

        No decision may follow, and then nothing else would commit to the correction.
        """
        state = self.state
        if state.status != "finished" or state.open or all(tid is None for tid in state.observations.unobserved):
            return []
        return [(Finished, None, {"why": state.why, "observed": self.observed(), **self.seals.ending()})]

    def _about(self, tids: Sequence[int | None]) -> list[PendingEvent]:
        """Return what makes drivers read on in the chains of *tids* that have ended, if they would not do so."""
        ended = {tid for tid in tids if tid is not None and tid not in self.state.open}
        unseen = sorted(ended - self.state.observations.watched)
        return [(Noted, None, {"about": unseen})] if unseen else []

    def _trial(self, tid: int | None) -> Trial:
        trials = self.state.trials
        if tid is not None and not isinstance(tid, Integral):
            raise InvalidValue(
                f"{tid!r:.60} is not the number of a trial", hint="several are given one by one: 3, 4, 7"
            )
        if tid is None or tid not in trials:
            raise NotFound(
                f"experiment {self.name!r} has no trial {tid}",
                hint=f"its trials are 0 to {len(trials) - 1}" if trials else "it has none yet", tid=tid,
            )  # fmt: skip
        return trials[tid]


def _amendable_end(trial: Trial, amend: Mapping[str, Any]) -> Done:
    """Return the end of *trial*; raises `InvalidValue` if *amend* cannot apply to it."""
    end = trial.end
    if not isinstance(end, Done):
        raise InvalidValue(
            f"trial {trial.tid} is {trial.state}: only a result can be amended",
            hint="`hstore retry` evaluates it again" if trial.is_finished else "wait for its end", tid=trial.tid,
        )  # fmt: skip
    if end.pruned:
        raise InvalidValue(f"trial {trial.tid} was stopped early: it has no loss to amend", tid=trial.tid)
    if "loss" in amend and end.losses is not None and "losses" not in amend:
        raise InvalidValue(
            f"trial {trial.tid} has {len(end.losses)} losses: amend all of them",
            hint="--losses once for each; in Python losses=[…]", tid=trial.tid,
        )  # fmt: skip
    for name in ("losses", "constraints"):
        before, after = getattr(end, name), amend.get(name)
        if after is not None and len(after) != len(before or ()):
            had = str(len(before)) if before else "no"
            raise InvalidValue(f"trial {trial.tid} has {had} {name}, so it cannot get {len(after)}", tid=trial.tid)
    return end


def _numbers(name: str, value: Any) -> Any:
    """Return *value*, a number or a sequence of them, as plain floats; raises `InvalidValue`."""
    if isinstance(value, (list, tuple)):
        return [_numbers(name, each) for each in value]
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidValue(f"{name}: {value!r:.80} is no number", path=name) from None
    if math.isnan(number):
        raise InvalidValue(f"{name}: NaN says nothing", hint="void the trial to take it out", path=name)
    return number


def _listed(values: Any) -> Any:
    return list(values) if isinstance(values, (list, tuple)) else values


def _text(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise InvalidValue(f"the {name} must be text, not {type(text).__name__}", path=name)
    if not text.strip():
        raise InvalidValue(f"the {name} is empty", path=name)
    return text.strip().encode("utf-8", "replace").decode()
