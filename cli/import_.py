"""`hstore import`: make experiments of the searches that hyperopt kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.hyperopt.importing.carry_over import Imported
    from hstore.engine.hyperopt.importing.survey import Source

TIMEOUT = 5.0
"""Seconds that hyperopt's server may take to answer."""


@click.command("import")
@click.option("--from-hyperopt", "source", metavar="URL|FILE", required=True, help="hyperopt's store, or its pickle.")
@click.option("--exp-key", "exp_keys", metavar="KEY", multiple=True, help="Only these jobs; '' for those without one.")
@click.option("--name", metavar="EXP", help="What the experiment is to be called; its exp_key otherwise.")
@click.option("--space", "space_ref", metavar="PKG.MOD:NAME", help="What was searched, made with hstore's hp.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_obj
def import_(
    session: Session, source: str, exp_keys: tuple[str, ...], name: str | None, space_ref: str | None, as_json: bool
) -> None:
    """Make experiments of the searches that hyperopt kept.

    A URL names a MongoDB that hyperopt's workers shared (its collections jobs and fs), a FILE a pickled Trials, such
    as fmin's trials_save_file; hyperopt need not be installed, and nothing that was pickled is run. The jobs of each
    exp_key become an experiment of that name; those without one are called "default", or after the file.

    Every trial gets the events that it would have had here: its point, who evaluated it, result or error, what was
    attached. When that was, according to hyperopt, stands in the events beside the time of the import. What was
    running is queued again: stop hyperopt's workers first. Done again, an import adds what is new and nothing twice;
    one that was interrupted goes on.

    hyperopt does not keep the space. With --space the search can be continued, by fmin with experiment=EXP or by
    workers after `hstore resume EXP`; without, it can be read, shown and compared. One
    that is made with hyperopt's hp is read by `python -m hstore.compat -m hstore import …`.

    \b
    hstore import --from-hyperopt mongo://host:1234/db/jobs
    hstore import --from-hyperopt mongodb://user@host/db --exp-key digits --space train:SPACE
    hstore import --from-hyperopt trials.pkl --name old-digits
    """
    from hstore.engine.hyperopt.importing.carry_over import carry_over
    from hstore.engine.hyperopt.importing.survey import load_space, survey

    if space_ref is not None:
        sys.path.insert(0, os.getcwd())  # as python itself does
    space = None if space_ref is None else load_space(space_ref)
    opened = _opened(source)
    try:
        found = survey(opened, exp_keys=exp_keys, name=name, space=space)
        store = session.store
        from tqdm import tqdm

        jobs = sum(len(each.outlines) for each in found)
        with tqdm(total=jobs, unit="job", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            imported = [carry_over(store, opened, each, on_progress=bar.update) for each in found]
    finally:
        opened.close()
    click.echo(_as_json(imported) if as_json else _as_text(imported))
    for each in imported:
        if (queued := each.states.get("queued", 0)) and each.status == "paused":
            then = f"`hstore resume {each.name}` lets workers take them, those with --objective PKG.MOD:NAME"
            if not each.is_space_known:
                then = "they can be evaluated once it is imported with --space, under another --name"
            click.echo(f"hstore: {each.name}: {queued} trial{'s' if queued > 1 else ''} queued: {then}", err=True)


def _opened(source: str) -> Source:

    if "://" in source:
        from hstore.engine.hyperopt.importing.mongo_source import HyperoptStore

        return HyperoptStore(source, timeout=TIMEOUT)
    from hstore.engine.hyperopt.importing.pickle_source import HyperoptFile

    return HyperoptFile(Path(source))


def _as_json(imported: list[Imported]) -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(each) for each in imported], indent=1)


def _as_text(imported: list[Imported]) -> str:
    from hstore.cli.table import render

    rows: list[list[Any]] = [["experiment", "status", "trials", "new", "events", "attachments", "space"]]
    for each in imported:
        counts = " ".join(f"{n} {state}" for state, n in each.states.items())
        space = "known" if each.is_space_known else "not known"
        rows.append([each.name, each.status, counts, each.new, each.events, each.attachments, space])
    return render(rows)
