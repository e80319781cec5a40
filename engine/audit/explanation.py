"""Explanation: what a search knew when it chose a trial, and what it expected of it, beside what came of it.

Nothing of it is stored: the decisions are folded as `replay` does, and the model is fitted again by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hstore.engine.algorithms import auto, mix, recorded_algorithm, recorded_densities
from hstore.engine.algorithms.densities import Densities, of_point
from hstore.engine.algorithms.earlier import judged
from hstore.engine.algorithms.history import CODES, OK, History
from hstore.engine.algorithms.known_algorithms import why_unknown
from hstore.engine.algorithms.prediction import Prediction, predict
from hstore.engine.algorithms.recorded_choice import as_recorded
from hstore.engine.algorithms.repeated import without_replicates
from hstore.engine.audit.replay import Suggestions, begun
from hstore.engine.space import Space
from hstore.store.events import Data, Queued
from hstore.store.experiment import Experiment

MODELS = ("gp", "auto")
"""The algorithms whose decisions a model of the loss explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a trial is where it is."""

    tid: int
    source: str
    """suggested by an algorithm; enqueued by a person; injected by an objective; imported."""
    algorithm: Data | None
    """name, version, settings."""
    arm: str | None
    """Of auto: which of its ways chose the point; of mix: which algorithm was drawn."""
    replicate_of: int | None
    """The trial whose point is evaluated again; None if the point was chosen."""
    seed: int | None
    known: dict[str, int]
    """How many earlier trials had ended how: ok, fail, error, void, pruned, pending."""
    new: list[int]
    """Trials whose ends, or corrections, this decision was the first to know."""
    best: tuple[int, float] | None
    """Number and loss of the best trial that it knew."""
    prediction: Prediction | None
    """What the model of gp and auto expected; None without a model."""
    why_no_prediction: str | None
    densities: list[Densities] | None
    """Of tpe, for each label, and of mtpe, for the point: how likely it is among the good trials and among the others.
    None for an algorithm that compares none, and at the start of a search."""
    params: Data
    state: str
    """Of the trial, now."""
    loss: float | None
    losses: list[float] | None
    """Of a search for several things."""

    @property
    def ratio(self) -> float | None:
        """How much likelier the point is among the good trials than among the others, as *densities* have it."""
        return None if self.densities is None else of_point(self.densities)

    @property
    def is_within(self) -> dict[str, bool] | None:
        """Whether the loss came out where the model expected it with 68 and 95 %; None without one or the other."""
        if self.prediction is None or self.loss is None:
            return None
        return {percent: self.prediction.is_within(self.loss, percent) for percent in ("68", "95")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far the model of a search can be trusted: how often losses came out where it expected them."""

    n: int
    """Trials with a prediction and a loss."""
    within_68: int
    within_95: int


def explain(experiment: Experiment, tid: int) -> Explanation:
    """Return what *experiment* knew when it chose trial *tid*, and what it expected.

    Raises `NotFound` without such a trial, `VerificationFailed` if a decision before it cannot be read.
    """
    *_, last = explain_all(experiment, [tid])
    return last


def explain_all(
    experiment: Experiment, tids: Iterable[int] | None = None, on_progress: Callable[[int], object] = lambda _: None
) -> Iterator[Explanation]:
    """Yield the explanations of the trials *tids*, all without it, in ascending order; one model is fitted for each."""
    wanted = set(experiment.state.trials if tids is None else tids)
    created = begun(experiment, max(wanted, default=None))
    suggestions = Suggestions(experiment, created)
    for tid in range(max(wanted, default=-1) + 1):
        decision = suggestions.reach(tid)
        if decision is not None:
            if tid in wanted:
                yield _explained(experiment, suggestions, decision)
            suggestions.known.add(decision)
        on_progress(1)


