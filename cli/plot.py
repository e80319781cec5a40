"""`hstore plot`: figures of an experiment in a file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note
from hstore.cli.session import writing

if TYPE_CHECKING:
    from hstore.cli.session import Session

NAMES = ("history", "edf", "importance", "slice", "contour", "parallel", "pareto", "curves", "timeline", "calibration")
KINDS = (".png", ".svg", ".pdf")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("figures", nargs=-1, type=click.Choice(NAMES))
@click.option("--output", "-o", "file", metavar="FILE", required=True, help="A .png, .svg or .pdf file to write.")
@click.option("--with", "others", metavar="EXP", multiple=True, help="Compare with EXP in history and edf; repeatable.")
@click.option("--dpi", type=click.IntRange(20, 1200), default=120, show_default=True, help="Pixels per inch of a .png.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def plot(
    session: Session,
    experiment: str,
    figures: tuple[str, ...],
    file: str,
    others: tuple[str, ...],
    dpi: int,
    as_json: bool,
) -> None:
    """Draw figures of EXPERIMENT to a file, one below the other; needs matplotlib.

    Without FIGURES: history, importance and slices, and the Pareto front of a search with several losses.

    \b
    hstore plot digits -o digits.png
    hstore plot digits history importance contour -o digits.svg
    hstore plot digits history --with digits-2 --with digits-3 -o three.png
    """
    from hstore.engine.analysis.figures.known_figures import page, usual_figures
    from hstore.engine.audit.calibration import calibration

    if Path(file).suffix.lower() not in KINDS:
        raise click.UsageError(f"--output must end in {', '.join(KINDS)}")
    with ExitStack() as stack:
        searches = [stack.enter_context(session.shown(name)) for name in (experiment, *others)]
        names = figures or usual_figures(searches[0])
        drawn = page(searches, names, {"calibration": calibration})
        with writing(file):
            drawn.savefig(file, dpi=dpi)
    if as_json:
        print_json({"name": searches[0].name, "file": file, "figures": list(names)})
    else:
        print_note(f"wrote {file}")
