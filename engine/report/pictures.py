"""The figures of a report, as far as there is something to draw."""

from __future__ import annotations

import io
from collections.abc import Iterator

from hstore.engine.report.document import Block, Paragraph, Picture
from hstore.store.errors import CannotLoad, HstoreError
from hstore.store.experiment import Experiment

DPI = 100


def pictures(experiment: Experiment) -> Iterator[Block]:
    """Yield the usual figures of *experiment*; of one that cannot be drawn, why."""
    from hstore.engine.analysis.figures.known_figures import page, usual_figures

    if not experiment.state.trials:
        yield Paragraph("There are no trials to draw yet.")
        return
    try:
        names = usual_figures(experiment)
    except HstoreError as error:
        yield Paragraph(f"No figures: {error}")
        return
    if any(trial.reports for trial in experiment.trials):
        names.append("curves")
    for name in [*names, "timeline"]:
        try:
            drawn = page([experiment], [name])
            content = io.BytesIO()
            drawn.savefig(content, format="png", dpi=DPI)
        except CannotLoad as error:  # without matplotlib there is none at all
            yield Paragraph(f"The figures are left out: {error} ({error.hint}).")
            return
        except Exception as error:  # noqa: BLE001 - matplotlib raises what it likes, at a label with a lone $, say
            yield Paragraph(f"The figure {name} is left out: {error}")
            continue
        yield Picture(name, content.getvalue())