def calibration(explanations: Iterable[Explanation]) -> Calibration:
    """Return how often the losses of *explanations* came out where the model expected them."""
    within = [each.is_within for each in explanations if each.is_within is not None]
    return Calibration(
        n=len(within), within_68=sum(each["68"] for each in within), within_95=sum(each["95"] for each in within)
    )


def _explained(experiment: Experiment, suggestions: Suggestions, decision: Queued) -> Explanation:
    history, trial = suggestions.known.history, experiment.state.trials[decision.tid]
    prediction, why_not = _prediction(suggestions.space, history, decision)
    kinds = history.kinds
    return Explanation(
        tid=decision.tid, source=decision.source, algorithm=decision.algorithm,
        arm=_arm(suggestions.space, history, decision), replicate_of=_replicate_of(decision), seed=decision.seed,
        known={name: n for name, code in CODES.items() if (n := int((kinds == code).sum()))},
        new=[tid for tid, _, _ in decision.observed if tid is not None], best=_best(history),
        prediction=prediction, why_no_prediction=why_not,
        densities=_densities(suggestions.space, history, decision),
        params=decision.params, state=trial.state, loss=trial.loss,
        losses=None if trial.losses is None else list(trial.losses),
    )  # fmt: skip


def _prediction(space: Space, history: History, decision: Queued) -> tuple[Prediction | None, str | None]:
    """Return what was expected, or why there is no saying."""
    algorithm = decision.algorithm
    if decision.source != "suggested" or algorithm is None:
        return None, "no algorithm chose it"
    if algorithm.get("name") not in MODELS:
        return None, f"{algorithm.get('name')} has no model of the loss"
    if (why := why_unknown(algorithm)) is not None:
        return None, f"chosen by {why}"
    settings: dict[str, Any] = dict(algorithm.get("settings", {}))
    n_startup = {"n_startup_jobs": settings["n_startup_jobs"]} if "n_startup_jobs" in settings else {}
    history = _judged(space, history, algorithm)
    found = predict(space, history, dict(decision.point), seed=decision.seed or 0, **n_startup)
    if found is None:
        return None, "there was no model yet, or it has several losses or constraints"
    return found, None


def _judged(space: Space, history: History, algorithm: Data) -> History:
    """Return *history* with those trials of a warm start that the algorithm of a decision believed."""
    settings = as_recorded(recorded_algorithm(algorithm), algorithm.get("settings", {}), algorithm)
    return judged(space, history, settings.get("earlier", "judged"))


def _replicate_of(decision: Queued) -> int | None:
    found = (decision.algorithm or {}).get("replicate_of")
    return found if isinstance(found, int) else None


def _chosen_by(decision: Queued) -> Data | None:
    """Return the algorithm that chose the point of *decision*; None if none did, or it is not known here."""
    algorithm = decision.algorithm
    if decision.source != "suggested" or algorithm is None or _replicate_of(decision) is not None:
        return None
    return algorithm if why_unknown(algorithm) is None else None


def _densities(space: Space, history: History, decision: Queued) -> list[Densities] | None:
    if (algorithm := _chosen_by(decision)) is None:
        return None
    return recorded_densities(
        recorded_algorithm(algorithm), space, history, dict(decision.point), seed=decision.seed or 0,
        settings=algorithm.get("settings", {}), recorded=algorithm,
    )  # fmt: skip


def _arm(space: Space, history: History, decision: Queued) -> str | None:
    if (algorithm := _chosen_by(decision)) is None:
        return None
    match algorithm.get("name"):
        case "auto":
            return auto.arm(_judged(space, history, algorithm))
        case "mix" if decision.seed is not None:
            return mix.drawn(decision.seed, **without_replicates(algorithm.get("settings", {})))
    return None


def _best(history: History) -> tuple[int, float] | None:
    losses = [(float(loss), tid) for tid, (kind, loss) in enumerate(zip(history.kinds, history.losses, strict=True))
              if kind == OK and loss == loss]  # fmt: skip
    if not losses or history.loss_vectors.shape[1]:
        return None
    loss, tid = min(losses)
    return tid, loss
