"""`hstore export`: the trials, events or reports of an experiment as a file, or as a study of Optuna's."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import for_json, is_terminal, print_json, print_note, print_text
from hstore.cli.progress_bar import progress
from hstore.cli.session import writing
from hstore.store.table_kinds import TABLE_KINDS

TOOL_NAMES = ("mlflow", "optuna")
WAIT_SECONDS = 5.0

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment import Experiment
    from hstore.store.table_kinds import TableKind
    from hstore.store.tables import Table


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--csv", "csv_file", metavar="FILE", help="Write comma-separated values; - is stdout.")
@click.option("--jsonl", "jsonl_file", metavar="FILE", help="Write one JSON object per line; - is stdout.")
@click.option("--parquet", "parquet_file", metavar="FILE", help="Write Parquet; needs pandas and pyarrow.")
@click.option("-o", "bundle", metavar="FILE.hstore", help="Write all of it to one file that proves the search.")
@click.option(
    "--to",
    type=(click.Choice(TOOL_NAMES), str),
    metavar="TOOL URI",
    help="Copy the trials to another tool: mlflow or optuna.",
)
@click.option("--follow", is_flag=True, help="With --to mlflow: keep on until the search has finished, or Ctrl-C.")
@click.option("--kind", type=click.Choice(TABLE_KINDS), default="trials", show_default=True, help="What a row is.")
@click.option("--name", metavar="STUDY", help="Name of the study, with --to optuna; default: EXPERIMENT.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object that says what was written.")
@click.pass_obj
def export(
    session: Session,
    experiment: str,
    csv_file: str | None,
    jsonl_file: str | None,
    parquet_file: str | None,
    bundle: str | None,
    to: tuple[str, str] | None,
    follow: bool,
    kind: TableKind,
    name: str | None,
    as_json: bool,
) -> None:
    """Write the trials of EXPERIMENT to a file, one row a trial, with a column for each parameter.

    With -o all of it: the events, with their digests and signatures, and the attachments. `hstore verify`, `replay`,
    `show`, `log`, `best`, `status` and `diff` take such a file in the place of an experiment, without a MongoDB, and
    `hstore import FILE.hstore` makes an experiment of it. The objective's pickle and what trials attached is in it.

    Times are UTC; loss and parameters are the actual values. With --kind a row is an event or a reported value.

    With --to optuna URL, the trials that have ended are added to a study of that Optuna storage: a database such as
    sqlite:///study.db, or the path of a journal. Repeating it adds only new trials. Needs Optuna.

    \b
    hstore export digits --csv digits.csv
    hstore export digits -o digits.hstore
    hstore export digits --jsonl - | head -1
    hstore export digits --parquet reports.parquet --kind reports
    hstore export digits --to optuna sqlite:///study.db
    hstore export digits --to mlflow http://localhost:5000 --follow
    """
    from hstore.store.tables import table_of

    files = [(write, file) for write, file in (
        (write_csv, csv_file), (write_jsonl, jsonl_file), (write_parquet, parquet_file),
    ) if file is not None]  # fmt: skip
    if to is not None and (files or bundle is not None):
        raise click.UsageError("give either a file or --to")
    if follow and (to is None or to[0] != "mlflow"):
        raise click.UsageError("--follow goes with --to mlflow URI")
    if to is None and not files and bundle is None:
        raise click.UsageError(
            "name a file: --csv FILE, --jsonl FILE or --parquet FILE, or for all of it -o FILE.hstore; or --to TOOL URI"
        )
    if as_json and any(file == "-" for _, file in files):
        raise click.UsageError("--json says on stdout what was written: name a file in place of -")
    written: list[dict[str, Any]] = []
    is_streamed = not files and to is None  # then no trial is kept in memory
    with session.shown(experiment, only=() if is_streamed else None) as found:
        if bundle is not None:
            written.append(write_whole(found, bundle))
        table = table_of(found, kind) if files else {}
        if to is not None:
            tool, uri = to
            written.append(mirror_in_mlflow(found, uri, follow) if tool == "mlflow" else _to_optuna(found, uri, name))
    for write, file in files:
        write(table, file)
        n = len(table[next(iter(table))].values)
        written.append({"file": file, "kind": kind, "rows": n, "said": f"wrote {n} {kind} to {file}"})
    said = [each.pop("said") for each in written]
    if as_json:
        print_json({"name": found.name, "written": written})
        return
    for line, each in zip(said, written, strict=True):
        if each.get("file") != "-":
            print_note(line)


def _to_optuna(experiment: Experiment, url: str, name: str | None) -> dict[str, Any]:
    from hstore.cli.optuna_copies import copies, left_out

    copied = copies().export_study(experiment, copies().optuna_storage(url), name=name)
    said = f"added {copied.new} trials to study {copied.study}, now of {copied.trials}{left_out(copied)}"
    return {"study": copied.study, "new": copied.new, "trials": copied.trials, "said": said}


def write_whole(experiment: Experiment, file: str) -> dict[str, Any]:
    """Write *experiment* to the bundle *file*, which appears when it is whole; return what is said of it."""
    from importlib.metadata import version

    from hstore.store.bundle import SUFFIX, write_bundle

    if not file.endswith(SUFFIX):
        raise click.UsageError(f"-o: the name has to end in {SUFFIX}, by which commands know such a file")
    part = Path(f"{file}.part")
    with writing(file), progress("event") as on_progress:
        manifest = write_bundle(experiment, part, version=version("hstore"), on_progress=on_progress)
        part.replace(file)
    lost = f"; the store has lost {len(manifest['missing'])} more" if manifest["missing"] else ""
    said = f"wrote {manifest['events']} events and {manifest['attachments']} attachments to {file}{lost}"
    return {"file": file, **manifest, "said": said}


def write_csv(table: Table, file: str) -> None:
    """Write *table* as CSV with a line of names; lists and mappings are JSON, what is missing is empty."""
    with _opened(file, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        for values in zip(*(column.values for column in table.values()), strict=True):
            writer.writerow([_cell(value) for value in values])


def write_jsonl(table: Table, file: str) -> None:
    """Write each row of *table* as one line of JSON; what is missing is left out, NaN and infinities are text."""
    from hstore.store.tables import rows_of

    with _opened(file) as stream:
        for row in rows_of(table):
            stream.write(json.dumps({name: for_json(value) for name, value in row.items() if value is not None}) + "\n")


def write_parquet(table: Table, file: str) -> None:
    """Write *table* as Parquet; lists and mappings are JSON text."""
    from hstore.store.tables import ANYTHING, to_pandas

    if file == "-":
        raise click.UsageError("--parquet needs the name of a file")
    try:
        import pyarrow  # noqa: F401

        frame = to_pandas(table)
    except ImportError:
        raise click.ClickException("--parquet needs pandas and pyarrow: pip install 'hstore[pandas]' pyarrow") from None
    for name, column in table.items():
        if column.holds == ANYTHING:
            frame[name] = [None if value is None else _cell(value) for value in column.values]
    with writing(file):
        frame.to_parquet(file, index=False)


def mirror_in_mlflow(experiment: Experiment, uri: str, follow: bool) -> dict[str, Any]:
    """Bring the runs of *experiment* in MLflow up to date; with *follow* until the search has finished.

    Returns what is said of it.
    """
    try:
        from mlflow.exceptions import MlflowException

        from hstore.engine.bridges.mlflow_mirror import MlflowMirror
    except ImportError:
        raise click.ClickException("--to mlflow needs MLflow: pip install 'hstore[mlflow]'") from None
    try:
        mirror = MlflowMirror(experiment, uri)
        total = mirror.catch_up()
        while follow and experiment.state.status != "finished":
            if experiment.wait(WAIT_SECONDS) and experiment.refresh():
                total += mirror.catch_up()
    except MlflowException as error:
        raise click.ClickException(f"MLflow at {uri}: {error}") from None
    return {"new": total, "said": f"wrote {total} new or changed trials to MLflow"}


@contextmanager
def _opened(file: str, newline: str | None = None) -> Iterator[IO[str]]:
    if file == "-":
        if not is_terminal():
            yield sys.stdout
            return
        shown = io.StringIO()
        yield shown
        print_text(shown.getvalue().replace("\r\n", "\n").removesuffix("\n"))
        return
    with writing(file), Path(file).open("w", encoding="utf-8", newline=newline) as stream:
        yield stream


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return "" if value is None else value
    value = for_json(value)
    return value if isinstance(value, str) else json.dumps(value)
