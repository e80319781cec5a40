"""Figures of a search, drawn with matplotlib: hyperopt's plotting.

*trials* is hstore's or hyperopt's `Trials`, or an `hstore.Experiment`. With *do_show* the figure is shown; without,
it is left as matplotlib's current one, for `savefig`.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hstore.engine.evaluation.results import STATUS_OK
from hstore.store.errors import CannotLoad, InvalidValue, NotFound
from hstore.store.experiment import Experiment

default_status_colors = {"new": "k", "running": "g", "ok": "b", "fail": "r"}

_PALEST = 0.95  # grey of the worst trial


def main_plot_history(
    trials: Any, do_show: bool = True, status_colors: Mapping[str, Any] | None = None, title: str = "Loss History"
) -> None:
    """Draw the losses of the trials that have one, in their order, coloured by status, and a line at the best.

    The line is at `average_best_error` where *trials* have that, else at the lowest loss.
    """
    documents, trials = _documents(trials), _as_trials(trials)
    colors = {**default_status_colors, **(status_colors or {})}
    shown = [
        (loss, colors.get(document["result"]["status"], "k"))
        for document in documents
        if (loss := _loss(document)) is not None
    ]
    axes = _axes()
    axes.scatter(range(len(shown)), [loss for loss, _ in shown], c=[color for _, color in shown])
    if (best := _best_error(trials, documents)) is not None:
        axes.axhline(best, color="g")
        print(f"avg best error: {best}")  # noqa: T201 - as hyperopt does
    axes.set(xlabel="time", ylabel="loss", title=title)
    _show(do_show)


def main_plot_histogram(trials: Any, do_show: bool = True, title: str = "Loss Histogram") -> None:
    """Draw how often which loss was found, among trials that have a finite one and did not fail."""
    losses = [loss for document in _documents(trials) if (loss := _loss(document, only_ok=True)) is not None]
    axes = _axes()
    axes.hist(losses)
    axes.set(xlabel="loss", ylabel="frequency", title=title)
    print(f"Showing Histogram of {len(losses)} jobs")  # noqa: T201
    _show(do_show)


def main_plot_vars(
    trials: Any, do_show: bool = True, fontsize: int = 10, colorize_best: int | None = None, columns: int = 5,
    arrange_by_loss: bool = False,
) -> None:  # fmt: skip
    """Draw the values of each label over the trials' numbers: the lower the loss the darker, trials without one in red.

    colorize_best: this many of the best trials are green. arrange_by_loss: over the losses instead of the numbers;
    trials without one are left out. Values are the raw ones, of a choice the index. The axis of a label with "log" in
    its name that has only positive values is logarithmic. Raises `InvalidValue` if there are no trials.
    """
    documents = _documents(trials)
    labels = sorted({label for document in documents for label in document["misc"]["vals"]})
    if not labels:
        raise InvalidValue("there are no trials yet, so there is nothing to draw")
    losses = [_loss(document, only_ok=True) for document in documents]
    finite = sorted(loss for loss in losses if loss is not None)
    best = finite[min(colorize_best, len(finite)) - 1] if colorize_best and finite else -math.inf
    colors = [_shade(loss, finite, best) for loss in losses]
    places = losses if arrange_by_loss else list(range(len(documents)))
    rows = math.ceil(len(labels) / columns)
    figure = _pyplot().gcf()
    for place, label in enumerate(labels, 1):
        axes = figure.add_subplot(rows, min(columns, len(labels)), place)
        points = [
            (x, values[0], color)
            for x, document, color in zip(places, documents, colors, strict=True)
            if x is not None and len(values := document["misc"]["vals"].get(label, ()))
        ]
        axes.scatter([float(x) for x, _, _ in points], [y for _, y, _ in points], c=[color for _, _, color in points])
        axes.set_title(label, fontsize=fontsize)
        if "log" in label and points and all(y > 0 for _, y, _ in points):
            axes.set_yscale("log")
    _show(do_show)


def main_plot_1D_attachment(  # noqa: N802
    trials: Any, attachment_name: str, do_show: bool = True, colorize_by_loss: bool = True, max_darkness: float = 0.5,
    num_trails: int | None = None, preprocessing_fn: Callable[[Any], Any] = lambda values: values,
    line_width: float = 0.1,
) -> None:  # fmt: skip
    """Draw a line for each trial that has an attachment of this name: a pickled sequence of numbers.

    colorize_by_loss: the higher the loss the darker, up to *max_darkness* (0 to 1); without a loss it is not drawn.
    num_trails: draw this many trials, spread over all. preprocessing_fn: what is drawn of the numbers. Raises
    `NotFound` if no trial has such an attachment. A pickle runs code: draw none but your own.
    """
    trials = _as_trials(trials)
    drawn = [
        (loss, pickle.loads(attachments[attachment_name]))
        for document in _documents(trials)
        if attachment_name in (attachments := trials.trial_attachments(document))
        and ((loss := _loss(document)) is not None or not colorize_by_loss)
    ]
    if not drawn:
        raise NotFound(f"no trial has an attachment {attachment_name!r} to draw")
    if num_trails is not None and num_trails < len(drawn):
        drawn = [drawn[i] for i in np.linspace(0, len(drawn), num_trails, endpoint=False).astype(int)]
    finite = sorted(loss for loss, _ in drawn if loss is not None)
    axes = _axes()
    for loss, values in drawn:
        shown = np.asarray(preprocessing_fn(values))
        if shown.ndim != 1:
            raise InvalidValue(f"attachment {attachment_name!r} is of shape {shown.shape}, not a sequence of numbers")
        how: dict[str, Any] = {} if loss is None else {"label": f"loss: {loss:.5}"}
        if colorize_by_loss and loss is not None:
            how["color"] = (0.0, 0.0, 0.0, max_darkness * _relative(loss, finite))
        axes.plot(shown, linewidth=line_width, **how)
    axes.set_title(attachment_name)
    _show(do_show)


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise CannotLoad(f"figures need {error.name}", hint="pip install 'hstore[plot]'") from error
    return plt


def _axes() -> Any:
    return _pyplot().gca()


def _show(do_show: bool) -> None:
    if do_show:
        _pyplot().show()


def _as_trials(trials: Any) -> Any:
    if isinstance(trials, Experiment):
        from hstore.engine.hyperopt.trials import Trials

        return Trials(experiment=trials)
    return trials


def _documents(trials: Any) -> list[Any]:
    return list(_as_trials(trials).trials)


def _loss(document: Mapping[str, Any], *, only_ok: bool = False) -> float | None:
    """Return the loss of a trial if it has a finite one."""
    result = document["result"]
    loss = result.get("loss")
    if loss is None or not math.isfinite(loss) or (only_ok and result["status"] != STATUS_OK):
        return None
    return float(loss)


def _best_error(trials: Any, documents: Sequence[Any]) -> float | None:
    losses = [loss for document in documents if (loss := _loss(document, only_ok=True)) is not None]
    if not losses:
        return None
    average = getattr(trials, "average_best_error", None)
    error = math.nan if average is None else float(average())  # hyperopt's is nan if a loss is
    return error if math.isfinite(error) else min(losses)


def _relative(loss: float, ascending: Sequence[float]) -> float:
    """Return where *loss* is between the least and the greatest of *ascending*, 0 to 1."""
    width = ascending[-1] - ascending[0]
    return (loss - ascending[0]) / width if width > 0 else 0.0


def _shade(loss: float | None, ascending: Sequence[float], best: float) -> tuple[float, float, float]:
    if loss is None:
        return (1.0, 0.0, 0.0)
    level = _relative(loss, ascending)
    return (0.0, 1.0 - 0.5 * level, 0.0) if loss <= best else (_PALEST * level,) * 3
