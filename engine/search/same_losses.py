"""Whether a call that continues an experiment looks for what its trials have: losses of one meaning, and as many."""

from __future__ import annotations

from collections.abc import Iterator

from hstore.engine.evaluation.domain import BoundObjective, describe
from hstore.engine.evaluation.objective_change import other_measures
from hstore.store.errors import InvalidValue
from hstore.store.events import Done
from hstore.store.state import State

ELSEWHERE = "search under another name"


def refuse_other_losses(state: State, domain: BoundObjective) -> None:
    """Raise `InvalidValue` if losses of *domain* cannot be compared with those of the trials that there are.

    They differ in number, or in what `BoundObjective.measures` says of them, as far as both sides say it; where only
    *domain* does, the names of the objectives are compared. A search whose trials have no loss yet may go on with any.
    """
    if (other := _other_meaning(state, domain)) and any(_numbers_of_losses(state)):
        what, (was, now) = next(iter(other.items()))
        raise InvalidValue(
            f"the trials of experiment {state.exp!r} were measured with {what} {was!r}, not {now!r}: "
            "their losses do not compare",
            hint=f"{domain.accepted_by}, or {ELSEWHERE}" if domain.accepted_by else ELSEWHERE, path=what,
        )  # fmt: skip
    before, n = state.objective.get("objectives"), domain.objectives
    if before != n and any(n is None or number != n for number in _numbers_of_losses(state)):
        had, has = (f"{k} losses" if k else "one loss" for k in (before, n))
        raise InvalidValue(
            f"the trials of experiment {state.exp!r} have {had} each, and this call is for {has}",
            hint=f"add objectives={before}, or {ELSEWHERE}" if before else ELSEWHERE, path="objectives",
        )  # fmt: skip


def _other_meaning(state: State, domain: BoundObjective) -> dict[str, list[str]]:
    """Return [was, is] of what the log and *domain* say differently of the losses; nothing if the user accepts it."""
    if domain.accepts_change or not domain.measures:
        return {}
    if state.objective.get("measures"):
        return other_measures(state.objective, {"measures": domain.measures})
    was, now = str(state.objective.get("name")), describe(domain.fn)["name"]
    return {"objective": [was, now]} if was != now else {}


def _numbers_of_losses(state: State) -> Iterator[int]:
    """Yield how many losses each trial has that has any."""
    ends = (trial.end for trial in state.trials.values() if trial.state == "done" and not trial.is_void)
    counted = (end for end in ends if isinstance(end, Done) and (end.losses or end.loss is not None))
    return (len(end.losses or ()) or 1 for end in counted)
