"""Whether a call that continues an experiment looks for what its trials have: losses of one meaning, and as many."""

from __future__ import annotations

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
    before, n = state.objective.get("objectives"), domain.objectives
    differing = {} if domain.accepts_change else other_measures(state.objective, {"measures": domain.measures})
    was_said, name = state.objective.get("measures"), describe(domain.fn)["name"]
    if domain.measures and not (was_said or domain.accepts_change) and state.objective.get("name") != name:
        differing = {"objective": [str(state.objective.get("name")), name]}
    if not (differing or before != n) or not _have_losses(state):
        return
    for what, (was, now) in differing.items():
        raise InvalidValue(
            f"the trials of experiment {state.exp!r} were measured with {what} {was!r}, not {now!r}: "
            "their losses do not compare",
            hint=f"{domain.accepted_by}, or {ELSEWHERE}" if domain.accepted_by else ELSEWHERE, path=what,
        )  # fmt: skip
    if before != n and (n is None or not _have_losses(state, n)):
        had, has = (f"{k} losses" if k else "one loss" for k in (before, n))
        raise InvalidValue(
            f"the trials of experiment {state.exp!r} have {had} each, and this call is for {has}",
            hint=f"add objectives={before}, or {ELSEWHERE}" if before else ELSEWHERE, path="objectives",
        )  # fmt: skip


def _have_losses(state: State, n: int | None = None) -> bool:
    """Return whether a trial has a loss; with *n*, whether all that have any have so many."""
    ends = (trial.end for trial in state.trials.values() if trial.state == "done" and not trial.is_void)
    told = (end for end in ends if isinstance(end, Done) and (end.losses or end.loss is not None))
    numbers = (len(end.losses or ()) or 1 for end in told)
    return any(True for _ in numbers) if n is None else all(number == n for number in numbers)
