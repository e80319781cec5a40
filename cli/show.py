"""`hstore show`: an experiment, or one of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_bytes, print_json, print_json_with, print_note, print_text
from hstore.cli.session import warn_of_unsigned, writing
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.attachments import SavedAttachment


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int, required=False)
@click.option("--output", is_flag=True, help="Print what trial TID wrote to stdout and stderr.")
@click.option("--save", "attachment", metavar="NAME", help="Write attachment NAME of trial TID to a file.")
@click.option("-o", "file", metavar="FILE", help="The file for --save; - is stdout. Default: NAME, which must be new.")
@click.option("--sort", metavar="COLUMN", help="Print the trials as a table, sorted; -COLUMN: the largest first.")
@click.option("--filter", "filters", metavar="COND", multiple=True, help="Only trials for which all of these hold.")
@click.option("--columns", metavar="A,B,…", help="The columns of the table.")
@click.option("-n", "limit", type=click.IntRange(0, 10**9), metavar="N", help="So many trials; 20 by default.")
@click.option("--all", "is_all", is_flag=True, help="All trials.")
@click.option("--provenance", is_flag=True, help="Print where EXPERIMENT came from: git, command, host, packages.")
@click.option("--exact", is_flag=True, help="Read every event of EXPERIMENT; the time grows with it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@AT
@click.pass_obj
def show(
    session: Session,
    experiment: str,
    tid: int | None,
    output: bool,
    attachment: str | None,
    file: str | None,
    sort: str | None,
    filters: tuple[str, ...],
    columns: str | None,
    limit: int | None,
    is_all: bool,
    provenance: bool,
    exact: bool,
    as_json: bool,
    at: str | None,
) -> None:
    """Show EXPERIMENT, or its trial number TID.

    Trials that have ended are counted in the collection `trials`; the others, the latest and the best are read from the
    log. A trial TID is always read from the log.

    With --sort, --filter, --columns, -n or --all it prints a table of trials. Columns are named as in --json: tid,
    state, loss, duration, worker, params.LABEL, …; conditions are COLUMN=VALUE, !=, <, <=, >, >=, and ~ for a part of a
    text. state may also be void, pruned or infeasible. Trials without a value come last.

    \b
    hstore show digits
    hstore show digits 7
    hstore show digits 7 --output
    hstore show digits --sort loss -n 5
    hstore show digits --sort -params.lr --filter state=done --filter 'loss<0.3' --all --columns tid,loss,params.lr
    hstore show digits 7 --save model -o model.pkl
    hstore show digits --at 50
    hstore show digits --provenance
    """
    if provenance:
        if tid is not None or output or attachment is not None:
            raise click.UsageError("--provenance is of an experiment: give no trial, --output or --save")
        from hstore.cli.provenance_text import provenance_data, provenance_text

        with session.shown(experiment, at, only=()) as found:
            print_json(provenance_data(found)) if as_json else print_text(provenance_text(found))
        return
    if file is not None and attachment is None:
        raise click.UsageError("-o goes with --save NAME")
    if attachment is not None:
        if tid is None or output or as_json:
            raise click.UsageError("--save is of one trial: give its number, and neither --output nor --json")
        with session.shown(experiment, only=[tid]) as found:
            _save(found.attachment(tid, attachment), file)
        return
    is_table = bool(sort or filters or columns or limit is not None or is_all)
    if is_table and (tid is not None or output):
        raise click.UsageError("--sort, --filter, --columns, -n and --all are of all trials: give no number of one")
    if is_all and limit is not None:
        raise click.UsageError("--all prints all trials, -n N so many: give one")
    if is_table:
        from hstore.cli.experiment_text import space_data
        from hstore.cli.trial_table import SHOWN, Wanted, print_table

        n = None if is_all or (as_json and limit is None) else SHOWN if limit is None else limit
        names = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
        wanted = Wanted(sort=sort, filters=filters, columns=names, limit=n)
        with session.summary(experiment, exact=exact, at=at) as summary:
            warn_of_unsigned(summary.experiment, experiment)
            print_table(summary, wanted, labels=list(space_data(summary.experiment)), as_json=as_json)
        return
    if output and tid is None:
        raise click.UsageError("--output is of one trial: add its number")
    if tid is None:
        from hstore.cli.experiment_text import experiment_data, experiment_text, trials_data

        with session.summary(experiment, exact=exact, at=at) as summary:
            if as_json:
                warn_of_unsigned(summary.experiment, experiment)
                print_json_with(experiment_data(summary), "trials", trials_data(summary))
            else:
                print_text(experiment_text(summary))
        return
    from hstore.cli.trial_text import trial_data, trial_output, trial_text

    with session.shown(experiment, at, only=None if exact else [tid]) as found:
        trial = found.trial(tid)
        if output:
            printed = trial_output(found, trial)
            print_json({"tid": tid, "output": printed}) if as_json else print_text(printed.removesuffix("\n"))
        elif as_json:
            print_json(trial_data(found, trial))
        else:
            print_text(trial_text(found, trial))


def _save(attachment: SavedAttachment, file: str | None) -> None:
    """Write *attachment* to *file*, or to one of its own name if that is a plain name which no file has."""
    if file == "-":
        print_bytes(attachment.read())
        return
    if file is None:
        file = attachment.name
        if file != Path(file).name or printable(file) != file or file in ("", ".", ".."):
            raise click.UsageError("the name of the attachment is no plain file name: add -o FILE")
        if Path(file).exists():
            raise click.ClickException(f"there is a file {file} already: add -o FILE")
    with writing(file):
        attachment.save(file)
    print_note(f"wrote {attachment.length} bytes to {file}")
