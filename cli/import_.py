"""`hstore import`: import trials of hyperopt or Optuna."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json, print_note, print_text
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.hyperopt.importing.carry_over import Imported
    from hstore.engine.hyperopt.importing.source_survey import Source

TIMEOUT = 5.0
"""Seconds to wait for an answer of hyperopt's server."""


@click.command("import")
@click.argument("file", required=False, metavar="[FILE.hstore]")
@click.option(
    "--from-hyperopt",
    "source",
    metavar="URL|FILE",
    help="MongoDB of hyperopt's workers, or a pickled Trials.",
)
@click.option("--from-optuna", "optuna_source", metavar="URL|FILE", help="Storage of Optuna's, or its journal.")
@click.option("--study", "studies", metavar="STUDY", multiple=True, help="Only this study of Optuna's.")
@click.option(
    "--exp-key", "exp_keys", metavar="KEY", multiple=True, help="Only jobs with this exp_key; '' for those without one."
)
@click.option("--name", metavar="EXP", help="Name of the experiment; default: its exp_key or study.")
@click.option("--space", "space_ref", metavar="PKG.MOD:NAME", help="The search space, made with hstore's hp.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_obj
def import_(
    session: Session,
    file: str | None,
    source: str | None,
    optuna_source: str | None,
    studies: tuple[str, ...],
    exp_keys: tuple[str, ...],
    name: str | None,
    space_ref: str | None,
    as_json: bool,
) -> None:
    """Import a file of `hstore export -o`, hyperopt trials (MongoDB or pickle) or Optuna studies.

    FILE.hstore becomes an experiment of the name that it had there, with every event and digest as it was. What is
    there already stays, so a longer file of the same search adds what is new.

    With --from-hyperopt, URL names a MongoDB that hyperopt's workers shared (collections jobs and fs), FILE a pickled
    Trials such as fmin's trials_save_file. hyperopt need not be installed, and no code from a pickle is run. The jobs
    of each exp_key become an experiment of that name; jobs without one become "default", or an experiment named after
    the file.

    Each trial is imported with its point, worker, result or error, attachments, and the times that hyperopt recorded.
    Running trials are queued again, so stop hyperopt's workers first. Repeating an import adds only new trials; an
    interrupted one continues.

    hyperopt does not store the search space. With --space the search can be continued, by fmin with experiment=EXP or
    by workers after `hstore resume EXP`; without it, the experiment can only be read and compared. Use
    `python -m hstore.compat -m hstore import …` if the space is made with hyperopt's hp.

    With --from-optuna, each study becomes an experiment of its name, with its trials, attributes and times; running
    trials are left out until they have ended. Programs of Optuna continue it by hstore.optuna.HstoreStorage.

    \b
    hstore import digits.hstore
    hstore import --from-hyperopt mongo://host:1234/db/jobs
    hstore import --from-hyperopt mongodb://user@host/db --exp-key digits --space train:SPACE
    hstore import --from-hyperopt trials.pkl --name old-digits
    hstore import --from-optuna sqlite:///study.db --study digits
    """
    if file is not None:
        if (
            source is not None
            or optuna_source is not None
            or studies
            or exp_keys
            or name is not None
            or space_ref is not None
        ):
            raise click.UsageError("a file of `hstore export -o` is imported as it is: no other options")
        _import_bundle(session, file, as_json)
        return
    if name is not None:
        session.check_new(name)
    if optuna_source is not None and source is None and not exp_keys and space_ref is None:
        _import_studies(session, optuna_source, studies, name, as_json)
        return
    if source is None or optuna_source is not None or studies:
        raise click.UsageError(
            "name one source: a FILE.hstore; --from-hyperopt, with --exp-key and --space; --from-optuna, with --study"
        )
    from dataclasses import asdict

    from hstore.cli.table import text
    from hstore.engine.hyperopt.importing.carry_over import carry_over
    from hstore.engine.hyperopt.importing.source_survey import load_space, survey

    if space_ref is not None:
        sys.path.insert(0, os.getcwd())  # as python itself does
    space = None if space_ref is None else load_space(space_ref)
    opened = _opened(source)
    try:
        found = survey(opened, exp_keys=exp_keys, name=name, space=space)
        store = session.store
        with progress("job", total=sum(len(each.outlines) for each in found)) as on_progress:
            imported = [carry_over(store, opened, each, on_progress=on_progress) for each in found]
    finally:
        opened.close()
    if as_json:
        print_json([asdict(each) for each in imported])
    else:
        print_text(_as_text(imported))
    for each in imported:
        if (queued := each.states.get("queued", 0)) and each.status == "paused":
            then = f"`hstore resume {text(each.name)}` starts them on workers that run with --objective PKG.MOD:NAME"
            if not each.is_space_known:
                then = "to evaluate them, import again with --space under another --name"
            print_note(f"hstore: {text(each.name)}: {queued} trial{'s' if queued > 1 else ''} queued; {then}")


def _import_studies(session: Session, url: str, studies: tuple[str, ...], name: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    from hstore.cli.optuna_copies import copies, left_out
    from hstore.cli.table import render, text

    found = copies().optuna_storage(url, is_new=False)
    names = list(studies) or copies().study_names(found)
    if name is not None and len(names) != 1:
        raise click.UsageError(f"--name is for one study, not for {len(names)}: choose it with --study")
    imported = [copies().import_study(session.store, found, study, name=name) for study in names]
    if as_json:
        print_json([asdict(each) for each in imported])
        return
    rows = [["experiment", "study", "trials", "new"]]
    print_text(render([*rows, *([each.experiment, each.study, each.trials, each.new] for each in imported)]))
    for each in imported:
        if each.left_out:
            print_note(f"hstore: {text(each.experiment)}{left_out(each)}")


def _import_bundle(session: Session, file: str, as_json: bool) -> None:
    from hstore.cli.table import text
    from hstore.store.bundle_import import append_bundle
    from hstore.store.errors import Conflict

    try:
        with progress("event") as on_progress:
            name, new = append_bundle(session.store, Path(file), on_progress=on_progress)
    except Conflict as conflict:
        raise click.ClickException(f"the store has another search of that name: {conflict}") from None
    found = session.store.summary(name)
    if as_json:
        print_json({"name": name, "new": new, "events": found.events, "status": found.status})
        return
    print_text(f"{text(name)}: {new} new of {found.events} events, {len(found.trials)} trials")
    if found.status == "open" and (left := len(found.trials) - found.ended):
        print_note(f"{text(name)} is open: workers take its {left} trials that have not ended")


def _opened(source: str) -> Source:
    if "://" in source:
        from hstore.engine.hyperopt.importing.mongo_source import HyperoptStore

        return HyperoptStore(source, timeout=TIMEOUT)
    from hstore.engine.hyperopt.importing.pickle_source import HyperoptFile

    return HyperoptFile(Path(source))


def _as_text(imported: list[Imported]) -> str:
    from hstore.cli.table import render

    rows: list[list[Any]] = [["experiment", "status", "trials", "new", "events", "attachments", "space"]]
    for each in imported:
        counts = " ".join(f"{n} {state}" for state, n in each.states.items())
        space = "known" if each.is_space_known else "not known"
        rows.append([each.name, each.status, counts, each.new, each.events, each.attachments, space])
    return render(rows)
