"""`hstore report`: a value of a trial under way; or a search as one file to read, or as an RO-Crate."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hstore.cli.ask import NONE_LEFT, asked
from hstore.cli.completion import EXPERIMENT
from hstore.cli.negative_numbers import TakesNegativeNumbers
from hstore.cli.printing import print_bytes, print_json, print_note
from hstore.cli.session import warn_of_unsigned, writing

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment import Experiment

HTML, MARKDOWN = (".html", ".htm"), (".md", ".markdown")


@click.command(cls=TakesNegativeNumbers)
@click.argument("experiment", type=EXPERIMENT)
@click.argument("token", required=False)
@click.argument("step", type=int, required=False)
@click.argument("value", type=float, required=False)
@click.option(
    "-o", "file", metavar="FILE", help="Write a report of the search: a .html or .md file; - is stdout (HTML)."
)
@click.option("--crate", metavar="DIR", help="Write the search as an RO-Crate: a new or empty folder.")
@click.option("--licence", "--license", metavar="URL", help="With --crate: the licence under which you pass it on.")
@click.option("--no-figures", is_flag=True, help="Leave the figures out, which need matplotlib.")
@click.option("--force", is_flag=True, help="Replace FILE, or what a crate in DIR has of the same names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: what was written; or tid, should_stop.")
@click.pass_obj
def report(
    session: Session, experiment: str, token: str | None, step: int | None, value: float | None, file: str | None,
    crate: str | None, licence: str | None, no_figures: bool, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write a report of EXPERIMENT; or report VALUE at STEP of the trial that TOKEN names.

    With -o: one file for a colleague or an appendix, which loads nothing from elsewhere. It says what was searched, how
    the best was chosen, the budget, failures, seeds, code, environment, the head and how to verify it, and which items
    of the usual reproducibility checklists the log answers. With --crate: a folder with the report, the search as a
    file for `hstore verify`, its trials as CSV, and their description (RO-Crate 1.1, Process Run Crate).

    With TOKEN, of `hstore ask`: smaller values are better, and the lease of the trial runs anew. Exit code 4: the trial
    is to stop, since its pruner says so, or its result is not wanted any more. Tell it without a loss then.

    \b
    hstore report digits -o digits.html
    hstore report digits.hstore -o digits.md
    hstore report digits --crate digits-crate --licence https://creativecommons.org/licenses/by/4.0/
    hstore report train TOKEN 1 0.42 || hstore tell train TOKEN
    """
    if file is None and crate is None:
        if token is None or step is None or value is None:
            raise click.UsageError(
                "give -o FILE or --crate DIR for a report of the search, or TOKEN STEP VALUE of a trial"
            )
        if licence is not None or no_figures or force:
            raise click.UsageError("--licence, --no-figures and --force go with -o or --crate")
        _report_value(session, experiment, token, step, value, as_json=as_json)
        return
    if token is not None:
        raise click.UsageError("-o and --crate are of the search: give no TOKEN")
    if licence is not None and crate is None:
        raise click.UsageError("--licence goes with --crate")
    if file is not None:
        _check_file(file, force)
    folder = None if crate is None else Path(crate)
    if folder is not None and not force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.ClickException(f"{crate} is there already and not an empty folder: --force writes into it")
    with session.experiment(experiment) as found:
        found.check_signatures()
        warn_of_unsigned(found, experiment)
        if file is not None:
            _write(found, file, experiment if session.is_file(experiment) else None, with_figures=not no_figures)
        if folder is not None:
            _write_crate(found, folder, licence, with_figures=not no_figures)
        if as_json and file != "-":
            print_json({"name": found.name, "file": file, "crate": crate})


def _report_value(session: Session, experiment: str, token: str, step: int, value: float, *, as_json: bool) -> None:
    with asked(session, experiment, token) as (_, trial):
        trial.report(step, value)
        is_to_stop = trial.should_stop()
        if as_json:
            print_json({"tid": trial.tid, "should_stop": is_to_stop})
        if is_to_stop:
            print_note(f"trial {trial.tid} is to stop")
            raise click.exceptions.Exit(NONE_LEFT)


def _check_file(file: str, force: bool) -> None:
    if file == "-":
        return
    if Path(file).suffix.lower() not in (*HTML, *MARKDOWN):
        raise click.UsageError("-o: the name has to end in .html or .md")
    if not Path(file).parent.is_dir():
        raise click.ClickException(f"cannot write {file}: there is no folder {Path(file).parent}")
    if os.path.lexists(file) and not force:
        raise click.ClickException(f"there is a file {file} already: --force replaces it")


def _write(experiment: Experiment, file: str, bundle: str | None, *, with_figures: bool) -> None:
    from hstore.engine.report.as_html import as_html
    from hstore.engine.report.as_markdown import as_markdown
    from hstore.engine.report.sections import report_of

    made = report_of(experiment, hstore=version("hstore"), file=bundle, with_figures=with_figures)
    text = as_markdown(made) if Path(file).suffix.lower() in MARKDOWN else as_html(made)
    if file == "-":
        print_bytes(text.encode())
        return
    with writing(file):
        _replace(Path(file), text)
    print_note(f"wrote {file}")


def _replace(file: Path, text: str) -> None:
    """Write *file* so that it is there whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _write_crate(experiment: Experiment, folder: Path, licence: str | None, *, with_figures: bool) -> None:
    from hstore.engine.report.crate import write_crate

    with writing(str(folder)):
        names = write_crate(experiment, folder, hstore=version("hstore"), licence=licence, with_figures=with_figures)
    print_note(f"wrote {len(names)} files to {folder}: {', '.join(names)}")
